/* MR.Q on a tiny example, against its equations computed here in plain loops: the unrolled losses
 * of the encoder, values and priorities, the actor's loss, and when copies are made. */
#include "tests/spec_code.h"
#include "tests/spec_network.h"

#include "runtime/slot.h"
#include "runtime/training.h"

#include <math.h>

enum { BATCH = 6, AHEAD = 4, STEPS = 3, OBS = 3, BINS = 9, WIDTH = 4 };
static const double GAMMA = 0.9, SMOOTHING = 0.5, SIZE = 0.1;
static const char *const sizes =
    "env.id=Pendulum-v1 hidden=5 width=4 action_width=2 bins=9 batch_size=6 horizon=4 "
    "steps_ahead=3 gamma=0.9 smoothing=0.5 size_penalty=0.1 warmup=4 copy_every=2";

/* ---- the networks ---- */

typedef enum Unit { LINEAR, ELU, RELU } Unit;

/* A layer of one or two inputs, with a normed and bent output unless it is LINEAR. */
static uint32_t layer(const Point *p, double **slots, uint32_t twin, const char *name, Unit unit,
                      const double *in, const double *action, double *out) {
  uint32_t n = dense_two(p, slots, twin, name, action ? ".features" : "", in,
                         action ? ".action" : NULL, action, out);
  if (unit == LINEAR) return n;
  layer_norm_of(out, n);
  for (uint32_t i = 0; i < n; i++) out[i] = unit == RELU ? fmax(out[i], 0) : elu_of(out[i]);
  return n;
}

/* `count` layers "NAME.dense1" .. of which the last has another unit than the others. */
static void layers(const Point *p, double **slots, uint32_t twin, const char *name, int count,
                   Unit unit, Unit last, const double *in, const double *action, double *out) {
  double h[2][NET_WIDTH];
  for (int i = 1; i <= count; i++) {
    const char *dense = arena_printf(p->spec.arena, "%s.dense%d", name, i);
    layer(p, slots, twin, dense, i == count ? last : unit, i == 1 ? in : h[(i - 1) % 2],
          i == 1 ? action : NULL, i == count ? out : h[i % 2]);
  }
}

static void encode(const Point *p, const char *prefix, const double *obs, double *z) {
  layers(p, p->before, 0, arena_printf(p->spec.arena, "%sencoder", prefix), 3, ELU, ELU, obs, NULL,
         z);
}

static void mix(const Point *p, const char *prefix, const double *z, double action, double *za) {
  double embedded[NET_WIDTH];
  const char *name = arena_printf(p->spec.arena, "%smixer", prefix);
  const char *embed = arena_printf(p->spec.arena, "%s.embed.action.dense1", name);
  elu_all(embedded, dense_one(p, p->before, 0, embed, &action, embedded));
  layers(p, p->before, 0, name, 3, ELU, LINEAR, z, embedded, za);
}

static double value_of(const Point *p, double **slots, const char *prefix, uint32_t twin,
                       const double *za) {
  double q[NET_WIDTH];
  layers(p, slots, twin, arena_printf(p->spec.arena, "%scritic", prefix), 4, ELU, LINEAR, za, NULL,
         q);
  return q[0];
}

static double act_of(const Point *p, const char *prefix, const double *z) {
  double a[NET_WIDTH];
  layers(p, p->before, 0, arena_printf(p->spec.arena, "%sactor", prefix), 3, RELU, LINEAR, z, NULL,
         a);
  return a[0];
}

/* ---- windows ---- */

/* The last step of each window that counts and whether it ended for good; behind it stands what
 * must not be seen. Of the three steps of the value, a window goes on, ends in each, is cut. */
static const int last_step[BATCH] = {3, 0, 1, 2, 1, 3};
static const bool ends[BATCH] = {false, true, true, true, false, true};

static Point fresh(const char *program, uint64_t seed) {
  Point p = point_open(spec_open("specs/mrq.yaml", sizes), program, seed);
  fresh_states(&p);
  point_windows(&p, BATCH, AHEAD, last_step, ends);
  double *reward = point_at(&p, p.before, "replay.reward");
  reward[0] = exp(2.5) - 1; /* a bin */
  reward[1] = 30000;        /* above the last bin */
  reward[2] = 0;
  point_give(&p, "scale", (double[]){1.7});
  point_give(&p, "target_scale", (double[]){2.3});
  point_give(&p, "any_end", (double[]){1});
  return p;
}

