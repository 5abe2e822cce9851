/* Optimisers of the prelude, and one of a spec's own, against the same steps computed here in
 * double precision from their publications; clipping; states that nothing reads. */
#include "tests/spec_fixture.h"

enum { SIZE = 3, STEPS = 20 };

/* Two losses over a vector p and a number q: gradients p - (0, 1, 2) scaled by 3, and 2 q. */
static const char *const text = "name: small\n"
                                "constants: {lr: 0.1}\n"
                                "parameters:\n"
                                "  p: {axes: [i=3], init: 0}\n"
                                "  q: 0\n"
                                "losses:\n";
static const char *const two = "  a: {over: p, minimize: 'sum[i](1.5 * square(p - iota[i=3]))'}\n"
                               "  b: {over: q, minimize: square(q)}\n";
static const char *const joint =
    "  both: {over: 'p, q', minimize: 'sum[i](1.5 * square(p - iota[i=3])) + square(q)'}\n";

/* One element with what optimisers remember of it. */
typedef struct Element {
  double x, first, second;
} Element;

/* The new value of an element from its gradient at step n = 1, 2, ... */
typedef void (*StepFn)(Element *e, double g, int n);

static void sgd_step(Element *e, double g, int n) {
  (void)n;
  e->x -= 0.1 * g;
}

static void momentum_step(Element *e, double g, int n) {
  e->first = n == 1 ? g : 0.9 * e->first + g;
  e->x -= 0.1 * e->first;
}

static void nesterov_step(Element *e, double g, int n) {
  e->first = n == 1 ? g : 0.9 * e->first + g;
  e->x -= 0.1 * (g + 0.9 * e->first);
}

static void moments(Element *e, double g, int n, double *m, double *v) {
  e->first = 0.9 * e->first + 0.1 * g;
  e->second = 0.99 * e->second + 0.01 * g * g;
  *m = e->first / (1 - pow(0.9, n));
  *v = e->second / (1 - pow(0.99, n));
}

static void adam_step(Element *e, double g, int n) {
  double m, v;
  moments(e, g, n, &m, &v);
  e->x -= 0.1 * m / (sqrt(v) + 1e-3);
}

static void adamw_step(Element *e, double g, int n) {
  double m, v;
  moments(e, g, n, &m, &v);
  e->x *= 1 - 0.1 * 0.2;
  e->x -= 0.1 * m / (sqrt(v) + 1e-3);
}

static int rectified, plain; /* steps of either kind that the test has seen */

static void radam_step(Element *e, double g, int n) {
  double m, v, most = 2 / (1 - 0.99) - 1;
  double length = most - 2 * n * pow(0.99, n) / (1 - pow(0.99, n));
  moments(e, g, n, &m, &v);
  if (length < 5) {
    e->x -= 0.1 * m;
    plain++;
    return;
  }
  double r = sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length));
  e->x -= 0.1 * r * m / (sqrt(v) + 1e-3);
  rectified++;
}

static void rmsprop_step(Element *e, double g, int n) {
  (void)n;
  e->second = 0.95 * e->second + 0.05 * g * g;
  e->x -= 0.1 * g / (sqrt(e->second) + 1e-3);
}

static void decaying_step(Element *e, double g, int n) { e->x -= 0.1 / n * g; }

static void lion_step(Element *e, double g, int n) {
  (void)n;
  double c = 0.9 * e->first + 0.1 * g;
  e->x -= 0.1 * ((c > 0) - (c < 0));
  e->first = 0.99 * e->first + 0.01 * g;
}

static void by_norm(Element *e, double g, int n) { adam_step(e, g, n); }

