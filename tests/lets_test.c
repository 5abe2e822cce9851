/* What a loss means does not depend on which of its lets is evaluated first: an axis that a let
 * makes is known wherever its name stands, and draws stay the same. */
#include "tests/spec_fixture.h"

enum { TWINS = 2, ACTIONS = 3 };

typedef struct Case {
  const char *lets, *value;
} Case;

/* The first makes the axis before it is named. */
static const Case cases[] = {
    {"{a: \"sample[try=M](normal[act](mean, 1))\", q: \"min[twin](sum[act](w * a))\"}",
     "sum[try](sort[try](q) * retry_weights[try](K))"},
    {"{a: \"sample[try=M](normal[act](mean, 1))\", q: \"min[twin](sum[act](w * a))\"}",
     "sum[try](retry_weights[try](K) * sort[try](q))"},
    {"{q: \"min[twin](sum[act](w * a))\", a: \"sample[try=M](normal[act](mean, 1))\"}",
     "sum[try](retry_weights[try](K) * sort[try](q))"},
    {"{a: \"sample[try=M](normal[act](mean, 1))\", q: \"min[twin](sum[act](w * a))\"}",
     "sum[try](shares * sort[try](q))"},
    {"{a: \"sample[try=M](normal[act](mean, 1))\", q: \"min[twin](sum[act](w * a))\"}",
     "sum[try](share(K) * sort[try](q))"},
    /* what names the axis first stands in a let, too, that comes by while it is looked for */
    {"{q: \"min[twin](sum[act](w * a)) + 0 * sum[try](share(1))\", a: "
     "\"sample[try=M](normal[act](mean, "
     "1))\"}",
     "sum[try](share(K) * sort[try](q))"},
    {"{q: \"min[twin](sum[act](w * a)) + 0 * sum[try](shares)\", a: "
     "\"sample[try=M](normal[act](mean, 1))\"}",
     "sum[try](shares * sort[try](q))"},
};

static Spec case_open(const Case *c) {
  char text[2048];
  snprintf(text, sizeof text,
           "name: lets\n"
           "constants: {K: 2, M: 4}\n"
           "parameters:\n"
           "  mean: {axes: [act=3], init: 0}\n"
           "  w: {axes: [twin=2, act=3], init: 0}\n"
           "define:\n"
           "  shares: retry_weights[try](K)\n"
           "  share(k): retry_weights[try](k)\n"
           "losses:\n"
           "  first:\n"
           "    over: [mean, w]\n"
           "    let: %s\n"
           "    maximize: \"%s\"\n"
           "optimizers: {default: sgd(1)}\n"
           "loop: [descend: first]\n",
           c->lets, c->value);
  return spec_text(text, "");
}

START_TEST(axes_of_lets_are_known_everywhere) {
  static const double mean[ACTIONS] = {0.3, -0.2, 0.7};
  static const double w[TWINS * ACTIONS] = {1, -0.5, 0.25, 0.75, 0.4, -0.9};
  double first[ACTIONS + TWINS * ACTIONS];
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    Spec spec = case_open(&cases[i]);
    spec_passes(&spec, "grad");
    ck_assert_uint_eq(spec.session.elaborated->draw_count, 1);
    ck_assert_str_eq(spec.session.elaborated->draws[0].path, "losses.first.a");
    Interp *interp = spec_interp(&spec, "update");
    spec_set(&spec, interp, "mean", mean);
    spec_set(&spec, interp, "w", w);
    spec_run(interp);
    const double *means = spec_get(&spec, interp, "mean"), *ws = spec_get(&spec, interp, "w");
    for (size_t k = 0; k < COUNTOF(first); k++) {
      double value = k < ACTIONS ? means[k] : ws[k - ACTIONS];
      double before = k < ACTIONS ? mean[k] : w[k - ACTIONS];
      if (i == 0) {
        first[k] = value;
        ck_assert_msg(k >= ACTIONS || value != before, "entry %zu is not stepped on", k);
      }
      ck_assert_msg(fabs(value - first[k]) <= 1e-15, "%s: entry %zu is %.17g, not %.17g",
                    cases[i].value, k, value, first[k]);
    }
    spec_close(&spec);
  }
}
END_TEST

/* What is drawn for all rows alone is what stands in `shared`, not what it asks for first. */
START_TEST(lets_keep_their_rows_inside_of_shared) {
  static const char *const values[] = {"a + b", "b + a"}; /* the second asks for `a` in `shared` */
  for (size_t i = 0; i < COUNTOF(values); i++) {
    char text[1024];
    snprintf(text, sizeof text,
             "name: rows\n"
             "env: Pendulum-v1\n"
             "networks: {f: {input: obs, layers: 'dense[act]'}}\n"
             "define: {'p(a)': 'normal[act](mean[batch](a), 1)'}\n"
             "replay: {capacity: 10, batch: 2}\n"
             "act: {explore: sample(box), evaluate: f(obs)}\n"
             "losses:\n"
             "  l: {over: f, let: {a: sample(box), b: 'shared(sample(p(a)))'}, minimize: "
             "'mean[batch](sum[act](square(f(obs) - (%s))))'}\n"
             "optimizers: {default: sgd(0.1)}\n"
             "loop: [{collect: 1}, {sample: replay}, {descend: l}]\n",
             values[i]);
    Spec spec = spec_text(text, "");
    const Elaborated *e = spec.session.elaborated;
    size_t seen = 0;
    for (size_t d = 0; d < e->draw_count; d++) {
      const char *axes = axes_text(spec.graph, spec.arena, e->draws[d].axes);
      bool a = strcmp(e->draws[d].path, "losses.l.a") == 0;
      bool b = strcmp(e->draws[d].path, "losses.l.b") == 0;
      if (a) ck_assert_str_eq(axes, "{batch=2, act=1}");
      if (b) ck_assert_str_eq(axes, "{act=1}");
      seen += a || b;
    }
    ck_assert_uint_eq(seen, 2);
    spec_close(&spec);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("lets");
  TCase *tests = tcase_create("lets");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, axes_of_lets_are_known_everywhere);
  tcase_add_test(tests, lets_keep_their_rows_inside_of_shared);
  return suite_run(suite);
}
