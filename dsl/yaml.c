/* YAML events to a tree: the subset that docs/language.md describes. libyaml does the reading; here
 * is what it may contain and what a scalar is. Reading goes on after a mistake of meaning (an
 * alias, a key twice), and stops at one of form. */
#include "dsl/yaml.h"
#include "ir/lex.h"

#include <string.h>

#define KEY_LIMIT   200  /* bytes of a key; YAML itself stops at 1024 */
#define ENTRY_LIMIT 4096 /* keys of one map, since they are compared pairwise */

typedef struct Reader {
  Arena *arena;
  Diag *diag;
  Places places;
  yaml_parser_t parser;
  yaml_event_t event; /* the current one */
  int depth;          /* of maps and lists */
  int flow;           /* of those in { } and [ ] */
  bool failed;        /* something was reported, reading goes on */
  bool cut; /* reported inside the current flow collection: what follows is a consequence */
} Reader;

static Tree *node_read(Reader *r);

/* ---- nodes ---- */

Tree *tree_scalar(Arena *arena, ExprText text) {
  Tree *tree = NEW(arena, Tree);
  tree->kind = TREE_SCALAR;
  tree->text = text;
  tree->span = text_span(&text, 0, text.length);
  return tree;
}

Tree *tree_map(Arena *arena, Span span) {
  Tree *tree = NEW(arena, Tree);
  tree->kind = TREE_MAP;
  tree->span = span;
  return tree;
}

Tree *tree_map_of(Arena *arena, Span span, TreeEntry entry) {
  Tree *tree = tree_map(arena, span);
  tree_put(arena, tree, entry);
  return tree;
}

void tree_put(Arena *arena, Tree *map, TreeEntry entry) {
  for (size_t i = 0; i < map->entry_count; i++)
    if (!strcmp(map->entries[i].key, entry.key)) return (void)(map->entries[i].value = entry.value);
  size_t count = map->entry_count;
  if ((count & (count - 1)) == 0) { /* full at each power of two */
    size_t larger = count ? 2 * count : 1;
    map->entries = arena_grow(arena, map->entries, count * sizeof *map->entries,
                              larger * sizeof *map->entries);
  }
  map->entries[map->entry_count++] = entry;
}

/* ---- events ---- */

/* Moves to the next event. False after reporting. */
static bool event_next(Reader *r) {
  yaml_event_delete(&r->event);
  if (yaml_parser_parse(&r->parser, &r->event)) return true;
  memset(&r->event, 0, sizeof r->event);
  if (!r->failed) yaml_report(r->arena, r->diag, &r->places, &r->parser); /* else a consequence */
  return false;
}

static size_t event_begin(const Reader *r) {
  return places_offset(&r->places, r->event.start_mark.index);
}

static size_t event_end(const Reader *r) {
  return places_offset(&r->places, r->event.end_mark.index);
}

/* The first `width` bytes of the current event, or all of them. */
static Span event_span(const Reader *r, size_t width) {
  size_t begin = event_begin(r), end = event_end(r);
  return places_span(&r->places, begin, end - begin > width ? begin + width : end);
}

__attribute__((format(printf, 4, 5))) static void refuse(Reader *r, Span span, const char *hint,
                                                         const char *format, ...) {
  va_list args;
  va_start(args, format);
  diag_error(r->diag, span, hint, "%s", arena_vprintf(r->arena, format, args));
  va_end(args);
  r->failed = true;
}

/* ---- scalars ---- */

/* Round, square and curly brackets left open (positive) or closed too often (negative), outside of
 * double quotes. */
static int brackets_open(const char *text, size_t length) {
  int open = 0;
  bool quoted = false;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted || !text[i]) continue;
    if (strchr("([{", text[i])) open++;
    if (strchr(")]}", text[i])) open--;
  }
  return open;
}

/* From the start of a cut expression to where its brackets are closed on the line. */
static Span cut_span(const Reader *r, size_t begin, size_t end) {
  const char *text = r->places.source->text;
  size_t size = r->places.source->size, i = begin;
  int open = 0;
  for (; i < size && text[i] != '\n'; i++) {
    open += strchr("([{", text[i]) != NULL;
    open -= strchr(")]}", text[i]) != NULL;
    if (open == 0 && i + 1 >= end) return places_span(&r->places, begin, i + 1);
  }
  return places_span(&r->places, begin, end);
}

