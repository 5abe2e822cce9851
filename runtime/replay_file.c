/* A replay's rows from a safetensors file: one array per column, of that name, all of as many rows.
 * Columns that no program reads may be missing, and so may `truncated` (0) and columns that the
 * loop writes back (0 until then). */
#include "runtime/ring.h"
#include "runtime/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Dataset {
  const char *text; /* the file, mapped */
  uint64_t bytes;
  const char *data; /* behind the header */
  SafeTensors list;
} Dataset;

/* ---- the file ---- */

static bool dataset_map(Dataset *dataset, const char *path, RunError *error) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool good = fd >= 0 && fstat(fd, &status) == 0;
  if (good && status.st_size >= 8) {
    void *text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    good = text != MAP_FAILED;
    if (good) dataset->text = text, dataset->bytes = (uint64_t)status.st_size;
  }
  if (!good)
    run_fail(error, "cannot be read: %s; --data DIR names another folder", strerror(errno));
  if (fd >= 0) close(fd);
  return good && (dataset->text || run_fail(error, "is no safetensors file: it is too short"));
}

static bool dataset_open(Dataset *dataset, const char *path, RunError *error) {
  uint64_t header = 0;
  RunError why;
  if (!dataset_map(dataset, path, error)) return false;
  memcpy(&header, dataset->text, sizeof header);
  if (header > dataset->bytes - 8)
    return run_fail(error, "is no safetensors file: the length of its header is not good");
  dataset->data = dataset->text + 8 + header;
  return safetensors_parse(&dataset->list, dataset->text + 8, header, dataset->bytes - 8 - header,
                           &why) ||
         run_fail(error, "is no good safetensors file: %.400s", why.text);
}

static void dataset_close(Dataset *dataset) {
  safetensors_free(&dataset->list);
  if (dataset->text) munmap((void *)dataset->text, dataset->bytes);
}

static const SafeTensor *dataset_find(const Dataset *dataset, const char *name) {
  for (size_t i = 0; i < dataset->list.count; i++)
    if (strcmp(dataset->list.tensors[i].name, name) == 0) return &dataset->list.tensors[i];
  return NULL;
}

/* Elements at..at+count-1 of a tensor. */
static void tensor_floats(const Dataset *dataset, const SafeTensor *tensor, uint64_t at,
                          uint32_t count, float *to) {
  const char *data = dataset->data + tensor->begin;
  for (uint32_t i = 0; i < count; i++) {
    double wide;
    int32_t whole;
    if (tensor->type == RLC_F32) memcpy(&to[i], data + 4 * (at + i), 4);
    if (tensor->type == RLC_F64) memcpy(&wide, data + 8 * (at + i), 8), to[i] = (float)wide;
    if (tensor->type == RLC_I32) memcpy(&whole, data + 4 * (at + i), 4), to[i] = (float)whole;
    if (tensor->type == SAFETENSORS_BOOL) to[i] = data[at + i] != 0;
  }
}

/* ---- its arrays against the columns ---- */

/* The own axes of a column as its slot has them, behind [batch] or [batch][ahead]; 0 with none. */
static uint32_t own_axes(const Replay *replay, const Column *column, const RlcDim **dims) {
  const RlcSlot *slot = column->batch.slot;
  uint32_t before = replay->source->window > 0 ? 2 : 1;
  *dims = slot ? slot->dims + before : NULL;
  return slot ? slot->rank - before : 0;
}

/* [rows], then the own axes or all of them as one; a width of 1 needs no axis. */
static bool right_shape(const Replay *replay, uint32_t c, const SafeTensor *tensor, uint64_t rows) {
  const RlcDim *dims;
  uint32_t axes = own_axes(replay, &replay->columns[c], &dims);
  uint32_t width = replay->source->columns[c].width;
  if (tensor->rank == 0 || tensor->shape[0] != rows) return false;
  if (tensor->rank == 1) return width == 1;
  if (tensor->rank == 2 && tensor->shape[1] == width) return true;
  bool same = tensor->rank == axes + 1;
  for (uint32_t i = 0; same && i < axes; i++) same = tensor->shape[1 + i] == dims[i].extent;
  return same;
}

static bool report_shape(const Replay *replay, uint32_t c, const SafeTensor *tensor, uint64_t rows,
                         RunError *error) {
  const RlcColumn *column = &replay->source->columns[c];
  char found[128] = "";
  size_t used = 0;
  for (uint32_t i = 0; i < tensor->rank && used < sizeof found; i++)
    used += (size_t)snprintf(found + used, sizeof found - used, "[%llu]",
                             (unsigned long long)tensor->shape[i]);
  char width[24] = "";
  if (column->width > 1) snprintf(width, sizeof width, "[%u]", column->width);
  return run_fail(error, "has '%s' of the shape %s, not [%llu]%s", column->name,
                  used ? found : "of a scalar", (unsigned long long)rows, width);
}

/* Whether rows without this column are of use. */
static bool may_lack(const Replay *replay, uint32_t c) {
  const Column *column = &replay->columns[c];
  if (column->kind == RLC_TRUNCATED || column->written) return true;
  if (column->kind == RLC_TERMINATED && replay->source->window > 0) return false;
  return !column->batch.slot && column->kind != RLC_OBS;
}

/* Finds each column's array, NULL for those that may be missing. `rows` is worked out from the
 * first that is there. */
