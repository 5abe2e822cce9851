/* QMLE and its variants on given numbers: how many candidates of which kind, what is learnt from
 * the best of them, what is remembered, when anything happens; and what its released code does
 * wrong, which the paper's form must not. */
#include "tests/qmle_fixture.h"

#include "runtime/slot.h"
#include "runtime/training.h"
#include "tests/spec_code.h"

enum { BATCH = 5, MAX_EXTENTS = 8 };

/* ---- the spec at its own size: the paper's table 1 and figure 4 ---- */

typedef struct Counts {
  const char *path, *program;
  uint32_t set;         /* candidates in all */
  uint32_t draws[3][2]; /* by DrawKind: extents, ascending; 0 ends */
} Counts;

static const Counts counts[] = {
    {"specs/qmle.yaml", "update", 101, {{90}, {9}, {1}}},
    {"specs/qmle.yaml", "explore", 1000, {{900}, {90}, {10}}},
    {"specs/qmle.yaml", "evaluate", 1000, {{900}, {90}, {10}}},
    {"specs/qmle/grid.yaml", "update", 101, {{45}, {9, 45}, {1}}},
    {"specs/qmle/grid.yaml", "explore", 1000, {{450}, {90, 450}, {10}}},
    {"specs/qmle/released.yaml", "update", 101, {{45}, {9, 45}, {1}}},
    {"specs/qmle/m2.yaml", "update", 3, {{1}, {0}, {1}}},
    {"specs/qmle/m2.yaml", "explore", 2, {{1}, {0}, {1}}},
    {"specs/qmle/delta_only.yaml", "update", 3, {{1}, {0}, {1}}},
    {"specs/qmle/delta_only.yaml", "explore", 2, {{1}, {0}, {1}}},
    {"specs/qmle/no_amortisation.yaml", "update", 3, {{2}, {0}, {0}}},
    {"specs/qmle/no_amortisation.yaml", "explore", 2, {{2}, {0}, {0}}},
    {"specs/qmle/discrete.yaml", "update", 101, {{0}, {10, 90}, {0}}},
    {"specs/qmle/discrete.yaml", "explore", 1000, {{0}, {100, 900}, {0}}},
    {"specs/toy/growing_actions.yaml", "update", 41, {{36}, {4, 36}, {4}}},
};

/* Extents along `try` of the draws, each once, ascending. */
static void draw_extents(const Run *r, DrawKind kind, uint32_t *out) {
  memset(out, 0, MAX_EXTENTS * sizeof *out);
  for (uint32_t tries = 1, n = 0; tries <= 1001 && n < MAX_EXTENTS; tries++)
    for (size_t i = 0; i < r->count; i++)
      if (is_draw(r, r->nodes[i], tries, kind, 0)) {
        out[n++] = tries;
        break;
      }
}

static uint32_t most_tries(const Run *r) {
  uint32_t most = 0;
  AxisId x;
  for (size_t i = 0; i < r->count; i++)
    for (unsigned next = 0; axes_next(r->nodes[i]->axes, &next, &x);) {
      const Axis *axis = &r->spec.graph->axes[x];
      if (!strcmp(axis->label, "try") && axis->extent > most) most = axis->extent;
    }
  return most;
}

/* Reads off the graph only: nothing of this size is run. */
static Run program_open(const char *path, const char *program) {
  Run r = {.spec = spec_open(path, "")};
  spec_passes(&r.spec, "grad");
  const Module *module = r.spec.module;
  r.count = module_reach(module, &module->programs[spec_program(&r.spec, program)], r.spec.arena,
                         &r.nodes);
  return r;
}

START_TEST(candidates_are_counted) {
  const Counts *c = &counts[_i];
  Run r = program_open(c->path, c->program);
  uint32_t found[MAX_EXTENTS];
  ck_assert_uint_eq(most_tries(&r), c->set);
  for (DrawKind kind = DRAW_PLAIN; kind <= DRAW_NORMAL; kind++) {
    draw_extents(&r, kind, found);
    for (int k = 0; k < 2; k++)
      ck_assert_msg(found[k] == c->draws[kind][k], "%s, %s: %u, not %u", c->path, c->program,
                    found[k], c->draws[kind][k]);
  }
  spec_close(&r.spec);
}
END_TEST

