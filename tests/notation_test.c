/* Mathematical notation: what expressions look like, and that every spec's page is well formed. */
#include <unistd.h>
#include <glob.h>

#include "compiler/notation/notation.h"
#include "tests/files_support.h"
#include "tests/front.h"
#include "tests/suite.h"

typedef void Print(const Box *box, FILE *out);

/* An expression as it is printed. */
static char *shown(const char *text, Print *print) {
  Front f = front_open();
  char *bytes = NULL;
  size_t size = 0;
  Tree *own = tree_parse(f.arena, f.diag, source_from_text(f.arena, "own", "norm(x): x\n"));
  ExprText given = {
      .text = text, .length = strlen(text), .source = source_from_text(f.arena, "t", text)};
  given.start = (Span){.source = given.source, .line = 1, .column = 1};
  Expr *expr = expr_read(f.arena, f.diag, given);
  ck_assert_msg(expr && own, "%s: %s", text, front_messages(&f));
  FILE *out = open_memstream(&bytes, &size);
  print(notation_box(&(Notation){f.arena, own}, expr), out);
  fclose(out);
  front_close(&f);
  return bytes;
}

static const struct {
  const char *expr, *latex;
} looks[] = {
    {"a / b * c", "\\frac{a}{b}\\, c"},
    {"2 * x", "2\\, x"},
    {"x * 2", "x\\cdot 2"},
    {"x * reward", "x\\cdot \\mathrm{reward}"},
    {"a - (b - c)", "a- \\left(b- c\\right)"},
    {"a - b - c", "a- b- c"},
    {"-(a + b)", "- \\left(a+b\\right)"},
    {"(a + b)^2", "{\\left(a+b\\right)}^{2}"},
    {"(a / b) ^ 2", "{\\left(\\frac{a}{b}\\right)}^{2}"},
    {"square(a + b)", "{\\left(a+b\\right)}^{2}"},
    {"square(square(a))", "{\\left({a}^{2}\\right)}^{2}"},
    {"x * -y", "x\\, \\left(- y\\right)"},
    {"x - -y", "x- \\left(- y\\right)"},
    {"-x * y", "- x\\, y"},
    {"sum[i](x) * sum[i](y)", "\\left(\\sum _{i}x\\right)\\, \\left(\\sum _{i}y\\right)"},
    {"sum[i](x * sum[i](y))", "\\sum _{i}x\\, \\left(\\sum _{i}y\\right)"},
    {"a * (b * c)", "a\\, \\left(b\\, c\\right)"},
    {"sqrt(a + b)", "\\sqrt{a+b}"},
    {"exp(-x) * y", "{e }^{- x}\\, y"},
    {"mean[batch](a + b)", "\\mathbb{E} _{\\mathrm{batch}}\\left[a+b\\right]"},
    {"sum[i](a + b)", "\\sum _{i}\\left(a+b\\right)"},
    {"sum[i](a) ^ 2", "{\\left(\\sum _{i}a\\right)}^{2}"},
    {"min[twin](q)", "\\min _{\\mathrm{twin}}q"},
    {"min(a, b)", "\\min \\left(a,b\\right)"},
    {"abs(a) >= b", "\\left|a\\right|\\ge b"},
    {"norm(a)", "\\mathrm{norm}\\left(a\\right)"}, /* the spec's own */
    {"where(a > 0, a, b)", "\\begin{cases}a&\\text{if }a>0\\\\b&\\text{else}\\end{cases}"},
    {"next_obs", "{\\mathrm{obs}}^{\\prime }"},
    {"log_alpha", "\\log \\alpha "},
    {"target_entropy", "\\mathrm{target\\_entropy}"},
    {"lambda_1", "{\\lambda }_{1}"},
    {"out.mean", "{\\mathrm{out}}_{\\mathrm{mean}}"},
    {"a.log_prob", "\\log p\\left(a\\right)"},
    {"actor(o).log_std", "{\\mathrm{actor}\\left(o\\right)}_{\\mathrm{log\\_std}}"},
    {"log_std", "\\log \\mathrm{std}"},
    {"log_prob(policy(obs), a)",
     "\\log \\mathrm{policy}\\left(\\mathrm{obs}\\right)\\left(a\\right)"},
    {"losses.actor.a.log_prob", "\\log p\\left(a\\right)"},
    {"best_of[try](q, K)", "{\\mathrm{best\\_of}}_{\\mathrm{try}}\\left(q,K\\right)"},
    {"sample[try=M](p)", "{\\mathrm{sample}}_{\\mathrm{try}\\le M}\\left(p\\right)"},
    {"f(x, eps=1e-8)", "f\\left(x,\\epsilon =1e-8\\right)"},
    {"stop(y)", "\\operatorname{sg} \\left(y\\right)"},
};

