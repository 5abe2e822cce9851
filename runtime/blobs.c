/* Blob files; see blobs.h. Large blobs are never copied: they are written from, and read into, the
 * caller's memory. */
#include "runtime/blobs.h"

#include "runtime/crc32c.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = {'r', 'l', 'c', 'b', 'l', 'o', 'b', 's'};
enum { VERSION = 1 };
_Static_assert(sizeof(BlobHead) == 16 && sizeof(BlobRow) == 64, "rows are written as they lie");

bool blobs_put_header(FileOutput *out, const Blob *blobs, size_t count, RunError *error) {
  BlobHead head = {.version = VERSION, .count = (uint32_t)count};
  memcpy(head.magic, magic, sizeof magic);
  if (count > BLOBS_MOST) return run_fail(error, "%zu blobs are too many", count);
  output_put(out, &head, sizeof head);
  for (size_t i = 0; i < count; i++) {
    BlobRow row = {.bytes = blobs[i].bytes};
    size_t length = strlen(blobs[i].name);
    if (length >= BLOBS_NAME) return run_fail(error, "blob name '%s' is too long", blobs[i].name);
    memcpy(row.name, blobs[i].name, length);
    row.crc = crc32c(0, blobs[i].data, blobs[i].bytes);
    output_put(out, &row, sizeof row);
  }
  return true;
}

void blobs_put_data(FileOutput *out, const Blob *blobs, size_t count) {
  for (size_t i = 0; i < count; i++) output_put(out, blobs[i].data, blobs[i].bytes);
}

bool read_exactly(int fd, uint64_t offset, void *data, uint64_t bytes, RunError *error) {
  char *at = data;
  while (bytes > 0) {
    ssize_t done = pread(fd, at, bytes, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return run_fail(error, "cannot be read: %s", strerror(errno));
    if (done == 0) return run_fail(error, "ends too early");
    at += done, offset += (uint64_t)done, bytes -= (uint64_t)done;
  }
  return true;
}

static uint64_t data_start(const BlobFile *file) {
  return sizeof(BlobHead) + file->count * sizeof(BlobRow);
}

bool blobs_read_header(BlobFile *file, int fd, uint64_t bytes, uint32_t crc, RunError *error) {
  BlobHead head;
  file->fd = fd;
  if (!read_exactly(fd, 0, &head, sizeof head, error)) return false;
  if (memcmp(head.magic, magic, sizeof magic) != 0) return run_fail(error, "is no blob file");
  if (head.version != VERSION) return run_fail(error, "has an unknown version");
  if (head.count > BLOBS_MOST) return run_fail(error, "has too many blobs");
  file->count = head.count;
  size_t table = head.count * sizeof(BlobRow);
  if (!read_exactly(fd, sizeof head, file->rows, table, error)) return false;
  if (crc32c(crc32c(0, &head, sizeof head), file->rows, table) != crc)
    return run_fail(error, "the checksum of its header differs");
  uint64_t total = data_start(file);
  for (uint32_t i = 0; i < file->count; i++)
    if (__builtin_add_overflow(total, file->rows[i].bytes, &total) ||
        file->rows[i].name[BLOBS_NAME - 1])
      return run_fail(error, "has a row that is not good");
  return total == bytes || run_fail(error, "its blobs do not fill it");
}

static const Blob *find_blob(const Blob *blobs, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(blobs[i].name, name) == 0) return &blobs[i];
  return NULL;
}

static bool file_has(const BlobFile *file, const char *name) {
  for (uint32_t i = 0; i < file->count; i++)
    if (strcmp(file->rows[i].name, name) == 0) return true;
  return false;
}

bool blobs_match(const BlobFile *file, const Blob *blobs, size_t count, bool all, RunError *error) {
  for (uint32_t i = 0; i < file->count; i++) {
    const BlobRow *row = &file->rows[i];
    const Blob *blob = find_blob(blobs, count, row->name);
    if (!blob && !all) continue;
    if (!blob) return run_fail(error, "blob '%s' is unknown to this trainer", row->name);
    if (blob->partial ? row->bytes > blob->bytes : row->bytes != blob->bytes)
      return run_fail(error, "blob '%s' has %llu bytes, this trainer wants %s%llu", row->name,
                      (unsigned long long)row->bytes, blob->partial ? "at most " : "",
                      (unsigned long long)blob->bytes);
  }
  for (size_t i = 0; i < count; i++)
    if (!blobs[i].partial && !file_has(file, blobs[i].name))
      return run_fail(error, "blob '%s' is missing", blobs[i].name);
  return true;
}

bool blobs_verify(const BlobFile *file, RunError *error) {
  char buffer[1 << 16];
  uint64_t at = data_start(file);
  for (uint32_t i = 0; i < file->count; i++) {
    uint32_t crc = 0;
    for (uint64_t left = file->rows[i].bytes; left > 0;) {
      uint64_t part = left < sizeof buffer ? left : sizeof buffer;
      if (!read_exactly(file->fd, at, buffer, part, error)) return false;
      crc = crc32c(crc, buffer, part);
      at += part, left -= part;
    }
    if (crc != file->rows[i].crc)
      return run_fail(error, "the checksum of blob '%s' differs", file->rows[i].name);
  }
  return true;
}

bool blobs_load(const BlobFile *file, const Blob *blobs, size_t count, RunError *error) {
  uint64_t at = data_start(file);
  for (uint32_t i = 0; i < file->count; at += file->rows[i++].bytes) {
    const BlobRow *row = &file->rows[i];
    const Blob *blob = find_blob(blobs, count, row->name);
    if (!blob) continue;
    if (!read_exactly(file->fd, at, blob->data, row->bytes, error)) return false;
    if (crc32c(0, blob->data, row->bytes) != row->crc)
      return run_fail(error, "blob '%s' changed while it was being read", row->name);
  }
  return true;
}
