/* Networks on the oracle against the same layers computed here: norms, residuals, embeddings,
 * recurrent cells, heads; what initialisers know; where dropout acts. */
#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { SEED = 20261121, IN = 3, OUT = 4 };

static const double x[IN] = {0.7, -1.1, 0.4}, h[OUT] = {0.2, -0.3, 0.9, 0.1};

/* A network "net" over the vector `x` (and `h`), whose outputs are logged by `logs`. */
typedef struct Net {
  Spec spec;
  Interp *interp;
} Net;

static Net net_open(const char *network, const char *more, const char *value, const char *logs) {
  Arena *arena = arena_make();
  Net net = {.spec = spec_text(
                 arena_printf(arena,
                              "name: small\nparameters:\n  x: {axes: d=3, init: 0}\n  h: {axes: "
                              "hid=4, init: 0}\nnetworks:\n  net:\n%s\n%slosses:\n  l:\n    over: "
                              "net, x, h\n    let:\n      out: %s\n    minimize: sum[d](x) + "
                              "sum[hid](h) + %s\n    log:\n%s\noptimizers: {default: "
                              "sgd(0)}\nloop: [{descend: l}]\n",
                              network, more, value, strstr(logs, "loss:") + 5, logs),
                 "")};
  arena_free(arena);
  spec_passes(&net.spec, "grad");
  double **point = gradcheck_point(net.spec.arena, net.spec.module, SEED);
  net.interp = spec_interp(&net.spec, "update");
  for (uint32_t s = 0; s < net.spec.graph->slot_count; s++) interp_set(net.interp, s, point[s]);
  spec_set(&net.spec, net.interp, "x", x);
  spec_set(&net.spec, net.interp, "h", h);
  spec_run(net.interp);
  return net;
}

static void net_close(Net *net) { spec_close(&net->spec); }

static double *tensor(const Net *net, const char *name) {
  return spec_get(&net->spec, net->interp, name);
}

static void logs(const Net *net, const char *name, double wanted) {
  const char *slot = arena_printf(net->spec.arena, "metric.l/%s", name);
  double value = spec_scalar(&net->spec, net->interp, slot);
  ck_assert_msg(fabs(value - wanted) < 1e-12 * fmax(1, fabs(wanted)), "%s is %.15g, not %.15g",
                name, value, wanted);
}

/* ---- norms ---- */

START_TEST(norms) {
  Net net = net_open("    input: {x: d=3}\n    heads:\n      layer: layer_norm\n"
                     "      plain: layer_norm(eps=0.1, affine=false)\n      root: rms_norm\n"
                     "      bare: rms_norm(affine=false)\n      unit: l2_norm",
                     "", "net(x)",
                     "      a: index[d=1](out.layer)\n      b: index[d=1](out.plain)\n"
                     "      c: index[d=1](out.root)\n      d: index[d=1](out.bare)\n"
                     "      e: index[d=1](out.unit)\n      loss: sum[d](out.layer + out.root)");
  double mean = (x[0] + x[1] + x[2]) / 3, square = 0, var = 0;
  for (int i = 0; i < IN; i++) square += x[i] * x[i], var += (x[i] - mean) * (x[i] - mean) / 3;
  double root = x[1] / sqrt(square / 3 + 1e-6);
  logs(&net, "a",
       (x[1] - mean) / sqrt(var + 1e-5) * tensor(&net, "net.layer.layer_norm1.scale")[1] +
           tensor(&net, "net.layer.layer_norm1.shift")[1]);
  logs(&net, "b", (x[1] - mean) / sqrt(var + 0.1));
  logs(&net, "c", root * tensor(&net, "net.root.rms_norm1.scale")[1]);
  logs(&net, "d", root);
  logs(&net, "e", x[1] / sqrt(square));
  for (size_t i = 0; i < net.spec.graph->slot_count; i++)
    ck_assert(strncmp(net.spec.graph->slots[i].name, "net.plain", 9) != 0);
  net_close(&net);
}
END_TEST

/* ---- residuals, embeddings, heads ---- */

/* w of axes (rows, cols) as they come. */
static double dot(const double *w, const double *v, int n, int column, int columns) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += w[i * columns + column] * v[i];
  return sum;
}