START_TEST(figure_4_has_so_many_parameters) {
  Spec spec = spec_open("specs/qmle.yaml", "");
  uint64_t obs = spec.module->shell.obs_dim, act = spec.module->shell.act_dim, total = 0;
  for (uint32_t s = 0; s < spec.graph->slot_count; s++)
    if (spec.graph->slots[s].kind == RLC_PARAMETER) total += spec_size(&spec, s);
  ck_assert(obs == 17 && act == 6);
  ck_assert_uint_eq(total, 128 * (obs + 1) + 33024 + 256 + 128 * (act + 1) + 256 + 131584 + 512 +
                               257 + 16512 + 129 * act + 16512 + 387 * act);
  spec_close(&spec);
}
END_TEST

START_TEST(table_1) {
  Spec spec = spec_open("specs/qmle.yaml", "");
  const RlcModule *shell = &spec.module->shell;
  ck_assert_uint_eq(shell->source_count, 1);
  ck_assert_uint_eq(shell->sources->capacity, 1000000);
  ck_assert_uint_eq(shell->sources->batch, 256);
  ck_assert(shell->sources->prioritized);
  ck_assert_double_eq(shell->sources->exponent, 0.6);
  ck_assert_double_eq(shell->sources->weight_exponent, 0.2);
  ck_assert_uint_eq(shell->explore.count, 1);
  ck_assert_int_eq(shell->steps[0].op, RLC_DO_COLLECT);
  ck_assert_uint_eq(shell->steps[0].count, 10);
  for (uint32_t s = 0; s < spec.graph->slot_count; s++) /* time limits are no ends */
    ck_assert_str_ne(spec.graph->slots[s].name, "replay.truncated");
  spec_close(&spec);
}
END_TEST

/* ---- one update ---- */

typedef struct Variant {
  const char *path, *sizes;
  Blocks blocks;
  bool point, classes; /* which predictors learn */
  bool stale, twice, one_noise, raw;
} Variant;

#define TINY     " width=3 batch_size=5"
#define SHARES   TINY " m_target=10 rho_delta=0.21 rho_factored=0.31"
#define REACHER  "env=Reacher-v5"
#define PENDULUM "env=Pendulum-v1"

static const Variant variants[] = {
    {"specs/qmle.yaml", REACHER SHARES, {5, 0, 3, 2}, true, true, 0, 0, 0, 0},
    {"specs/qmle.yaml", PENDULUM SHARES, {5, 0, 3, 2}, true, true, 0, 0, 0, 0},
    {"specs/qmle/stale.yaml", PENDULUM SHARES, {5, 0, 3, 2}, true, true, true, 0, 0, 0},
    {"specs/qmle/double_softmax.yaml", PENDULUM SHARES, {5, 0, 3, 2}, true, true, 0, true, 0, 0},
    {"specs/qmle/grid.yaml", PENDULUM SHARES, {3, 2, 3, 2}, true, true, 0, 0, 0, 0},
    {"specs/qmle/released.yaml", REACHER SHARES, {3, 2, 3, 2}, true, true, true, true, true, true},
    {"specs/qmle/released.yaml", PENDULUM SHARES, {3, 2, 3, 2}, true, true, true, true, true, true},
    {"specs/qmle/m2.yaml", PENDULUM TINY, {1, 0, 0, 1}, true, true, 0, 0, 0, 0},
    {"specs/qmle/delta_only.yaml", PENDULUM TINY, {1, 0, 0, 1}, true, false, 0, 0, 0, 0},
    {"specs/qmle/no_amortisation.yaml", PENDULUM TINY, {2, 0, 0, 0}, false, false, 0, 0, 0, 0},
    {"specs/qmle/discrete.yaml",
     REACHER TINY " m_target=10 rho_factored=0.31",
     {0, 7, 3, 0},
     false,
     true,
     0,
     0,
     0,
     0},
};

static const double weights[BATCH] = {1, 0.5, 0.25, 0.8, 0.1};
static const double ends[BATCH] = {0, 1, 0, 0, 1};

/* In two rows, actions near the corners of the box are remembered. */
static Run update_open(const Variant *v) {
  Run r = run_open(v->path, v->sizes, "update");
  double kept[BATCH * MAX_ACT];
  for (uint32_t i = 0; i < BATCH * r.act_dim; i++)
    kept[i] = (i < 2 * r.act_dim ? 0.99 : 0.1) * (i % 3 ? r.high : r.low);
  run_set(&r, "replay.best_action", kept);
  run_set(&r, "replay.weight", weights);
  run_set(&r, "replay.terminated", ends);
  spec_run(r.interp);
  return r;
}

