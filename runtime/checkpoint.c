/* Saving and loading checkpoints. A checkpoint is NAME.safetensors, NAME.blobs and NAME.json in
 * DIR/checkpoints; NAME begins with a number that grows with every save. It exists once NAME.json
 * does, which is published last, after everything else is on the disk; so a crash at any moment
 * leaves the one before it whole. latest.json names the newest for people and tools; loading goes
 * by the numbers, so that no harm to latest.json harms a run. */
#include "runtime/checkpoint.h"

#include "runtime/blobs.h"
#include "runtime/crc32c.h"
#include "runtime/json.h"
#include "runtime/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TENSORS, BLOBS, FACTS, PARTS };
static const char *const suffixes[PARTS] = {".safetensors", ".blobs", ".json"};

enum { BUFFER = 1 << 16 };

/* ---- saving ---- */

/* The numbers found in the directory. */
typedef struct Numbers {
  uint64_t most;     /* the largest of any file */
  uint64_t previous; /* the largest below `most` with a NAME.json */
} Numbers;

static void find_most(void *context, uint64_t number, const char *name, const char *suffix) {
  uint64_t *most = context;
  (void)name, (void)suffix;
  if (number > *most) *most = number;
}

static void find_previous(void *context, uint64_t number, const char *name, const char *suffix) {
  Numbers *numbers = context;
  (void)name;
  if (number < numbers->most && number > numbers->previous && strcmp(suffix, ".json") == 0)
    numbers->previous = number;
}

/* What is removed, and where. */
typedef struct Pruning {
  const char *directory; /* DIR/checkpoints */
  Numbers keep;
  size_t removed;
} Pruning;

static void prune(void *context, uint64_t number, const char *name, const char *suffix) {
  Pruning *pruning = context;
  RunError ignored;
  char path[OUTPUT_PATH];
  if (number >= pruning->keep.most || number == pruning->keep.previous) return;
  if (!path_make(path, &ignored, "%s/%s%s", pruning->directory, name, suffix)) return;
  if (unlink(path) == 0) pruning->removed++;
}

/* Removes all but the newest two checkpoints, and what crashes left. Failures do no harm. */
static void keep_two(const char *directory, uint64_t newest) {
  RunError ignored;
  Pruning pruning = {.directory = directory, .keep = {.most = newest}};
  if (!checkpoint_list(directory, find_previous, &pruning.keep, &ignored)) return;
  do pruning.removed = 0; /* again while the listing may have skipped names under removal */
  while (checkpoint_list(directory, prune, &pruning, &ignored) && pruning.removed > 0);
}

/* What one save works on. */
typedef struct Save {
  const RlcModule *module;
  const char *memory;
  const Blob *blobs;
  size_t blob_count;
  CheckpointFacts facts;
  FileOutput files[PARTS];
  int sealed, published; /* how many of `files` have come so far */
} Save;

static bool write_tensors(Save *save, FileOutput *out, RunError *error) {
  safetensors_put_header(out, save->module);
  save->facts.tensor_header_crc = out->crc;
  out->crc = 0;
  safetensors_put_data(out, save->module, save->memory);
  save->facts.tensor_data_crc = out->crc;
  save->facts.tensor_bytes = out->bytes;
  return output_seal(out, error);
}

static bool write_blobs(Save *save, FileOutput *out, RunError *error) {
  if (!blobs_put_header(out, save->blobs, save->blob_count, error)) {
    output_abandon(out);
    return false;
  }
  save->facts.blob_header_crc = out->crc;
  blobs_put_data(out, save->blobs, save->blob_count);
  save->facts.blob_bytes = out->bytes;
  return output_seal(out, error);
}

static bool write_facts(Save *save, FileOutput *out, RunError *error) {
  checkpoint_put_facts(out, &save->facts);
  return output_seal(out, error);
}

/* Writes the temporary files of all parts, one after the other through one buffer. */
static bool write_parts(Save *save, const char *directory, const char *name, RunError *error) {
  static bool (*const writers[PARTS])(Save *, FileOutput *, RunError *) = {
      [TENSORS] = write_tensors, [BLOBS] = write_blobs, [FACTS] = write_facts};
  char buffer[BUFFER], path[OUTPUT_PATH];
  for (int part = 0; part < PARTS; save->sealed = ++part) {
    if (part == BLOBS && save->blob_count == 0) continue;
    FileOutput *out = &save->files[part];
    if (!path_make(path, error, "%s/%s%s", directory, name, suffixes[part]) ||
        !output_begin(out, path, buffer, sizeof buffer, error) || !writers[part](save, out, error))
      return false;
  }
  return true;
}

