/* The figures of a report and what the page says of the study's file: axes that what diverges does
 * not set, logarithmic ones, scores over a constant. */
#define _GNU_SOURCE
#include "tests/report_fixture.h"

#include "compiler/study/report/plot.h"

#include <math.h>

/* ---- results without a report ---- */

typedef struct Opened {
  Session session;
  Results *results;
} Opened;

static Opened opened(const Made *made) {
  Opened o = {.session = {.program = "rlc", .arena = arena_make()}};
  o.session.diag = diag_make(o.session.arena);
  study_write(made);
  Study *study = study_open(&o.session, folder);
  Runner runner = {&o.session, study, o.session.arena, folder};
  ck_assert(study && study_states(&runner));
  o.results = results_read(o.session.arena, study, folder);
  return o;
}

static Reach reach_of(const Made *made, const char *metric, size_t env) {
  Opened o = opened(made);
  Reach reach = results_reach(o.results, metric, env, SCALE_NORMAL);
  arena_free(o.session.arena);
  return reach;
}

#define REACH(made_, metric, low_, high_, below_, above_)                                          \
  do {                                                                                             \
    Reach r_ = reach_of(&(Made)made_, metric, 0);                                                  \
    ck_assert_double_eq(r_.low, low_);                                                             \
    ck_assert_double_eq(r_.high, high_);                                                           \
    ck_assert_int_eq(r_.below, below_);                                                            \
    ck_assert_int_eq(r_.above, above_);                                                            \
  } while (0)
#define MADE(...)                                                                                  \
  { __VA_ARGS__ }

/* ---- how far axes reach ---- */

START_TEST(an_axis_reaches_over_all_runs_but_those_far_behind) {
  REACH(MADE(0), "eval/mean_reward", 18, 200, false, false);
  REACH(MADE(.diverged = true), "eval/mean_reward", 18, 160, true, false);
  REACH(MADE(.diverged = true, .lower = true), "eval/mean_reward", 18, 110, false, true);
  REACH(MADE(.seeds = 9, .outlier = true), "eval/mean_reward", 19.24, 209.1, true, false);
}
END_TEST

/* Of scores only what is far behind: what is far better is what everybody wants to see. Of other
 * numbers nobody knows which end is the good one. */
START_TEST(what_is_far_better_is_shown) {
  REACH(MADE(.diverged = true, .lower = true, .turned = true, .normalised = true),
        "eval/mean_reward", 0.45, 0.91, true, false);
  Reach reach = reach_of(&(Made){.diverged = true, .metric = "entropy"}, "eval/mean_reward", 0);
  ck_assert(reach.below && reach.low == 18); /* no score, and out by far */
  reach =
      reach_of(&(Made){.seeds = 9, .outlier = true, .metric = "entropy"}, "eval/mean_reward", 0);
  ck_assert(!reach.below && reach.low == -5000);
}
END_TEST

START_TEST(what_diverges_does_not_set_the_range) {
  report_good(&(Made){.diverged = true});
  HAS("report.html",
      "have a value there. Outside the axes, whose range leaves out what is far off: sac lr=1 in "
      "A-v1 (down to -1e+13). <a href=\"figures/curve_return.svg\">",
      "Outside the axes, whose range leaves out what is far off: sac lr=1 in iqm (down to -1e+13)",
      "Outside the axes, whose range leaves out what is far off: sac lr=1 in difference (down to");
  if (!command_there("gnuplot")) {
    printf("SKIP: gnuplot is not installed\n");
    return;
  }
  HAS("figures/curve_return.svg", ">150<", ">↓ -1e13<");
  HAS("figures/aggregates.svg", ">← -1e13<");
  report_lacks("figures/curve_return.svg", "e12<");
  report_lacks("figures/comparisons.svg", "e12<");
  report_good(&(Made){0});
  report_lacks("report.html", "Outside the axes");
}
END_TEST

/* ---- scales and scores over a constant ---- */

START_TEST(points_that_differ_in_nothing_else_make_a_line) {
  Sweep *sweeps;
  Opened o = opened(&(Made){.axes = true});
  ck_assert_uint_eq(results_sweeps(o.results, 0, 0, &sweeps), 2);
  ck_assert_str_eq(sweeps[0].label, "sac");
  ck_assert_uint_eq(sweeps[0].curve.count, 2);
  ck_assert_double_eq(sweeps[0].curve.step[0], 1e-8);
  ck_assert_double_eq(sweeps[0].curve.step[1], 1);
  ck_assert_double_eq(sweeps[0].curve.value[1].value, 200);
  ck_assert_str_eq(sweeps[1].label, "a <b> & \"c\"");
  ck_assert_uint_eq(sweeps[1].curve.count, 1);
  ck_assert(isnan(sweeps[1].curve.step[0]));
  arena_free(o.session.arena);
  o = opened(&(Made){.axes = true, .apart = true});
  ck_assert_uint_eq(results_sweeps(o.results, 0, 0, &sweeps), 2);
  ck_assert_uint_eq(sweeps[0].curve.count, 2);
  ck_assert_uint_eq(sweeps[1].curve.count, 1);
  ck_assert_double_eq(sweeps[1].curve.step[0], 0.5);
  arena_free(o.session.arena);
}
END_TEST

