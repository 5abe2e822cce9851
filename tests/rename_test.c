/* Nothing of an algorithm lives in the compiler: a spec whose every name is another gives the same
 * program up to names; a function of the prelude written in the spec instead gives the same
 * program; and no source of the compiler speaks an algorithm's name. */
#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tests/spec_files.h"
#include "tests/suite.h"

#define MARK "Zz" /* what is put behind every name; nothing else has it */

static Arena *arena;
static char folder[64];

static void setup(void) {
  arena = arena_make();
  strcpy(folder, P_tmpdir "/rlc_rename_XXXXXX");
  ck_assert(mkdtemp(folder) != NULL);
}

static void teardown(void) {
  unlink(arena_printf(arena, "%s/spec.yaml", folder));
  unlink(arena_printf(arena, "%s/prelude.yaml", folder));
  rmdir(folder);
  arena_free(arena);
}

/* ---- from a file to the text of its module ---- */

static Elaborated *elaborated(const char *path, const char *prelude) {
  Session *session = NEW(arena, Session);
  *session = (Session){.arena = arena, .diag = diag_make(arena), .spec = path, .prelude = prelude};
  ck_assert_msg(session_elaborate(session), "%s does not elaborate", path);
  return session->elaborated;
}

/* The module after all passes, with its streams numbered in the order they are met. */
static const char *module_text(const char *path, const char *prelude) {
  Elaborated *e = elaborated(path, prelude);
  PipelineOptions options = {.out = stdout};
  pipeline_run(e->module, &options);
  char *text = NULL, *result = NULL;
  size_t size = 0, total = 0, count = 0;
  FILE *out = open_memstream(&text, &size);
  ir_print(e->module, out);
  fclose(out);
  out = open_memstream(&result, &total);
  const char *keys[4096];
  static const char uniform[] = "uniform[key=";
  for (const char *at = text; *at;) {
    if (strncmp(at, uniform, sizeof uniform - 1) != 0) {
      fputc(*at++, out);
      continue;
    }
    at += sizeof uniform - 1;
    size_t length = strspn(at, "0123456789"), k = 0;
    while (k < count && (strncmp(keys[k], at, length) || isdigit((unsigned char)keys[k][length])))
      k++;
    ck_assert_uint_lt(k, COUNTOF(keys));
    if (k == count) keys[count++] = at;
    fprintf(out, "%s%zu", uniform, k);
    at += length;
  }
  fclose(out);
  const char *copy = arena_copy(arena, result, total);
  free(text), free(result);
  return copy;
}

static const char *tree_write(const Tree *tree, const char *name) {
  const char *path = arena_printf(arena, "%s/%s", folder, name);
  FILE *out = fopen(path, "wb");
  ck_assert(out != NULL);
  tree_print(tree, out);
  fclose(out);
  return path;
}

static void texts_equal(const char *a, const char *b, const char *what) {
  size_t line = 1, begin = 0;
  for (size_t i = 0; a[i] || b[i]; i++) {
    if (a[i] != b[i])
      ck_abort_msg("%s: line %zu is\n%.*s\nand should be\n%.*s", what, line,
                   (int)strcspn(b + begin, "\n"), b + begin, (int)strcspn(a + begin, "\n"),
                   a + begin);
    if (a[i] == '\n') line++, begin = i + 1;
  }
}

/* ---- the user's names ---- */

typedef struct Words {
  const char *words[512];
  size_t count;
} Words;

/* Values; those that are functions; parameters of functions; axes; heads of networks, which are
 * fields; targets, whose fields are names of what they copy. */
typedef struct Names {
  Words values, functions, parameters, axes, heads, targets;
} Names;

static bool is_letter(char c) { return isalnum((unsigned char)c) || c == '_'; }

static bool words_have(const Words *words, const char *at, size_t length) {
  for (size_t i = 0; i < words->count; i++)
    if (strlen(words->words[i]) == length && strncmp(words->words[i], at, length) == 0) return true;
  return false;
}

static bool is_one_of(const char *key, const char *const *keys) {
  for (; *keys; keys++)
    if (strcmp(key, *keys) == 0) return true;
  return false;
}

/* Axes of the language. */
static const char *const own_words[] = {"time", "env", "batch",  "ahead",
                                        "obs",  "act", "choice", NULL};

static void words_add(Words *words, const char *at, size_t length) {
  if (length == 0 || isdigit((unsigned char)*at) || words_have(words, at, length)) return;
  if (is_one_of(arena_copy(arena, at, length), own_words)) return;
  ck_assert_uint_lt(words->count, COUNTOF(words->words));
  words->words[words->count++] = arena_copy(arena, at, length);
}

static const char *const value_maps[] = {"constants",  "networks", "parameters", "targets",
                                         "define",     "losses",   "let",        "set",
                                         "optimizers", "store",    "compute",    NULL};
