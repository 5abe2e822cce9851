/* What the files of the YAML reader share; everybody else includes dsl/tree.h. */
#ifndef RLC_DSL_YAML_H
#define RLC_DSL_YAML_H

#include <yaml.h>

#include "dsl/tree.h"

#define NEST_LIMIT 64 /* of maps and lists */

/* Where things stand in a source: libyaml counts characters, we count bytes. */
typedef struct Places {
  const Source *source;
  size_t from;     /* the document starts here (behind a byte order mark, or behind `path=`) */
  uint32_t *lines; /* byte offset of each line's start */
  size_t line_count;
  uint32_t *characters; /* byte offset of each character from `from` on; NULL where all are ASCII */
  size_t character_count;
} Places;

/* Checks that the source is UTF-8 text without control characters and fills `places`. False after
 * reporting. */
bool places_make(Arena *arena, Diag *diag, const Source *source, size_t from, Places *places);

/* The byte offset of the character libyaml calls `index`. */
size_t places_offset(const Places *places, size_t index);

/* The place of the bytes begin..end, cut to the first line. */
Span places_span(const Places *places, size_t begin, size_t end);

/* The value of a scalar with the place of each of its bytes; begin and end are the bytes of its
 * event. */
ExprText scalar_text(Arena *arena, const Places *places, yaml_scalar_style_t style, size_t begin,
                     size_t end, const char *value, size_t length);

/* Reports what libyaml objects to, in our words. */
void yaml_report(Arena *arena, Diag *diag, const Places *places, const yaml_parser_t *parser);

/* The document in source->text from byte `from` on. NULL after reporting. An empty document is a
 * TREE_NULL that is empty. */
Tree *yaml_read(Arena *arena, Diag *diag, const Source *source, size_t from);

/* A scalar node holding `text`. */
Tree *tree_scalar(Arena *arena, ExprText text);
/* An empty map, and one with a single entry. */
Tree *tree_map(Arena *arena, Span span);
Tree *tree_map_of(Arena *arena, Span span, TreeEntry entry);
/* Adds an entry (or replaces the value of the one with this key, keeping its place). */
void tree_put(Arena *arena, Tree *map, TreeEntry entry);

#endif