/* Where the second layer has other units, the result lies along the input's axis: d stays. */
START_TEST(residual_keeps_its_axis) {
  Net net = net_open("    input: {x: d=3}\n    layers: residual(dense(4), tanh, dense(3)), tanh",
                     "", "net(x)", "      a: index[d=2](out)\n      loss: sum[d](out)");
  const double *w1 = tensor(&net, "net.dense1.w"), *b1 = tensor(&net, "net.dense1.b"),
               *w2 = tensor(&net, "net.dense2.w"), *b2 = tensor(&net, "net.dense2.b");
  double hidden[OUT];
  for (int i = 0; i < OUT; i++) hidden[i] = tanh(dot(w1, x, IN, i, OUT) + b1[i]);
  logs(&net, "a", tanh(x[2] + dot(w2, hidden, OUT, 2, IN) + b2[2]));
  net_close(&net);
}
END_TEST

/* A layer with units along the very axis that flows in: a square matrix, not a diagonal. */
START_TEST(units_along_the_inputs_axis) {
  Net net = net_open("    input: {x: d=3}\n    layers: dense[d]", "", "net(x)",
                     "      a: index[d=2](out)\n      loss: sum[d](out)");
  const double *w = tensor(&net, "net.dense1.w"), *b = tensor(&net, "net.dense1.b");
  ck_assert_uint_eq(spec_size(&net.spec, spec_slot(&net.spec, "net.dense1.w")), 9);
  /* axes by creation: d first, then the axis in its place that is summed over */
  logs(&net, "a", w[6] * x[0] + w[7] * x[1] + w[8] * x[2] + b[2]);
  net_close(&net);
}
END_TEST

START_TEST(embedded_inputs) {
  Net net = net_open("    input: {x: d=3, h: hid=4}\n    embed:\n      h: dense(2), tanh\n"
                     "    layers: dense[]",
                     "", "net(x, h)", "      a: out\n      loss: out");
  const double *we = tensor(&net, "net.embed.h.dense1.w"),
               *be = tensor(&net, "net.embed.h.dense1.b"), *wx = tensor(&net, "net.dense1.w.x"),
               *wh = tensor(&net, "net.dense1.w.h");
  double e[2], sum = *tensor(&net, "net.dense1.b");
  for (int i = 0; i < 2; i++) e[i] = tanh(dot(we, h, OUT, i, 2) + be[i]);
  sum += dot(wx, x, IN, 0, 1) + dot(wh, e, 2, 0, 1);
  logs(&net, "a", sum);
  net_close(&net);
}
END_TEST

START_TEST(heads_on_a_named_trunk) {
  Net net =
      net_open("    input: {x: d=3}\n    layers: dense[feature=2]\n    heads:\n"
               "      feature: identity\n      next: tanh, dense[feature]\n"
               "      held: stop, dense[]",
               "", "net(x)",
               "      a: index[feature=1](out.feature)\n      b: index[feature=1](out.next)\n"
               "      c: out.held\n      loss: sum[feature](out.feature + out.next) + out.held");
  const double *w = tensor(&net, "net.dense1.w"), *b = tensor(&net, "net.dense1.b"),
               *n = tensor(&net, "net.next.dense1.w"), *held = tensor(&net, "net.held.dense1.w");
  double f[2] = {dot(w, x, IN, 0, 2) + b[0], dot(w, x, IN, 1, 2) + b[1]};
  logs(&net, "a", f[1]);
  logs(&net, "b", n[2] * tanh(f[0]) + n[3] * tanh(f[1]) + tensor(&net, "net.next.dense1.b")[1]);
  logs(&net, "c", held[0] * f[0] + held[1] * f[1] + *tensor(&net, "net.held.dense1.b"));
  net_close(&net);
}
END_TEST

/* A layer of the spec's own that changes the axis: what follows is along the new one. */
START_TEST(define_changes_the_axis) {
  Net net = net_open("    input: {x: d=3}\n    layers: gated[g=2], dense[]",
                     "define:\n  gated[g](v): sigmoid(dense[g](v)) * tanh(dense[g](v))\n", "net(x)",
                     "      a: out\n      loss: out");
  double sum = *tensor(&net, "net.dense1.b");
  const double *w = tensor(&net, "net.dense1.w");
  for (int i = 0; i < 2; i++) {
    double gate = dot(tensor(&net, "net.gated1.dense1.w"), x, IN, i, 2) +
                  tensor(&net, "net.gated1.dense1.b")[i],
           value = dot(tensor(&net, "net.gated1.dense2.w"), x, IN, i, 2) +
                   tensor(&net, "net.gated1.dense2.b")[i];
    sum += w[i] * tanh(value) / (1 + exp(-gate));
  }
  logs(&net, "a", sum);
  net_close(&net);
}
END_TEST

/* ---- recurrent ---- */

