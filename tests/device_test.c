/* Trainers whose programs run on a GPU, by a driver and an NVRTC of tests/toolkit that play one on
 * this CPU: they train as trainers for the CPU do, go on after a stop as if there had been none,
 * and say what is wrong where the card or its driver is. */
#include "tests/trainer_fixture.h"

#include <math.h>

#define TOOLKIT RLC_BUILD "/tests/toolkit"
#define DRIVER  TOOLKIT "/lib64/libcuda.so.1"

static char *folder;

static void build(const char *target, const char *name, const char *spec, const char *overrides) {
  setenv("RLC_TARGET", target, 1);
  trainer_build(folder, name, spec, overrides);
  unsetenv("RLC_TARGET");
}

/* ---- the same course ---- */

/* The next cell of a line of CSV, ended by a zero; NULL behind the last. */
static char *cell_next(char **at) { return strsep(at, ","); }

/* Columns of wall time differ between any two runs. */
static bool cell_is_time(const char *name) {
  return !strncmp(name, "time/", 5) || !strcmp(name, "charts/SPS");
}

/* Compares two logs cell by cell. Returns how many cells with a loss were compared. */
static int logs_compare(char *a, char *b, double tolerance) {
  char *head = strsep(&a, "\n");
  int losses = 0;
  ck_assert_str_eq(head, strsep(&b, "\n"));
  for (char *x, *y; (x = strsep(&a, "\n")) && (y = strsep(&b, "\n"));) {
    char names[4096], *name = names, *column;
    snprintf(names, sizeof names, "%s", head);
    while ((column = cell_next(&name))) {
      const char *p = cell_next(&x), *q = cell_next(&y);
      if (!p || !q || cell_is_time(column)) continue;
      double u = strtod(p, NULL), v = strtod(q, NULL);
      ck_assert_msg(*p && *q ? fabs(u - v) <= tolerance * (1 + fabs(v)) : !*p && !*q,
                    "%s: %s on the card, %s on the CPU", column, p, q);
      losses += *p && strncmp(column, "losses/", 7) == 0;
    }
  }
  ck_assert_msg(!b || !*b, "the card's log is shorter");
  return losses;
}

static Bytes log_of(const char *run, const char *name) {
  Path path = path_in(path_in(folder, run).text, name);
  Bytes text = file_read(path.text);
  ck_assert_msg(text.data != NULL, "%s/%s is not there", run, name);
  return text;
}

/* Kinds of algorithms: a replay, a rollout in shuffled parts, priorities that are written back,
 * windows, episodes that end, an environment that is programs. */
static const struct {
  const char *spec, *overrides, *options;
} courses[] = {
    /* an episode of 200 steps has ended before */
    {"specs/sac.yaml", "env=Pendulum-v1 hidden=16 batch_size=8 warmup=202", "--steps 260"},
    {"specs/ppo.yaml", "env.id=Pendulum-v1 steps=16 minibatches=4 epochs=2 hidden=8",
     "--steps 128"},
    {"specs/d4pg_priority.yaml",
     "env.id=Pendulum-v1 hidden=16 batch_size=8 steps_ahead=2 warmup=2 copy_every=1", "--steps 24"},
    {"specs/fasttd3.yaml",
     "env.id=Pendulum-v1 environments=3 hidden=16 actor_hidden=16 last_scale=1 atoms=5 vmin=-1 "
     "vmax=1 batch_size=8 warmup=6 ahead_steps=2",
     "--steps 60"},
    /* and several batches before the host waits for anything */
    {"specs/dqn.yaml",
     "first_hidden=8 second_hidden=8 batch_size=8 warmup=10 steps=5 batches=5 copy_every=3 "
     "environments=2",
     "--steps 90"},
    {"specs/analytic_pendulum.yaml", "horizon=3 rows=8", "--steps 60"},
    /* a column that is written back */
    {"specs/qmle/pendulum.yaml",
     "width=8 batch_size=6 m_target=20 m_greedy=30 rho_delta=0.1 rho_factored=0.1 warmup=3 "
     "target_period=4",
     "--steps 60"},
};

/* The trainers `card` and `cpu`, run with the same options into directories of these names and
 * `number`. */
