/* NAME.json and the listing of a directory of checkpoints; see checkpoint.h. A flipped bit anywhere
 * in NAME.json is found, as is a key that is missing, doubled or unknown. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getdents64 */
#endif
#include "runtime/checkpoint.h"

#include "runtime/crc32c.h"
#include "runtime/json.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORMAT = 1, TAIL = sizeof ",\n  \"crc32c\": \"00000000\"\n}\n" - 1 };

/* ---- writing and reading one table of fields ---- */

typedef enum FieldKind { NUMBER, HASH, CHECKSUM, SECONDS, COUNTERS, MARKS } FieldKind;

typedef struct Field {
  const char *name;
  FieldKind kind;
  size_t offset; /* in CheckpointFacts */
} Field;

static const Field fields[] = {
#define FIELD(name, kind, member)                                                                  \
  { name, kind, offsetof(CheckpointFacts, member) }
    FIELD("step", NUMBER, info.step),
    FIELD("iteration", NUMBER, info.iteration),
    FIELD("updates", NUMBER, info.updates),
    FIELD("seed", NUMBER, info.seed),
    FIELD("spec_hash", HASH, info.spec_hash),
    FIELD("seconds", SECONDS, info.seconds),
    FIELD("counters", COUNTERS, info.counters),
    FIELD("log_bytes", MARKS, info.log.bytes),
    FIELD("tensor_bytes", NUMBER, tensor_bytes),
    FIELD("tensor_header_crc32c", CHECKSUM, tensor_header_crc),
    FIELD("tensor_data_crc32c", CHECKSUM, tensor_data_crc),
    FIELD("blob_bytes", NUMBER, blob_bytes),
    FIELD("blob_header_crc32c", CHECKSUM, blob_header_crc),
#undef FIELD
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static size_t list_length(FieldKind kind) {
  return kind == COUNTERS ? sizeof((CheckpointInfo){0}.counters) / sizeof(uint64_t)
                          : sizeof(LogMark) / sizeof(uint64_t);
}

static void put_list(JsonWriter *json, const uint64_t *values, size_t count) {
  json_open(json, '[');
  for (size_t i = 0; i < count; i++) json_u64(json, values[i]);
  json_close(json);
}

static void put_field(JsonWriter *json, const Field *field, const void *value) {
  json_name(json, field->name);
  switch (field->kind) {
  case NUMBER:
    json_u64(json, *(const uint64_t *)value);
    break;
  case HASH:
    json_hex(json, *(const uint64_t *)value, 16);
    break;
  case CHECKSUM:
    json_hex(json, *(const uint32_t *)value, 8);
    break;
  case SECONDS:
    json_double(json, *(const double *)value);
    break;
  case COUNTERS:
  case MARKS:
    put_list(json, value, list_length(field->kind));
    break;
  }
}

void checkpoint_put_facts(FileOutput *out, const CheckpointFacts *facts) {
  JsonWriter json = json_writer(out, 2);
  out->crc = 0;
  json_open(&json, '{');
  json_name(&json, "format");
  json_u64(&json, FORMAT);
  for (size_t i = 0; i < FIELDS; i++)
    put_field(&json, &fields[i], (const char *)facts + fields[i].offset);
  uint32_t crc = out->crc;
  json_name(&json, "crc32c");
  json_hex(&json, crc, 8);
  json_close(&json);
  output_text(out, "\n");
}

static void read_list(JsonReader *json, uint64_t *values, size_t count) {
  size_t found = 0;
  json_enter(json, '[');
  while (json_next(json, NULL, 0)) {
    uint64_t value = json_read_u64(json);
    if (found < count) values[found] = value;
    found++;
  }
  if (found != count && !json->problem) json->problem = "a list of another length expected";
}

static void read_field(JsonReader *json, const Field *field, void *value) {
  switch (field->kind) {
  case NUMBER:
    *(uint64_t *)value = json_read_u64(json);
    break;
  case HASH:
    *(uint64_t *)value = json_read_hex(json);
    break;
  case CHECKSUM:
    *(uint32_t *)value = (uint32_t)json_read_hex(json);
    break;
  case SECONDS:
    *(double *)value = json_read_double(json);
    break;
  case COUNTERS:
  case MARKS:
    read_list(json, value, list_length(field->kind));
    break;
  }
}

/* Reads one entry; the format's number and the checksum, already compared, fill no field. */
static void read_entry(JsonReader *json, const char *name, CheckpointFacts *facts, bool *seen) {
  if (strcmp(name, "crc32c") == 0) return json_skip(json);
  if (strcmp(name, "format") == 0) {
    if (json_read_u64(json) != FORMAT && !json->problem) json->problem = "an unknown format";
    return;
  }
  for (size_t i = 0; i < FIELDS; i++) {
    if (strcmp(name, fields[i].name) != 0 || seen[i]) continue;
    seen[i] = true;
    return read_field(json, &fields[i], (char *)facts + fields[i].offset);
  }
  json->problem = "a key that is unknown or stands twice";
}

static bool checksum_holds(const char *text, size_t bytes) {
  char tail[TAIL + 1];
  if (bytes <= TAIL) return false;
  snprintf(tail, sizeof tail, ",\n  \"crc32c\": \"%08x\"\n}\n", crc32c(0, text, bytes - TAIL));
  return memcmp(text + bytes - TAIL, tail, TAIL) == 0;
}

bool checkpoint_read_facts(CheckpointFacts *facts, const char *text, size_t bytes,
                           RunError *error) {
  bool seen[FIELDS] = {false};
  char name[64];
  JsonReader json = json_reader(text, bytes);
  if (!checksum_holds(text, bytes)) return run_fail(error, "its checksum differs");
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) read_entry(&json, name, facts, seen);
  if (!json_finish(&json)) return run_fail(error, "%s", json.problem);
  for (size_t i = 0; i < FIELDS; i++)
    if (!seen[i]) return run_fail(error, "key '%s' is missing", fields[i].name);
  return true;
}