static bool columns_find(const Replay *replay, const Dataset *dataset, const SafeTensor **tensors,
                         uint64_t *rows, RunError *error) {
  const RlcSource *source = replay->source;
  *rows = 0;
  for (uint32_t c = 0; c < source->column_count; c++) {
    const SafeTensor *tensor = tensors[c] = dataset_find(dataset, source->columns[c].name);
    if (!tensor && !may_lack(replay, c))
      return run_fail(error, "has no '%s', a column of the replay", source->columns[c].name);
    if (!tensor) continue;
    if (*rows == 0 && tensor->rank > 0) *rows = tensor->shape[0];
    if (!right_shape(replay, c, tensor, *rows))
      return report_shape(replay, c, tensor, *rows, error);
  }
  if (*rows == 0) return run_fail(error, "holds no rows");
  if (*rows <= replay->source->capacity) return true;
  return run_fail(error, "has %llu rows, more than the replay's capacity of %llu",
                  (unsigned long long)*rows, (unsigned long long)source->capacity);
}

/* ---- rows ---- */

static bool values_check(const Replay *replay, uint32_t c, uint64_t number, const float *values,
                         RunError *error) {
  const RlcColumn *column = &replay->source->columns[c];
  uint32_t choices = column->kind == RLC_ACTION ? replay->module->choices : 0;
  for (uint32_t i = 0; i < column->width; i++) {
    if (!isfinite(values[i]))
      return run_fail(error, "row %llu of '%s' is not finite", (unsigned long long)number,
                      column->name);
    if (choices && !(values[i] >= 0 && values[i] < choices && values[i] == floorf(values[i])))
      return run_fail(error, "row %llu of '%s' is %g, not one of the choices 0 to %u",
                      (unsigned long long)number, column->name, values[i], choices - 1);
  }
  return true;
}

/* Puts one value of row `number` into the ring. `row` has room for the widest column behind it. */
static void value_keep(Replay *replay, const Column *column, float *row, uint32_t width,
                       const float *values, uint32_t *word) {
  switch ((RlcColumnKind)column->kind) {
  case RLC_NEXT_OBS:
    if (replay->next) *word |= final_keep(replay, values);
    break;
  case RLC_TERMINATED:
    if (values[0] != 0) *word |= ROW_TERMINATED;
    break;
  case RLC_TRUNCATED:
    if (values[0] != 0) *word |= ROW_TRUNCATED;
    break;
  case RLC_OBS:
  case RLC_ACTION:
  case RLC_REWARD:
  case RLC_EXTRA:
    memcpy(row + column->at, values, width * sizeof *row);
    break;
  }
}

static bool row_read(Replay *replay, const Dataset *dataset, const SafeTensor **tensors,
                     uint64_t number, float *values, RunError *error) {
  float *row = row_at(replay, replay->head.skip + number);
  uint32_t word = 0;
  for (uint32_t c = 0; c < replay->source->column_count; c++) {
    uint32_t width = replay->source->columns[c].width;
    if (!tensors[c]) continue;
    tensor_floats(dataset, tensors[c], number * width, width, values);
    if (!values_check(replay, c, number, values, error)) return false;
    value_keep(replay, &replay->columns[c], row, width, values, &word);
  }
  memcpy(row + replay->flags, &word, sizeof word);
  return true;
}

static bool rows_read(Replay *replay, const Dataset *dataset, const SafeTensor **tensors,
                      float *values, RunError *error) {
  ReplayHead *head = &replay->head;
  uint64_t rows = 0;
  if (!columns_find(replay, dataset, tensors, &rows, error)) return false;
  head->skip = (head->envs - rows % head->envs) % head->envs;
  for (uint64_t i = 0; i < rows; i++)
    if (!row_read(replay, dataset, tensors, i, values, error)) return false;
  head->stored = rows;
  head->file_end = head->skip + rows;
  head->head = head->file_end % head->capacity;
  window_file(replay);
  return true;
}

void replay_folder(Replay *replay, const char *folder) { replay->folder = folder; }

/* Where the file of a source is. */
static bool file_path(const Replay *replay, char *path, size_t size, RunError *error) {
  const char *file = replay->source->file, *slash = strrchr(file, '/');
  int length = replay->folder
                   ? snprintf(path, size, "%s/%s", replay->folder, slash ? slash + 1 : file)
                   : snprintf(path, size, "%s", file);
  return (length >= 0 && (size_t)length < size) || run_fail(error, "the path is too long");
}

bool replay_read(Replay *replay, RunError *error) {
  const RlcSource *source = replay->source;
  char path[4096] = "";
  if (!source->file) return true;
  Dataset dataset = {0};
  RunError why = {0};
  uint32_t widest = 1;
  for (uint32_t c = 0; c < source->column_count; c++)
    if (source->columns[c].width > widest) widest = source->columns[c].width;
  const SafeTensor **tensors = run_take(source->column_count, sizeof *tensors, &why);
  float *values = run_take(widest, sizeof *values, &why);
  bool good = tensors && values && file_path(replay, path, sizeof path, &why) &&
              dataset_open(&dataset, path, &why) &&
              rows_read(replay, &dataset, tensors, values, &why);
  dataset_close(&dataset);
  free(tensors);
  free(values);
  if (good) replay_filled(replay);
  return good || run_fail(error, "replay '%s': '%.300s' %.500s", source->name, path, why.text);
}