static const char *const function_maps[] = {"networks", "targets", "define", NULL};
static const char *const plain_keys[] = {"name", "doc", "cite", "id", "log", NULL};

/* A word of a text with its surroundings: in brackets and not behind '=' it is an axis. */
typedef struct Scan {
  const char *text;
  size_t at, begin;
  int round, square;
  bool extent; /* behind '=' in brackets */
  bool axes;   /* the text is a list of axes */
} Scan;

static bool scan_next(Scan *s) {
  for (; s->text[s->at] && !is_letter(s->text[s->at]); s->at++) {
    char c = s->text[s->at];
    s->square += (c == '[') - (c == ']');
    s->round += (c == '(') - (c == ')');
    s->extent = (c == '=' && (s->square > 0 || s->axes)) || (s->extent && c != ',' && c != ']');
  }
  s->begin = s->at;
  while (is_letter(s->text[s->at])) s->at++;
  return s->at > s->begin;
}

static bool scan_is_axis(const Scan *s) { return (s->square > 0 || s->axes) && !s->extent; }

/* The counter of an unroll is a value. */
static bool is_counter(const char *text, size_t begin) {
  static const char unroll[] = "unroll[";
  size_t length = sizeof unroll - 1;
  return begin >= length && strncmp(text + begin - length, unroll, length) == 0;
}

/* Axes that are minted: those with an extent behind them. */
static void axes_collect(Names *names, const char *text, bool axes) {
  Scan s = {.text = text, .axes = axes};
  while (scan_next(&s))
    if (scan_is_axis(&s) && text[s.at] == '=')
      words_add(is_counter(text, s.begin) ? &names->parameters : &names->axes, text + s.begin,
                s.at - s.begin);
}

static void names_collect(Names *names, const Tree *tree, const char *above) {
  if (tree->kind == TREE_SCALAR) axes_collect(names, tree->text.text, strcmp(above, "axes") == 0);
  for (size_t i = 0; tree->kind == TREE_LIST && i < tree->item_count; i++)
    names_collect(names, tree->items[i], above);
  for (size_t i = 0; tree->kind == TREE_MAP && i < tree->entry_count; i++) {
    const TreeEntry *entry = &tree->entries[i];
    Words *words = strcmp(above, "copies") == 0  ? &names->axes
                   : strcmp(above, "heads") == 0 ? &names->heads
                                                 : &names->values;
    bool new_name =
        words != &names->values ||
        (is_one_of(above, value_maps) && strcmp(above, "optimizers") && strcmp(above, "set"));
    Scan s = {.text = entry->key};
    while (new_name && scan_next(&s))
      words_add(words == &names->values && s.round > 0 ? &names->parameters : words,
                entry->key + s.begin, s.at - s.begin);
    bool function = is_one_of(above, function_maps) || strpbrk(entry->key, "([");
    if (new_name && function) words_add(&names->functions, entry->key, strcspn(entry->key, "(["));
    if (strcmp(above, "targets") == 0) words_add(&names->targets, entry->key, strlen(entry->key));
    names_collect(names, entry->value, entry->key);
  }
}

/* ---- renaming ---- */

/* The function in whose parentheses `at` stands; its length, 0: in none. */
static size_t head_of(const char *text, size_t at, const char **head) {
  int depth = 0;
  while (at > 0 && depth <= 0) {
    char c = text[--at];
    depth += (c == '(' || c == '[') - (c == ')' || c == ']');
  }
  if (depth <= 0 || text[at] != '(') return 0;
  for (depth = 0; at > 0 && (depth < 0 || text[at - 1] == ']');) {
    char c = text[--at];
    depth += (c == '[') - (c == ']');
  }
  size_t end = at;
  while (at > 0 && is_letter(text[at - 1])) at--;
  *head = text + at;
  return end - at;
}

/* Whether the word names an argument, which is the function's. A scan's carry is a name like
 * others; a record's field is one if it is a head elsewhere. */
static bool is_argument(const Names *names, const Scan *s, bool *field) {
  const char *after = s->text + s->at, *head = "";
  while (*after == ' ') after++;
  if (s->round <= 0 || after[0] != '=' || after[1] == '=') return false;
  size_t length = head_of(s->text, s->begin, &head);
  bool carry = (length == 4 && strncmp(head, "scan", 4) == 0) ||
               (length == 6 && strncmp(head, "unroll", 6) == 0);
  *field = length == 6 && strncmp(head, "record", 6) == 0;
  return !carry && !words_have(&names->functions, head, length);
}