/* Halves to even, as C's rint does. */
static uint32_t level_of(const Run *r, double action) {
  return (uint32_t)rint((action - r->low) / (r->high - r->low) * 2);
}

/* -log of the share that the level of each coordinate has, their mean. */
static double class_loss(const Run *r, const double *z, const double *label, bool twice) {
  double logits[MAX_ACT * LEVELS], loss = 0;
  logits_of(r, "", z, logits);
  for (uint32_t a = 0; a < r->act_dim; a++) {
    double *score = logits + a * LEVELS;
    for (int times = twice ? 2 : 1; times > 0; times--) {
      double total = exp(score[0]) + exp(score[1]) + exp(score[2]);
      for (int l = 0; l < LEVELS; l++) score[l] = exp(score[l]) / total;
    }
    loss -= log(score[level_of(r, label[a])]) / r->act_dim;
  }
  return loss;
}

static double point_loss(const Run *r, const double *z, const double *label, bool raw) {
  double mean[MAX_ACT], loss = 0;
  double centre = raw ? 0 : 0.5 * (r->high + r->low), half = raw ? 1 : 0.5 * (r->high - r->low);
  predicted(r, "", z, mean);
  for (uint32_t a = 0; a < r->act_dim; a++)
    loss += pow(mean[a] - (label[a] - centre) / half, 2) / r->act_dim;
  return loss;
}

typedef struct Row {
  double td, best[MAX_ACT], point, classes;
  uint32_t from; /* which candidate was best */
} Row;

static Row row_of(const Run *r, const Variant *v, uint32_t b) {
  const double *next = run_before(r, "replay.next_obs") + b * r->obs_dim;
  const double *kept = run_before(r, "replay.best_action") + b * r->act_dim;
  double z[WIDTH], slow[WIDTH], online[WIDTH], q;
  Candidates set;
  Row row = {0};
  features(r, "slow.", next, slow);
  candidates_of(r, &v->blocks, "slow.", b, slow, v->one_noise, &set);
  memcpy(set.action[set.count++], kept, r->act_dim * sizeof *kept);
  const double *best = candidates_best(r, "slow.", slow, &set, &q);
  memcpy(row.best, best, r->act_dim * sizeof *best);
  row.from = (uint32_t)((best - set.action[0]) / MAX_ACT);
  features(r, "", run_before(r, "replay.obs") + b * r->obs_dim, z);
  row.td = value_of(r, "", z, run_before(r, "replay.action") + b * r->act_dim) -
           (run_before(r, "replay.reward")[b] + (ends[b] ? 0 : 0.99 * q));
  features(r, "", next, online);
  const double *label = v->stale ? kept : row.best;
  if (v->point) row.point = point_loss(r, online, label, v->raw);
  if (v->classes) row.classes = class_loss(r, online, label, v->twice);
  return row;
}

/* Which kind of candidate it was: 0 to 3 by Blocks, 4 the remembered one. */
static int kind_of(const Blocks *blocks, uint32_t from) {
  const uint32_t sizes[] = {blocks->anywhere, blocks->corners, blocks->picks, blocks->around};
  int kind = 0;
  for (; kind < 4 && from >= sizes[kind]; kind++) from -= sizes[kind];
  return kind;
}

static void check_update(const Run *r, const Variant *v, bool *won) {
  const double *priority = run_get(r, "write.qmle.priority");
  const double *best = run_get(r, "write.qmle.best_action");
  double loss = 0, point = 0, classes = 0;
  for (uint32_t b = 0; b < BATCH; b++) {
    Row row = row_of(r, v, b);
    near_by(priority[b], fabs(row.td) + 1e-6, "priority");
    for (uint32_t a = 0; a < r->act_dim; a++)
      near_by(best[b * r->act_dim + a], row.best[a], "best action");
    loss += (weights[b] * row.td * row.td + row.point + row.classes) / BATCH;
    point += row.point / BATCH;
    classes += row.classes / BATCH;
    won[kind_of(&v->blocks, row.from)] = true;
  }
  near_by(run_metric(r, "losses/qmle"), loss, "loss");
  if (v->point) near_by(run_metric(r, "qmle/point"), point, "point");
  if (v->classes) near_by(run_metric(r, "qmle/class"), classes, "class");
}