static const struct Case {
  const char *optimizer, *define;
  StepFn step;
  double clip_norm, clip_value;
  int states; /* slots of optimiser state per parameter */
} cases[] = {
    {"sgd(lr)", "", sgd_step, INFINITY, INFINITY, 0},
    {"sgd(lr, momentum=0.9)", "", momentum_step, INFINITY, INFINITY, 1},
    {"sgd(lr, momentum=0.9, nesterov=true)", "", nesterov_step, INFINITY, INFINITY, 1},
    {"sgd(lr, clip_norm=0.7)", "", sgd_step, 0.7, INFINITY, 0},
    {"sgd(lr, clip_value=0.5)", "", sgd_step, INFINITY, 0.5, 0},
    {"sgd(lr, clip_norm=2, clip_value=0.5)", "", sgd_step, 2, 0.5, 0},
    {"adam(lr, beta2=0.99, eps=1e-3)", "", adam_step, INFINITY, INFINITY, 3},
    {"adam(lr, beta2=0.99, eps=1e-3, clip_norm=0.7)", "", by_norm, 0.7, INFINITY, 3},
    {"adamw(lr, beta2=0.99, eps=1e-3, decay=0.2)", "", adamw_step, INFINITY, INFINITY, 3},
    {"radam(lr, beta2=0.99, eps=1e-3)", "", radam_step, INFINITY, INFINITY, 3},
    {"rmsprop(lr, alpha=0.95, eps=1e-3)", "", rmsprop_step, INFINITY, INFINITY, 1},
    {"rmsprop(lr, alpha=0.95, eps=1e-3, clip_value=0.5)", "", rmsprop_step, INFINITY, 0.5, 1},
    {"sgd(lr / (updates + 1))", "", decaying_step, INFINITY, INFINITY, 0},
    {"lion(lr)",
     "define:\n"
     "  lion(lr, beta=0.9):\n"
     "    state: {average: 0, unread: 0}\n"
     "    set: {average: 0.99 * average + 0.01 * gradient, unread: unread + 1}\n"
     "    step: parameter - lr * sign(beta * average + (1 - beta) * gradient)\n",
     lion_step, INFINITY, INFINITY, 1}};

/* One step of all elements, with the gradient as a whole clipped first. */
static void step_all(const struct Case *c, Element *elements, size_t count, int n) {
  double g[SIZE + 1], square = 0;
  for (size_t i = 0; i < count; i++) {
    g[i] = i == SIZE ? 2 * elements[i].x : 3 * (elements[i].x - (double)i);
    square += g[i] * g[i];
  }
  double factor = sqrt(square) > c->clip_norm ? c->clip_norm / sqrt(square) : 1;
  for (size_t i = 0; i < count; i++)
    c->step(&elements[i], fmax(fmin(g[i] * factor, c->clip_value), -c->clip_value), n);
}

static Spec open_with(const struct Case *c, const char *loop) {
  Arena *arena = arena_make();
  Spec spec =
      spec_text(arena_printf(arena, "%s%s%soptimizers:\n  default: %s\nloop: [%s]\n", text,
                             strstr(loop, "both") ? joint : two, c->define, c->optimizer, loop),
                "");
  arena_free(arena);
  spec_passes(&spec, "grad");
  return spec;
}

static int count_states(const Spec *spec) {
  int count = 0;
  for (size_t i = 0; i < spec->graph->slot_count; i++)
    count += spec->graph->slots[i].kind == RLC_OPTIMIZER;
  return count;
}

/* Runs the update and compares p and q with the elements after each step. */
static void compare(const struct Case *c, Spec *spec, Element *elements, bool apart) {
  Interp *interp = spec_interp(spec, "update");
  double p[SIZE] = {0.3, 1.4, -2}, q = -0.8;
  bool counts = strstr(c->optimizer, "updates") != NULL;
  for (int i = 0; i < SIZE; i++) elements[i] = (Element){.x = p[i]};
  elements[SIZE] = (Element){.x = q};
  spec_set(spec, interp, "p", p);
  spec_set(spec, interp, "q", &q);
  for (int n = 1; n <= STEPS; n++) {
    if (counts) spec_set(spec, interp, "counter.updates", (double[]){n - 1});
    spec_run(interp);
    if (apart) {
      Element alone[SIZE + 1];
      memcpy(alone, elements, sizeof alone);
      step_all(c, elements, SIZE, n);
      for (int i = 0; i < SIZE; i++) alone[i].x = i; /* no gradient */
      step_all(c, alone, SIZE + 1, n);
      elements[SIZE] = alone[SIZE];
    } else {
      step_all(c, elements, SIZE + 1, n);
    }
    const double *values = spec_get(spec, interp, "p");
    for (int i = 0; i < SIZE; i++)
      ck_assert_msg(fabs(values[i] - elements[i].x) < 1e-12, "%s: p[%d] is %.15g, not %.15g at %d",
                    c->optimizer, i, values[i], elements[i].x, n);
    q = spec_scalar(spec, interp, "q");
    ck_assert_msg(fabs(q - elements[SIZE].x) < 1e-12, "%s: q is %.15g, not %.15g at %d",
                  c->optimizer, q, elements[SIZE].x, n);
  }
}