static void train_both(const char *options, int number) {
  static const char *const names[] = {"card", "cpu"};
  char line[256];
  for (int i = 0; i < 2; i++) {
    snprintf(line, sizeof line, "%s %s --quiet --log-every 1 --eval-episodes 1 --out %s%d",
             names[i], options, names[i], number);
    trainer_good(folder, line);
  }
}

static void same_losses(const char *card, const char *cpu) {
  Bytes a = log_of(card, "progress.csv"), b = log_of(cpu, "progress.csv");
  int losses = logs_compare(a.data, b.data, 1e-4);
  ck_assert_msg(losses >= 6, "only %d losses", losses);
  free(a.data), free(b.data);
}

START_TEST(cards_train_as_the_cpu_does) {
  char options[64], card[32], cpu[32];
  build("cuda", "card", courses[_i].spec, courses[_i].overrides);
  build("native", "cpu", courses[_i].spec, courses[_i].overrides);
  snprintf(options, sizeof options, "%s --eval-every 12", courses[_i].options);
  snprintf(card, sizeof card, "card%d", _i);
  snprintf(cpu, sizeof cpu, "cpu%d", _i);
  train_both(options, _i);
  same_losses(card, cpu);
  Bytes a, b;
  a = log_of(card, "evaluations.csv"), b = log_of(cpu, "evaluations.csv");
  logs_compare(a.data, b.data, 1e-3);
  free(a.data), free(b.data);
}
END_TEST

/* More sources than a launch takes batches of, some sampled twice, the last one for nobody but
 * a checkpoint; no update in the first 24 steps, so that all that is kept must be the same to the
 * bit. */
static const char several[] =
    "name: several\n"
    "env: {id: Pendulum-v1, count: 2}\n"
    "parameters: {w: 0.5}\n"
    "optimizers: {default: sgd(0.1)}\n"
    "replay: {few: {capacity: 20, batch: 3}, many: {capacity: 90, batch: 70},\n"
    "         more: {capacity: 90, batch: 5}}\n"
    "act: {explore: sample(box)}\n"
    "losses:\n"
    "  a: {over: w, minimize: 'w * mean[batch](sum[obs](obs + next_obs) + sum[act](action) + "
    "terminated)'}\n"
    "loop:\n"
    "  - collect: 1\n"
    "  - when: stored >= 6\n"
    "    do:\n"
    "      - sample: [few, more]\n"
    "      - sample: [few, many, more]\n"
    "      - when: step > 24\n"
    "        do: [{descend: a}]\n"
    "      - sample: many\n";

START_TEST(batches_come_from_several_replays) {
  Path spec = path_in(folder, "several.yaml");
  file_write(spec.text, several, sizeof several - 1);
  build("cuda", "card", spec.text, "");
  build("native", "cpu", spec.text, "");
  train_both("--steps 24 --checkpoint-every 10 --eval-every 0", 100);
  train_both("--steps 60", 101);
  same_losses("card101", "cpu101");
  Bytes a = log_of("card100", "checkpoints/000002-step-20.blobs"),
        b = log_of("cpu100", "checkpoints/000002-step-20.blobs");
  ck_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
  free(a.data), free(b.data);
}
END_TEST

static void same_evaluations(const char *one, const char *other) {
  Bytes a = log_of(one, "evaluations.csv"), b = log_of(other, "evaluations.csv");
  ck_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
  free(a.data), free(b.data);
}

#define SMALL "sac --quiet --log-every 10 --eval-episodes 1 "

/* Resumes with options and asks for a note of what has changed. */
static void resumes(const char *trainer, const char *options, const char *note) {
  char line[256];
  snprintf(line, sizeof line, "%s --quiet --eval-every 0 %s", trainer, options);
  Ended ended = trainer_run(folder, line);
  ck_assert_msg(ended.status == 0, "%s", ended.said);
  if (note)
    ck_assert_msg(strstr(ended.said, note) && strstr(ended.said, "not to the bit"), "%s",
                  ended.said);
  else
    ck_assert_msg(!strstr(ended.said, "note: the"), "%s", ended.said);
}