static bool publish_parts(Save *save, const char *directory, RunError *error) {
  for (int part = 0; part < PARTS; save->published = ++part) {
    if (part == BLOBS && save->blob_count == 0) continue;
    /* NAME.json makes it a checkpoint: the names it relies on must be there for good. */
    if (part == FACTS && !directory_sync(directory, error)) return false;
    if (!output_publish(&save->files[part], error)) return false;
  }
  return directory_sync(directory, error);
}

/* Removes what a failed save has brought into the directory. */
static void undo(Save *save) {
  for (int part = 0; part < save->sealed; part++) {
    if (part == BLOBS && save->blob_count == 0) continue;
    if (part < save->published)
      unlink(save->files[part].path);
    else
      output_abandon(&save->files[part]);
  }
}

static bool write_latest(const char *directory, const char *name, RunError *error) {
  char path[OUTPUT_PATH], buffer[256];
  FileOutput out;
  if (!path_make(path, error, "%s/latest.json", directory) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  JsonWriter json = json_writer(&out, 2);
  json_open(&json, '{');
  json_name(&json, "checkpoint");
  json_string(&json, name);
  json_close(&json);
  output_text(&out, "\n");
  return output_finish(&out, error) && directory_sync(directory, error);
}

bool checkpoint_save(const char *directory, const RlcModule *module, const char *memory,
                     const CheckpointInfo *info, const Blob *blobs, size_t blob_count,
                     RunError *error) {
  char place[OUTPUT_PATH], name[CHECKPOINT_NAME];
  uint64_t newest = 0;
  Save save = {.module = module, .memory = memory, .blobs = blobs, .blob_count = blob_count};
  save.facts.info = *info;
  save.facts.info.spec_hash = module->spec_hash; /* whatever the caller put there */
  if (!path_make(place, error, "%s/checkpoints", directory)) return false;
  if (mkdir(place, 0777) != 0 && errno != EEXIST)
    return run_fail(error, "cannot make '%s': %s", place, strerror(errno));
  if (!checkpoint_list(place, find_most, &newest, error)) return false;
  newest++;
  snprintf(name, sizeof name, "%06llu-step-%llu", (unsigned long long)newest,
           (unsigned long long)info->step);
  if (!write_parts(&save, place, name, error) || !publish_parts(&save, place, error)) {
    undo(&save);
    return false;
  }
  if (!write_latest(place, name, error)) return false;
  keep_two(place, newest);
  return true;
}

/* ---- loading ---- */

enum { MOST_CANDIDATES = 8 };

/* The newest checkpoints of a directory, newest first. */
typedef struct Candidates {
  size_t count;
  uint64_t numbers[MOST_CANDIDATES];
  char names[MOST_CANDIDATES][CHECKPOINT_NAME];
} Candidates;

static void collect(void *context, uint64_t number, const char *name, const char *suffix) {
  Candidates *found = context;
  if (strcmp(suffix, ".json") != 0) return;
  size_t at = found->count;
  while (at > 0 && found->numbers[at - 1] < number) at--;
  if (at == MOST_CANDIDATES) return;
  size_t moved = (found->count < MOST_CANDIDATES ? found->count : MOST_CANDIDATES - 1) - at;
  memmove(&found->numbers[at + 1], &found->numbers[at], moved * sizeof found->numbers[0]);
  memmove(&found->names[at + 1], &found->names[at], moved * sizeof found->names[0]);
  found->numbers[at] = number;
  memcpy(found->names[at], name, strlen(name) + 1);
  if (found->count < MOST_CANDIDATES) found->count++;
}

/* What one load works on. */
typedef struct Load {
  const RlcModule *module;
  const Blob *blobs;
  size_t blob_count;
  bool looking;    /* see checkpoint_look */
  bool other_spec; /* one was of another spec */
  CheckpointFacts facts;
  char *tensors;         /* the whole safetensors file */
  uint64_t header_bytes; /* of it, with the length in front */
  SafeTensors list;
  BlobFile blob_file; /* fd -1 when there is none */
} Load;

static void load_clear(Load *load) {
  if (load->blob_file.fd >= 0) close(load->blob_file.fd);
  load->blob_file.fd = -1, load->blob_file.count = 0;
  free(load->tensors);
  load->tensors = NULL;
  safetensors_free(&load->list);
}

/* Opens a part and tells its length; -1 after filling error. */
static int open_part(const char *path, uint64_t *bytes, RunError *error) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && fstat(fd, &status) == 0) {
    *bytes = (uint64_t)status.st_size;
    return fd;
  }
  run_fail(error, "%s", strerror(errno));
  if (fd >= 0) close(fd);
  return -1;
}

