/* The expression language: numbers, precedence, places, printing, and the text of every message;
 * and what prints it. */
#include "tests/front.h"
#include "tests/suite.h"

#include <sys/wait.h>
#include <unistd.h>

START_TEST(numbers_by_our_grammar) {
  static const struct {
    const char *text;
    double value;
  } good[] = {
      {"0", 0},           {"1e-4", 1e-4},
      {"1000000", 1e6},   {"+2.5", 2.5},
      {"-3", -3},         {"1E3", 1e3},
      {"1e+2", 100},      {"0.1", 0.1},
      {"-0.5e-1", -0.05}, {"007", 7},
      {"1e-400", 0},      {"123456789012345678901234567890", 123456789012345678901234567890.0}};
  static const char *const bad[] = {"",     "+",     "-",     ".5",  "1.", "1e", "1e+",
                                    "0x10", "1_000", "inf",   "nan", "1 ", " 1", "1.2.3",
                                    "--1",  "1e1.5", "1e999", "1,5", "e5", "1f"};
  double value;
  for (size_t i = 0; i < COUNTOF(good); i++) {
    ck_assert_msg(number_read(good[i].text, strlen(good[i].text), &value), "%s", good[i].text);
    ck_assert_msg(value == good[i].value, "%s is read as %.17g", good[i].text, value);
  }
  for (size_t i = 0; i < COUNTOF(bad); i++)
    ck_assert_msg(!number_read(bad[i], strlen(bad[i]), &value), "'%s' passes for a number", bad[i]);
  ck_assert(number_read("12x", 2, &value) && value == 12); /* the length counts, not the NUL */
}
END_TEST

/* Left: as written; right: canonical, with every bracket that the grammar needs and no other. */
static const struct {
  const char *text, *canonical;
} printed[] = {
    {"-x^2", "-x^2"},
    {"(-x)^2", "(-x)^2"},
    {"2^-x^y", "2^-x^y"},
    {"(2^x)^y", "(2^x)^y"},
    {"2^(x^y)", "2^x^y"},
    {"2^(x+y)", "2^(x + y)"},
    {"a-b-c", "a - b - c"},
    {"a-(b-c)", "a - (b - c)"},
    {"a-(b+c)*d", "a - (b + c) * d"},
    {"a/b/c", "a / b / c"},
    {"a/(b/c)", "a / (b / c)"},
    {"a*(b*c)", "a * (b * c)"},
    {"((a))", "a"},
    {"a*-b", "a * -b"},
    {"-a*b", "-a * b"},
    {"-(a*b)", "-(a * b)"},
    {"--a", "--a"},
    {"a - -b", "a - -b"},
    {"a+b<c*d", "a + b < c * d"},
    {"(a<b)*(b<c)", "(a < b) * (b < c)"},
    {"a<(b==c)", "a < (b == c)"},
    {"x>=1", "x >= 1"},
    {"x<=1", "x <= 1"},
    {"x!=1", "x != 1"},
    {"mean[ batch ,try=M*2 ]( x )", "mean[batch, try=M * 2](x)"},
    {"noise[]", "noise[]"},
    {"f()", "f()"},
    {"f( x ,y = 1e-4 )", "f(x, y=1e-4)"},
    {"unroll[x=n](carry = init, body)", "unroll[x=n](carry=init, body)"},
    {"losses.actor.a.log_prob", "losses.actor.a.log_prob"},
    {"slow.critic[twin](o, a).mean", "slow.critic[twin](o, a).mean"},
    {"(a + b).mean", "(a + b).mean"},
    {"(1).x", "(1).x"},
    {"require(x > 0, \"say \\\"no\\\" \\\\\")", "require(x > 0, \"say \\\"no\\\" \\\\\")"},
    {"1000000 + 3e-4 + 0.10", "1000000 + 3e-4 + 0.10"},
    {"a\n  +\tb", "a + b"},
};

START_TEST(precedence_and_printing) {
  for (size_t i = 0; i < COUNTOF(printed); i++) {
    Front f = front_open();
    const Expr *e = front_expr(&f, printed[i].text);
    ck_assert_msg(e != NULL, "%s: %s", printed[i].text, front_messages(&f));
    ck_assert_str_eq(expr_text(f.arena, e), printed[i].canonical);
    const Expr *again = front_expr(&f, printed[i].canonical);
    ck_assert_str_eq(expr_text(f.arena, again), printed[i].canonical);
    front_close(&f);
  }
}
END_TEST