/* Every optimiser, with both parameters in one loss: the norm is over both. */
START_TEST(steps) {
  Element elements[SIZE + 1];
  const struct Case *c = &cases[_i];
  Spec spec = open_with(c, "{descend: both}");
  ck_assert_int_eq(count_states(&spec), 2 * c->states);
  compare(c, &spec, elements, false);
  spec_close(&spec);
}
END_TEST

/* The norm of losses stepped on together is that of all their gradients; in turn each has its own.
 */
START_TEST(norm_of_a_descent) {
  Element elements[SIZE + 1];
  const struct Case *c = &cases[_i];
  Spec together = open_with(c, "{together: [a, b]}"), turns = open_with(c, "{descend: [a, b]}");
  compare(c, &together, elements, false);
  compare(c, &turns, elements, true);
  spec_close(&together);
  spec_close(&turns);
}
END_TEST

static size_t count_op(Spec *spec, OpCode op) {
  Node **nodes;
  size_t program = spec_program(spec, "update"), found = 0;
  size_t count = module_reach(spec->module, &spec->module->programs[program], spec->arena, &nodes);
  for (size_t i = 0; i < count; i++) found += nodes[i]->op == op;
  return found;
}

/* Without clip_norm the gradient's norm is not computed, in the very first graph. */
START_TEST(no_norm_without_need) {
  static const struct Case with = {.optimizer = "sgd(lr, clip_norm=1)", .define = ""},
                           without = {.optimizer = "sgd(lr)", .define = ""};
  Spec a = open_with(&with, "{descend: both}"), b = open_with(&without, "{descend: both}");
  ck_assert_uint_eq(count_op(&a, OP_sqrt), 1);
  ck_assert_uint_eq(count_op(&b, OP_sqrt), 0);
  spec_close(&a);
  spec_close(&b);
}
END_TEST

/* Both kinds of RAdam's steps occur in what `steps` compares. */
START_TEST(rectification_begins) {
  Element e = {.x = 1};
  rectified = plain = 0;
  for (int n = 1; n <= STEPS; n++) radam_step(&e, e.x, n);
  ck_assert_int_gt(plain, 2);
  ck_assert_int_gt(rectified, 10);
}
END_TEST

/* Two losses over one parameter remember apart. */
START_TEST(state_of_a_loss) {
  Spec spec = spec_text("name: two\n"
                        "parameters: {p: 1}\n"
                        "losses:\n"
                        "  a: {over: p, minimize: square(p)}\n"
                        "  b: {over: p, minimize: 3 * p}\n"
                        "optimizers: {default: adam(0.1), b: 'sgd(0.5, momentum=0.5)'}\n"
                        "loop: [{descend: [a, b]}]\n",
                        "");
  ck_assert_int_eq(count_states(&spec), 4);
  spec_slot(&spec, "optimizer.a.p.first");
  spec_slot(&spec, "optimizer.b.p.velocity");
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("optimizer");
  TCase *tcase = tcase_create("optimizer");
  tcase_add_loop_test(tcase, steps, 0, (int)COUNTOF(cases));
  tcase_add_loop_test(tcase, norm_of_a_descent, 0, 8);
  tcase_add_test(tcase, no_norm_without_need);
  tcase_add_test(tcase, rectification_begins);
  tcase_add_test(tcase, state_of_a_loss);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