START_TEST(test_expressions_look_as_they_should) {
  char *latex = shown(looks[_i].expr, notation_latex_box);
  ck_assert_str_eq(latex, looks[_i].latex);
  free(latex);
}
END_TEST

/* ---- what differs looks different ---- */

typedef struct Seen {
  char *looks, *text;
} Seen;

static uint32_t next(uint64_t *state, uint32_t below) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*state >> 33) % below;
}

/* A random expression as text in canonical form, at most so deep. */
static void grow(uint64_t *state, int depth, char *out, size_t size) {
  static const char *const shapes[] = {
      "(%s) + (%s)", "(%s) - (%s)", "(%s) * (%s)",  "(%s) / (%s)",  "(%s) ^ (%s)",
      "(%s) < (%s)", "min(%s, %s)", "(%s) >= (%s)", "(%s) != (%s)", "where(a == b, %s, %s)"};
  static const char *const wraps[] = {
      "-(%s)",         "sum[i](%s)",  "min[i](%s)",    "mean[i](%s)",   "exp(%s)",
      "sqrt(%s)",      "abs(%s)",     "log(%s)",       "(%s).mean",     "next_obs + 0 * (%s)",
      "sum[i, j](%s)", "prod[j](%s)", "argmax[i](%s)", "max[i](-(%s))", "(%s).log_std"};
  static const char *const leaves[] = {"a", "b", "2", "log_a", "next_obs", "-2", "1.5"};
  char left[400], right[400];
  uint32_t kind = depth ? next(state, 3) : 0;
  if (kind == 0) {
    snprintf(out, size, "%s", leaves[next(state, COUNTOF(leaves))]);
    return;
  }
  grow(state, depth - 1, left, sizeof left);
  grow(state, depth - 1, right, sizeof right);
  if (kind == 1)
    snprintf(out, size, wraps[next(state, COUNTOF(wraps))], left);
  else
    snprintf(out, size, shapes[next(state, COUNTOF(shapes))], left, right);
}

static int by_looks(const void *a, const void *b) {
  const Seen *x = a, *y = b;
  int order = strcmp(x->looks, y->looks);
  return order ? order : strcmp(x->text, y->text);
}

static char *canonical(const char *text) {
  Front f = front_open();
  ExprText given = {
      .text = text, .length = strlen(text), .source = source_from_text(f.arena, "t", text)};
  given.start = (Span){.source = given.source, .line = 1, .column = 1};
  Expr *expr = expr_read(f.arena, f.diag, given);
  char *out = expr ? strdup(expr_text(f.arena, expr)) : NULL;
  front_close(&f);
  return out;
}

START_TEST(test_expressions_that_differ_look_different) {
  enum { COUNT = 20000 };
  static Seen seen[COUNT];
  uint64_t state = 1;
  size_t count = 0;
  while (count < COUNT) {
    char text[1000];
    grow(&state, 3, text, sizeof text);
    seen[count].text = canonical(text);
    if (seen[count].text) seen[count].looks = shown(text, notation_latex_box), count++;
  }
  qsort(seen, COUNT, sizeof seen[0], by_looks);
  for (size_t i = 1; i < COUNT; i++)
    ck_assert_msg(strcmp(seen[i - 1].looks, seen[i].looks) ||
                      !strcmp(seen[i - 1].text, seen[i].text),
                  "%s and %s both look like %s", seen[i - 1].text, seen[i].text, seen[i].looks);
  for (size_t i = 0; i < COUNT; i++) free(seen[i].looks), free(seen[i].text);
}
END_TEST