START_TEST(made_numbers_print_so_that_they_read_back) {
  static const double values[] = {0, 1, 0.1, 1.0 / 3, 1e-300, 123456789.125, 1e22, 5e-324, 256};
  Front f = front_open();
  for (size_t i = 0; i < COUNTOF(values); i++) {
    double back;
    Expr e = {.kind = EXPR_NUMBER, .value = values[i]};
    const char *text = expr_text(f.arena, &e);
    ck_assert_msg(number_read(text, strlen(text), &back) && back == values[i], "%s", text);
  }
  Expr tenth = {.kind = EXPR_NUMBER, .value = 0.1, .text = "0.2"}; /* a text that no longer holds */
  ck_assert_str_eq(expr_text(f.arena, &tenth), "0.1");
  Expr minus = {.kind = EXPR_NUMBER, .value = -2}, two = {.kind = EXPR_NUMBER, .value = 2};
  ExprArg args[] = {{.value = &minus}, {.value = &two}};
  Expr power = {.kind = EXPR_BINARY, .text = "^", .args = args, .arg_count = 2};
  ck_assert_str_eq(expr_text(f.arena, &power), "(-2)^2");
  front_close(&f);
}
END_TEST

/* The text that a span covers, when it is on one line. */
static const char *covered(Front *f, const Expr *e, Span span) {
  return arena_copy(f->arena, e->span.source->text + span.column - 1, span.length);
}

START_TEST(places_of_nodes) {
  Front f = front_open();
  const Expr *e = front_expr(&f, "a + (b * f[x=n](y, k=-2)) .field < 3");
  ck_assert_str_eq(covered(&f, e, e->span), "a + (b * f[x=n](y, k=-2)) .field < 3");
  ck_assert_str_eq(covered(&f, e, e->name_span), "<");
  const Expr *field = e->args[0].value->args[1].value;
  ck_assert_int_eq(field->kind, EXPR_FIELD);
  ck_assert_str_eq(covered(&f, e, field->span), "(b * f[x=n](y, k=-2)) .field");
  ck_assert_str_eq(covered(&f, e, field->name_span), "field");
  ck_assert_str_eq(covered(&f, e, field->base->span), "(b * f[x=n](y, k=-2))");
  const Expr *call = field->base->args[1].value;
  ck_assert_str_eq(covered(&f, e, call->span), "f[x=n](y, k=-2)");
  ck_assert_str_eq(covered(&f, e, call->name_span), "f");
  ck_assert_str_eq(covered(&f, e, call->axes[0].span), "x=n");
  ck_assert_str_eq(covered(&f, e, call->args[1].name_span), "k");
  ck_assert_str_eq(covered(&f, e, call->args[1].value->span), "-2");
  ck_assert(call->called && call->bracketed && call->arg_count == 2 && call->axis_count == 1);
  front_close(&f);
}
END_TEST

START_TEST(lists_and_signatures) {
  Front f = front_open();
  Expr **items;
  size_t count;
  ck_assert(expr_read_list(
      f.arena, f.diag, front_text(&f, "dense(hidden), relu, f(x, y), \"text\""), &items, &count));
  ck_assert_uint_eq(count, 4);
  ck_assert_str_eq(expr_text(f.arena, items[2]), "f(x, y)");
  ck_assert_int_eq(items[3]->kind, EXPR_STRING);
  const Expr *s = expr_read_signature(f.arena, f.diag, front_text(&f, "picks[x, y](logits, by=2)"));
  ck_assert(s && s->axis_count == 2 && s->arg_count == 2);
  ck_assert(s->args[0].name == NULL && !strcmp(s->args[0].value->text, "logits"));
  ck_assert(!strcmp(s->args[1].name, "by") && s->args[1].value->value == 2);
  s = expr_read_signature(f.arena, f.diag, front_text(&f, "levels"));
  ck_assert(s && !s->called && !s->bracketed);
  ck_assert_uint_eq(diag_errors(f.diag), 0);
  ck_assert(!expr_read_list(f.arena, f.diag, front_text(&f, "a, , b"), &items, &count));
  ck_assert(!expr_read_signature(f.arena, f.diag, front_text(&f, "a + b")));
  ck_assert_uint_eq(diag_errors(f.diag), 2);
  front_close(&f);
}
END_TEST

