/* What the tests of the language's front share: texts read into trees, trees compared, diagnostics
 * as text, and files of cases, each an input and the exact messages it must give:
 *
 *   ### name
 *   input lines
 *   #>
 *   messages
 */
#ifndef RLC_TESTS_FRONT_H
#define RLC_TESTS_FRONT_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/tree.h"

/* One compilation's memory and messages. */
typedef struct Front {
  Arena *arena;
  Diag *diag;
} Front;

static inline Front front_open(void) {
  Front f = {.arena = arena_make()};
  f.diag = diag_make(f.arena);
  return f;
}

static inline void front_close(Front *f) { arena_free(f->arena); }

/* What diag_print prints. */
static inline const char *front_messages(Front *f) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  diag_print(f->diag, out);
  fclose(out);
  const char *copy = arena_copy(f->arena, text, size);
  free(text);
  return copy;
}

static inline ExprText front_text(Front *f, const char *text) {
  Source *source = source_from_text(f->arena, "text", text);
  return (ExprText){source->text, source->size, source, {source, 1, 1, 0}, NULL};
}

static inline Expr *front_expr(Front *f, const char *text) {
  return expr_read(f->arena, f->diag, front_text(f, text));
}

static inline Tree *front_tree(Front *f, const char *text) {
  return tree_parse(f->arena, f->diag, source_from_text(f->arena, "text", text));
}

/* What tree_print prints. */
static inline const char *front_print(Front *f, const Tree *tree) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  tree_print(tree, out);
  fclose(out);
  const char *copy = arena_copy(f->arena, text, size);
  free(text);
  return copy;
}

/* Equal in all but places. */
static inline bool front_equal(const Tree *a, const Tree *b) {
  if (a->kind != b->kind || a->quoted != b->quoted || a->empty != b->empty) return false;
  if (a->entry_count != b->entry_count || a->item_count != b->item_count) return false;
  if (a->kind == TREE_SCALAR &&
      (a->text.length != b->text.length || memcmp(a->text.text, b->text.text, a->text.length)))
    return false;
  for (size_t i = 0; i < a->entry_count; i++)
    if (strcmp(a->entries[i].key, b->entries[i].key) ||
        !front_equal(a->entries[i].value, b->entries[i].value))
      return false;
  for (size_t i = 0; i < a->item_count; i++)
    if (!front_equal(a->items[i], b->items[i])) return false;
  return true;
}

/* The table of keys a document is checked against. */
static inline const char *front_table(const Tree *tree) {
  return tree_get(tree, "study") ? "study" : tree_get(tree, "environment") ? "environment" : "spec";
}

static inline Source *front_file(Front *f, const char *path) {
  const char *error = NULL;
  Source *source = source_read(f->arena, path, &error);
  ck_assert_msg(source != NULL, "%s: %s", path, error);
  return source;
}

/* Runs every case of a file; `run` gets the input (without its last line end) and must report.
 * Returns how many ran. */
static inline size_t front_cases(const char *path,
                                 void (*run)(Front *, const char *name, const char *input)) {
  Front file = front_open();
  const char *at = front_file(&file, path)->text;
  size_t count = 0;
  for (; !strncmp(at, "### ", 4); count++) {
    const char *name_end = strchr(at, '\n'), *input_end = strstr(at, "\n#>\n");
    ck_assert_msg(name_end && input_end, "%s: case without its '#>'", path);
    const char *expected = input_end + 4, *next = strstr(input_end, "\n### ");
    size_t length = next ? (size_t)(next + 1 - expected) : strlen(expected);
    Front f = front_open();
    const char *name = arena_copy(f.arena, at + 4, (size_t)(name_end - at) - 4);
    run(&f, name, arena_copy(f.arena, name_end + 1, (size_t)(input_end - name_end) - 1));
    expected = arena_copy(f.arena, expected, length);
    const char *messages = front_messages(&f);
    ck_assert_msg(!strcmp(messages, expected), "%s, case %s:\n%s\nshould be\n%s", path, name,
                  messages, expected);
    front_close(&f);
    at = next ? next + 1 : "";
  }
  front_close(&file);
  return count;
}

#endif