/* Predictions near one end of the box or the other, the copy's and the online network's apart. */
static void predict(Run *r, const Variant *v, double end) {
  if (!v->blocks.around) return;
  run_fill(r, "slow.delta.dense2.b", end);
  run_fill(r, "delta.dense2.b", -end);
}

/* From one point by many draws, so that each kind of candidate is best somewhere. */
START_TEST(an_update_is_its_equations) {
  const Variant *v = &variants[_i];
  const uint32_t sizes[] = {v->blocks.anywhere, v->blocks.corners, v->blocks.picks,
                            v->blocks.around, 1};
  Run r = update_open(v);
  bool won[5] = {false};
  const double numbers[] = {2, 0.1, -2, -0.1}; /* at an end of the box or in the middle */
  for (uint64_t step = 5; step < 45; step++) {
    for (uint32_t s = 0; s < r.spec.graph->slot_count; s++) interp_set(r.interp, s, r.before[s]);
    predict(&r, v, numbers[step % 4]);
    interp_draws(r.interp, SEED, step);
    spec_run(r.interp);
    check_update(&r, v, won);
  }
  for (int kind = 0; kind < 5; kind++)
    ck_assert_msg(won[kind] == (sizes[kind] > 0), "candidates %d: best %d", kind, won[kind]);
  spec_close(&r.spec);
}
END_TEST

/* The largest first moment over all tensors of a network: zero where no gradient came. */
static double moment(const Run *r, const char *network) {
  const char *prefix = arena_printf(r->spec.arena, "optimizer.qmle.%s.", network);
  double most = 0;
  for (uint32_t s = 0; s < r->spec.graph->slot_count; s++) {
    const char *name = r->spec.graph->slots[s].name;
    size_t length = strlen(name);
    if (strncmp(name, prefix, strlen(prefix)) != 0 || strcmp(name + length - 6, ".first") != 0)
      continue;
    const double *values = run_get(r, name);
    for (uint64_t i = 0; i < spec_size(&r->spec, s); i++) most = fmax(most, fabs(values[i]));
  }
  return most;
}

/* Rows that weigh nothing teach the predictors all the same; these leave encoder and critic alone.
 */
START_TEST(no_gradient_joins_values_and_predictors) {
  const char *networks[] = {"encoder", "critic", "delta", "classes"};
  double most[2][4];
  for (int weighted = 0; weighted < 2; weighted++) {
    Run r = run_open("specs/qmle.yaml", PENDULUM SHARES, "update");
    for (uint32_t s = 0; s < r.spec.graph->slot_count; s++)
      if (strncmp(r.spec.graph->slots[s].name, "optimizer.", 10) == 0)
        run_fill(&r, r.spec.graph->slots[s].name, 0);
    run_fill(&r, "replay.weight", weighted);
    spec_run(r.interp);
    for (int n = 0; n < 4; n++) most[weighted][n] = moment(&r, networks[n]);
    spec_close(&r.spec);
  }
  ck_assert(most[0][0] == 0 && most[0][1] == 0);
  ck_assert_double_gt(most[1][0], 1e-4);
  ck_assert_double_gt(most[1][1], 1e-4);
  for (int n = 2; n < 4; n++) {
    ck_assert_double_gt(most[0][n], 1e-4);
    near_by(most[1][n], most[0][n], networks[n]);
  }
}
END_TEST

/* What was found is among the candidates of the next visit: by other draws the best is never worse.
 */
START_TEST(what_was_found_is_kept) {
  Run r = update_open(&variants[0]);
  double *found = run_get(&r, "write.qmle.best_action"), z[WIDTH];
  int better = 0;
  run_set(&r, "replay.best_action", found);
  for (uint64_t step = 6; step < 12; step++) {
    interp_draws(r.interp, SEED, step);
    spec_run(r.interp);
    const double *now = run_get(&r, "write.qmle.best_action");
    for (uint32_t b = 0; b < BATCH; b++) {
      features(&r, "slow.", run_before(&r, "replay.next_obs") + b * r.obs_dim, z);
      double gain = value_of(&r, "slow.", z, now + b * r.act_dim) -
                    value_of(&r, "slow.", z, found + b * r.act_dim);
      ck_assert_double_ge(gain, -1e-12);
      better += gain > 0;
    }
  }
  ck_assert_int_gt(better, 0);
  spec_close(&r.spec);
}
END_TEST