/* `count` times `piece`, between `head` and `tail`. */
static const char *repeated(Front *f, const char *head, const char *piece, size_t count,
                            const char *tail) {
  size_t size = strlen(piece) * count;
  char *text = arena_alloc(f->arena, strlen(head) + size + strlen(tail) + 1), *at = text;
  at = stpcpy(at, head);
  for (size_t i = 0; i < count; i++) at = stpcpy(at, piece);
  strcpy(at, tail);
  return text;
}

START_TEST(limits_of_depth) {
  Front f = front_open();
  ck_assert(front_expr(&f, repeated(&f, repeated(&f, "", "(", 199, "x"), ")", 199, "")));
  ck_assert(front_expr(&f, repeated(&f, "", "x + ", 999, "x")));
  ck_assert_uint_eq(diag_errors(f.diag), 0);
  const char *deep[] = {repeated(&f, repeated(&f, "", "(", 200, "x"), ")", 200, ""),
                        repeated(&f, "", "x + ", 1000, "x"),
                        repeated(&f, "x", ".x", 1000, ""),
                        repeated(&f, "", "-", 20000, "x"),
                        repeated(&f, "", "2^", 20000, "x"),
                        repeated(&f, "", "f(", 20000, ""),
                        repeated(&f, "", "f[a=", 20000, ""),
                        repeated(&f, "", "(1+", 20000, "")};
  for (size_t i = 0; i < COUNTOF(deep); i++) {
    ck_assert_msg(!front_expr(&f, deep[i]), "case %zu", i);
    const char *messages = front_messages(&f);
    ck_assert_msg(strstr(messages, "expression nested more than 200 deep") ||
                      strstr(messages, "expression of more than 1000 steps"),
                  "%s", messages);
    ck_assert(strstr(messages, "^ give a part of it a name with 'let' or 'define'\n"));
  }
  front_close(&f);
}
END_TEST

static void case_run(Front *f, const char *name, const char *input) {
  Source *source = source_from_text(f->arena, name, input);
  ck_assert_msg(!expr_read(f->arena, f->diag,
                           (ExprText){source->text, source->size, source, {source, 1, 1, 0}, NULL}),
                "%s passes", name);
}

START_TEST(messages) { ck_assert_uint_ge(front_cases("tests/data/front/expr.txt", case_run), 60); }
END_TEST

START_TEST(control_characters_and_bytes) {
  Front f = front_open();
  ck_assert(!front_expr(&f, "a \a b") && !front_expr(&f, "") && !front_expr(&f, "x \xff"));
  ck_assert_str_eq(front_messages(&f), "text:1:3: error: unexpected control character 0x07\n"
                                       "    1 | a ? b\n"
                                       "      |   ^\n"
                                       "text:1:1: error: an expression is missing here\n"
                                       "    1 | \n"
                                       "      | ^\n"
                                       "text:1:3: error: unexpected byte 0xff\n"
                                       "    1 | x ?\n"
                                       "      |   ^\n");
  front_close(&f);
}
END_TEST

/* ---- diagnostics themselves ---- */

START_TEST(diagnostics_are_sorted_kept_once_and_limited) {
  Front f = front_open();
  Source *one = source_from_text(f.arena, "one", "first\nsecond\n");
  Source *two = source_from_text(f.arena, "two", "other\n");
  diag_error(f.diag, (Span){two, 1, 1, 5}, NULL, "in two");
  diag_error(f.diag, (Span){one, 2, 1, 6}, "a hint", "second %d", 2);
  diag_note(f.diag, (Span){one, 1, 1, 5}, "see here");
  diag_error(f.diag, (Span){one, 2, 1, 6}, NULL, "second %d", 2);
  diag_note(f.diag, (Span){one, 1, 1, 5}, "the note of what was said before");
  diag_warning(f.diag, (Span){one, 1, 0, 0}, NULL, "only the line is known");
  diag_warning(f.diag, (Span){one, 1, 0, 0}, "with a hint", "and again");
  diag_error(f.diag, (Span){one, 0, 0, 0}, NULL, "only the file is known");
  diag_error(f.diag, (Span){0}, "try harder", "nothing is known");
  ck_assert_uint_eq(diag_errors(f.diag), 4);
  ck_assert_uint_eq(diag_warnings(f.diag), 2);
  ck_assert_str_eq(front_messages(&f), "two:1:1: error: in two\n"
                                       "    1 | other\n"
                                       "      | ^~~~~\n"
                                       "one: error: only the file is known\n"
                                       "one:1: warning: only the line is known\n"
                                       "    1 | first\n"
                                       "one:1: warning: and again\n"
                                       "    1 | first\n"
                                       "      | with a hint\n"
                                       "one:2:1: error: second 2\n"
                                       "    2 | second\n"
                                       "      | ^~~~~~ a hint\n"
                                       "one:1:1: note: see here\n"
                                       "    1 | first\n"
                                       "      | ^~~~~\n"
                                       "rlc: error: nothing is known\n"
                                       "      | try harder\n");
  ck_assert_str_eq(front_messages(&f), ""); /* printed once */
  for (uint32_t i = 0; i < 30; i++) diag_error(f.diag, (Span){one, 1, i + 1, 1}, NULL, "many");
  const char *text = front_messages(&f);
  ck_assert_uint_eq(diag_errors(f.diag), 34);
  ck_assert_ptr_nonnull(strstr(text, "rlc: 14 more errors not shown\n"));
  front_close(&f);
}
END_TEST

