/* rlc bench and rlc explain: their figures are there, finite and agree with each other, and the
 * machine's peak is what its clock allows. Nothing here says how fast anything has to be. */
#include "runtime/json.h"
#include "tests/files_support.h"

#include <check.h>
#include <math.h>

#include "compiler/measure/bandwidth.h"
#include "compiler/measure/bench.h"
#include "compiler/commands/session.h"
#include "tests/suite.h"

/* Small enough to be compiled and run in seconds; the loop and its losses are the spec's own. */
static const char *const small[] = {"env=Pendulum-v1", "constants.batch_size=32",
                                    "constants.hidden=32", "constants.warmup=64",
                                    "replay.capacity=10000"};

enum { TEXT = 1 << 18 };

typedef int CommandFn(Session *session);

/* A command line: the small overrides, unless it is to run as the spec stands. */
typedef struct Asked {
  CommandFn *command;
  const char *spec;
  uint32_t threads; /* 0: 1 */
  bool json, measure, whole;
} Asked;

/* The exit status, and what the command prints on the stream. `text` holds TEXT bytes. */
static int command_says(Asked asked, const char *const *overrides, size_t count, int stream,
                        char *text) {
  Arena *arena = arena_make();
  Session session = {.arena = arena,
                     .diag = diag_make(arena),
                     .spec = asked.spec,
                     .overrides = (const char **)overrides,
                     .override_count = count,
                     .threads = asked.threads ? asked.threads : 1,
                     .seconds = 0.2,
                     .json = asked.json,
                     .measure = asked.measure};
  session.pipeline.out = stdout;
  Capture capture = capture_begin(stream);
  int status = asked.command(&session);
  capture_end(&capture, text, TEXT);
  arena_free(arena);
  return status;
}

/* What the command prints, with an exit status of 0. */
static void command_text(Asked asked, char *text) {
  size_t count = asked.whole ? 0 : COUNTOF(small);
  ck_assert_int_eq(command_says(asked, small, count, STDOUT_FILENO, text), 0);
}

/* The number under a key of the outermost object; fails when it is not there. NAN for null. */
static double number_of(const char *text, const char *key) {
  JsonReader json = json_reader(text, strlen(text));
  char name[64];
  double found = 0;
  bool seen = false;
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    if (strcmp(name, key) == 0)
      seen = true, found = json_read_double(&json);
    else
      json_skip(&json);
  }
  ck_assert_msg(json_finish(&json), "%s in %s", json.problem ? json.problem : "rest", text);
  ck_assert_msg(seen, "no '%s' in %s", key, text);
  return found;
}

static void ck_near(double a, double b, double relative, const char *what) {
  ck_assert_msg(fabs(a - b) <= relative * fabs(b), "%s: %g and %g", what, a, b);
}

/* ---- peak ---- */

/* Whoever shares the core can only slow a slice, so the fastest of many is taken; a machine that is
 * seldom free for a fifth of a millisecond gets many tries. */
START_TEST(peak_is_what_the_clock_allows) {
  Peak peak = {0};
  for (int i = 0; i < 200; i++) {
    peak = peak_measure(0.1);
    if (peak.clock == 0 || fabs(peak.flops / peak.limit - 1) < 0.05) break;
  }
  ck_assert(peak.flops > 0 && peak.lanes >= 4);
  if (peak.clock == 0) {
    printf("SKIP: no chain of adds is written for this CPU, so its clock is not known\n");
    return;
  }
  ck_assert_msg(peak.clock > 5e8 && peak.clock < 1e10, "a clock of %g Hz", peak.clock);
  ck_assert(peak.ports >= 1 && peak.ports <= 4);
  ck_assert_double_eq(peak.limit, 2 * peak.clock * peak.lanes * peak.ports);
  ck_assert_msg(fabs(peak.flops / peak.limit - 1) < 0.05, "%g of %g FLOP/s", peak.flops,
                peak.limit);
}
END_TEST

