/* Robustness: every fixture with each character or token in turn deleted, doubled or made another,
 * and cut at each place. Whatever comes out, nothing crashes, a refusal has a message, and what is
 * accepted prints so that it reads back. Meant to be run under the address sanitizer too. */
#include "tests/front.h"
#include "tests/suite.h"

static const char *const fixtures[] = {"accepted", "ppo", "qmle",  "remac",
                                       "reppo",    "sac", "study", "pendulum_env"};

/* Characters that mean something to YAML or to expressions. */
static const char odd[] = "()[]{},:#&*!|>'\"%@`-?=.^/\\\t\n \x01\xc3\xff~<";

typedef struct Counts {
  size_t tried, accepted;
} Counts;

/* One document through the whole front. */
static void front_run(const char *text, Counts *counts) {
  Front f = front_open();
  Tree *tree = front_tree(&f, text);
  size_t errors = diag_errors(f.diag);
  ck_assert_msg((tree == NULL) == (errors > 0), "%s with %zu errors:\n%s",
                tree ? "accepted" : "refused", errors, text);
  if (tree) {
    bool good = tree_check_keys(f.arena, f.diag, tree, front_table(tree));
    ck_assert_msg(good == (diag_errors(f.diag) == 0), "keys of\n%s", text);
    const Tree *again = front_tree(&f, front_print(&f, tree));
    ck_assert_msg(again && front_equal(tree, again), "%s\nis printed as\n%s", text,
                  front_print(&f, tree));
    counts->accepted += good;
  }
  front_messages(&f);
  counts->tried++;
  front_close(&f);
}

/* `text` with the bytes from..to replaced by `by`. */
static const char *replaced(char *room, const char *text, size_t from, size_t to, const char *by) {
  memcpy(room, text, from);
  strcpy(stpcpy(room + from, by), text + to);
  return room;
}

static void characters_change(const char *text, char *room, Counts *counts) {
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    char twice[] = {text[i], text[i], 0}, other[] = {odd[i % (sizeof odd - 1)], 0};
    front_run(replaced(room, text, i, i + 1, ""), counts);
    front_run(replaced(room, text, i, i + 1, twice), counts);
    front_run(replaced(room, text, i, i + 1, other), counts);
    if (i % 4 == 0) front_run(replaced(room, text, i, length, ""), counts);
  }
}