/* Whether the word is a name of the user's where it stands. */
static bool is_renamed(const Names *names, const Scan *s, const char *above) {
  const char *word = s->text + s->begin;
  size_t length = s->at - s->begin;
  bool field = s->begin > 0 && s->text[s->begin - 1] == '.' && !isdigit((unsigned char)*word);
  if (scan_is_axis(s) && is_counter(s->text, s->begin))
    return words_have(&names->values, word, length) || words_have(&names->parameters, word, length);
  if (scan_is_axis(s)) return words_have(&names->axes, word, length);
  if (strcmp(above, "heads") == 0) return words_have(&names->heads, word, length);
  bool call = word[length] == '(' || word[length] == '[';
  bool value = words_have(call ? &names->functions : &names->values, word, length) ||
               (!call && words_have(&names->parameters, word, length));
  bool head = words_have(&names->heads, word, length), of_record = false;
  if (!field && is_argument(names, s, &of_record)) return of_record && head;
  if (!field) return value || (!call && words_have(&names->axes, word, length));
  size_t chain = s->begin;
  while (chain > 0 && (is_letter(s->text[chain - 1]) || s->text[chain - 1] == '.')) chain--;
  const char *first = s->text + chain;
  bool of_target = words_have(&names->targets, first, strcspn(first, "."));
  return strncmp(first, "losses.", 7) == 0 ? value : head || (of_target && value);
}

static const char *text_renamed(const Names *names, const char *text, const char *above, bool key) {
  Scan s = {.text = text,
            .axes = strcmp(above, "axes") == 0 || (key && strcmp(above, "copies") == 0)};
  const char *result = "";
  size_t done = 0;
  while (scan_next(&s)) {
    bool renamed = is_renamed(names, &s, key ? above : "");
    result = arena_printf(arena, "%s%.*s%s", result, (int)(s.at - done), text + done,
                          renamed ? MARK : "");
    done = s.at;
  }
  return arena_printf(arena, "%s%s", result, text + done);
}

static void tree_rename(const Names *names, Tree *tree, const char *above) {
  if (tree->kind == TREE_SCALAR) {
    tree->text.text = text_renamed(names, tree->text.text, above, false);
    tree->text.length = strlen(tree->text.text);
  }
  for (size_t i = 0; tree->kind == TREE_LIST && i < tree->item_count; i++)
    tree_rename(names, tree->items[i], above);
  for (size_t i = 0; tree->kind == TREE_MAP && i < tree->entry_count; i++) {
    TreeEntry *entry = &tree->entries[i];
    const char *key = entry->key;
    bool names_here =
        is_one_of(above, value_maps) || strcmp(above, "copies") == 0 || strcmp(above, "heads") == 0;
    if (names_here) entry->key = text_renamed(names, key, above, true);
    if (!is_one_of(key, plain_keys) || names_here || strcmp(key, "log") == 0)
      tree_rename(names, entry->value, key);
  }
}

static const char *without_marks(const char *text, size_t *count) {
  char *result = arena_copy(arena, text, strlen(text)), *to = result;
  for (const char *at = text; *at;)
    if (strncmp(at, MARK, strlen(MARK)) == 0)
      at += strlen(MARK), ++*count;
    else
      *to++ = *at++;
  *to = 0;
  return result;
}

static SpecFiles specs; /* set once by main */

/* The language's scale of rewards asks a spec for gamma by that name. */
static void keep_gamma(Names *names, const Tree *spec) {
  const Tree *env = tree_get(spec, "env");
  if (!env || env->kind != TREE_MAP || !tree_get(env, "normalize")) return;
  for (size_t i = 0; i < names->values.count; i++)
    if (strcmp(names->values.words[i], "gamma") == 0) names->values.words[i] = "";
}

START_TEST(other_names) {
  const char *path = specs.paths[_i];
  Tree *tree = elaborated(path, NULL)->spec;
  Names names = {0};
  names_collect(&names, tree, "");
  keep_gamma(&names, tree);
  ck_assert_uint_gt(names.values.count, 4);
  const char *plain = module_text(tree_write(tree, "spec.yaml"), NULL);
  tree_rename(&names, tree, "");
  const char *other = module_text(tree_write(tree, "spec.yaml"), NULL);
  size_t marks = 0;
  texts_equal(plain, without_marks(other, &marks), path);
  printf("%-32s %zu values, %zu axes, %zu heads renamed: %zu places in the module\n", path,
         names.values.count, names.axes.count, names.heads.count, marks);
  ck_assert_uint_gt(marks, 20);
}
END_TEST

/* ---- the prelude is text like any other ---- */

static const char *const functions[] = {"blend",  "best_of",     "retry_weights",
                                        "adam",   "tanh_normal", "relu",
                                        "square", "clip",        "torch_uniform"};

static size_t name_length(const char *key) { return strcspn(key, "[("); }