START_TEST(peaks_far_from_the_clock_are_told) {
  Arena *arena = arena_make();
  Figures figures = {.limit_gflops = 100, .core_gflops = 99, .peak_gflops = 196};
  ck_assert_ptr_null(bench_doubt(arena, &figures, 2));
  figures.peak_gflops = 180;
  ck_assert_ptr_nonnull(strstr(bench_doubt(arena, &figures, 2), "2 threads did 180.0 GFLOP/s"));
  figures.core_gflops = 94;
  ck_assert_ptr_nonnull(strstr(bench_doubt(arena, &figures, 2), "one core does 94.0 GFLOP/s"));
  figures.limit_gflops = NAN; /* nobody knows the clock */
  ck_assert_ptr_null(bench_doubt(arena, &figures, 2));
  figures.load_average = NAN; /* nor the load */
  ck_assert_ptr_null(bench_crowd(arena, &figures, 2));
  figures.load_average = 1.9;
  ck_assert_ptr_null(bench_crowd(arena, &figures, 2));
  figures.load_average = 4.25;
  ck_assert_str_eq(bench_crowd(arena, &figures, 2),
                   "the load was 4.2 on 2 processors before measuring");
  arena_free(arena);
}
END_TEST

START_TEST(team_peak_counts_all_threads) {
  RunError error;
  Team *team = team_make(2, &error);
  ck_assert(team != NULL);
  double rate = peak_team(team, 1e-3);
  ck_assert(isfinite(rate) && rate > 0);
  team_free(team);
}
END_TEST

/* Within a level bytes are as fast as there; what does not fit is slower. */
START_TEST(memories_are_slower_the_larger) {
  Memories memories = {
      {{"L1", 100, 50}, {"L2", 1000, 10}, {"L3", 10000, 5}, {"DRAM", INFINITY, 1}}};
  const char *slowest;
  ck_assert_double_eq(memories_seconds(&memories, 0, &slowest), 0);
  ck_assert_double_eq(memories_seconds(&memories, 100, &slowest), 2);
  ck_assert_str_eq(slowest, "L1");
  ck_assert_double_eq(memories_seconds(&memories, 200, &slowest), 2 + 10);
  ck_assert_str_eq(slowest, "L2");
  ck_assert_double_eq(memories_seconds(&memories, 20000, &slowest), 2 + 90 + 1800 + 10000);
  ck_assert_str_eq(slowest, "DRAM");
  memories = memories_measure(1e-3);
  for (int i = 0; i < MEMORY_LEVELS; i++) ck_assert(memories.level[i].rate > 1e8);
  ck_assert(memories.level[0].bytes < memories.level[1].bytes);
  ck_assert(isinf(memories.level[3].bytes));
}
END_TEST

/* ---- samples ---- */

START_TEST(median_is_the_middle) {
  RunError error;
  Samples samples;
  ck_assert(samples_make(&samples, &error));
  ck_assert(isnan(samples_median(&samples)));
  static const double values[] = {5, 1, 4, 2};
  for (size_t i = 0; i < 3; i++) samples_add(&samples, values[i]);
  ck_assert_double_eq(samples_median(&samples), 4);
  samples_add(&samples, values[3]);
  ck_assert_double_eq(samples_median(&samples), 3);
  for (size_t i = 0; i < SAMPLES_MOST; i++) samples_add(&samples, 7);
  ck_assert_uint_eq(samples.count, SAMPLES_MOST);
  samples_free(&samples);
}
END_TEST

/* ---- rounds ---- */

static Samples three(double a, double b, double c) {
  RunError error;
  Samples samples;
  ck_assert(samples_make(&samples, &error));
  samples_add(&samples, a), samples_add(&samples, b), samples_add(&samples, c);
  return samples;
}

/* A machine that is half as fast in one round and a third in another: each round has its own limit,
 * two steps going with an update, and medians of the parts would say something else. */
START_TEST(shares_are_those_of_rounds) {
  RunError error;
  Figures figures = {.minimal_mflop = 4, .peak_gflops = 2};
  Rounds rounds = {
      three(60, 240, 90), three(7, 9, 8), three(50, 25, 200), three(54, 30, 72), 60, 30};
  ck_assert(rounds_figures(&rounds, &figures, &error));
  ck_assert_double_eq(figures.rounds, 3);
  ck_assert_double_eq(figures.end_to_end_limit, 60);           /* of 60, 50 and 90 */
  ck_assert_double_eq(figures.end_to_end_share_of_limit, 0.8); /* of 0.9, 0.6 and 0.8 */
  ck_assert_double_eq(figures.end_to_end_steps_per_second, 54);
  ck_assert_double_eq(figures.end_to_end_updates_per_second, 27);
  ck_assert_double_eq(figures.end_to_end_share_of_peak, 27 * 4e-3 / 2);
  ck_assert_double_eq(figures.env_steps_per_second, 90);
  ck_assert_double_eq(figures.bare_env_steps_per_second, 8);
  rounds_free(&rounds);
}
END_TEST