START_TEST(scores_are_drawn_over_a_constant) {
  report_good(&(Made){.axes = true});
  HAS("report.html", "<h2>Scores</h2>", "<h3>Scores over lr</h3>",
      "a line joins points that differ in nothing else. Dashed: points without 'lr'.");
  if (!command_there("gnuplot")) {
    printf("SKIP: gnuplot is not installed\n");
    return;
  }
  HAS("figures/over_lr.svg", ">1e-8<", ">1<"); /* tics where the grid's points are */
  report_lacks("figures/over_lr.svg", ">1e-4<");
  report_lacks("figures/curve_entropy.svg", ">0.4<"); /* 1, 0.5, 0.2, as a logarithmic axis has */
  HAS("figures/curve_entropy.svg", ">0.2<", ">0.5<", ">1<");
}
END_TEST

/* The score by another of its names is the score, and an axis of it is an axis of both. */
START_TEST(a_number_is_itself_by_all_its_names) {
  Opened o = opened(&(Made){.envs = 2, .normalised = true, .curve = "mean_reward"});
  const Study *study = o.results->study;
  ck_assert_str_eq(study->curves[1].name, "mean_reward");
  for (size_t i = 0; i < 2; i++) ck_assert(results_is_score(o.results, study->curves[i].column));
  ck_assert_uint_gt(results_curve(o.results, 1, 0, ALL_ENVS)->count, 0);
  ck_assert(!results_is_score(o.results, "actor/entropy"));
  arena_free(o.session.arena);
  o = opened(&(Made){.axes = true});
  ck_assert(results_log(o.results, "actor/entropy"));
  ck_assert(!results_log(o.results, "eval/mean_reward"));
  arena_free(o.session.arena);
}
END_TEST

/* ---- a panel for each value of the grid ---- */

/* Eight points, whose values of y have blanks, as rlc writes them now or once wrote them. */
static Opened grid_opened(bool old) {
  Opened o = {.session = {.program = "rlc", .arena = arena_make()}};
  o.session.diag = diag_make(o.session.arena);
  FILE *out = made_file("study.json");
  fprintf(out,
          "{%s\"study\": \"s\", \"steps\": 5, \"seeds\": [1], \"envs\": [\"A\"], \"score\": "
          "{\"metric\": \"return\", \"column\": \"eval/mean_reward\", \"last\": 1}, "
          "\"report\": {\"curves\": [%s], \"ci\": 0.9, \"axes\": [{\"name\": \"lr\", "
          "\"path\": \"constants.lr\"%s}]}, \"points\": [",
          old ? "" : "\"version\": 1, ",
          old ? "\"return\"" : "{\"name\": \"return\", \"column\": \"eval/mean_reward\"}",
          old ? "" : ", \"key\": \"lr\"");
  for (int i = 0; i < 8; i++) {
    const char *y = i < 4 ? "gamma * v" : "gamma * q";
    fprintf(out,
            "%s{\"name\": \"base y=%s lr=%d\", \"folder\": \"f%d\", \"variant\": \"base\", "
            "\"at\": [%d], \"changes\": [{\"path\": \"constants.lr\", \"after\": \"%d\"}, "
            "{\"path\": \"y\", \"after\": \"%s\"}]",
            i ? ", " : "", y, i % 4 + 1, i, i % 4 + 1, i % 4 + 1, y);
    if (!old)
      fprintf(out,
              ", \"values\": [{\"key\": \"y\", \"value\": \"%s\"}, {\"key\": \"lr\", "
              "\"value\": \"%d\"}]",
              y, i % 4 + 1);
    fputs("}", out);
  }
  fputs("]}\n", out);
  fclose(out);
  Study *study = study_open(&o.session, folder);
  ck_assert_ptr_nonnull(study);
  o.results = results_read(o.session.arena, study, folder);
  return o;
}

START_TEST(values_with_blanks_have_panels_of_their_own) {
  for (int old = 0; old < 2; old++) {
    Opened o = grid_opened(old);
    ReportFigures figures = figures_make(o.results, &(Tables){0});
    ck_assert_uint_eq(figures.figure[0].count, 2);
    ck_assert_str_eq(figures.figure[0].panels[0].title, "y = gamma * v");
    ck_assert_str_eq(figures.figure[0].panels[1].title, "y = gamma * q");
    ck_assert_uint_eq(figures.figure[0].key_count, 4);
    ck_assert_str_eq(figures.figure[0].keys[3].label, "base lr=4");
    Sweep *sweeps;
    ck_assert_uint_eq(results_sweeps(o.results, 0, 0, &sweeps), 2);
    ck_assert_str_eq(sweeps[0].label, "base y=gamma * v");
    ck_assert_str_eq(sweeps[1].label, "base y=gamma * q");
    arena_free(o.session.arena);
  }
}
END_TEST