static bool is_word(char c) {
  return c == '_' || c == '-' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static void tokens_change(const char *text, char *room, Counts *counts) {
  for (size_t i = 0, end; text[i]; i = end) {
    for (end = i + 1; is_word(text[i]) && text[end] && is_word(text[end]);) end++;
    char twice[512];
    size_t length = end - i;
    if (length < 2) continue;
    ck_assert_uint_lt(2 * length + 2, sizeof twice);
    snprintf(twice, sizeof twice, "%.*s %.*s", (int)length, text + i, (int)length, text + i);
    front_run(replaced(room, text, i, end, ""), counts);
    front_run(replaced(room, text, i, end, twice), counts);
  }
}

static void lines_change(const char *text, char *room, Counts *counts) {
  for (const char *line = text, *next; *line; line = next) {
    next = strchr(line, '\n') + 1;
    size_t from = (size_t)(line - text), to = (size_t)(next - text);
    char twice[1024];
    ck_assert_uint_lt(2 * (to - from), sizeof twice);
    snprintf(twice, sizeof twice, "%.*s%.*s", (int)(to - from), line, (int)(to - from), line);
    front_run(replaced(room, text, from, to, ""), counts);
    front_run(replaced(room, text, from, to, twice), counts);
    front_run(replaced(room, text, from, from, "  "), counts);
  }
}

START_TEST(changed_documents) {
  Front f = front_open();
  const char *path = arena_printf(f.arena, "tests/data/front/%s.yaml", fixtures[_i]);
  const Source *source = front_file(&f, path);
  char *room = arena_alloc(f.arena, source->size + 2048);
  Counts counts = {0};
  characters_change(source->text, room, &counts);
  tokens_change(source->text, room, &counts);
  lines_change(source->text, room, &counts);
  printf("%s: %zu changed documents, %zu of them still good\n", fixtures[_i], counts.tried,
         counts.accepted);
  ck_assert_uint_ge(counts.tried, 3 * source->size);
  front_close(&f);
}
END_TEST

/* Every changed overlay on one base, and every changed assignment. */
START_TEST(changed_overlays) {
  Front f = front_open();
  const Source *source = front_file(&f, "tests/data/front/remac.yaml");
  const Source *below = front_file(&f, "tests/data/front/sac.yaml");
  char *room = arena_alloc(f.arena, source->size + 16);
  size_t laid = 0;
  for (size_t i = 0; i < source->size; i++) {
    Front g = front_open();
    const Tree *base = tree_parse(g.arena, g.diag, below);
    const Tree *over = front_tree(&g, replaced(room, source->text, i, i + 1, i % 2 ? "" : "::"));
    const Tree *result =
        over && over->kind == TREE_MAP ? tree_overlay(g.arena, g.diag, base, over) : NULL;
    if (result) tree_check_keys(g.arena, g.diag, result, "spec"), laid++;
    ck_assert(result || diag_errors(g.diag) > 0 || over->kind != TREE_MAP);
    front_messages(&g);
    front_close(&g);
  }
  ck_assert_uint_ge(laid, source->size / 4);
  front_close(&f);
}
END_TEST

START_TEST(changed_assignments) {
  static const char *const assignments[] = {"losses.actor.minimize=-mean[batch](f(a, b))",
                                            "optimizers.default={eps: 1e-5, lr: {over: updates}}",
                                            "env={count: 4}", "define.policy.doc=\"x\\u00e9\"",
                                            "tau=null"};
  Front f = front_open();
  const Source *below = front_file(&f, "tests/data/front/sac.yaml");
  char room[256];
  for (size_t k = 0; k < COUNTOF(assignments); k++)
    for (size_t i = 0; assignments[k][i]; i++)
      for (size_t c = i % 3; c < sizeof odd; c += 3) {
        Front g = front_open();
        const Tree *base = tree_parse(g.arena, g.diag, below);
        const char *one = replaced(room, assignments[k], i, i + 1, (char[]){odd[c], 0});
        const Tree *result = tree_override(g.arena, g.diag, base, &one, 1);
        ck_assert_msg((result == NULL) == (diag_errors(g.diag) > 0), "%s", one);
        if (result) tree_check_keys(g.arena, g.diag, result, "spec");
        front_messages(&g);
        front_close(&g);
      }
  front_close(&f);
}
END_TEST

/* Random texts of the expression language's own pieces. */
START_TEST(random_expressions) {
  static const char *const pieces[] = {
      "x", "1", "(", ")",  "[",  "]",     ",",     "=", ".",   "+",  "-", "*",
      "/", "^", "<", "==", "f(", "m[a](", "\"s\"", " ", "2e3", "\n", "!"};
  uint64_t random = 20261121; /* the seed */
  size_t good = 0;
  for (int i = 0; i < 40000; i++) {
    Front f = front_open();
    char text[128] = "", *at = text;
    for (int k = 0; k < i % 6 + 1; k++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      at = stpcpy(at, pieces[(random >> 33) % COUNTOF(pieces)]);
    }
    const Expr *e = front_expr(&f, text);
    ck_assert_msg((e == NULL) == (diag_errors(f.diag) > 0), "%s", text);
    if (e) {
      const char *printed = expr_text(f.arena, e);
      const Expr *again = front_expr(&f, printed);
      ck_assert_msg(again && !strcmp(expr_text(f.arena, again), printed), "%s: %s", text, printed);
      good++;
    }
    front_messages(&f);
    front_close(&f);
  }
  printf("40000 random expressions, %zu of them good\n", good);
  ck_assert_uint_ge(good, 1500);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("front_fuzz");
  TCase *tcase = tcase_create("all");
  tcase_add_loop_test(tcase, changed_documents, 0, COUNTOF(fixtures));
  tcase_add_test(tcase, changed_overlays);
  tcase_add_test(tcase, changed_assignments);
  tcase_add_test(tcase, random_expressions);
  tcase_set_timeout(tcase, 300);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
