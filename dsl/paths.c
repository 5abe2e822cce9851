/* Files that a spec names. They are seen from the folder of the file that says them (on the command
 * line from the working directory); the resolved spec names them so that it means the same from
 * anywhere, and its hash goes by their names alone. */
#include "dsl/scope.h"

#include <string.h>
#include <unistd.h>

const char *path_absolute(Elab *elab, const char *path) {
  char folder[4096];
  while (!strncmp(path, "./", 2)) path += 2;
  if (path[0] == '/' || !getcwd(folder, sizeof folder)) return path;
  return arena_printf(elab->arena, "%s/%s", folder, path);
}

void file_named(Elab *elab, const Tree *name) {
  struct NamedFile file = {(Tree *)name, path_absolute(elab, tree_file(elab->arena, name))};
  PUSH(elab->arena, elab->files, elab->file_count, elab->file_capacity, file);
}

void files_rename(Elab *elab, bool absolute) {
  for (size_t i = 0; i < elab->file_count; i++) {
    const char *path = elab->files[i].path, *slash = strrchr(path, '/');
    ExprText *text = &elab->files[i].name->text;
    text->text = absolute || !slash ? path : slash + 1;
    text->length = strlen(text->text);
    text->spans = NULL;
  }
}