/* Small expressions all of them, not a draw: every two operators one in the other, on either side.
 */
START_TEST(test_two_operators_in_every_order) {
  static const char *const forms[] = {"(%s) + (%s)", "(%s) - (%s)", "(%s) * (%s)",  "(%s) / (%s)",
                                      "(%s) ^ (%s)", "(%s) < (%s)", "(%s) <= (%s)", "(%s) == (%s)",
                                      "-(%s)",       "sum[i](%s)",  "max[i](%s)",   "mean[i](%s)",
                                      "square(%s)",  "prod[i](%s)", "abs(%s)",      "exp(%s)"};
  enum { FORMS = COUNTOF(forms), MOST = 2 * FORMS * FORMS };
  static Seen seen[MOST];
  size_t count = 0;
  for (size_t i = 0; i < MOST; i++) {
    char inner[64], text[160];
    snprintf(inner, sizeof inner, forms[i % FORMS], "b", "c");
    bool right = i >= MOST / 2;
    snprintf(text, sizeof text, forms[i / FORMS % FORMS], right ? "a" : inner, right ? inner : "a");
    seen[count].text = canonical(text);
    if (!seen[count].text) continue; /* comparisons do not chain */
    seen[count++].looks = shown(text, notation_latex_box);
  }
  ck_assert_uint_gt(count, MOST / 2);
  qsort(seen, count, sizeof seen[0], by_looks);
  for (size_t i = 1; i < count; i++)
    ck_assert_msg(strcmp(seen[i - 1].looks, seen[i].looks) ||
                      !strcmp(seen[i - 1].text, seen[i].text),
                  "%s and %s both look like %s", seen[i - 1].text, seen[i].text, seen[i].looks);
  for (size_t i = 0; i < count; i++) free(seen[i].looks), free(seen[i].text);
}
END_TEST

START_TEST(test_latex_text_is_escaped) {
  char *bytes = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&bytes, &size);
  notation_latex_text("{a}^b\\c~d_e&f%g#h$i<j>k|l", out);
  fclose(out);
  ck_assert_str_eq(bytes,
                   "\\{a\\}\\textasciicircum{}b\\textbackslash{}c\\textasciitilde{}d\\_e\\&f\\%g"
                   "\\#h\\$i\\textless{}j\\textgreater{}k\\textbar{}l");
  free(bytes);
}
END_TEST

START_TEST(test_mathml_of_an_expression) {
  char *text = shown("where(a < 1, square(a), sum[i](b_1 / gamma))", notation_mathml_box);
  ck_assert_str_eq(
      text,
      "<mrow><mo fence=\"true\">{</mo><mtable columnalign=\"left\"><mtr><mtd><msup><mi>a</mi><mn>2"
      "</mn></msup></mtd><mtd><mtext>if </mtext><mrow><mi>a</mi><mo>&lt;</mo><mn>1</mn></mrow>"
      "</mtd></mtr><mtr><mtd><mrow><munder><mi mathvariant=\"normal\">∑</mi><mi>i</mi></munder>"
      "<mspace width=\".17em\"></mspace>"
      "<mfrac><msub><mi>b</mi><mn>1</mn></msub><mi>γ</mi></mfrac></mrow></mtd><mtd><mtext>else"
      "</mtext></mtd></mtr></mtable></mrow>");
  free(text);
}
END_TEST

