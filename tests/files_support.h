/* What tests of files share: a directory of their own, whole files, what a call printed on standard
 * error, damage done to files, and a count of allocations (allocations.h). Include it once per
 * program. */
#ifndef RLC_TESTS_FILES_SUPPORT_H
#define RLC_TESTS_FILES_SUPPORT_H

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/allocations.h"

typedef struct Bytes {
  char *data; /* with a zero behind the end */
  size_t size;
} Bytes;

typedef struct Path {
  char text[4096];
} Path;

__attribute__((unused)) static Path path_in(const char *directory, const char *name) {
  Path path;
  int length = snprintf(path.text, sizeof path.text, "%s/%s", directory, name);
  ck_assert_msg(length > 0 && (size_t)length < sizeof path.text, "a path is too long");
  return path;
}

/* A fresh directory; free its name with directory_remove. */
__attribute__((unused)) static char *directory_make(void) {
  const char *base = getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir;
  char *name = malloc(strlen(base) + 32);
  sprintf(name, "%s/rlc-test-XXXXXX", base);
  ck_assert_msg(mkdtemp(name) != NULL, "no directory for the test");
  return name;
}

static void tree_remove(const char *path) {
  DIR *list = opendir(path);
  for (struct dirent *entry; list && (entry = readdir(list));) {
    Path below = path_in(path, entry->d_name);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (entry->d_type == DT_DIR)
      tree_remove(below.text);
    else
      unlink(below.text);
  }
  if (list) closedir(list);
  rmdir(path);
}

__attribute__((unused)) static void directory_remove(char *name) {
  tree_remove(name);
  free(name);
}

/* The whole file; size 0 and data NULL when there is none. */
__attribute__((unused)) static Bytes file_read(const char *path) {
  Bytes bytes = {0};
  struct stat status;
  int fd = open(path, O_RDONLY);
  if (fd < 0) return bytes;
  ck_assert_int_eq(fstat(fd, &status), 0);
  bytes.size = (size_t)status.st_size;
  bytes.data = calloc(1, bytes.size + 1);
  ck_assert_int_eq(read(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
  close(fd);
  return bytes;
}

__attribute__((unused)) static void file_write(const char *path, const void *data, size_t size) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
  close(fd);
}

__attribute__((unused)) static void assert_file(const char *directory, const char *name,
                                                const char *expected) {
  Bytes found = file_read(path_in(directory, name).text);
  ck_assert_msg(found.data != NULL, "'%s' is missing", name);
  ck_assert_str_eq(found.data, expected);
  free(found.data);
}

/* The name of the only file that begins and ends so; an empty one when there is none. */
__attribute__((unused)) static Path file_find(const char *directory, const char *begin,
                                              const char *end) {
  Path found = {""};
  DIR *list = opendir(directory);
  ck_assert_ptr_nonnull(list);
  for (struct dirent *entry; (entry = readdir(list));) {
    size_t length = strlen(entry->d_name), tail = strlen(end);
    if (strncmp(entry->d_name, begin, strlen(begin)) != 0 || length < tail) continue;
    if (strcmp(entry->d_name + length - tail, end) == 0) found = path_in(directory, entry->d_name);
  }
  closedir(list);
  return found;
}

/* How many files a directory has; none when it is not there. */
__attribute__((unused)) static size_t directory_files(const char *directory) {
  size_t count = 0;
  DIR *list = opendir(directory);
  for (struct dirent *entry; list && (entry = readdir(list));) count += entry->d_name[0] != '.';
  if (list) closedir(list);
  return count;
}

/* Standard error goes to a file until capture_end, which returns what was written. */
typedef struct Capture {
  int stream, saved;
  FILE *file;
} Capture;

__attribute__((unused)) static Capture capture_begin(int stream) {
  fflush(NULL);
  Capture capture = {.stream = stream, .saved = dup(stream), .file = tmpfile()};
  dup2(fileno(capture.file), stream);
  return capture;
}

__attribute__((unused)) static const char *capture_end(Capture *capture, char *text, size_t size) {
  fflush(NULL);
  dup2(capture->saved, capture->stream);
  close(capture->saved);
  rewind(capture->file);
  text[fread(text, 1, size - 1, capture->file)] = '\0';
  fclose(capture->file);
  return text;
}

#endif