/* ---- levels, and the code's cross-entropy ---- */

static const struct {
  double action; /* in [-1, 1] */
  int level;
} bins[] = {{-1, 0},    {-0.75, 0}, {-0.5, 0}, {-0.499, 1}, {0, 1},
            {0.499, 1}, {0.5, 2},   {0.75, 2}, {1, 2}};

/* A class network that says `logits` everywhere. */
static void say(Run *r, const double *logits) {
  run_fill(r, "classes.dense2.w", 0);
  run_set(r, "classes.dense2.b", logits);
}

START_TEST(halves_go_to_the_even_level) {
  Run r = run_open("specs/qmle/stale.yaml", PENDULUM " width=3 batch_size=1", "update");
  double total = exp(1) + exp(2.5) + exp(0.25), score[] = {1, 2.5, 0.25};
  for (size_t i = 0; i < COUNTOF(bins); i++) {
    say(&r, score);                                                   /* each update moves it */
    run_set(&r, "replay.best_action", &(double){2 * bins[i].action}); /* a box of 2 */
    spec_run(r.interp);
    near_by(run_metric(&r, "qmle/class"), log(total) - score[bins[i].level], "class");
  }
  spec_close(&r.spec);
}
END_TEST

/* Sure of the right level, the likelihood's loss is nothing; the code's stays at log(1 + 2 / e). */
START_TEST(two_softmaxes_have_a_floor) {
  const char *paths[] = {"specs/qmle.yaml", "specs/qmle/double_softmax.yaml"};
  const double floors[] = {0, log(1 + 2 / exp(1))};
  ck_assert_double_eq_tol(floors[1], 0.5514, 5e-5);
  for (int i = 0; i < 2; i++) {
    Run r = run_open(paths[i], PENDULUM " width=3 batch_size=1 m_target=16", "update");
    double logits[LEVELS] = {0};
    spec_run(r.interp);
    logits[level_of(&r, *run_get(&r, "write.qmle.best_action"))] = 60;
    say(&r, logits);
    spec_run(r.interp); /* the same draws: the same best action */
    near_by(run_metric(&r, "qmle/class"), floors[i], "class");
    spec_close(&r.spec);
  }
}
END_TEST

/* ---- acting ---- */

#define ACTING " m_greedy=24 rho_delta=0.13 rho_factored=0.2 epsilon=0.4"

static const double *plain_draw(const Run *r, bool vector) {
  for (size_t i = 0; i < r->count; i++) {
    const Node *n = r->nodes[i];
    if (n->op == OP_uniform && !has_axis(r, n->axes, "try", 0) &&
        has_axis(r, n->axes, "act", 0) == vector)
      return interp_value(r->interp, n);
  }
  ck_abort_msg("no draw");
}

static void greedy(const Run *r, const double *obs, double *out) {
  static const Blocks blocks = {17, 0, 4, 3};
  Candidates set;
  double z[WIDTH], q;
  features(r, "", obs, z);
  candidates_of(r, &blocks, "", 0, z, false, &set);
  ck_assert_uint_eq(set.count, 24);
  memcpy(out, candidates_best(r, "", z, &set, &q), r->act_dim * sizeof *out);
}

START_TEST(acting_searches_by_the_online_networks) {
  Run r = run_open("specs/qmle.yaml", REACHER TINY ACTING, "explore");
  int random = 0;
  for (uint64_t step = 0; step < 40; step++) {
    double wanted[MAX_ACT];
    interp_draws(r.interp, SEED, step);
    spec_run(r.interp);
    bool any = *plain_draw(&r, false) < 0.4;
    greedy(&r, run_before(&r, "act.obs"), wanted);
    for (uint32_t a = 0; any && a < r.act_dim; a++)
      wanted[a] = r.low + (r.high - r.low) * plain_draw(&r, true)[a];
    for (uint32_t a = 0; a < r.act_dim; a++) near_by(run_get(&r, "act.action")[a], wanted[a], "a");
    random += any;
  }
  ck_assert(random >= 8 && random <= 24);
  spec_close(&r.spec);
}
END_TEST