/* Every element closes in the right order. */
static void check_elements(const char *path, const char *text) {
  char open[64][16];
  size_t depth = 0;
  for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
    bool end = at[1] == '/';
    char name[16];
    const char *first = at + 1 + end;
    size_t length = strcspn(first, " >");
    ck_assert_uint_lt(length, sizeof name);
    snprintf(name, sizeof name, "%.*s", (int)length, first);
    if (!end) {
      ck_assert_uint_lt(depth, COUNTOF(open));
      memcpy(open[depth++], name, sizeof name);
      continue;
    }
    ck_assert_msg(depth && strcmp(open[depth - 1], name) == 0, "%s: </%s> closes nothing", path,
                  name);
    depth--;
  }
  ck_assert_uint_eq(depth, 0);
}

/* Curly brackets balance, and every environment ends. */
static void check_brackets(const char *path, const char *text) {
  int depth = 0;
  for (const char *at = text; *at && depth >= 0; at++)
    if (*at == '\\')
      at++; /* a command, or an escaped sign */
    else
      depth += (*at == '{') - (*at == '}');
  ck_assert_msg(depth == 0, "%s: brackets", path);
}

static char *page(Arena *arena, const Tree *spec,
                  void (*write)(Arena *arena, const Tree *spec, FILE *out)) {
  char *bytes = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&bytes, &size);
  write(arena, spec, out);
  fclose(out);
  return bytes;
}

START_TEST(test_pages_of_all_specs_are_well_formed) {
  glob_t found = {0};
  glob("specs/*.yaml", 0, NULL, &found);
  glob("specs/*/*.yaml", GLOB_APPEND, NULL, &found);
  ck_assert_uint_gt(found.gl_pathc, 50);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    Front f = front_open();
    Tree *spec = tree_load(f.arena, f.diag, found.gl_pathv[i], "a loss specification");
    Tree *losses = spec ? tree_get(spec, "losses") : NULL;
    if (losses) {
      char *html = page(f.arena, spec, notation_html), *latex = page(f.arena, spec, notation_latex);
      check_elements(found.gl_pathv[i], html);
      check_brackets(found.gl_pathv[i], latex);
      for (size_t k = 0; k < losses->entry_count; k++)
        ck_assert_ptr_nonnull(strstr(html, losses->entries[k].key));
      free(html);
      free(latex);
    }
    front_close(&f);
  }
  globfree(&found);
}
END_TEST

/* LaTeX takes what is written, where there is one. */
START_TEST(test_latex_compiles) {
  if (system("command -v pdflatex >/dev/null 2>&1") != 0) {
    printf("SKIP: test_latex_compiles: there is no pdflatex\n");
    return;
  }
  Front f = front_open();
  Tree *spec = tree_load(f.arena, f.diag, "specs/sac.yaml", "a loss specification");
  ck_assert_ptr_nonnull(spec);
  char *folder = directory_make(), command[4400];
  FILE *out = fopen(path_in(folder, "page.tex").text, "w");
  fputs("\\documentclass{article}\\usepackage{amsmath,amssymb}\\begin{document}\n", out);
  notation_latex(f.arena, spec, out);
  notation_latex_text("{a}^b\\c~d_e&f%g#h$i<j>k|l", out);
  fputs("\n\\end{document}\n", out);
  fclose(out);
  snprintf(command, sizeof command,
           "cd %s && pdflatex -interaction=nonstopmode -halt-on-error page.tex >said.txt", folder);
  ck_assert_int_eq(system(command), 0);
  directory_remove(folder);
  front_close(&f);
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("notation");
  TCase *tests = tcase_create("notation");
  tcase_add_loop_test(tests, test_expressions_look_as_they_should, 0, COUNTOF(looks));
  tcase_add_test(tests, test_expressions_that_differ_look_different);
  tcase_add_test(tests, test_two_operators_in_every_order);
  tcase_add_test(tests, test_latex_text_is_escaped);
  tcase_add_test(tests, test_mathml_of_an_expression);
  tcase_add_test(tests, test_pages_of_all_specs_are_well_formed);
  tcase_add_test(tests, test_latex_compiles);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