static double at(const Point *p, const char *column, int b, int k) {
  return point_at(p, p->before, column)[b * AHEAD + k];
}

static const double *seen(const Point *p, const char *column, int b, int k) {
  return point_at(p, p->before, column) + (b * AHEAD + k) * OBS;
}

/* ---- the encoder ---- */

typedef struct Prediction {
  double dynamics, reward, done;
} Prediction;

static double reward_bin(int i) {
  double x = -10 + 20.0 * i / (BINS - 1);
  return copysign(expm1(fabs(x)), x);
}

/* Cross-entropy of the two bins around the reward and the logits. */
static double reward_error(double reward, const double *logits) {
  double total = 0, place = fmin(fmax(reward, reward_bin(0)), reward_bin(BINS - 1));
  for (int i = 0; i < BINS; i++) total += exp(logits[i]);
  int low = 0;
  while (low < BINS - 2 && reward_bin(low + 1) <= place) low++;
  double share = (place - reward_bin(low)) / (reward_bin(low + 1) - reward_bin(low));
  return log(total) - (1 - share) * logits[low] - share * logits[low + 1];
}

static Prediction predictions(const Point *p) {
  Prediction sum = {0};
  for (int b = 0; b < BATCH; b++) {
    double z[NET_WIDTH];
    encode(p, "", seen(p, "replay.obs", b, 0), z);
    for (int k = 0; k <= last_step[b]; k++) {
      double za[NET_WIDTH], next[NET_WIDTH], exact[NET_WIDTH], logits[NET_WIDTH], done[NET_WIDTH];
      mix(p, "", z, at(p, "replay.action", b, k), za);
      dense_one(p, p->before, 0, "model.next.dense1", za, next);
      dense_one(p, p->before, 0, "model.reward.dense1", za, logits);
      dense_one(p, p->before, 0, "model.done.dense1", za, done);
      encode(p, "slow.", seen(p, "replay.next_obs", b, k), exact);
      for (int i = 0; i < WIDTH; i++) {
        sum.dynamics += (next[i] - exact[i]) * (next[i] - exact[i]) / (BATCH * WIDTH);
        z[i] = next[i];
      }
      sum.reward += reward_error(at(p, "replay.reward", b, k), logits) / BATCH;
      double gap = done[0] - at(p, "replay.terminated", b, k);
      sum.done += gap * gap / BATCH;
    }
  }
  return sum;
}

static double encoder_loss(const Point *p) {
  Prediction sum = predictions(p);
  return sum.dynamics + 0.1 * sum.reward + 0.1 * sum.done;
}

/* Adam's first moment against differences of the loss as computed here. */
static void same_slope(Point *p, const char *loss, const char *parameter,
                       double (*value)(const Point *)) {
  double *x = point_at(p, p->before, parameter), old = *x, h = 1e-6;
  *x = old + h;
  double above = value(p);
  *x = old - h;
  double below = value(p);
  *x = old;
  double found = gradient_of(p, loss, parameter), exact = (above - below) / (2 * h);
  ck_assert_msg(fabs(found - exact) < 1e-6 * fmax(1, fabs(exact)), "%s: %.17g, not %.17g",
                parameter, found, exact);
  ck_assert_msg(fabs(exact) > 1e-7, "%s does not matter", parameter);
}

/* Predictions go through the whole window on features that were predicted, the copies' features
 * are no part of the gradient, and nothing behind an end is counted but in the denominators. */
START_TEST(encoder_predicts) {
  Point p = fresh("update3", 11);
  point_run(&p, 0);
  Prediction sum = predictions(&p);
  same(point_metric(&p, "encoder/dynamics"), sum.dynamics, "dynamics");
  same(point_metric(&p, "encoder/reward"), sum.reward, "reward");
  same(point_metric(&p, "losses/encoder"), encoder_loss(&p), "encoder");
  same_slope(&p, "encoder", "encoder.dense3.b", encoder_loss);
  same_slope(&p, "encoder", "mixer.embed.action.dense1.b", encoder_loss);
  same_slope(&p, "encoder", "model.next.dense1.b", encoder_loss);
  same_slope(&p, "encoder", "model.done.dense1.b", encoder_loss);
  point_give(&p, "any_end", (double[]){0});
  point_run(&p, 0);
  same(point_metric(&p, "losses/encoder"), sum.dynamics + 0.1 * sum.reward, "without ends");
  spec_close(&p.spec);
}
END_TEST

