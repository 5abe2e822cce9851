/* Distributions of the prelude: densities, entropies and divergences against the same formulas
 * computed here, and frequencies of draws; what dropout does. */
#include "tests/spec_fixture.h"

static const char *const head = "name: small\n"
                                "parameters:\n"
                                "  z: {axes: [d=2, k=3], init: 0}\n"
                                "  y: {axes: [d=2, k=3], init: 0}\n"
                                "  m: {axes: [d=2], init: 0}\n";

static const double z[2][3] = {{0.5, -1, 2}, {0, 0.25, -0.75}},
                    y[2][3] = {{-0.5, 0.1, 1}, {1, 0.5, -0.5}}, m[2] = {0.4, -1.2};

/* A spec whose loss logs `logs`, "name: expression" lines, after `lets`; one update of it. */
static Spec logged(const char *lets, const char *logs, Interp **interp) {
  Arena *arena = arena_make();
  Spec spec = spec_text(
      arena_printf(
          arena,
          "%slosses:\n  l:\n    over: z, y, m\n    let:\n%s    minimize: sum[d, k](z * y) + "
          "sum[d](m)\n    log:\n%soptimizers: {default: sgd(0)}\nloop: [{descend: l}]\n",
          head, lets, logs),
      "");
  arena_free(arena);
  spec_passes(&spec, "grad");
  *interp = spec_interp(&spec, "update");
  spec_set(&spec, *interp, "z", &z[0][0]);
  spec_set(&spec, *interp, "y", &y[0][0]);
  spec_set(&spec, *interp, "m", m);
  interp_draws(*interp, 20261121, 3);
  spec_run(*interp);
  return spec;
}

static double log_of(const Spec *spec, const Interp *interp, const char *name) {
  return spec_scalar(spec, interp, arena_printf(spec->arena, "metric.l/%s", name));
}

static void same(const Spec *spec, const Interp *interp, const char *name, double wanted) {
  double value = log_of(spec, interp, name);
  ck_assert_msg(fabs(value - wanted) < 1e-12, "%s is %.15g, not %.15g", name, value, wanted);
}

static double probability(const double *logits, int k) {
  return exp(logits[k]) / (exp(logits[0]) + exp(logits[1]) + exp(logits[2]));
}

static double entropy_of(const double *logits) {
  double h = 0;
  for (int k = 0; k < 3; k++) h -= probability(logits, k) * log(probability(logits, k));
  return h;
}

static double divergence(const double *p, const double *q) {
  double d = 0;
  for (int k = 0; k < 3; k++) d += probability(p, k) * log(probability(p, k) / probability(q, k));
  return d;
}

START_TEST(categorical_formulas) {
  Interp *interp;
  Spec spec = logged("      p: categorical[k](z)\n"
                     "      q: categorical[k](y)\n"
                     "      a: argmax[k](y)\n"
                     "      both: factored[d, k](z)\n",
                     "      h: sum[d](entropy(p))\n"
                     "      d: sum[d](kl(p, q))\n"
                     "      l: sum[d](log_prob(p, a))\n"
                     "      m: sum[d](mode(p))\n"
                     "      fh: entropy(both)\n"
                     "      fd: kl(both, factored[d, k](y))\n"
                     "      fl: log_prob(both, a)\n",
                     &interp);
  double h = entropy_of(z[0]) + entropy_of(z[1]),
         d = divergence(z[0], y[0]) + divergence(z[1], y[1]);
  double l = log(probability(z[0], 2)) + log(probability(z[1], 0));
  same(&spec, interp, "h", h);
  same(&spec, interp, "d", d);
  same(&spec, interp, "l", l);
  same(&spec, interp, "m", 2 + 1);
  same(&spec, interp, "fh", h);
  same(&spec, interp, "fd", d);
  same(&spec, interp, "fl", l);
  spec_close(&spec);
}
END_TEST

/* What was drawn has the probability that the draw says, and positions come as often as they
 * should.
 */