static Tree *scalar(const char *text) {
  Source *source = source_from_text(arena, "made", text);
  Tree *tree = tree_parse(arena, diag_make(arena), source);
  ck_assert(tree != NULL);
  return tree;
}

static TreeEntry made_entry(const char *key, Tree *value) {
  return (TreeEntry){.key = key, .value = value};
}

START_TEST(prelude_in_the_spec) {
  const char *name = functions[_i];
  Tree *prelude =
      tree_parse(arena, diag_make(arena), source_from_text(arena, "prelude", dsl_prelude));
  ck_assert(prelude != NULL);
  Tree *define = tree_get(prelude, "define");
  size_t at = 0;
  while (at < define->entry_count && (name_length(define->entries[at].key) != strlen(name) ||
                                      strncmp(define->entries[at].key, name, strlen(name)) != 0))
    at++;
  ck_assert_msg(at < define->entry_count, "the prelude has no '%s'", name);
  TreeEntry own_define = define->entries[at];
  memmove(&define->entries[at], &define->entries[at + 1],
          (define->entry_count - at - 1) * sizeof(TreeEntry));
  define->entry_count--;
  const char *shorter = tree_write(prelude, "prelude.yaml");

  TreeEntry entries[] = {
      made_entry("name", scalar("own")),
      made_entry("extends", scalar(arena_printf(arena, "%s/specs/remac.yaml", RLC_ROOT))),
      made_entry("define", NULL)};
  Tree own = {.kind = TREE_MAP, .entries = &own_define, .entry_count = 1};
  Tree spec = {.kind = TREE_MAP, .entries = entries, .entry_count = COUNTOF(entries)};
  entries[2].value = &own;
  const char *path = tree_write(&spec, "spec.yaml");

  Session without = {
      .arena = arena, .diag = diag_make(arena), .spec = "specs/remac.yaml", .prelude = shorter};
  FILE *former = stderr;
  stderr = fopen("/dev/null", "w");
  bool good = session_elaborate(&without);
  fclose(stderr);
  stderr = former;
  ck_assert_msg(!good, "without '%s' the spec still elaborates", name);
  texts_equal(module_text("specs/remac.yaml", NULL), module_text(path, shorter), name);
}
END_TEST

/* ---- no algorithm has a name here ---- */

static const char *const algorithms[] = {
    "sac", "ppo",  "td3",    "dqn",  "remac", "reppo", "qmle",    "pqn",  "ddpg", "a2c",
    "a3c", "trpo", "redq",   "droq", "c51",   "iqn",   "qrdqn",   "iql",  "cql",  "mpo",
    "mrq", "tqc",  "crossq", "bro",  "simba", "xqc",   "fasttd3", "pkpo", "awac", "reinforce"};

static size_t words_check(const char *path, const char *text) {
  size_t count = 0;
  for (const char *at = text; *at; count++) {
    while (*at && !is_letter(*at)) at++;
    size_t length = 0;
    while (is_letter(at[length])) length++;
    bool example =
        strncmp(at + length, ".yaml", 5) == 0; /* the name of a file, in a message or a comment */
    for (size_t i = 0; !example && i < COUNTOF(algorithms); i++)
      ck_assert_msg(strlen(algorithms[i]) != length || strncasecmp(at, algorithms[i], length) != 0,
                    "%s knows '%s'", path, algorithms[i]);
    at += length;
  }
  return count;
}

START_TEST(no_algorithm) {
  static const char *const folders[] = {"compiler", "ir", "codegen", "runtime", "envs"};
  size_t files = 0, words = 0;
  for (size_t i = 0; i < COUNTOF(folders); i++) {
    DIR *dir = opendir(folders[i]);
    ck_assert(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir));) {
      const char *dot = strrchr(entry->d_name, '.'), *error = NULL;
      if (!dot || (strcmp(dot, ".c") && strcmp(dot, ".h") && strcmp(dot, ".def"))) continue;
      const char *path = arena_printf(arena, "%s/%s", folders[i], entry->d_name);
      Source *source = source_read(arena, path, &error);
      ck_assert_msg(source != NULL, "%s: %s", path, error);
      words += words_check(path, source->text);
      files++;
    }
    closedir(dir);
  }
  printf("%zu words of %zu files name no algorithm\n", words, files);
  ck_assert_uint_gt(files, 60);
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Arena *paths = arena_make();
  spec_files_find(&specs, paths, "specs", getenv("RLC_SPECS"));
  Suite *suite = suite_create("rename");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_loop_test(tcase, other_names, 0, specs.count);
  tcase_add_loop_test(tcase, prelude_in_the_spec, 0, COUNTOF(functions));
  tcase_add_test(tcase, no_algorithm);
  tcase_set_timeout(tcase, 120);
  suite_add_tcase(suite, tcase);
  int failed = suite_run(suite);
  arena_free(paths);
  return failed;
}