/* One part of a cell: w.x x + w.h h + b; the weights of the memory have its axis first. */
static double part(const Net *net, const char *layer, const double *memory, int i) {
  Arena *arena = net->spec.arena;
  const double *wx = tensor(net, arena_printf(arena, "net.gru1.%s.w.x", layer)),
               *wm = tensor(net, arena_printf(arena, "net.gru1.%s.w.memory", layer));
  double sum = tensor(net, arena_printf(arena, "net.gru1.%s.b", layer))[i];
  sum += dot(wx, x, IN, i, OUT);
  for (int k = 0; k < OUT; k++) sum += wm[i * OUT + k] * memory[k];
  return sum;
}

static void cell(const Net *net, double *memory) {
  double next[OUT];
  const double *wx = tensor(net, "net.gru1.dense2.w"), *bx = tensor(net, "net.gru1.dense2.b"),
               *wm = tensor(net, "net.gru1.dense4.w"), *bm = tensor(net, "net.gru1.dense4.b");
  for (int i = 0; i < OUT; i++) {
    double keep = 1 / (1 + exp(-part(net, "dense1", memory, i))),
           reset = 1 / (1 + exp(-part(net, "dense3", memory, i))),
           from_x = dot(wx, x, IN, i, OUT) + bx[i], from_memory = bm[i];
    /* axes by creation */
    for (int k = 0; k < OUT; k++) from_memory += wm[i * OUT + k] * memory[k];
    next[i] = keep * memory[i] + (1 - keep) * tanh(from_x + reset * from_memory);
  }
  memcpy(memory, next, sizeof next);
}

START_TEST(recurrent_cell) {
  Net net = net_open("    input: {x: d=3, memory: hid=4}\n    layers: gru[hid]", "",
                     "unroll[t=3](m = h, net(x, m))",
                     "      a: index[hid=0](out)\n      b: index[hid=3](out)\n      loss: "
                     "sum[hid](out)");
  double memory[OUT];
  memcpy(memory, h, sizeof memory);
  for (int t = 0; t < 3; t++) cell(&net, memory);
  logs(&net, "a", memory[0]);
  logs(&net, "b", memory[3]);
  net_close(&net);
}
END_TEST

/* ---- copies of what a define learns ---- */

START_TEST(target_of_learned) {
  Net net = net_open("    input: {x: d=3}\n    copies: {twin: 2}\n    layers: rms_norm, dense[]",
                     "targets: {slow: net}\n", "net(x) + slow(x)",
                     "      a: index[twin=1](out)\n      loss: sum[twin](out)");
  double sum = tensor(&net, "net.dense1.b")[1] + tensor(&net, "slow.net.dense1.b")[1], square = 0;
  for (int i = 0; i < IN; i++) square += x[i] * x[i] / IN;
  for (int i = 0; i < IN; i++) {
    double normed = x[i] / sqrt(square + 1e-6);
    sum +=
        normed * tensor(&net, "net.rms_norm1.scale")[IN + i] * tensor(&net, "net.dense1.w")[IN + i];
    sum += normed * tensor(&net, "slow.net.rms_norm1.scale")[IN + i] *
           tensor(&net, "slow.net.dense1.w")[IN + i];
  }
  logs(&net, "a", sum);
  net_close(&net);
}
END_TEST

/* ---- initial values ---- */

typedef struct Moments {
  double mean, deviation, largest;
} Moments;

static Moments initial(Spec *spec, const char *slot) {
  Interp *interp = spec_interp(spec, "init");
  interp_draws(interp, SEED, 0);
  spec_run(interp);
  const double *values = spec_get(spec, interp, slot);
  uint64_t count = spec_size(spec, spec_slot(spec, slot));
  Moments m = {0};
  for (uint64_t i = 0; i < count; i++) m.mean += values[i] / (double)count;
  for (uint64_t i = 0; i < count; i++) {
    m.deviation += pow(values[i] - m.mean, 2) / (double)count;
    m.largest = fmax(m.largest, fabs(values[i]));
  }
  m.deviation = sqrt(m.deviation);
  return m;
}

static Spec init_spec(const char *network, const char *more, const char *value) {
  Arena *arena = arena_make();
  Spec spec = spec_text(
      arena_printf(
          arena,
          "name: small\nparameters:\n  x: {axes: d=100, init: 0}\nnetworks:\n  net:\n    "
          "input: {x: d=100}\n    layers: dense(400), relu, dense[out=50]\n%s\n%slosses:\n  "
          "l: {over: net, minimize: 'sum[out](%s)'}\noptimizers: {default: "
          "sgd(0)}\nloop: [{descend: l}]\n",
          network, more, value),
      "");
  arena_free(arena);
  return spec;
}