START_TEST(categorical_draws) {
  Interp *interp;
  Spec spec = logged("      p: categorical[k](z)\n"
                     "      x: sample[n=40000](p)\n"
                     "      f: sample[n=40000](factored[d, k](z))\n"
                     "      g: sample[n=40000](epsilon_greedy[k](z, 0.3))\n"
                     "      e: sample[n=40000](grid[k](z))\n",
                     "      x0: mean[n](index[d=0](x == 0))\n"
                     "      x1: mean[n](index[d=0](x == 1))\n"
                     "      x2: mean[n](index[d=1](x == 2))\n"
                     "      own: mean[n, d](abs(x.log_prob - log_prob(p, x)))\n"
                     "      joint: mean[n](abs(f.log_prob - log_prob(factored[d, k](z), f)))\n"
                     "      f1: mean[n](index[d=1](f == 1))\n"
                     "      best: mean[n](index[d=0](g == 2))\n"
                     "      other: mean[n](index[d=0](g == 0))\n"
                     "      glp: mean[n](index[d=0](where(g == 2, g.log_prob, 0)))\n"
                     "      even: mean[n](index[d=0](e == -1))\n",
                     &interp);
  const struct {
    const char *name;
    double wanted;
  } shares[] = {{"x0", probability(z[0], 0)},
                {"x1", probability(z[0], 1)},
                {"x2", probability(z[1], 2)},
                {"f1", probability(z[1], 1)},
                {"best", 0.8},
                {"other", 0.1},
                {"even", 1.0 / 3}};
  for (size_t i = 0; i < COUNTOF(shares); i++) {
    double share = log_of(&spec, interp, shares[i].name), p = shares[i].wanted;
    ck_assert_msg(fabs(share - p) < 4 * sqrt(p * (1 - p) / 40000), "%s is %g, not %g",
                  shares[i].name, share, p);
  }
  same(&spec, interp, "own", 0);
  same(&spec, interp, "joint", 0);
  same(&spec, interp, "glp", log_of(&spec, interp, "best") * log(0.8));
  spec_close(&spec);
}
END_TEST

/* With epsilon 0 the best is always taken. */
START_TEST(greedy_without_epsilon) {
  Interp *interp;
  Spec spec = logged("      g: sample[n=5000](epsilon_greedy[k](z, 0))\n",
                     "      best: mean[n](index[d=0](g == 2) * index[d=1](g == 1))\n", &interp);
  same(&spec, interp, "best", 1);
  spec_close(&spec);
}
END_TEST

START_TEST(normal_formulas) {
  Interp *interp;
  Spec spec = logged("      p: normal[d](m, 0.5)\n"
                     "      q: normal[d](0.3, exp(m))\n"
                     "      x: sample(p)\n"
                     "      again: sample(q, noise=x.noise)\n",
                     "      d: kl(p, q)\n"
                     "      nothing: kl(q, q)\n"
                     "      t: kl(tanh_squeezed(m, 0.5), tanh_squeezed(0.3, exp(m)))\n"
                     "      same: sum[d](abs(again - (0.3 + exp(m) * (x - m) / 0.5)))\n"
                     "      sure: sum[d](sample(delta(m)))\n"
                     "define:\n"
                     "  tanh_squeezed(a, b): squeezed[d](a, b)\n"
                     "  squeezed[x](mean, std):\n"
                     "    noise: normal_noise\n"
                     "    draw: tanh(mean + std * noise)\n"
                     "    kl: kl(normal[x](mean, std), normal[x](other.mean, other.std))\n",
                     &interp);
  double d = 0;
  for (int i = 0; i < 2; i++) {
    double s = 0.5, t = exp(m[i]), gap = m[i] - 0.3;
    d += log(t / s) + (s * s + gap * gap) / (2 * t * t) - 0.5;
  }
  same(&spec, interp, "d", d);
  same(&spec, interp, "t", d);
  same(&spec, interp, "nothing", 0);
  same(&spec, interp, "same", 0);
  same(&spec, interp, "sure", m[0] + m[1]);
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("distribution");
  TCase *tcase = tcase_create("distribution");
  tcase_add_test(tcase, categorical_formulas);
  tcase_add_test(tcase, categorical_draws);
  tcase_add_test(tcase, greedy_without_epsilon);
  tcase_add_test(tcase, normal_formulas);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
