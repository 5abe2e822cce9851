/* Reading, writing and trimming the cache folder. */
#include "codegen/cache.h"
#include "ir/base.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

/* Makes the folder and those above it. */
static bool folder_make(char *path) {
  for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
    *at = 0;
    bool failed = mkdir(path, 0777) != 0 && errno != EEXIST;
    *at = '/';
    if (failed) return false;
  }
  return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* The folder, or false when nothing is to be kept. */
static bool folder_find(char *path) {
  const char *own = getenv("RLC_CACHE"), *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  int length = -1;
  if (own && strcmp(own, "off") == 0) return false;
  if (own && *own)
    length = snprintf(path, PATH_SIZE, "%s", own);
  else if (base && *base)
    length = snprintf(path, PATH_SIZE, "%s/rlc", base);
  else if (home && *home)
    length = snprintf(path, PATH_SIZE, "%s/.cache/rlc", home);
  return length > 0 && length < PATH_SIZE - 64;
}

static bool file_path(char *path, const char *name) {
  if (!folder_find(path)) return false;
  size_t length = strlen(path);
  return snprintf(path + length, PATH_SIZE - length, "/%s", name) < 64;
}

/* The bytes of an open file; behind them stands their hash, so that damage shows. */
static char *checked_read(FILE *in, size_t *size) {
  struct stat facts;
  uint64_t hash;
  if (fstat(fileno(in), &facts) != 0 || facts.st_size <= (off_t)sizeof hash) return NULL;
  *size = (size_t)facts.st_size - sizeof hash;
  char *data = malloc(*size);
  if (!data) return NULL;
  bool good = fread(data, 1, *size, in) == *size && fread(&hash, sizeof hash, 1, in) == 1;
  if (good && hash == hash_bytes(HASH_SEED, data, *size)) return data;
  free(data);
  return NULL;
}

char *cache_read(const char *name, size_t *size) {
  char path[PATH_SIZE];
  if (!file_path(path, name)) return NULL;
  FILE *in = fopen(path, "rb");
  if (!in) return NULL;
  char *data = checked_read(in, size);
  if (data) futimens(fileno(in), NULL); /* used now */
  fclose(in);
  return data;
}

/* ---- writing ---- */

void cache_write(const char *name, const char *data, size_t size) {
  char folder[PATH_SIZE], path[PATH_SIZE], made[PATH_SIZE + 32];
  if (!folder_find(folder) || !file_path(path, name) || !folder_make(folder)) return;
  snprintf(made, sizeof made, "%s.%ld.new", path, (long)getpid());
  FILE *out = fopen(made, "wb");
  if (!out) return;
  uint64_t hash = hash_bytes(HASH_SEED, data, size);
  bool good = fwrite(data, 1, size, out) == size && fwrite(&hash, sizeof hash, 1, out) == 1;
  good = fclose(out) == 0 && good;
  if (!good || rename(made, path) != 0) unlink(made);
}

/* ---- trimming ---- */

typedef struct Entry {
  struct timespec used;
  char name[NAME_MAX + 1];
} Entry;

static int earlier(const void *a, const void *b) {
  const struct timespec *x = &((const Entry *)a)->used, *y = &((const Entry *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
  return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

static size_t files_count(DIR *directory) {
  size_t count = 0;
  while (readdir(directory)) count++;
  rewinddir(directory);
  return count;
}

/* The files of the folder, at most `limit`. */
static size_t files_read(DIR *directory, Entry *entries, size_t limit) {
  size_t count = 0;
  for (struct dirent *entry; count < limit && (entry = readdir(directory));) {
    struct stat facts;
    if (fstatat(dirfd(directory), entry->d_name, &facts, 0) != 0 || !S_ISREG(facts.st_mode))
      continue;
    entries[count].used = facts.st_mtim;
    memcpy(entries[count++].name, entry->d_name, strlen(entry->d_name) + 1);
  }
  return count;
}

void cache_trim(void) {
  char path[PATH_SIZE];
  DIR *directory = folder_find(path) ? opendir(path) : NULL;
  if (!directory) return;
  size_t count = files_count(directory);
  Entry *entries = count > CACHE_FILES ? malloc(count * sizeof *entries) : NULL;
  count = entries ? files_read(directory, entries, count) : 0;
  if (count > CACHE_FILES) {
    qsort(entries, count, sizeof *entries, earlier);
    for (size_t i = 0; i < CACHE_FILES / 4; i++) unlinkat(dirfd(directory), entries[i].name, 0);
  }
  free(entries);
  closedir(directory);
}