START_TEST(what_has_changed_since_a_stop_is_said) {
  build("native", "host", "specs/sac.yaml", "env=Pendulum-v1 hidden=16 batch_size=8 warmup=2");
  trainer_good(folder, SMALL "--steps 10 --out moved");
  resumes("sac", "--steps 12 --resume moved", NULL);
  resumes("host", "--steps 14 --resume moved", "note: the compiler was 'rlc ");
  resumes("host", "--steps 16 --resume moved", NULL);
  resumes("sac", "--steps 18 --resume moved", "NVRTC for sm_90': from here on");
  setenv("FAKE_CARD", "code:0:12080", 1);
  resumes("sac", "--steps 20 --resume moved", "note: the card was 'a CPU that plays a card, sm_90");
  trainer_good(folder, SMALL "--steps 10 --seeds 2 --out both");
  unsetenv("FAKE_CARD");
  resumes("sac", "--steps 12 --resume both", "CUDA driver 12.8' and is 'a CPU");
}
END_TEST

START_TEST(stopped_runs_go_on) {
  trainer_good(folder, SMALL "--steps 40 --eval-every 20 --out whole");
  trainer_good(folder, SMALL "--steps 20 --eval-every 20 --out parts");
  trainer_good(folder, SMALL "--steps 40 --eval-every 20 --resume parts");
  same_end(folder, "whole", "parts", 40);
  same_evaluations("whole", "parts");
}
END_TEST

/* ---- several seeds ---- */

typedef struct Tally {
  unsigned launches, runs, copies; /* of the card; of programs */
  int held;                        /* pieces of memory that nobody gave back */
} Tally;

static Tally train_tally(const char *line) {
  Path path = path_in(folder, "tally");
  Tally tally = {0};
  setenv("FAKE_CARD_TALLY", path.text, 1);
  trainer_good(folder, line);
  unsetenv("FAKE_CARD_TALLY");
  Bytes text = file_read(path.text);
  ck_assert_int_eq(
      sscanf(text.data, "%u %u %u %d", &tally.launches, &tally.runs, &tally.copies, &tally.held),
      4);
  ck_assert_int_eq(tally.held, 0);
  free(text.data);
  return tally;
}

/* A column is written in rows of which every one is drawn several times, and of which some are new
 * ones by then; it is too wide for one launch. What it gets are whole numbers, which are the same
 * on any machine, and each write is of what the ones before left. */
static const char writes[] = "name: writes\n"
                             "env: {id: Pendulum-v1, count: 2}\n"
                             "parameters: {w: 0.5}\n"
                             "optimizers: {default: sgd(0.125)}\n"
                             "replay:\n"
                             "  capacity: 20\n"
                             "  batch: 70\n"
                             "  extra: {wide: 'iota[k=400]'}\n"
                             "act: {explore: sample(box)}\n"
                             "losses:\n"
                             "  a:\n"
                             "    over: w\n"
                             "    minimize: w\n"
                             "    log: {most: 'max[batch](max[k](wide))'}\n"
                             "    write: {wide: 'wide + 1 + iota[batch=70]'}\n"
                             "loop:\n"
                             "  - collect: 1\n"
                             "  - when: stored >= 6\n"
                             "    do: [{repeat: 2, do: [{sample: replay}, {descend: a}]}]\n";

START_TEST(columns_are_written_to_a_replay) {
  Path spec = path_in(folder, "writes.yaml");
  file_write(spec.text, writes, sizeof writes - 1);
  build("cuda", "card", spec.text, "");
  build("native", "cpu", spec.text, "");
  train_both("--steps 40 --checkpoint-every 40 --eval-every 0", 102);
  Bytes a = log_of("card102", "checkpoints/000001-step-40.blobs"),
        b = log_of("cpu102", "checkpoints/000001-step-40.blobs");
  ck_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
  free(a.data), free(b.data);
  a = log_of("card102", "progress.csv"), b = log_of("cpu102", "progress.csv");
  ck_assert_msg(logs_compare(a.data, b.data, 0) >= 6, "few losses");
  free(a.data), free(b.data);
  /* Each pass acts and makes two updates, each with two launches that write; copies are of what the
   * host hands over, not of rows. */
  Tally less = train_tally("card --quiet --steps 40 --eval-every 0 --out less102");
  Tally more = train_tally("card --quiet --steps 60 --eval-every 0 --out more102");
  ck_assert_uint_eq(more.launches - less.launches, 10 * (1 + 2 * (1 + 2)));
  ck_assert_msg(more.copies - less.copies <= 10 * 20, "%u copies", more.copies - less.copies);
}
END_TEST

