/* Mathematical notation: what expressions look like, and that every spec's page is well formed. */
#include <unistd.h>
#include <glob.h>

#include "compiler/notation/notation.h"
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
    {"square(a + b)", "{\\left(a+b\\right)}^{2}"},
    {"square(square(a))", "{\\left({a}^{2}\\right)}^{2}"},
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

START_TEST(test_mathml_of_an_expression) {
  char *text = shown("where(a < 1, square(a), sum[i](b_1 / gamma))", notation_mathml_box);
  ck_assert_str_eq(
      text,
      "<mrow><mo fence=\"true\">{</mo><mtable columnalign=\"left\"><mtr><mtd><msup><mi>a</mi><mn>2"
      "</mn></msup></mtd><mtd><mtext>if </mtext><mrow><mi>a</mi><mo>&lt;</mo><mn>1</mn></mrow>"
      "</mtd></mtr><mtr><mtd><mrow><munder><mi mathvariant=\"normal\">∑</mi><mi>i</mi></munder>"
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

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("notation");
  TCase *tests = tcase_create("notation");
  tcase_add_loop_test(tests, test_expressions_look_as_they_should, 0, COUNTOF(looks));
  tcase_add_test(tests, test_mathml_of_an_expression);
  tcase_add_test(tests, test_pages_of_all_specs_are_well_formed);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