/* ---- values ---- */

typedef struct Values {
  double loss, priority[BATCH];
  int clipped; /* nudges at their bound */
} Values;

typedef double Return(const Point *p, int b);

/* Rewards up to and with the one of the last step that counts. */
static double paper_return(const Point *p, int b) {
  double total = 0;
  for (int k = 0; k < STEPS && k <= last_step[b]; k++)
    total += pow(GAMMA, k) * at(p, "replay.reward", b, k);
  return total;
}

/* What the released code adds up, without what leaks from the next episode. */
static double coded_return(const Point *p, int b) {
  double total = 0;
  for (int k = 0; k < STEPS && k <= last_step[b]; k++)
    total += pow(GAMMA, k) * (1 - at(p, "replay.terminated", b, k)) * at(p, "replay.reward", b, k);
  return total;
}

/* The smaller of the copied twins at the copied policy's action, nudged. */
static double later_value(const Point *p, int b, int last, double noise, Values *v) {
  double z[NET_WIDTH], za[NET_WIDTH], nudge = fmin(fmax(SMOOTHING * noise, -0.3), 0.3);
  v->clipped += fabs(nudge) == 0.3;
  encode(p, "slow.", seen(p, "replay.next_obs", b, last), z);
  mix(p, "slow.", z, fmin(fmax(tanh(act_of(p, "slow.", z)) + nudge, -1), 1), za);
  return fmin(value_of(p, p->before, "slow.", 0, za), value_of(p, p->before, "slow.", 1, za));
}

static Values values(const Point *p, const double *noise, Return *returns) {
  Values v = {.loss = 0};
  for (int b = 0; b < BATCH; b++) {
    int last = last_step[b] < STEPS ? last_step[b] : STEPS - 1;
    bool ended = ends[b] && last_step[b] < STEPS;
    double later = later_value(p, b, last, noise[b], &v), z[NET_WIDTH], za[NET_WIDTH], worst = 0;
    double y = (returns(p, b) + !ended * pow(GAMMA, last + 1) * 2.3 * later) / 1.7;
    encode(p, "", seen(p, "replay.obs", b, 0), z);
    mix(p, "", z, at(p, "replay.action", b, 0), za);
    for (uint32_t twin = 0; twin < 2; twin++) {
      double gap = fabs(value_of(p, p->before, "", twin, za) - y);
      v.loss += (gap <= 1 ? 0.5 * gap * gap : gap - 0.5) / (2 * BATCH);
      worst = fmax(worst, gap);
    }
    v.priority[b] = pow(fmax(worst, 1), 0.4);
  }
  return v;
}

static void same_values(const Point *p, const Values *v) {
  same(point_metric(p, "losses/critic"), v->loss, "critic");
  for (int b = 0; b < BATCH; b++)
    same(point_at(p, p->after, "write.critic.priority")[b], v->priority[b], "priority");
}

/* The reward of a step that ends an episode counts and none behind it does, which the released
 * code does the other way round; no loss but the encoder's moves the encoder. */
START_TEST(values_are_of_three_steps) {
  Point p = fresh("update4", 12);
  point_run(&p, 0);
  const double *noise = point_normals(&p, "losses.critic.nudge");
  Values v = values(&p, noise, paper_return), coded = values(&p, noise, coded_return);
  same_values(&p, &v);
  ck_assert(v.clipped > 0 && v.clipped < BATCH);
  ck_assert(fabs(v.loss - coded.loss) > 0.01);
  same(point_metric(&p, "critic/scale"), 1.7, "scale");
  static const char *const fixed[] = {"encoder.dense1.w", "mixer.dense1.w.features",
                                      "mixer.embed.action.dense1.b", "slow.critic.dense4.w"};
  for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
    ck_assert_mem_eq(point_at(&p, p.before, fixed[i]), point_at(&p, p.after, fixed[i]),
                     spec_size(&p.spec, spec_slot(&p.spec, fixed[i])) * sizeof(double));
  spec_close(&p.spec);
}
END_TEST

/* The overlay drops it as the released code does. */
START_TEST(the_overlay_counts_as_the_code) {
  Point p = point_open(spec_open("specs/mrq/as_coded.yaml", sizes), "update4", 12);
  point_windows(&p, BATCH, AHEAD, last_step, ends);
  point_give(&p, "scale", (double[]){1.7});
  point_give(&p, "target_scale", (double[]){2.3});
  point_run(&p, 0);
  Values v = values(&p, point_normals(&p, "losses.critic.nudge"), coded_return);
  same_values(&p, &v);
  spec_close(&p.spec);
}
END_TEST