/* Runs of programs for each launch. */
static double train_together(const char *line) {
  Tally tally = train_tally(line);
  return (double)tally.runs / tally.launches;
}

/* Acting and the update: neither the batch nor the loop's condition is a launch. */
START_TEST(a_step_is_two_launches) {
  Tally less = train_tally(SMALL "--steps 30 --eval-every 0 --out less");
  Tally more = train_tally(SMALL "--steps 39 --eval-every 0 --out more");
  ck_assert_uint_eq(more.launches - less.launches, 2 * 9);
}
END_TEST

/* Three runs on a card that has two blocks: a launch of two and one of one. */
START_TEST(several_seeds_are_as_each_alone) {
  double together = train_together(SMALL "--steps 30 --seeds 3 --threads 2 --out seeds");
  ck_assert_msg(together > 1.2, "%g runs a launch", together);
  trainer_good(folder, SMALL "--steps 30 --seed 2 --out alone");
  same_end(folder, "seeds/seed-2", "alone", 30);
  same_evaluations("seeds/seed-2", "alone");
}
END_TEST

#define POLE "pole --quiet --log-every 5 --eval-episodes 3 --eval-every 30 "

/* Episodes end when they like, so that evaluations have different lengths. */
START_TEST(seeds_find_together_again) {
  build("cuda", "pole", courses[4].spec, courses[4].overrides);
  double together = train_together(POLE "--steps 90 --seeds 2 --out poles");
  ck_assert_msg(together > 1.5, "%g runs a launch", together);
  trainer_good(folder, POLE "--steps 90 --seed 2 --out pole2");
  same_end(folder, "poles/seed-2", "pole2", 90);
  same_evaluations("poles/seed-2", "pole2");
}
END_TEST

START_TEST(one_that_is_ahead_waits) {
  trainer_good(folder, SMALL "--steps 20 --eval-every 20 --seeds 2 --out apart");
  trainer_good(folder, SMALL "--steps 40 --eval-every 20 --resume apart/seed-1");
  double together = train_together(SMALL "--steps 100 --eval-every 20 --resume apart");
  ck_assert_msg(together > 1.5, "%g runs a launch", together);
  trainer_good(folder, SMALL "--steps 100 --eval-every 20 --seed 1 --out behind");
  same_end(folder, "apart/seed-1", "behind", 100);
  same_evaluations("apart/seed-1", "behind");
}
END_TEST

static bool provenance_has(const char *file, const char *words) {
  Bytes text = log_of("provenance", file);
  bool has = strstr(text.data, words) != NULL;
  free(text.data);
  return has;
}

START_TEST(provenance_names_the_card) {
  static const char card[] = "\"gpu\": \"a CPU that plays a card, sm_90, CUDA driver 13.0\"";
  static const char code[] = "\"gpu_code\": \"sm_90 by NVRTC 13.0\"";
  trainer_good(folder, SMALL "--steps 6 --out provenance");
  trainer_good(folder, SMALL "--steps 8 --resume provenance");
  ck_assert(provenance_has("provenance.json", card));
  ck_assert(provenance_has("provenance-2.json", card));
  ck_assert(provenance_has("provenance.json", code));
  setenv("FAKE_CARD", "code:0:12080", 1);
  trainer_good(folder, SMALL "--steps 9 --seeds 2 --out later");
  unsetenv("FAKE_CARD");
  Bytes text = log_of("later/seed-2", "provenance.json");
  ck_assert(strstr(text.data, "CUDA driver 12.8") && strstr(text.data, code));
  free(text.data);
}
END_TEST

/* ---- what is wrong ---- */

static void folder_remove(const char *name) {
  char command[512];
  snprintf(command, sizeof command, "rm -rf '%s/%s'", folder, name);
  ck_assert_int_eq(system(command), 0);
}