static bool right_length(uint64_t found, uint64_t recorded, RunError *error) {
  return found == recorded || run_fail(error, "it has %llu bytes, %llu were written",
                                       (unsigned long long)found, (unsigned long long)recorded);
}

static bool verify_facts(Load *load, const char *path, RunError *error) {
  char text[CHECKPOINT_JSON];
  uint64_t bytes = 0;
  int fd = open_part(path, &bytes, error);
  if (fd < 0) return false;
  bool good = bytes <= sizeof text || run_fail(error, "it is too long");
  good = good && read_exactly(fd, 0, text, bytes, error);
  close(fd);
  if (!good || !checkpoint_read_facts(&load->facts, text, bytes, error)) return false;
  if (load->facts.info.spec_hash == load->module->spec_hash) return true;
  load->other_spec = true;
  return run_fail(error, "it is of another spec (hash %016llx, this trainer has %016llx)",
                  (unsigned long long)load->facts.info.spec_hash,
                  (unsigned long long)load->module->spec_hash);
}

/* Compares header and data in memory with their checksums, and the tensors with the module. */
static bool verify_tensor_text(Load *load, RunError *error) {
  const CheckpointFacts *facts = &load->facts;
  uint64_t header = 0, bytes = facts->tensor_bytes;
  memcpy(&header, load->tensors, sizeof header);
  if (header > bytes - 8) return run_fail(error, "the length of its header is not good");
  load->header_bytes = header + 8;
  if (crc32c(0, load->tensors, load->header_bytes) != facts->tensor_header_crc)
    return run_fail(error, "the checksum of its header differs");
  uint64_t data_bytes = bytes - load->header_bytes;
  if (crc32c(0, load->tensors + load->header_bytes, data_bytes) != facts->tensor_data_crc)
    return run_fail(error, "the checksum of its data differs");
  return safetensors_parse(&load->list, load->tensors + 8, header, data_bytes, error) &&
         safetensors_match(&load->list, load->module, error);
}

static bool verify_tensors(Load *load, const char *path, RunError *error) {
  uint64_t bytes = 0;
  int fd = open_part(path, &bytes, error);
  if (fd < 0) return false;
  bool good = right_length(bytes, load->facts.tensor_bytes, error);
  if (good && bytes < 8) good = run_fail(error, "it is too short");
  if (good && !(load->tensors = malloc(bytes))) good = run_fail(error, "no memory for it");
  good = good && read_exactly(fd, 0, load->tensors, bytes, error);
  close(fd);
  return good && verify_tensor_text(load, error);
}

static bool verify_blobs(Load *load, const char *path, RunError *error) {
  uint64_t bytes = 0;
  if (load->facts.blob_bytes == 0)
    return blobs_match(&load->blob_file, load->blobs, load->blob_count, !load->looking, error);
  int fd = open_part(path, &bytes, error);
  if (fd < 0) return false;
  load->blob_file.fd = fd; /* closed by load_clear */
  return right_length(bytes, load->facts.blob_bytes, error) &&
         blobs_read_header(&load->blob_file, fd, bytes, load->facts.blob_header_crc, error) &&
         blobs_match(&load->blob_file, load->blobs, load->blob_count, !load->looking, error) &&
         blobs_verify(&load->blob_file, error);
}

/* Whether a checkpoint is good from end to end; nothing is copied. Fills `error` with the part's
 * file name and what is wrong with it. */