/* Each against its standard deviation and its largest value; the first layer is 100 by 400. */
static const struct {
  const char *name;
  double deviation, largest;
} initialisers[] = {{"lecun_uniform()", 0.1, 0.17320508},
                    {"lecun_normal()", 0.1, 0.2274},
                    {"he_uniform()", 0.14142136, 0.24494897},
                    {"he_normal()", 0.14142136, 0.3216},
                    {"glorot_uniform()", 0.06324555, 0.10954451},
                    {"glorot_uniform(gain=2)", 0.1264911, 0.21908902},
                    {"glorot_normal()", 0.06324555, 0.1439},
                    {"torch_uniform()", 0.05773503, 0.1},
                    {"normal_init(0.3)", 0.3, 1.6},
                    {"constant(0.25)", 0, 0.25},
                    {"zeros()", 0, 0}};

START_TEST(initialiser) {
  Arena *arena = arena_make();
  const char *text = arena_printf(arena, "    init: %s", initialisers[_i].name);
  Spec spec = init_spec(text, "", "net(x)");
  Moments w = initial(&spec, "net.dense1.w"), b = initial(&spec, "net.dense1.b");
  double deviation = initialisers[_i].deviation, largest = initialisers[_i].largest;
  ck_assert_msg(fabs(w.deviation - deviation) <= 0.015 * deviation + 1e-9,
                "%s: deviation %g, not %g", initialisers[_i].name, w.deviation, deviation);
  ck_assert_msg(w.largest <= largest * 1.0001 && w.largest >= 0.7 * largest,
                "%s: largest %g, not about %g", initialisers[_i].name, w.largest, largest);
  ck_assert_double_eq(b.largest, 0);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* A map has weights and biases apart; a bias knows its layer's fan_in. */
START_TEST(initialiser_of_biases) {
  Spec spec = init_spec("    init: {weight: constant(2), bias: torch_uniform()}", "", "net(x)");
  ck_assert_double_eq(initial(&spec, "net.dense1.w").largest, 2);
  Moments b = initial(&spec, "net.dense1.b"), last = initial(&spec, "net.dense2.b");
  ck_assert(b.largest <= 0.1 && b.largest > 0.09);
  ck_assert(last.largest <= 0.05 && last.largest > 0.04);
  spec_close(&spec);
}
END_TEST

/* The spec's own serves networks that name none. */
START_TEST(initialiser_of_the_spec) {
  Spec own = init_spec("    init: constant(2)", "init: constant(3)\n", "net(x)"),
       common = init_spec("", "init: {bias: constant(3)}\n", "net(x)");
  ck_assert_double_eq(initial(&own, "net.dense1.w").largest, 2);
  ck_assert_double_eq(initial(&common, "net.dense1.b").largest, 3);
  ck_assert(fabs(initial(&common, "net.dense1.w").deviation - 0.1) < 0.002);
  spec_close(&own);
  spec_close(&common);
}
END_TEST

/* last_layer is 1 in the last dense layer: of the list, of every head, not below heads. */
START_TEST(last_layer_is_known) {
  Spec plain = init_spec("    init: where(last_layer, 5, 7)", "", "net(x)"),
       heads = init_spec("    init: where(last_layer, 5, 7)\n    heads:\n"
                         "      a: residual(relu, dense(50)), tanh\n"
                         "      b: relu, dense(4), dense[out]",
                         "", "net(x).a + net(x).b");
  ck_assert_double_eq(initial(&plain, "net.dense1.w").largest, 7);
  ck_assert_double_eq(initial(&plain, "net.dense2.w").largest, 5);
  ck_assert_double_eq(initial(&heads, "net.dense2.w").largest, 7);
  ck_assert_double_eq(initial(&heads, "net.a.dense1.w").largest, 5);
  ck_assert_double_eq(initial(&heads, "net.b.dense1.w").largest, 7);
  ck_assert_double_eq(initial(&heads, "net.b.dense2.w").largest, 5);
  spec_close(&plain);
  spec_close(&heads);
}
END_TEST

/* w transposed times w, or w times its transpose, whichever is smaller, is gain^2 times 1. */
static void check_orthogonal(Spec *spec, const char *slot, int rows, int columns, double gain) {
  Interp *interp = spec_interp(spec, "init");
  interp_draws(interp, SEED, 0);
  spec_run(interp);
  const double *w = spec_get(spec, interp, slot);
  bool wide = rows <= columns;
  int count = wide ? rows : columns, length = wide ? columns : rows;
  for (int a = 0; a < count; a++)
    for (int b = 0; b <= a; b++) {
      double sum = 0;
      for (int i = 0; i < length; i++)
        sum += wide ? w[a * columns + i] * w[b * columns + i]
                    : w[i * columns + a] * w[i * columns + b];
      double wanted = a == b ? gain * gain : 0;
      ck_assert_msg(fabs(sum - wanted) < 1e-9, "%s: %d and %d have %g", slot, a, b, sum);
    }
}

START_TEST(orthogonal_weights) {
  Spec spec = init_spec("    heads: {a: 'dense[out]', v: dense()}\n"
                        "    init: orthogonal(gain=sqrt(2), last=0.01)",
                        "", "net(x).a + net(x).v");
  check_orthogonal(&spec, "net.dense1.w", 100, 400, sqrt(2));
  check_orthogonal(&spec, "net.dense2.w", 400, 50, sqrt(2));
  check_orthogonal(&spec, "net.a.dense1.w", 50, 50, 0.01);
  check_orthogonal(&spec, "net.v.dense1.w", 50, 1, 0.01);
  spec_close(&spec);
  Spec plain = init_spec("    init: orthogonal(2)", "", "net(x)");
  check_orthogonal(&plain, "net.dense2.w", 400, 50, 2); /* last is gain */
  spec_close(&plain);
}
END_TEST

/* ---- dropout ---- */

/* In a loss a share of `rate` is dropped and the rest grows; one draw per row. */
START_TEST(dropout_in_losses) {
  Net net = net_open("    input: {x: d=3}\n    layers: dropout(0.25)",
                     "define:\n  big: normal_noise[n=20000] > 99\n", "net(x + big)",
                     "      gone: mean[n, d](out == 0)\n"
                     "      kept: mean[n, d](abs(out - x / 0.75) < 1e-9)\n"
                     "      loss: mean[n](sum[d](out))");
  double gone = spec_scalar(&net.spec, net.interp, "metric.l/gone");
  ck_assert_msg(fabs(gone - 0.25) < 0.01, "%g are dropped", gone);
  logs(&net, "kept", 1 - gone);
  net_close(&net);
}
END_TEST

/* Acting draws no masks. */
START_TEST(no_dropout_while_acting) {
  Spec spec = spec_text("name: small\nenv: Pendulum-v1\nnetworks:\n  actor: {input: obs, layers: "
                        "'dense(8), dropout(0.5), dense[act]'}\nreplay: {capacity: 100, batch: "
                        "8}\nact: {explore: actor(obs), evaluate: actor(obs)}\nlosses:\n  l: "
                        "{over: actor, minimize: 'mean[batch, act](square(actor(obs)))'}\n"
                        "optimizers: {default: sgd(0.1)}\nloop: [{collect: 1}, {sample: replay}, "
                        "{descend: l}]\n",
                        "");
  Node **nodes;
  for (size_t p = 0; p < spec.module->program_count; p++) {
    const Program *program = &spec.module->programs[p];
    size_t draws = 0, count = module_reach(spec.module, program, spec.arena, &nodes);
    for (size_t i = 0; i < count; i++) draws += nodes[i]->op == OP_uniform;
    if (strcmp(program->name, "update") == 0)
      ck_assert_uint_eq(draws, 1);
    else if (strcmp(program->name, "init") != 0)
      ck_assert_uint_eq(draws, 0);
  }
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("network");
  TCase *tcase = tcase_create("network");
  tcase_add_test(tcase, norms);
  tcase_add_test(tcase, residual_keeps_its_axis);
  tcase_add_test(tcase, units_along_the_inputs_axis);
  tcase_add_test(tcase, embedded_inputs);
  tcase_add_test(tcase, heads_on_a_named_trunk);
  tcase_add_test(tcase, define_changes_the_axis);
  tcase_add_test(tcase, recurrent_cell);
  tcase_add_test(tcase, target_of_learned);
  tcase_add_loop_test(tcase, initialiser, 0, (int)COUNTOF(initialisers));
  tcase_add_test(tcase, initialiser_of_biases);
  tcase_add_test(tcase, initialiser_of_the_spec);
  tcase_add_test(tcase, last_layer_is_known);
  tcase_add_test(tcase, orthogonal_weights);
  tcase_add_test(tcase, dropout_in_losses);
  tcase_add_test(tcase, no_dropout_while_acting);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