START_TEST(nearest_names) {
  static const char *const names[] = {"advantage", "losses", "lr", "Gamma", "obs", "next_obs"};
  static const struct {
    const char *name, *nearest;
  } cases[] = {{"advantge", "advantage"},
               {"advnatage", "advantage"},
               {"loss", "losses"},
               {"LOSSES", "losses"},
               {"gamma", "Gamma"},
               {"LR", "lr"},
               {"l", "lr"},
               {"xy", NULL},
               {"abs", "obs"},
               {"next_ops", "next_obs"},
               {"zzz", NULL},
               {"", NULL}};
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    const char *nearest = nearest_name(cases[i].name, names, COUNTOF(names));
    ck_assert_msg((!nearest && !cases[i].nearest) ||
                      (nearest && cases[i].nearest && !strcmp(nearest, cases[i].nearest)),
                  "%s: %s", cases[i].name, nearest ? nearest : "none");
  }
  ck_assert_ptr_null(nearest_name("x", NULL, 0));
}
END_TEST

START_TEST(arenas_zero_align_and_keep) {
  Arena *arena = arena_make();
  size_t sizes[] = {0, 1, 15, 16, 17, 1000, 70000, 1 << 20};
  char *first = arena_copy(arena, "kept", 4);
  for (size_t i = 0; i < COUNTOF(sizes); i++) {
    unsigned char *bytes = arena_alloc(arena, sizes[i]);
    ck_assert_uint_eq((uintptr_t)bytes % _Alignof(max_align_t), 0);
    size_t used = 0;
    for (size_t k = 0; k < sizes[i]; k++) used += bytes[k] != 0;
    ck_assert_uint_eq(used, 0);
    if (sizes[i]) memset(bytes, 0xff, sizes[i]);
  }
  int *items = NULL;
  size_t count = 0, capacity = 0;
  for (int i = 0; i < 1000; i++) PUSH(arena, items, count, capacity, i);
  for (int i = 0; i < 1000; i++) ck_assert_int_eq(items[i], i);
  ck_assert_str_eq(first, "kept");
  ck_assert_str_eq(arena_printf(arena, "%s %d", "text", 7), "text 7");
  ck_assert_uint_eq(hash_text(HASH_SEED, "a"), 0xaf63dc4c8601ec8cu); /* published FNV-1a value */
  arena_free(arena);
}
END_TEST

/* Our own mistakes end with status 70, and say where. */
START_TEST(bugs_exit_with_70) {
  int ends[2], status;
  char text[256] = "";
  ck_assert_int_eq(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    bug_at("file.c", 12, "no %s", "rows");
  }
  close(ends[1]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 70);
  ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
  close(ends[0]);
  ck_assert_str_eq(text, "file.c:12: rlc made a mistake: no rows\n");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("front_expr");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, numbers_by_our_grammar);
  tcase_add_test(tcase, precedence_and_printing);
  tcase_add_test(tcase, made_numbers_print_so_that_they_read_back);
  tcase_add_test(tcase, places_of_nodes);
  tcase_add_test(tcase, lists_and_signatures);
  tcase_add_test(tcase, limits_of_depth);
  tcase_add_test(tcase, messages);
  tcase_add_test(tcase, control_characters_and_bytes);
  tcase_add_test(tcase, diagnostics_are_sorted_kept_once_and_limited);
  tcase_add_test(tcase, nearest_names);
  tcase_add_test(tcase, arenas_zero_align_and_keep);
  tcase_add_test(tcase, bugs_exit_with_70);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
