/* Buffered writing with one remembered failure, and files replaced by rename; see output.h. A
 * reader never sees half of a published file, whatever moment the process dies at. */
#include "runtime/output.h"

#include "runtime/crc32c.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void error_fill(RunError *error, bool memory, const char *format, va_list arguments) {
  vsnprintf(error->text, sizeof error->text, format, arguments);
  error->memory = memory;
}

bool run_fail(RunError *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  error_fill(error, false, format, arguments);
  va_end(arguments);
  return false;
}

bool run_fail_memory(RunError *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  error_fill(error, true, format, arguments);
  va_end(arguments);
  return false;
}

bool path_make(char path[OUTPUT_PATH], RunError *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(path, OUTPUT_PATH, format, arguments);
  va_end(arguments);
  if (length >= 0 && length < OUTPUT_PATH) return true;
  return run_fail(error, "a path of %d bytes is too long: '%.200s...'", length, path);
}

void output_count(FileOutput *out, char *buffer, size_t capacity) {
  out->fd = -1, out->reason = 0, out->crc = 0;
  out->bytes = out->written = 0;
  out->used = 0, out->capacity = capacity, out->buffer = buffer;
  out->path[0] = '\0';
}

static bool output_fail(const FileOutput *out, RunError *error) {
  return run_fail(error, "cannot write '%s': %s", out->path, strerror(out->reason));
}

bool output_open(FileOutput *out, const char *path, uint64_t length, char *buffer, size_t capacity,
                 RunError *error) {
  output_count(out, buffer, capacity);
  snprintf(out->path, sizeof out->path, "%s", path);
  int create = length == 0 ? O_CREAT | O_TRUNC : 0;
  out->fd = open(path, O_WRONLY | O_CLOEXEC | create, 0666);
  struct stat status;
  if (out->fd < 0 || fstat(out->fd, &status) != 0) {
    out->reason = errno;
    output_drop(out);
    return output_fail(out, error);
  }
  if (length == 0) return true;
  out->bytes = out->written = length;
  if ((uint64_t)status.st_size < length) {
    output_drop(out);
    return run_fail(error, "cannot go on with '%s': it has %llu bytes, the checkpoint saw %llu",
                    path, (unsigned long long)status.st_size, (unsigned long long)length);
  }
  if (ftruncate(out->fd, (off_t)length) == 0 && lseek(out->fd, 0, SEEK_END) >= 0) return true;
  out->reason = errno;
  output_drop(out);
  return output_fail(out, error);
}

/* Hands bytes to the kernel, all of them or none that count. */
static void output_write(FileOutput *out, const char *data, size_t bytes) {
  while (bytes > 0 && out->reason == 0) {
    ssize_t done = write(out->fd, data, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) out->reason = errno;
    if (done == 0) out->reason = ENOSPC;
    if (done > 0) data += done, bytes -= (size_t)done;
  }
}

static void output_drain(FileOutput *out) {
  if (out->fd >= 0) output_write(out, out->buffer, out->used);
  out->used = 0;
}

void output_put(FileOutput *out, const void *data, size_t bytes) {
  if (out->reason != 0) return;
  out->bytes += bytes;
  out->crc = crc32c(out->crc, data, bytes);
  if (out->fd < 0) return;
  if (out->used + bytes > out->capacity) output_drain(out);
  if (bytes > out->capacity) {
    output_write(out, data, bytes); /* large pieces go straight from the caller's memory */
  } else if (bytes > 0) {
    memcpy(out->buffer + out->used, data, bytes);
    out->used += bytes;
  }
}

void output_text(FileOutput *out, const char *text) { output_put(out, text, strlen(text)); }

void output_u64(FileOutput *out, uint64_t value) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  output_put(out, digits + at, sizeof digits - at);
}