/* ---- the directory ---- */

/* Takes "000012-step-50000.json" apart; false for names of any other form. */
static bool split_name(const char *file, uint64_t *number, char name[CHECKPOINT_NAME],
                       const char **suffix) {
  char *end;
  if (*file < '0' || *file > '9') return false;
  *number = strtoull(file, &end, 10);
  if (strncmp(end, "-step-", 6) != 0 || end[6] < '0' || end[6] > '9') return false;
  strtoull(end + 6, &end, 10);
  size_t length = (size_t)(end - file);
  if (*end != '.' || length >= CHECKPOINT_NAME) return false;
  memcpy(name, file, length);
  name[length] = '\0';
  *suffix = end;
  return true;
}

bool checkpoint_list(const char *directory, CheckpointVisit *visit, void *context,
                     RunError *error) {
  /* Not opendir, which allocates: a trainer in its loop takes no memory. */
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  _Alignas(struct dirent64) char entries[4096];
  ssize_t bytes = fd < 0 ? -1 : 0;
  while (fd >= 0 && (bytes = getdents64(fd, entries, sizeof entries)) > 0) {
    for (ssize_t at = 0; at < bytes;) {
      const struct dirent64 *entry = (const struct dirent64 *)(entries + at);
      char name[CHECKPOINT_NAME];
      const char *suffix;
      uint64_t number;
      if (split_name(entry->d_name, &number, name, &suffix)) visit(context, number, name, suffix);
      at += entry->d_reclen;
    }
  }
  int reason = errno;
  if (fd >= 0) close(fd);
  return bytes == 0 || run_fail(error, "cannot read '%s': %s", directory, strerror(reason));
}

static void find_any(void *context, uint64_t number, const char *name, const char *suffix) {
  bool *any = context;
  (void)number, (void)name;
  *any |= strcmp(suffix, ".json") == 0;
}

bool checkpoint_any(const char *directory) {
  char place[OUTPUT_PATH];
  RunError ignored;
  bool any = false;
  return path_make(place, &ignored, "%s/checkpoints", directory) &&
         checkpoint_list(place, find_any, &any, &ignored) && any;
}