/* ---- the actor ---- */

/* The critics are those that the step before left; both count. */
static double actor_loss(const Point *p) {
  double loss = 0;
  for (int b = 0; b < BATCH; b++) {
    double z[NET_WIDTH], za[NET_WIDTH];
    encode(p, "", seen(p, "replay.obs", b, 0), z);
    double before = act_of(p, "", z);
    mix(p, "", z, tanh(before), za);
    loss += SIZE * before * before / BATCH;
    for (uint32_t twin = 0; twin < 2; twin++)
      loss -= value_of(p, p->after, "", twin, za) / (2 * BATCH);
  }
  return loss;
}

START_TEST(actor_climbs_both_critics) {
  Point p = fresh("update4", 13);
  point_run(&p, 0);
  same(point_metric(&p, "losses/actor"), actor_loss(&p), "actor");
  same_slope(&p, "actor", "actor.dense3.b", actor_loss);
  same_slope(&p, "actor", "actor.dense1.b", actor_loss);
  spec_close(&p.spec);
}
END_TEST

/* ---- copies ---- */

START_TEST(copies_keep_the_scale_they_were_trained_in) {
  Point p = fresh("update2", 14);
  point_give(&p, "reward_sum", (double[]){12});
  point_give(&p, "seen", (double[]){5});
  point_run(&p, 0);
  same(*point_at(&p, p.after, "target_scale"), 1.7, "scale of the copies");
  same(*point_at(&p, p.after, "scale"), 2.4, "scale");
  static const char *const copied[] = {"encoder.dense1.w", "mixer.dense3.b", "critic.dense4.w",
                                       "actor.dense2.w"};
  for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
    ck_assert_mem_eq(point_at(&p, p.before, copied[i]),
                     point_at(&p, p.after, arena_printf(p.spec.arena, "slow.%s", copied[i])),
                     spec_size(&p.spec, spec_slot(&p.spec, copied[i])) * sizeof(double));
  spec_close(&p.spec);
}
END_TEST

static double trained(const Trainer *trainer, const Spec *spec, const char *name) {
  uint32_t slot = spec_slot(spec, name);
  return rlc_slot_get(&trainer->module->slots[slot], trainer->memory, 0);
}

/* Four passes only act; then every second one makes copies and two steps of the encoder, the first
 * included, and every one makes one of the critics and one of the actor. */
START_TEST(the_encoder_learns_in_bursts) {
  Spec spec = spec_open("specs/mrq.yaml", sizes);
  spec_passes(&spec, "grad");
  Options options = {.steps = 1000, .seed = 7, .threads = 1, .eval_episodes = 1, .quiet = true};
  Trainer trainer = {.module = NULL};
  ck_assert_msg(trainer_make(&trainer, oracle_module(spec.arena, spec.module), &options), "%s",
                trainer.error.text);
  static const int encoder[] = {0, 0, 0, 0, 2, 2, 4, 4};
  for (int pass = 0; pass < 8; pass++) {
    ck_assert_msg(trainer_pass(&trainer), "%s", trainer.error.text);
    trainer.state.iteration++;
    int others = pass < 4 ? 0 : pass - 3;
    ck_assert_int_eq(trained(&trainer, &spec, "optimizer.encoder.encoder.dense1.b.count"),
                     encoder[pass]);
    ck_assert_int_eq(trained(&trainer, &spec, "optimizer.critic.critic.dense1.b.count"), others);
    ck_assert_int_eq(trained(&trainer, &spec, "optimizer.actor.actor.dense1.b.count"), others);
    ck_assert_int_eq(trained(&trainer, &spec, "seen"), pass + 1);
  }
  trainer_free(&trainer);
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("MR.Q");
  TCase *tcase = tcase_create("equations");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, encoder_predicts);
  tcase_add_test(tcase, values_are_of_three_steps);
  tcase_add_test(tcase, the_overlay_counts_as_the_code);
  tcase_add_test(tcase, actor_climbs_both_critics);
  tcase_add_test(tcase, copies_keep_the_scale_they_were_trained_in);
  tcase_add_test(tcase, the_encoder_learns_in_bursts);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
