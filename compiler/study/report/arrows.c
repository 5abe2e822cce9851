/* Arrows between tensors that runs keep, read from their newest checkpoints. */
#include "compiler/study/report/results.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/checkpoint.h"
#include "runtime/crc32c.h"
#include "runtime/json.h"
#include "runtime/safetensors.h"

/* A safetensors file in memory, as its checkpoint says it was written. */
typedef struct Tensors {
  char *bytes;
  uint64_t size, header; /* the header with the length before it */
  SafeTensors list;
} Tensors;

/* The bytes of a file; NULL: it cannot be read. Free them. */
static char *bytes_read(const char *path, uint64_t *size) {
  FILE *in = fopen(path, "rb");
  if (!in) return NULL;
  char *bytes = NULL;
  if (fseek(in, 0, SEEK_END) == 0 && (*size = (uint64_t)ftell(in)) < UINT64_MAX / 2)
    bytes = malloc(*size + 1);
  rewind(in);
  if (bytes && fread(bytes, 1, *size, in) != *size) free(bytes), bytes = NULL;
  fclose(in);
  return bytes;
}

/* The name of a run's newest checkpoint, of its directory; NULL: there is none. */
static const char *checkpoint_name(Arena *arena, const char *directory) {
  uint64_t size = 0;
  char name[32], text[CHECKPOINT_NAME] = "";
  char *bytes = bytes_read(arena_printf(arena, "%s/latest.json", directory), &size);
  if (!bytes) return NULL;
  JsonReader json = json_reader(bytes, size);
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name))
    if (strcmp(name, "checkpoint") == 0)
      json_read_string(&json, text, sizeof text);
    else
      json_skip(&json);
  free(bytes);
  return *text && !strchr(text, '/') ? arena_printf(arena, "%s/%s", directory, text) : NULL;
}

static bool facts_read(Arena *arena, const char *name, CheckpointFacts *facts) {
  uint64_t size = 0;
  RunError ignored;
  char *bytes = bytes_read(arena_printf(arena, "%s.json", name), &size);
  bool good = bytes && checkpoint_read_facts(facts, bytes, size, &ignored);
  free(bytes);
  return good;
}

/* False where it is not what was written. Free it with tensors_free either way. */
static bool tensors_read(Arena *arena, const char *name, Tensors *tensors) {
  CheckpointFacts facts;
  RunError ignored;
  *tensors = (Tensors){0};
  if (!facts_read(arena, name, &facts)) return false;
  tensors->bytes = bytes_read(arena_printf(arena, "%s.safetensors", name), &tensors->size);
  if (!tensors->bytes || tensors->size < 8) return false;
  memcpy(&tensors->header, tensors->bytes, 8);
  if (tensors->header > tensors->size - 8) return false;
  tensors->header += 8;
  uint64_t data = tensors->size - tensors->header;
  return crc32c(0, tensors->bytes, tensors->header) == facts.tensor_header_crc &&
         crc32c(0, tensors->bytes + tensors->header, data) == facts.tensor_data_crc &&
         safetensors_parse(&tensors->list, tensors->bytes + 8, tensors->header - 8, data, &ignored);
}

static void tensors_free(Tensors *tensors) {
  safetensors_free(&tensors->list);
  free(tensors->bytes);
}

/* The numbers of a tensor; NULL: it is not there, or not of 32 or 64 bits. */
static double *numbers_of(Arena *arena, const Tensors *tensors, const char *name, size_t *count) {
  for (size_t i = 0; i < tensors->list.count; i++) {
    const SafeTensor *tensor = &tensors->list.tensors[i];
    if (strcmp(tensor->name, name) != 0) continue;
    size_t width = tensor->type == RLC_F64 ? 8 : 4;
    if (tensor->type != RLC_F32 && tensor->type != RLC_F64) return NULL;
    *count = (tensor->end - tensor->begin) / width;
    double *numbers = NEW_ARRAY(arena, double, *count);
    const char *from = tensors->bytes + tensors->header + tensor->begin;
    for (size_t k = 0; k < *count; k++) {
      float single;
      if (width == 8) memcpy(&numbers[k], from + 8 * k, 8);
      if (width == 4) memcpy(&single, from + 4 * k, 4), numbers[k] = (double)single;
    }
    return numbers;
  }
  return NULL;
}

/* Adds the arrows of a run. False: they are not there, or not as many as those before. */
static bool field_add(Arena *arena, const Tensors *tensors, const StudyArrows *arrows,
                      ArrowField *field) {
  const char *names[] = {arrows->from[0], arrows->from[1], arrows->to[0], arrows->to[1]};
  double *numbers[COUNTOF(names)];
  size_t count = 0;
  for (size_t i = 0; i < COUNTOF(names); i++) {
    size_t many = 0;
    numbers[i] = numbers_of(arena, tensors, names[i], &many);
    if (!numbers[i] || (i && many != count)) return false;
    count = many;
  }
  if (!field->runs) field->arrow = NEW_ARRAY(arena, Arrow, count), field->count = count;
  if (field->count != count) return false;
  for (size_t k = 0; k < count; k++) {
    field->arrow[k].x += numbers[0][k];
    field->arrow[k].y += numbers[1][k];
    field->arrow[k].dx += numbers[2][k] - numbers[0][k];
    field->arrow[k].dy += numbers[3][k] - numbers[1][k];
  }
  field->runs++;
  return true;
}

static ArrowField field_read(const Results *r, const StudyArrows *arrows, size_t point,
                             size_t env) {
  ArrowField field = {0};
  for (size_t s = 0; s < r->study->seed_count; s++) {
    size_t run = results_run(r, point, env, s);
    if (run == NO_RUN || r->study->runs[run].state != STUDY_DONE) continue;
    const char *folder = r->study->runs[run].folder;
    const char *name =
        checkpoint_name(r->arena, arena_printf(r->arena, "%s/%s/checkpoints", r->folder, folder));
    Tensors tensors = {0};
    bool good = name && tensors_read(r->arena, name, &tensors) &&
                field_add(r->arena, &tensors, arrows, &field);
    if (!good)
      field.problem =
          arena_printf(r->arena,
                       "%s has no good checkpoint with '%s', '%s', '%s' and "
                       "'%s'",
                       folder, arrows->from[0], arrows->from[1], arrows->to[0], arrows->to[1]);
    tensors_free(&tensors);
  }
  for (size_t k = 0; k < field.count; k++) {
    Arrow *arrow = &field.arrow[k];
    double runs = (double)field.runs;
    *arrow = (Arrow){arrow->x / runs, arrow->y / runs, arrow->dx / runs, arrow->dy / runs};
  }
  return field;
}

static size_t field_at(const Results *r, const StudyArrows *arrows, size_t point, size_t env) {
  size_t at = (size_t)(arrows - r->study->arrows);
  return (at * r->study->point_count + point) * r->study->env_count + env;
}

void arrows_make(Results *r) {
  const Study *study = r->study;
  r->arrows =
      NEW_ARRAY(r->arena, ArrowField, study->arrow_count * study->point_count * study->env_count);
  for (const StudyArrows *of = study->arrows; of < study->arrows + study->arrow_count; of++)
    for (size_t i = 0; i < r->shown_count; i++)
      for (size_t e = 0; e < study->env_count; e++)
        r->arrows[field_at(r, of, r->shown[i], e)] = field_read(r, of, r->shown[i], e);
}

const ArrowField *results_arrows(const Results *r, const StudyArrows *arrows, size_t point,
                                 size_t env) {
  return &r->arrows[field_at(r, arrows, point, env)];
}