/* A run of that trainer that ends with a message which has these words. */
static void fails_with(const char *trainer, const char *options, const char *const *words) {
  char command[128];
  snprintf(command, sizeof command, "%s --quiet --steps 40 --out wrong %s", trainer, options);
  Ended ended = trainer_run(folder, command);
  ck_assert_msg(ended.status == 1, "%s: status %d: %s", command, ended.status, ended.said);
  for (; *words; words++)
    ck_assert_msg(strstr(ended.said, *words), "'%s' is not in: %s", *words, ended.said);
  folder_remove("wrong");
}
#define FAILS_WITH(trainer, options, ...)                                                          \
  fails_with(trainer, options, (const char *const[]){__VA_ARGS__, NULL})

static void fails(const char *card, const char *driver, const char *const *words) {
  setenv("RLC_CUDA_DRIVER", driver, 1);
  setenv("FAKE_CARD", card, 1);
  fails_with("sac", "--log-every 10 --eval-episodes 1", words);
  unsetenv("FAKE_CARD");
  setenv("RLC_CUDA_DRIVER", DRIVER, 1);
}
#define FAILS(card, driver, ...) fails(card, driver, (const char *const[]){__VA_ARGS__, NULL})

#define NEWER "install one of CUDA 13.0 or newer, or compile the trainer by NVRTC of CUDA 12.4"

START_TEST(errors_help) {
  FAILS("", "/nonexistent/libcuda.so", "no CUDA driver", "/nonexistent", "--target native");
  FAILS("", "libm.so.6", "libm.so.6", "has no cu");
  FAILS("none", DRIVER, "no GPU", "nvidia-smi");
  FAILS("old", DRIVER, "sm_50", "code for sm_90, ptx by NVRTC 13.0", "older than sm_80, the");
  FAILS("code:209:12040", DRIVER, "CUDA driver 12.4", "NVRTC 13.0", NEWER);
  FAILS("code:222:12040", DRIVER, "CUDA driver 12.4", "NVRTC 13.0", NEWER);
  FAILS("code:200:12040", DRIVER, "CUDA driver 12.4", "NVRTC 13.0", NEWER);
  FAILS("code:218:13010", DRIVER, "CUDA driver 13.1", "NVRTC 13.0", "; this code was made for the");
  FAILS("small", DRIVER, "out of memory", "bytes are needed", "largest tensors", ".w'");
  FAILS("batch", DRIVER, "illegal memory access", "failed taking a batch from a replay");
  FAILS("fault:3", DRIVER, "illegal memory access", "program '", "kernel k", ":");
  FAILS("soon:3", DRIVER, "illegal memory access", "program '", "kernel k", ":");
}
END_TEST

/* Of a trainer that fails half made the card has done nothing yet: it is waited for before what it
 * was told to set is given back, or the driver that plays a card aborts. */
START_TEST(half_made_trainers_end_well) {
  Path spec = path_in(folder, "several.yaml");
  file_write(spec.text, several, sizeof several - 1);
  build("cuda", "first", spec.text, "replay.few.capacity=4294967295");
  build("cuda", "last", spec.text, "replay.more.capacity=4294967295");
  FAILS_WITH("first", "", "replay 'few'", "too large");
  FAILS_WITH("last", "", "replay 'more'", "too large");
  setenv("FAKE_CARD", "small", 1);
  FAILS_WITH("last", "--seeds 3", "seed 1: out of memory", "; 3 seeds go on at once", "(--seeds)");
  unsetenv("FAKE_CARD");
  FAILS_WITH("last", "--seeds 3 --threads 2", "seed 1: replay", "seed 3: replay", "too large");
}
END_TEST

/* Nothing acts by this critic, whose first step is one of 1e30. */
static const char diverges[] = "extends: " RLC_ROOT "/specs/toy/bandit_dpg.yaml\n"
                               "name: diverges\n"
                               "constants: {warmup: 4, batch_size: 8, width: 8, lr: 1e30}\n"
                               "loop:\n"
                               "  - collect: 1\n"
                               "  - when: stored >= warmup\n"
                               "    do:\n"
                               "      - sample: replay\n"
                               "      - descend: critic\n";

/* Both failed by the same value at the same update. Of which parameters are finite a card may know
 * for a later one only, and says so. */