/* An expression that YAML cut in two: at a comma inside { } or [ ], or at a ` #`. */
static void cut_check(Reader *r, const ExprText *text) {
  size_t begin = event_begin(r), end = event_end(r), size = r->places.source->size;
  const char *source = r->places.source->text;
  int open = brackets_open(text->text, text->length);
  if (open == 0 || r->cut) return;
  if (r->flow > 0) {
    refuse(r, open > 0 ? cut_span(r, begin, end) : places_span(&r->places, begin, end),
           "quote the expression or give it a line of its own",
           "an expression with a comma is cut inside { } and [ ]");
    r->cut = true;
    return;
  }
  size_t at = end;
  while (at < size && (source[at] == ' ' || source[at] == '\t')) at++;
  if (open > 0 && at > end && at < size && source[at] == '#')
    refuse(r, places_span(&r->places, at, at + 1), "quote the value, or move the comment",
           "a comment starts here while %d bracket%s still open", open, open > 1 ? "s are" : " is");
}

static bool is_null(const char *text) { return !strcmp(text, "~") || !strcmp(text, "null"); }

static Tree *scalar_read(Reader *r) {
  yaml_scalar_style_t style = r->event.data.scalar.style;
  const char *value = (const char *)r->event.data.scalar.value;
  size_t length = r->event.data.scalar.length;
  size_t begin = event_begin(r), end = event_end(r);
  bool plain = style == YAML_PLAIN_SCALAR_STYLE;
  Tree *tree =
      tree_scalar(r->arena, scalar_text(r->arena, &r->places, style, begin, end, value, length));
  tree->quoted =
      style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  if (tree->quoted) tree->span = places_span(&r->places, begin, end);
  if (memchr(value, 0, length)) refuse(r, tree->span, NULL, "a NUL character inside a text");
  if (plain) cut_check(r, &tree->text);
  tree->empty = plain && length == 0;
  if (plain && (tree->empty || is_null(tree->text.text))) tree->kind = TREE_NULL;
  return tree;
}

/* ---- maps and lists ---- */

/* Inside { }: a key that no ':' follows, as 'y' in {x, y}. */
static bool value_missing(const Reader *r, const Tree *value) {
  const char *text = r->places.source->text;
  size_t at = r->places.lines[value->span.line - 1] + value->span.column - 1;
  while (at > r->places.from && strchr(" \t\r\n", text[at - 1])) at--;
  return value->empty && (at == r->places.from || text[at - 1] != ':');
}

static void key_check(Reader *r, const Tree *map, const TreeEntry *entry) {
  const char *key = entry->key;
  if (!*key) refuse(r, entry->key_span, NULL, "a key is missing before ':'");
  if (!strcmp(key, "<<"))
    refuse(r, entry->key_span, "use 'extends: FILE' to build on another spec",
           "merge keys are not used here");
  if (strlen(key) > KEY_LIMIT)
    refuse(r, entry->key_span, NULL, "a key of more than %d bytes", KEY_LIMIT);
  const TreeEntry *first = tree_entry(map, key);
  if (!first) return;
  refuse(r, entry->key_span, NULL, "the key '%s' is written twice", key);
  diag_note(r->diag, first->key_span, "first here");
}

static bool entry_read(Reader *r, Tree *map, bool flow) {
  TreeEntry entry = {0};
  if (r->event.type != YAML_SCALAR_EVENT && r->event.type != YAML_ALIAS_EVENT) {
    refuse(r, event_span(r, 1), "quote a value that starts with '{' or '['",
           "a key is a text, not a map or a list");
    return false;
  }
  Tree *key = node_read(r);
  if (!key) return false;
  entry.key = key->text.text ? key->text.text : "*";
  entry.key_span = key->span;
  entry.key_text = key->text;
  bool known = key->text.text != NULL; /* not an alias, which was reported */
  if (known && !r->cut) key_check(r, map, &entry);
  if (!(entry.value = node_read(r))) return false;
  if (flow && !r->cut && value_missing(r, entry.value)) {
    refuse(r, entry.key_span, "write 'key: value'; an expression with a comma needs quotes here",
           "'%s' has no value inside { }", entry.key);
    r->cut = true;
  }
  if (map->entry_count == 0 && !flow) map->span = entry.key_span;
  if (map->entry_count == ENTRY_LIMIT) {
    refuse(r, entry.key_span, NULL, "a map of more than %d keys", ENTRY_LIMIT);
    return false;
  }
  tree_put(r->arena, map, entry);
  return true;
}

static bool map_read(Reader *r, Tree *tree) {
  bool flow = r->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
  *tree = *tree_map(r->arena, event_span(r, 1));
  r->flow += flow;
  if (!event_next(r)) return false;
  while (r->event.type != YAML_MAPPING_END_EVENT)
    if (!entry_read(r, tree, flow)) return false;
  r->flow -= flow;
  return true;
}

