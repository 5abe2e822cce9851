/* libyaml's objections in our words: what is wrong, where, and what to write instead. */
#include "dsl/yaml.h"

#include <string.h>

/* Where the caret goes: at the problem, or at the beginning of what libyaml was reading. */
typedef enum Caret { AT_PROBLEM, AT_CONTEXT } Caret;

/* The first row whose `problem` and `context` (NULL: any) occur in libyaml's words applies. */
static const struct Wording {
  const char *problem, *context;
  Caret caret;
  const char *message, *hint;
} wordings[] = {
    {"tab character", NULL, AT_PROBLEM, "a tab cannot indent", "indent with spaces"},
    {"could not find expected ':'", NULL, AT_CONTEXT, "expected 'key: value'",
     "is ': ' missing, or is this line indented too little to belong to the value above?"},
    {"mapping values are not allowed", NULL, AT_PROBLEM, "a ':' cannot stand here",
     "quote a value that contains ': ', and check the indentation"},
    {"block sequence entries are not", NULL, AT_PROBLEM, "a list cannot start here",
     "write each '- item' on a line of its own below the key"},
    {"mapping keys are not allowed", NULL, AT_PROBLEM, "a key cannot stand here",
     "quote a value that starts with '? '"},
    {"expected key", NULL, AT_PROBLEM, "expected a key",
     "the keys of one map start in the same column"},
    {"expected '-' indicator", NULL, AT_PROBLEM, "expected '- '",
     "the items of one list start in the same column"},
    {"expected ',' or ']'", NULL, AT_PROBLEM, "expected ',' or ']'", NULL},
    {"expected ',' or '}'", NULL, AT_PROBLEM, "expected ',' or '}'", NULL},
    {"expected node content", NULL, AT_PROBLEM, "a value is missing before this", NULL},
    {"unexpected end of stream", "quoted", AT_CONTEXT, "a quote that is never closed", NULL},
    {"unexpected document indicator", "quoted", AT_CONTEXT, "a quote that is never closed", NULL},
    {"escape", "quoted", AT_PROBLEM, "not an escape that YAML knows",
     "in single quotes a backslash is an ordinary character"},
    {"", "quoted", AT_PROBLEM, "a malformed escape",
     "in single quotes a backslash is an ordinary character"},
    {"", "block scalar", AT_PROBLEM, "nothing may follow '|' or '>' on its line",
     "quote a value that starts with '|' or '>'"},
    {"", "alias", AT_CONTEXT, "aliases are not used here", "quote a value that starts with '*'"},
    {"", "anchor", AT_CONTEXT, "anchors are not used here", "quote a value that starts with '&'"},
    {"", "directive", AT_CONTEXT, "directives are not used here",
     "quote a value that starts with '%'"},
    {"", "tag", AT_CONTEXT, "tags are not used here", "quote a value that starts with '!'"},
    {"undefined tag handle", NULL, AT_PROBLEM, "tags are not used here",
     "quote a value that starts with '!'"},
    {"unexpected ':'", NULL, AT_PROBLEM, "a ':' cannot stand here", "write ': ' behind a key"},
    {"<document start>", NULL, AT_PROBLEM, "this belongs to nothing above it",
     "the keys of one map start in the same column"},
};

static const struct Wording *wording_find(const yaml_parser_t *parser) {
  const char *problem = parser->problem ? parser->problem : "";
  const char *context = parser->context ? parser->context : "";
  for (size_t i = 0; i < COUNTOF(wordings); i++) {
    const struct Wording *w = &wordings[i];
    if (strstr(problem, w->problem) && (!w->context || strstr(context, w->context))) return w;
  }
  return NULL;
}

static bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Inside { } or [ ] the brackets of an expression, as in {a: mean[batch](x)}, are YAML's own: an
 * expression was cut there. */
static bool cut_report(Diag *diag, const Places *places, const yaml_parser_t *parser, size_t at) {
  const char *text = places->source->text;
  bool flow = parser->problem && (strstr(parser->problem, "',' or '"));
  if (!flow || at == places->from || (text[at] != '[' && text[at] != '{')) return false;
  size_t begin = at;
  while (begin > places->from && (is_word(text[begin - 1]) || text[begin - 1] == '.')) begin--;
  if (begin == at) return false;
  size_t end = at;
  while (end < places->source->size && !strchr("]}\n", text[end])) end++;
  diag_error(diag, places_span(places, begin, end + (text[end] == ']' || text[end] == '}')),
             "quote the expression or give it a line of its own",
             "an expression with brackets is cut inside { } and [ ]");
  return true;
}

/* A character that can start no value: '@', '`', '%', or a tab. */
static void start_report(Arena *arena, Diag *diag, const Places *places, size_t at) {
  char c = places->source->text[at];
  if (c == '\t') {
    diag_error(diag, places_span(places, at, at + 1), "indent with spaces", "a tab cannot indent");
    return;
  }
  diag_error(diag, places_span(places, at, at + 1),
             arena_printf(arena, "quote a value that starts with '%c'", c),
             "no value starts with '%c'", c);
}

/* Whether something stands before `at` on its line. */
static bool is_inside_line(const Places *places, size_t at) {
  while (at > places->from && strchr(" \t", places->source->text[at - 1])) at--;
  return at > places->from && places->source->text[at - 1] != '\n';
}

/* What was open when libyaml gave up. */
static void opened_note(Diag *diag, const Places *places, const yaml_parser_t *parser) {
  if (!parser->context || !strstr(parser->context, "parsing a flow ")) return;
  size_t at = places_offset(places, parser->context_mark.index);
  if (at >= places->source->size || !strchr("[{", places->source->text[at])) return;
  diag_note(diag, places_span(places, at, at + 1), "the '%c' is opened here",
            places->source->text[at]);
}

void yaml_report(Arena *arena, Diag *diag, const Places *places, const yaml_parser_t *parser) {
  if (parser->error == YAML_MEMORY_ERROR) bug("libyaml is out of memory");
  size_t at = places_offset(places, parser->problem_mark.index);
  if (parser->problem && strstr(parser->problem, "cannot start any token"))
    return start_report(arena, diag, places, at);
  if (cut_report(diag, places, parser, at)) return;
  if (parser->problem && strstr(parser->problem, "expected key") && is_inside_line(places, at)) {
    diag_error(diag, places_span(places, at, at + 1), "a quoted value ends with its quote",
               "a value ends before this");
    return;
  }
  const struct Wording *w = wording_find(parser);
  if (!w) {
    diag_error(diag, places_span(places, at, at + 1), NULL, "not YAML: %s",
               parser->problem ? parser->problem : "unreadable");
    return;
  }
  size_t size = places->source->size;
  if (w->caret == AT_CONTEXT) at = places_offset(places, parser->context_mark.index);
  bool line = w->caret == AT_CONTEXT && strstr(w->problem, "':'");
  diag_error(diag,
             places_span(places, at,
                         line        ? size
                         : at < size ? at + 1
                                     : at),
             w->hint, "%s", w->message);
  opened_note(diag, places, parser);
}