/* What is not measured limits nothing and is no figure. */
START_TEST(rounds_without_an_environment) {
  RunError error;
  Figures figures = {.minimal_mflop = 1};
  Rounds rounds = {
      three(NAN, NAN, NAN), three(NAN, NAN, NAN), three(10, 20, 30), three(5, 16, 18), 8, 8};
  ck_assert(rounds_figures(&rounds, &figures, &error));
  ck_assert(isnan(figures.env_steps_per_second) && isnan(figures.bare_env_steps_per_second));
  ck_assert_double_eq(figures.end_to_end_limit, 20);
  ck_assert_double_eq(figures.end_to_end_share_of_limit, 0.6);
  rounds_free(&rounds);
}
END_TEST

/* ---- rlc bench ---- */

static char text[TEXT];

/* The number behind `key` in the object that begins with `object`. */
static double number_in(const char *object, const char *key) {
  const char *at = strstr(text, object);
  ck_assert_msg(at != NULL, "no %s", object);
  at = strstr(at, key);
  ck_assert_msg(at != NULL, "no %s behind %s", key, object);
  return atof(at + strlen(key));
}

static void figures_agree(const char *json) {
  double rate = number_of(json, "updates_per_second"), mflop = number_of(json, "minimal_mflop");
  double gflops = number_of(json, "gflops"), peak = number_of(json, "peak_gflops");
  ck_near(gflops, rate * mflop / 1e3, 1e-6, "gflops");
  ck_assert(number_of(json, "executed_mflop") <= mflop * (1 + 1e-9));
  ck_assert(number_of(json, "updates_per_second_best") >= rate);
  double share = number_of(json, "share_of_peak");
  ck_assert(number_of(json, "executed_share_of_peak") <= share * (1 + 1e-9));
  ck_near(number_of(json, "end_to_end_share_of_peak"),
          number_of(json, "end_to_end_updates_per_second") * mflop / 1e3 / peak, 1e-6,
          "end to end");
  ck_near(number_of(json, "compile_seconds"),
          number_of(json, "compile_front_seconds") + number_of(json, "compile_code_seconds"), 1e-6,
          "compile seconds");
}

static void check_bench(const char *spec, uint32_t threads) {
  static const char *const positive[] = {"updates_per_second",
                                         "gflops",
                                         "peak_gflops",
                                         "share_of_peak",
                                         "minimal_mflop",
                                         "executed_mflop",
                                         "env_steps_per_second",
                                         "groups",
                                         "bare_env_steps_per_second",
                                         "compile_seconds",
                                         "core_gflops",
                                         "end_to_end_steps_per_second",
                                         "end_to_end_limit",
                                         "end_to_end_share_of_limit",
                                         "rounds",
                                         "lanes",
                                         "compile_front_seconds"};
  command_text((Asked){command_bench, spec, threads, .json = true}, text);
  for (size_t i = 0; i < COUNTOF(positive); i++) {
    double value = number_of(text, positive[i]);
    ck_assert_msg(isfinite(value) && value > 0, "%s is %g", positive[i], value);
  }
#define FIGURE(name, ...) number_of(text, #name);
#include "compiler/measure/bench.def"
  ck_assert_double_eq(number_of(text, "threads"), threads);
  if (threads > 1) ck_assert_double_eq(number_of(text, "core"), -1);
  figures_agree(text);
}

START_TEST(bench_sac) { check_bench(RLC_ROOT "/specs/sac.yaml", 1); }
END_TEST

START_TEST(bench_remac_two_threads) { check_bench(RLC_ROOT "/specs/remac.yaml", 2); }
END_TEST

/* An update of SAC at its usual size by the count that everybody agrees on, before rewrites that
 * skip work. */
START_TEST(sac_is_577_mflop) {
  command_text((Asked){command_explain, RLC_ROOT "/specs/sac.yaml", .json = true, .whole = true},
               text);
  ck_near(number_in("{\"name\":\"update\"", "\"minimal_flops\":"), 577e6, 0.01, "SAC's update");
}
END_TEST