static bool list_read(Reader *r, Tree *tree) {
  bool flow = r->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
  size_t capacity = 0;
  tree->kind = TREE_LIST;
  tree->span = event_span(r, 1);
  r->flow += flow;
  if (!event_next(r)) return false;
  while (r->event.type != YAML_SEQUENCE_END_EVENT) {
    Tree *item = node_read(r);
    if (!item) return false;
    PUSH(r->arena, tree->items, tree->item_count, capacity, item);
  }
  r->flow -= flow;
  return true;
}

/* Reports an anchor or a tag before the current node. */
static void properties_check(Reader *r) {
  const yaml_event_t *e = &r->event;
  const yaml_char_t *anchor = NULL, *tag = NULL;
  if (e->type == YAML_SCALAR_EVENT) anchor = e->data.scalar.anchor, tag = e->data.scalar.tag;
  if (e->type == YAML_MAPPING_START_EVENT)
    anchor = e->data.mapping_start.anchor, tag = e->data.mapping_start.tag;
  if (e->type == YAML_SEQUENCE_START_EVENT)
    anchor = e->data.sequence_start.anchor, tag = e->data.sequence_start.tag;
  if (tag)
    refuse(r, event_span(r, 1), "quote a value that starts with '!'", "tags are not used here");
  if (anchor)
    refuse(
        r, event_span(r, strlen((const char *)anchor) + 1),
        "give the value a name under 'constants' or 'define'; quote a value that starts with '&'",
        "anchors are not used here");
}

static Tree *alias_read(Reader *r) {
  refuse(r, event_span(r, SIZE_MAX),
         "give the value a name under 'constants' or 'define'; quote a value that starts with '*'",
         "aliases are not used here");
  Tree *tree = NEW(r->arena, Tree);
  tree->span = event_span(r, SIZE_MAX);
  return tree;
}

/* Reads the node of the current event and moves behind it. NULL after reporting where reading
 * cannot go on. */
static Tree *node_read(Reader *r) {
  Tree *tree = NEW(r->arena, Tree);
  bool cut = r->cut, good = true;
  properties_check(r);
  if (r->event.type == YAML_SCALAR_EVENT) {
    tree = scalar_read(r);
  } else if (r->event.type == YAML_ALIAS_EVENT) {
    tree = alias_read(r);
  } else if (r->depth == NEST_LIMIT) {
    refuse(r, event_span(r, 1), NULL, "maps and lists nested more than %d deep", NEST_LIMIT);
    return NULL;
  } else {
    r->depth++;
    bool map = r->event.type == YAML_MAPPING_START_EVENT;
    good = map ? map_read(r, tree) : list_read(r, tree);
    r->depth--;
    if (r->flow == 0) r->cut = cut;
  }
  return good && event_next(r) ? tree : NULL;
}

/* ---- documents ---- */

/* The event that opens the document, which may be missing: then *tree is an empty value. */
static bool document_open(Reader *r, Tree **tree) {
  if (!event_next(r) || !event_next(r)) return false; /* the stream's start */
  if (r->event.type == YAML_STREAM_END_EVENT) {
    *tree = NEW(r->arena, Tree);
    (*tree)->span = places_span(&r->places, r->places.from, r->places.from);
    (*tree)->empty = true;
    return true;
  }
  const yaml_event_t *e = &r->event;
  bool tags =
      e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end;
  if (e->data.document_start.version_directive || tags)
    refuse(r, event_span(r, 1), NULL, "directives are not used here");
  return event_next(r);
}

static Tree *document_read(Reader *r) {
  Tree *tree = NULL;
  if (!document_open(r, &tree)) return NULL;
  if (!tree && !(tree = node_read(r))) return NULL;
  if (r->event.type == YAML_DOCUMENT_END_EVENT && !event_next(r)) return NULL;
  if (r->event.type == YAML_DOCUMENT_START_EVENT)
    refuse(r, event_span(r, 3), "one file holds one document", "a second document starts here");
  return r->failed ? NULL : tree;
}

Tree *yaml_read(Arena *arena, Diag *diag, const Source *source, size_t from) {
  Reader r = {.arena = arena, .diag = diag};
  if (!places_make(arena, diag, source, from, &r.places)) return NULL;
  if (!yaml_parser_initialize(&r.parser)) bug("libyaml does not start");
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)source->text + r.places.from,
                               source->size - r.places.from);
  Tree *tree = document_read(&r);
  yaml_event_delete(&r.event);
  yaml_parser_delete(&r.parser);
  return tree;
}

Tree *tree_parse(Arena *arena, Diag *diag, const Source *source) {
  Tree *tree = yaml_read(arena, diag, source, 0);
  if (!tree || !tree->empty) return tree;
  diag_error(diag, (Span){.source = source}, NULL, "the file is empty");
  return NULL;
}