START_TEST(evaluation_is_greedy) {
  Run r = run_open("specs/qmle.yaml", REACHER TINY ACTING, "evaluate");
  double wanted[MAX_ACT];
  spec_run(r.interp);
  for (size_t i = 0; i < r.count; i++)
    ck_assert(r.nodes[i]->op != OP_uniform || has_axis(&r, r.nodes[i]->axes, "try", 0));
  greedy(&r, run_before(&r, "eval.obs"), wanted);
  for (uint32_t a = 0; a < r.act_dim; a++) near_by(run_get(&r, "eval.action")[a], wanted[a], "a");
  spec_close(&r.spec);
}
END_TEST

START_TEST(the_action_taken_is_remembered_first) {
  Run r = run_open("specs/qmle.yaml", REACHER TINY ACTING, "store");
  spec_run(r.interp);
  for (uint32_t a = 0; a < r.act_dim; a++)
    ck_assert_double_eq(run_get(&r, "act.replay.best_action")[a], run_before(&r, "act.action")[a]);
  spec_close(&r.spec);
}
END_TEST

/* ---- when ---- */

typedef struct Timing {
  const char *path, *sizes;
  int passes_to_first, passes_to_copy; /* of 10 steps */
} Timing;

#define SMALL "env=Pendulum-v1 width=2 batch_size=2 m_target=12 m_greedy=12"

/* Table 1: the first update at step 1,010, the first copy at 2,000; the code's at 1,200. Here only
 * the networks are smaller. */
static const Timing timings[] = {
    {"specs/qmle.yaml", SMALL, 101, 200},
    {"specs/qmle/released.yaml", SMALL " warmup=50", 6, 20},
};

static bool copied(const Trainer *t) {
  const RlcModule *m = t->module;
  const RlcSlot *online = &m->slots[rlc_slot_find(m, "critic.dense1.w")];
  const RlcSlot *slow = &m->slots[rlc_slot_find(m, "slow.critic.dense1.w")];
  for (uint64_t i = 0; i < rlc_slot_elements(online); i++)
    if (rlc_slot_get(online, t->memory, i) != rlc_slot_get(slow, t->memory, i)) return false;
  return true;
}

START_TEST(updates_and_copies_come_in_time) {
  const Timing *at = &timings[_i];
  Spec spec = spec_open(at->path, at->sizes);
  spec_passes(&spec, "grad");
  Trainer *t = calloc(1, sizeof *t);
  Options options = {.steps = 1000000, .seed = 3, .threads = 1, .eval_episodes = 1, .quiet = true};
  ck_assert_msg(trainer_make(t, oracle_module(spec.arena, spec.module), &options), "%s",
                t->error.text);
  for (int pass = 1; pass <= 2 * at->passes_to_copy + 1; pass++) {
    ck_assert_msg(trainer_pass(t), "%s", t->error.text);
    int updates = pass < at->passes_to_first ? 0 : pass - at->passes_to_first + 1;
    ck_assert_int_eq((int)t->state.step, 10 * pass);
    ck_assert_int_eq((int)t->state.updates, updates);
    ck_assert_int_eq(copied(t), updates == 0 || pass % at->passes_to_copy == 0);
  }
  trainer_free(t);
  free(t);
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("qmle_spec");
  TCase *tests = tcase_create("qmle_spec");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, candidates_are_counted, 0, (int)COUNTOF(counts));
  tcase_add_test(tests, figure_4_has_so_many_parameters);
  tcase_add_test(tests, table_1);
  tcase_add_loop_test(tests, an_update_is_its_equations, 0, (int)COUNTOF(variants));
  tcase_add_test(tests, no_gradient_joins_values_and_predictors);
  tcase_add_test(tests, what_was_found_is_kept);
  tcase_add_test(tests, halves_go_to_the_even_level);
  tcase_add_test(tests, two_softmaxes_have_a_floor);
  tcase_add_test(tests, acting_searches_by_the_online_networks);
  tcase_add_test(tests, evaluation_is_greedy);
  tcase_add_test(tests, the_action_taken_is_remembered_first);
  tcase_add_loop_test(tests, updates_and_copies_come_in_time, 0, (int)COUNTOF(timings));
  return suite_run(suite);
}