static void same_complaint(Ended *card, Ended *cpu, const char *words) {
  ck_assert_msg(card->status == 1 && cpu->status == 1, "status %d, %d: %s%s", card->status,
                cpu->status, card->said, cpu->said);
  ck_assert_msg(!strstr(cpu->said, "seen at update"), "%s", cpu->said);
  card->said[strcspn(card->said, ";")] = cpu->said[strcspn(cpu->said, ";")] = 0;
  ck_assert_str_eq(card->said, cpu->said);
  ck_assert_msg(strstr(cpu->said, words), "%s", cpu->said);
}

/* What a card noted is looked at later, with the step and the update of when it was. */
START_TEST(metrics_that_are_not_finite_are_told_as_on_the_cpu) {
  Path spec = path_in(folder, "diverges.yaml");
  Ended ended[2];
  static const char *const targets[] = {"cuda", "c"};
  file_write(spec.text, diverges, sizeof diverges - 1);
  for (int i = 0; i < 2; i++) {
    char command[128];
    build(targets[i], targets[i], spec.text, "");
    snprintf(command, sizeof command, "%s --quiet --steps 60 --log-every 20 --out diverges%d",
             targets[i], i);
    ended[i] = trainer_run(folder, command);
  }
  ck_assert_msg(strstr(ended[0].said, ", seen at update 1"), "%s", ended[0].said);
  same_complaint(&ended[0], &ended[1], "metric 'losses/critic' is");
}
END_TEST

/* The policy gives no action any more before the card's losses are looked at, which came first. */
START_TEST(a_loss_is_told_before_the_action_that_comes_of_it) {
  static const char values[] = "env=Pendulum-v1 hidden=16 batch_size=8 warmup=2 lr=1e30";
  build("cuda", "bad", "specs/sac.yaml", values);
  build("c", "worse", "specs/sac.yaml", values);
  Ended card = trainer_run(folder, "bad --quiet --steps 60 --eval-episodes 1 --out bad1");
  Ended cpu = trainer_run(folder, "worse --quiet --steps 60 --eval-episodes 1 --out bad2");
  same_complaint(&card, &cpu, "metric 'losses/");
}
END_TEST

static char template[] = P_tmpdir "/rlc-device-XXXXXX";

static void setup(void) {
  setenv("CUDA_PATH", TOOLKIT, 1);
  setenv("RLC_CUDA_DRIVER", DRIVER, 1);
  folder = mkdtemp(template);
  ck_assert_ptr_nonnull(folder);
  bench_home(folder);
  /* A file of that name beside a trainer is the user's. */
  static const char decoy[] = "#error this is not rlc's own\n";
  ck_assert_int_eq(mkdir(path_in(folder, "runtime").text, 0777), 0);
  file_write(path_in(folder, "runtime/rlc.h").text, decoy, sizeof decoy - 1);
  build("cuda", "sac", "specs/sac.yaml", "env=Pendulum-v1 hidden=16 batch_size=8 warmup=2");
}

static void teardown(void) { folder_remove(""); }

int main(void) {
  Suite *suite = suite_create("device");
  TCase *tests = tcase_create("device");
  tcase_set_timeout(tests, 600);
  tcase_add_unchecked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, cards_train_as_the_cpu_does, 0, COUNTOF(courses));
  tcase_add_test(tests, batches_come_from_several_replays);
  tcase_add_test(tests, columns_are_written_to_a_replay);
  tcase_add_test(tests, a_step_is_two_launches);
  tcase_add_test(tests, stopped_runs_go_on);
  tcase_add_test(tests, what_has_changed_since_a_stop_is_said);
  tcase_add_test(tests, several_seeds_are_as_each_alone);
  tcase_add_test(tests, seeds_find_together_again);
  tcase_add_test(tests, one_that_is_ahead_waits);
  tcase_add_test(tests, errors_help);
  tcase_add_test(tests, half_made_trainers_end_well);
  tcase_add_test(tests, metrics_that_are_not_finite_are_told_as_on_the_cpu);
  tcase_add_test(tests, provenance_names_the_card);
  tcase_add_test(tests, a_loss_is_told_before_the_action_that_comes_of_it);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