/* Nothing is said of environments where there are none, and of a declared one no bare loop. */
START_TEST(bench_without_environment) {
  command_text(
      (Asked){command_bench, RLC_ROOT "/specs/toy/adam_eps.yaml", .json = true, .whole = true},
      text);
  ck_assert(number_of(text, "updates_per_second") > 0);
  ck_assert(number_of(text, "end_to_end_steps_per_second") > 0);
  ck_assert(isnan(number_of(text, "env_steps_per_second")));
  ck_assert(isnan(number_of(text, "bare_env_steps_per_second")));
  command_text((Asked){command_bench, RLC_ROOT "/specs/toy/bandit_qmle_local.yaml", .json = true,
                       .whole = true},
               text);
  ck_assert(number_of(text, "updates_per_second") > 0);
  ck_assert(number_of(text, "env_steps_per_second") > 0);
  ck_assert(isnan(number_of(text, "bare_env_steps_per_second")));
}
END_TEST

/* What leaves the numbers is not measured, and the message says what can be done. */
START_TEST(bench_of_what_diverges) {
  static const char *const overrides[] = {"lr=1e6"};
  const Asked asked = {command_bench, RLC_ROOT "/specs/toy/camel.yaml", .whole = true};
  ck_assert_int_eq(command_says(asked, overrides, 1, STDERR_FILENO, text), EXIT_USER);
  ck_assert_msg(strstr(text, "error: metric '") && strstr(text, "lower rates take the same time"),
                "%s", text);
}
END_TEST

/* One environment step makes one update in this loop, so the two rates are one. */
START_TEST(bench_text_and_counts) {
  command_text((Asked){command_bench, RLC_ROOT "/specs/sac.yaml", .threads = 1}, text);
  ck_assert_ptr_nonnull(strstr(text, "sac on Pendulum-v1, 1 thread"));
  double steps = 0, updates = 0;
  const char *at = strstr(text, "end_to_end_steps_per_second");
  ck_assert(at && sscanf(at, "end_to_end_steps_per_second %lf", &steps) == 1);
  at = strstr(text, "end_to_end_updates_per_second");
  ck_assert(at && sscanf(at, "end_to_end_updates_per_second %lf", &updates) == 1);
  ck_assert_double_eq(steps, updates);
}
END_TEST

/* ---- rlc explain ---- */

/* Adds up a field over the objects of an array. */
static double sum_field(JsonReader *json, const char *field) {
  char name[64];
  double sum = 0;
  json_enter(json, '[');
  while (json_next(json, NULL, 0)) {
    json_enter(json, '{');
    while (json_next(json, name, sizeof name)) {
      if (strcmp(name, field) == 0)
        sum += json_read_double(json);
      else
        json_skip(json);
    }
  }
  return sum;
}

typedef struct ProgramTotals {
  char name[64];
  double executed, minimal, kernels;
} ProgramTotals;

static ProgramTotals read_program(JsonReader *json) {
  ProgramTotals program = {{0}, 0, 0, 0};
  char name[64];
  json_enter(json, '{');
  while (json_next(json, name, sizeof name)) {
    if (strcmp(name, "name") == 0)
      json_read_string(json, program.name, sizeof program.name);
    else if (strcmp(name, "executed_flops") == 0)
      program.executed = json_read_double(json);
    else if (strcmp(name, "minimal_flops") == 0)
      program.minimal = json_read_double(json);
    else if (strcmp(name, "kernels") == 0)
      program.kernels = sum_field(json, "flops");
    else
      json_skip(json);
  }
  return program;
}

static size_t check_programs(JsonReader *json) {
  size_t count = 0;
  json_enter(json, '[');
  for (; json_next(json, NULL, 0); count++) {
    ProgramTotals program = read_program(json);
    ck_assert_msg(program.executed == program.kernels, "%s: %g, but its kernels %g", program.name,
                  program.executed, program.kernels);
    ck_assert(program.executed <= program.minimal * (1 + 1e-9));
  }
  return count;
}

START_TEST(explain_adds_up) {
  size_t programs = 0, contractions = 0;
  char name[64];
  command_text((Asked){command_explain, RLC_ROOT "/specs/remac.yaml", .json = true}, text);
  ck_assert(number_of(text, "peak_gflops") > 0);
  JsonReader json = json_reader(text, strlen(text));
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    if (strcmp(name, "programs") == 0)
      programs = check_programs(&json);
    else if (strcmp(name, "passes") == 0)
      contractions = (size_t)sum_field(&json, "contractions");
    else
      json_skip(&json);
  }
  ck_assert_msg(json_finish(&json), "%s", json.problem ? json.problem : "rest");
  ck_assert(programs > 1 && contractions > 10);
}
END_TEST