static bool verify(Load *load, const char *directory, const char *name, RunError *error) {
  static bool (*const verifiers[PARTS])(Load *, const char *, RunError *) = {
      [TENSORS] = verify_tensors, [BLOBS] = verify_blobs, [FACTS] = verify_facts};
  static const int order[PARTS] = {FACTS, TENSORS, BLOBS};
  char path[OUTPUT_PATH];
  for (int i = 0; i < PARTS; i++) {
    RunError part;
    int which = order[i];
    if (!path_make(path, error, "%s/%s%s", directory, name, suffixes[which])) return false;
    if (!verifiers[which](load, path, &part))
      return run_fail(error, "%s%s: %.300s", name, suffixes[which], part.text);
  }
  return true;
}

/* Copies a verified checkpoint: first what can still fail. */
static bool apply(Load *load, char *memory, CheckpointInfo *info, RunError *error) {
  if (!blobs_load(&load->blob_file, load->blobs, load->blob_count, error)) return false;
  safetensors_import(&load->list, load->module, memory, load->tensors + load->header_bytes);
  *info = load->facts.info;
  return true;
}

/* Takes the names of the newer ones out of the way: a run that goes on from an older checkpoint
 * leaves them behind, and must not count them among the two it keeps. */
static void set_aside(const char *directory, const Candidates *found, size_t good) {
  RunError ignored;
  for (size_t i = 0; i < good; i++) {
    char from[OUTPUT_PATH], to[OUTPUT_PATH];
    if (path_make(from, &ignored, "%s/%s.json", directory, found->names[i]) &&
        path_make(to, &ignored, "%s.damaged", from))
      (void)!rename(from, to);
  }
}

/* Verifies from the newest on until one is good; its number in `found`, or found->count. */
static size_t find_good(Load *load, const char *directory, const Candidates *found,
                        RunError *problems) {
  size_t used = 0, size = sizeof problems->text;
  problems->text[0] = '\0';
  for (size_t i = 0; i < found->count; i++) {
    RunError problem;
    if (verify(load, directory, found->names[i], &problem)) return i;
    load_clear(load);
    int length =
        snprintf(problems->text + used, size - used, "%s%s", i > 0 ? "; " : "", problem.text);
    used += (size_t)length < size - used ? (size_t)length : size - used - 1;
  }
  return found->count;
}

static bool load_newest(Load *load, const char *directory, char *memory, CheckpointInfo *info,
                        RunError *error) {
  char place[OUTPUT_PATH];
  RunError problems;
  Candidates found = {0};
  if (!path_make(place, error, "%s/checkpoints", directory)) return false;
  bool there = access(place, F_OK) == 0 || errno != ENOENT;
  if (there && !checkpoint_list(place, collect, &found, error)) return false;
  if (found.count == 0) return run_fail(error, CHECKPOINT_NONE, directory);
  size_t good = find_good(load, place, &found, &problems);
  if (good == found.count && load->other_spec)
    return run_fail(error,
                    "no good checkpoint in '%.200s': %.300s; `rlc train %.200s/config.yaml -- "
                    "--resume %.200s` goes on with the spec of that run",
                    place, problems.text, directory, directory);
  if (good == found.count)
    return run_fail(error, "no good checkpoint in '%.300s': %.700s", place, problems.text);
  if (good > 0)
    fprintf(stderr, "warning: in '%s' %s; going on from %s\n", place, problems.text,
            found.names[good]);
  if (!load->looking) set_aside(place, &found, good);
  RunError problem;
  bool loaded = apply(load, memory, info, &problem);
  load_clear(load);
  return loaded ||
         run_fail(error, "'%.300s/%s.blobs': %.600s", place, found.names[good], problem.text);
}

bool checkpoint_load(const char *directory, const RlcModule *module, char *memory,
                     CheckpointInfo *info, const Blob *blobs, size_t blob_count, RunError *error) {
  Load load = {.module = module, .blobs = blobs, .blob_count = blob_count, .blob_file.fd = -1};
  return load_newest(&load, directory, memory, info, error);
}

bool checkpoint_look(const char *directory, const RlcModule *module, char *memory,
                     CheckpointInfo *info, const Blob *blobs, size_t blob_count, RunError *error) {
  Load load = {.module = module,
               .blobs = blobs,
               .blob_count = blob_count,
               .looking = true,
               .blob_file.fd = -1};
  return load_newest(&load, directory, memory, info, error);
}