void output_double(FileOutput *out, double value) {
  static const int precisions[] = {9, 15, 16, 17};
  char text[40];
  bool whole = fabs(value) < 1e15 && value == floor(value); /* counts without exponents */
  if (whole) snprintf(text, sizeof text, "%.0f", value);
  for (size_t i = 0; i < sizeof precisions / sizeof precisions[0] && !whole; i++) {
    snprintf(text, sizeof text, "%.*g", precisions[i], value);
    if (!isfinite(value) || strtod(text, NULL) == value) break;
  }
  output_text(out, text);
}

bool output_flush(FileOutput *out, RunError *error) {
  output_drain(out);
  if (out->reason == 0) {
    out->written = out->bytes;
    return true;
  }
  /* A line that is cut in two helps nobody; a device or a pipe cannot be cut, and need not. */
  if (out->fd >= 0 && ftruncate(out->fd, (off_t)out->written) == 0) out->bytes = out->written;
  return output_fail(out, error);
}

/* EINVAL and EROFS are how devices and some file systems say that they have nothing to sync. */
static bool sync_failed(int fd) { return fsync(fd) != 0 && errno != EINVAL && errno != EROFS; }

bool output_sync(FileOutput *out, RunError *error) {
  if (!output_flush(out, error)) return false;
  if (out->fd < 0 || !sync_failed(out->fd)) return true;
  out->reason = errno;
  return output_fail(out, error);
}

void output_drop(FileOutput *out) {
  if (out->fd >= 0) close(out->fd);
  out->fd = -1;
}

/* "path.tmp" of an output begun by output_begin, which has made sure that it fits. */
static void temporary_name(const FileOutput *out, char name[OUTPUT_PATH + 8]) {
  snprintf(name, OUTPUT_PATH + 8, "%s.tmp", out->path);
}

bool output_begin(FileOutput *out, const char *path, char *buffer, size_t capacity,
                  RunError *error) {
  char name[OUTPUT_PATH + 8];
  output_count(out, buffer, capacity);
  if (!path_make(out->path, error, "%s", path)) return false;
  temporary_name(out, name);
  out->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (out->fd >= 0) return true;
  out->reason = errno;
  return output_fail(out, error);
}

void output_abandon(FileOutput *out) {
  char name[OUTPUT_PATH + 8];
  temporary_name(out, name);
  output_drop(out);
  unlink(name);
}

bool output_seal(FileOutput *out, RunError *error) {
  bool good = output_sync(out, error);
  int fd = out->fd;
  out->fd = -1;
  if (close(fd) != 0 && good) {
    out->reason = errno;
    good = output_fail(out, error);
  }
  if (!good) output_abandon(out);
  return good;
}

bool output_publish(FileOutput *out, RunError *error) {
  char name[OUTPUT_PATH + 8];
  temporary_name(out, name);
  if (rename(name, out->path) == 0) return true;
  out->reason = errno;
  output_abandon(out);
  return output_fail(out, error);
}

bool output_finish(FileOutput *out, RunError *error) {
  return output_seal(out, error) && output_publish(out, error);
}

/* ---- directories ---- */

static bool directory_one(const char *path, RunError *error) {
  return mkdir(path, 0777) == 0 || errno == EEXIST ||
         run_fail(error, "cannot make the directory '%s': %s", path, strerror(errno));
}

bool directories_above(const char *path, RunError *error) {
  char above[OUTPUT_PATH];
  if (!path_make(above, error, "%s", path)) return false;
  for (char *at = above + 1; *at; at++) {
    if (*at != '/') continue;
    *at = '\0';
    if (!directory_one(above, error)) return false;
    *at = '/';
  }
  return true;
}

bool directories_make(const char *path, RunError *error) {
  struct stat status;
  if (!directories_above(path, error) || !directory_one(path, error)) return false;
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) return true;
  return run_fail(error, "'%s' is no directory", path);
}

bool directory_sync(const char *directory, RunError *error) {
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool good = fd >= 0 && !sync_failed(fd);
  int reason = errno;
  if (fd >= 0) close(fd);
  return good || run_fail(error, "cannot write '%s': %s", directory, strerror(reason));
}