/* What skipping takes out of the contractions is what its decisions are said to save. */
START_TEST(explain_tells_savings) {
  command_text((Asked){command_explain, RLC_ROOT "/specs/remac.yaml", .json = true}, text);
  double all = number_in("{\"after\":\"mask\"", "\"flops\":"), saved = 0;
  double kept = number_in("{\"after\":\"skip\"", "\"flops\":");
  ck_assert_double_eq(kept, number_in("{\"after\":\"contract\"", "\"flops\":"));
  ck_assert(kept < all);
  size_t decisions = 0;
  for (const char *at = text; (at = strstr(at, "\"saved_flops\":")); decisions++) {
    at += strlen("\"saved_flops\":");
    saved += atof(at);
  }
  ck_assert_uint_eq(decisions, 2); /* ranks of the sort, one critic of two */
  ck_near(saved, all - kept, 1e-9, "saved");
}
END_TEST

START_TEST(explain_text) {
  command_text((Asked){command_explain, RLC_ROOT "/specs/sac.yaml", .threads = 1}, text);
  const char *const *passes;
  size_t count = pipeline_names(&passes);
  for (size_t i = 0; i < count; i++) ck_assert_ptr_nonnull(strstr(text, passes[i]));
  ck_assert_ptr_nonnull(strstr(text, "limit us"));
  ck_assert_ptr_nonnull(strstr(text, "minimal"));
}
END_TEST

/* Measured: what an update consists of has times; what it does not run has none. */
START_TEST(explain_measures) {
  size_t timed = 0, untimed = 0;
  command_text((Asked){command_explain, RLC_ROOT "/specs/ppo.yaml", .json = true, .measure = true,
                       .whole = true},
               text);
  for (const char *at = text; (at = strstr(at, "\"us\":")); at += 5)
    *(strncmp(at + 5, "null", 4) == 0 ? &untimed : &timed) += 1;
  ck_assert_msg(timed > 20 && untimed > 0, "%zu with times, %zu without", timed, untimed);
  ck_assert_ptr_nonnull(strstr(text, "copy rows of a minibatch"));
  const char *update = strstr(text, "\"measured\":{\"update_us\":");
  ck_assert(update && atof(strchr(update + 12, ':') + 1) > 0);
  command_text((Asked){command_explain, RLC_ROOT "/specs/sac.yaml", .measure = true}, text);
  ck_assert_ptr_nonnull(strstr(text, "of peak"));
  ck_assert_ptr_nonnull(strstr(text, "sample a batch"));
  ck_assert_ptr_nonnull(strstr(text, "farthest from their limits"));
}
END_TEST

/* A home with the runtime's header and library, wherever this build lies. */
static char *home;

static void home_make(void) {
  home = directory_make();
  ck_assert_int_eq(symlink(RLC_ROOT, path_in(home, "include").text), 0);
  Path library = path_in(home, "librlc_runtime.a");
  ck_assert_int_eq(symlink(RLC_BUILD "/librlc_runtime.a", library.text), 0);
  setenv("RLC_HOME", home, 1);
}

static void home_remove(void) { directory_remove(home); }

int main(void) {
  Suite *suite = suite_create("bench");
  TCase *cases = tcase_create("bench");
  tcase_set_timeout(cases, 120);
  tcase_add_unchecked_fixture(cases, home_make, home_remove);
  tcase_add_test(cases, peak_is_what_the_clock_allows);
  tcase_add_test(cases, peaks_far_from_the_clock_are_told);
  tcase_add_test(cases, team_peak_counts_all_threads);
  tcase_add_test(cases, median_is_the_middle);
  tcase_add_test(cases, shares_are_those_of_rounds);
  tcase_add_test(cases, rounds_without_an_environment);
  tcase_add_test(cases, bench_sac);
  tcase_add_test(cases, bench_remac_two_threads);
  tcase_add_test(cases, sac_is_577_mflop);
  tcase_add_test(cases, bench_without_environment);
  tcase_add_test(cases, bench_of_what_diverges);
  tcase_add_test(cases, bench_text_and_counts);
  tcase_add_test(cases, explain_adds_up);
  tcase_add_test(cases, explain_text);
  tcase_add_test(cases, explain_tells_savings);
  tcase_add_test(cases, explain_measures);
  tcase_add_test(cases, memories_are_slower_the_larger);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