/* Eight variants, each in a panel of its own, of which the last does not log the curve. */
START_TEST(a_panel_has_a_line_of_its_own) {
  Session session = {.program = "rlc", .arena = arena_make()};
  session.diag = diag_make(session.arena);
  FILE *out = made_file("study.json");
  fprintf(out, "{\"version\": 1, \"study\": \"s\", \"steps\": 5, \"seeds\": [1], \"envs\": "
               "[\"A\"], \"score\": {\"metric\": \"return\", \"column\": \"eval/mean_reward\", "
               "\"last\": 1}, \"report\": {\"curves\": [{\"name\": \"return\", \"column\": "
               "\"eval/mean_reward\"}], \"ci\": 0.9}, \"points\": [");
  for (int i = 0; i < 8; i++)
    fprintf(out, "%s{\"name\": \"v%d\", \"folder\": \"v%d\", \"variant\": \"v%d\"}", i ? ", " : "",
            i, i, i);
  fputs("], \"runs\": [", out);
  for (int i = 0; i < 8; i++) {
    char run[64], name[128];
    snprintf(run, sizeof run, "runs/v%d/A/seed-1", i);
    snprintf(name, sizeof name, "%s/evaluations.csv", run);
    fprintf(out,
            "%s{\"point\": \"v%d\", \"env\": \"A\", \"seed\": 1, \"hash\": \"0\", \"folder\": "
            "\"%s\"}",
            i ? ", " : "", i, run);
    made_text(name, i < 7 ? "step,eval/mean_reward\n1,2\n5,3\n" : "step,other\n1,2\n5,3\n");
  }
  fputs("]}\n", out);
  fclose(out);
  Study *study = study_open(&session, folder);
  ck_assert_ptr_nonnull(study);
  ReportFigures figures = figures_make(results_read(session.arena, study, folder), &(Tables){0});
  ck_assert_uint_eq(figures.figure[0].count, 7);
  for (size_t i = 0; i < 7; i++) {
    const Panel *panel = &figures.figure[0].panels[i];
    ck_assert_uint_eq(panel->count, 7);
    ck_assert(panel->lines[0].faint && !panel->lines[6].faint);
  }
  arena_free(session.arena);
}
END_TEST

/* The texts of tics have room beside each other. */
START_TEST(tics_stand_apart) {
  Arena *arena = arena_make();
  ck_assert_double_eq(tics_fit(arena, (PlotRange){0, 1}, 5, 290), 5);
  ck_assert_double_lt(tics_fit(arena, (PlotRange){-1700, -1350}, 5, 100), 5);
  ck_assert_double_lt(tics_fit(arena, (PlotRange){0.33, 0.52}, 4, 90), 4);
  ck_assert_double_eq(tics_fit(arena, (PlotRange){-1700, -1350}, 5, 1), 1);
  arena_free(arena);
}
END_TEST

/* ---- what was asked ---- */

START_TEST(all_that_a_study_says_is_shown) {
  report_good(&(Made){.axes = true, .normalised = true});
  HAS("report.html", "<dt>Base</dt><dd><code>../s.yaml</code>",
      "<dt>Laid on it and on other specifications</dt>",
      "<div>env.count <del>4</del> → <ins>64</ins></div>",
      "<div>constants.bins 51, as in its file</div>",
      "<dt>Combined</dt><dd><code>constants.lr</code>: <code>3e-4</code>, <code>1</code></dd>",
      "A-v1: a score of 0 counts as 0 and 200 as 1", "<dt>Seeds</dt><dd>1 to 3</dd>",
      "<dt>Options of every trainer</dt><dd><code>--steps 500</code>",
      "the last value of <code>return</code>; higher is better; a failed run counts as the worst",
      "<dt>Curves</dt><dd><code>return</code>, <code>entropy</code>",
      "intervals of 95 %, 200 resamples", "<dt>Compared with</dt><dd>sac</dd>",
      "<dt>Axes</dt><dd><code>constants.lr</code>: logarithmic, <code>entropy</code>: logarithmic",
      "on which the above is laid");
}
END_TEST

START_TEST(what_an_older_rlc_wrote_is_told_as_such) {
  report_good(&(Made){.old = true});
  HAS("report.html", "<dt>Base</dt><dd>an older rlc wrote this folder");
  report_lacks("report.html", "<dt>Combined</dt>");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("study_figures");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, report_open, report_close);
  tcase_add_test(tcase, an_axis_reaches_over_all_runs_but_those_far_behind);
  tcase_add_test(tcase, what_is_far_better_is_shown);
  tcase_add_test(tcase, what_diverges_does_not_set_the_range);
  tcase_add_test(tcase, points_that_differ_in_nothing_else_make_a_line);
  tcase_add_test(tcase, scores_are_drawn_over_a_constant);
  tcase_add_test(tcase, a_number_is_itself_by_all_its_names);
  tcase_add_test(tcase, values_with_blanks_have_panels_of_their_own);
  tcase_add_test(tcase, a_panel_has_a_line_of_its_own);
  tcase_add_test(tcase, tics_stand_apart);
  tcase_add_test(tcase, all_that_a_study_says_is_shown);
  tcase_add_test(tcase, what_an_older_rlc_wrote_is_told_as_such);
  tcase_set_timeout(tcase, 120);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
