/* The spec files there are, for tests of all of them. */
#ifndef RLC_TESTS_SPEC_FILES_H
#define RLC_TESTS_SPEC_FILES_H

#include "compiler/commands/session.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_SPECS = 512 };

typedef struct SpecFiles {
  const char *paths[MOST_SPECS]; /* below RLC_ROOT, in order */
  int count;
} SpecFiles;

static inline int spec_files_order(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds those in a folder and below whose path contains `only` (NULL: all). Studies vary specs and
 * environments are parts of them: neither is one. */
static inline void spec_files_find(SpecFiles *files, Arena *arena, const char *folder,
                                   const char *only) {
  DIR *directory = opendir(arena_printf(arena, "%s/%s", RLC_ROOT, folder));
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    const char *name = entry->d_name, *path = arena_printf(arena, "%s/%s", folder, name);
    struct stat facts;
    if (name[0] == '.' || strcmp(name, "envs") == 0 || strcmp(name, "studies") == 0) continue;
    if (stat(arena_printf(arena, "%s/%s", RLC_ROOT, path), &facts) != 0) continue;
    if (S_ISDIR(facts.st_mode)) spec_files_find(files, arena, path, only);
    size_t length = strlen(path);
    bool spec = S_ISREG(facts.st_mode) && length > 5 && !strcmp(path + length - 5, ".yaml");
    if (spec && (!only || strstr(path, only)) && files->count < MOST_SPECS)
      files->paths[files->count++] = path;
  }
  closedir(directory);
  qsort(files->paths, (size_t)files->count, sizeof *files->paths, spec_files_order);
}

/* The sizes for tests behind `# test:` in the spec, as overrides. */
static inline const char *spec_files_sizes(Arena *arena, const char *path) {
  const char *error = NULL;
  Source *source = source_read(arena, arena_printf(arena, "%s/%s", RLC_ROOT, path), &error);
  ck_assert_msg(source != NULL, "%s: %s", path, error);
  const char *line = strstr(source->text, "# test:");
  ck_assert_msg(line != NULL, "%s: no line '# test: key=value ...' gives sizes for tests", path);
  line += strlen("# test:");
  return arena_copy(arena, line, strcspn(line, "\n"));
}

#endif
