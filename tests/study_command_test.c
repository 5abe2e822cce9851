/* `rlc ablate --dry-run`: what is printed of a study, what is said once, how long it may take, and
 * what is refused. */
#include "tests/study_files.h"

#include <math.h>

#include "tests/suite.h"

#ifdef __SANITIZE_ADDRESS__ /* trainers need what the runtime was compiled with */
#define INSTRUMENTED "CC='gcc -fsanitize=address,undefined' "
#else
#define INSTRUMENTED ""
#endif

/* What `rlc ablate` prints on `case.yaml`, with its messages; the last line is an estimate. */
static const char *ablate(Front *f, const char *text, const char *options, int *status) {
  char line[4096];
  const char *said = "";
  file_write("case.yaml", text);
  FILE *pipe = popen(
      arena_printf(f->arena, INSTRUMENTED RLC_BUILD "/rlc ablate case.yaml %s 2>&1", options), "r");
  ck_assert_ptr_nonnull(pipe);
  while (fgets(line, sizeof line, pipe)) said = arena_printf(f->arena, "%s%s", said, line);
  *status = WEXITSTATUS(pclose(pipe));
  return said;
}

/* Everything below the working directory, with sizes and times. */
static const char *listing(Front *f) {
  char line[4096];
  const char *text = "";
  FILE *pipe = popen("find . -printf '%p %s %T@\\n' | sort", "r");
  ck_assert_ptr_nonnull(pipe);
  while (fgets(line, sizeof line, pipe)) text = arena_printf(f->arena, "%s%s", text, line);
  ck_assert_int_eq(pclose(pipe), 0);
  return text;
}

static const char toy[] = "study: s\nbase: bandit.yaml\nsteps: 10\nseeds: 2\n"
                          "grid: {entropy_weight: [0.0, 0.5]}\n"
                          "variants:\n  none: {constants.entropy_weight: 0}\n"
                          "  two:\n    constants.K: 2\n    constants.trials: 7\n"
                          "score: {metric: losses/field, better: lower}\n"
                          "options: {eval-every: 5}\n";

START_TEST(dry_run) {
  static const char expected[] =
      "s: 5 points, 4 of them distinct, 4 jobs, 2 seeds, 8 runs of 10 steps\n"
      "on -\n"
      "  vector_field\n"
      "    entropy_weight=0.0\n"
      "    entropy_weight=0.5       constants.entropy_weight: 0.0 -> 0.5\n"
      "  none is vector_field entropy_weight=0.0\n"
      "    constants.entropy_weight: 0.0 -> 0\n"
      "    without entropy_weight: none sets it itself\n"
      "  two\n"
      "    constants.K: 4 -> 2\n"
      "    constants.trials: 100 -> 7\n"
      "    entropy_weight=0.0\n"
      "    entropy_weight=0.5       constants.entropy_weight: 0.0 -> 0.5\n"
      "estimate: ";
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, toy, "--dry-run --seconds 0.01", &status);
  ck_assert_int_eq(status, 0);
  ck_assert_str_eq(arena_copy(f.arena, said, strlen(expected)), expected);
  ck_assert(strstr(said, ": 1 of 4 jobs timed now for a moment each"));
  said = ablate(&f, toy, "--dry-run --json --seconds 0.01", &status);
  ck_assert_int_eq(status, 0);
  ck_assert(strstr(said,
                   "{\"study\":\"s\",\"steps\":10,\"seeds\":[1,2],\"envs\":[\"-\"],"
                   "\"options\":[\"--eval-every\",\"5\"],\"with\":[],\"points\":[{\"name\":") ==
            said);
  ck_assert(strstr(said, "\"same_as\":\"vector_field entropy_weight=0.0\",\"changes\":[{\"path\":"
                         "\"constants.entropy_weight\",\"before\":\"0.0\",\"after\":\"0\"}],"
                         "\"crossed\":[{\"path\":\"entropy_weight\",\"why\":"));
  ck_assert(strstr(said, "\"runs\":8,\"left\":8,\"cores\":"));
  front_close(&f);
  folder_close();
}
END_TEST

/* ---- arrows ---- */

/* Of one try the gradient of -a^2 is (-2 mu, -2 sigma); here it is the mean of 3,200 draws, whose
 * largest standard error on this grid is 0.13. */
static size_t arrows_check(const char *path) {
  double x, y, dx, dy, runs;
  size_t rows = 0;
  char line[512];
  FILE *in = fopen(path, "r");
  ck_assert_ptr_nonnull(in);
  while (fgets(line, sizeof line, in)) {
    if (sscanf(line, "vector_field,-,%lf,%lf,%lf,%lf,%lf", &x, &y, &dx, &dy, &runs) != 5) continue;
    ck_assert_msg(fabs(dx + 2 * x) < 0.6 && fabs(dy + 2 * y) < 0.6, "%s", line);
    ck_assert_double_eq(runs, 2);
    rows++;
  }
  fclose(in);
  return rows;
}

/* By a dry run: neither beside the study's file nor into its folder. */
static void nothing_is_written(Front *f, const char *text) {
  file_write("case.yaml", text);
  const char *before = listing(f);
  ck_assert_ptr_nonnull(strstr(before, "out/study.json"));
  FILE *pipe = popen(RLC_BUILD "/rlc ablate case.yaml --dry-run --seconds 0.01 -o out", "r");
  ck_assert_ptr_nonnull(pipe);
  while (fgetc(pipe) != EOF) {
  }
  ck_assert_int_eq(WEXITSTATUS(pclose(pipe)), 0);
  ck_assert_str_eq(listing(f), before);
}

START_TEST(arrows_are_of_what_runs_keep) {
  static const char text[] =
      "study: s\nbase: bandit.yaml\nsteps: 1\nseeds: 2\nwith: {K: 1}\n"
      "score: {metric: losses/field, better: lower}\noptions: {log-every: 1}\nreport:\n"
      "  arrows: {gradient: {from: [mu_before, sigma_before], to: [mu, sigma]}}\n";
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, text, "--dry-run --seconds 0.01", &status), *reason = NULL;
  ck_assert_msg(strstr(said, "\non -\nwith constants.K: 4 -> 1\n  vector_field\n"), "%s", said);
  said = ablate(&f, text, "-o out", &status);
  ck_assert_msg(status == 0, "%s", said);
  ck_assert_uint_eq(arrows_check("out/report/tables/arrows_gradient.csv"), 169);
  nothing_is_written(&f, text);
  ck_assert_int_eq(
      truncate("out/runs/vector_field/_/seed-1/checkpoints/000001-step-1.safetensors", 1000), 0);
  ck_assert_int_eq(system(RLC_BUILD "/rlc report out > said.txt"), 0);
  Source *page = source_read(f.arena, "out/report/report.html", &reason);
  ck_assert_ptr_nonnull(strstr(page->text, "<h2>Arrows</h2>"));
  ck_assert_ptr_nonnull(strstr(page->text,
                               "1 at least. Left out: runs/vector_field/_/seed-1 has no "
                               "good checkpoint with 'mu_before', 'sigma_before'"));
  ck_assert_int_eq(system("rm -r out said.txt"), 0);
  front_close(&f);
  folder_close();
}
END_TEST

/* A variant's name means nothing to gnuplot; where figures are missing the command says so. */
START_TEST(any_name_stands_in_figures) {
  static const char text[] = "study: s\nbase: bandit.yaml\nsteps: 1\nseeds: 1\n"
                             "variants: {10% data: {K: 2}, 10% of: {K: 3}, a%%b: {K: 5}}\n"
                             "score: {metric: losses/field}\noptions: {log-every: 1}\n";
  static const char *const names[] = {">10% data<", ">10% of<", ">a%%b<"};
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, text, "-o out", &status), *reason = NULL;
  ck_assert_msg(status == 0, "%s", said);
  if (system("command -v gnuplot > said.txt") == 0) {
    ck_assert_msg(!strstr(said, "warning"), "%s", said);
    Source *svg = source_read(f.arena, "out/report/figures/aggregates.svg", &reason);
    for (size_t i = 0; i < COUNTOF(names); i++)
      ck_assert_msg(strstr(svg->text, names[i]) != NULL, "no %s", names[i]);
  } else {
    printf("SKIP: any_name_stands_in_figures: there is no gnuplot\n");
  }
  ck_assert_int_eq(system("PATH=/nowhere " RLC_BUILD "/rlc report out > said.txt 2>&1"), 0);
  ck_assert_ptr_nonnull(strstr(source_read(f.arena, "said.txt", &reason)->text,
                               "warning: the report has no figures: gnuplot is not installed"));
  ck_assert_int_eq(system("rm -r out said.txt"), 0);
  front_close(&f);
  folder_close();
}
END_TEST

/* ---- what policies do ---- */

/* What can be drawn is in the page, of each point once; what cannot be drawn is told. */
START_TEST(what_policies_do_is_drawn) {
  static const char text[] =
      "study: s\nbase: sac.yaml\nenvs: [InvertedPendulum-v5, Pendulum-v1]\nsteps: 60\nseeds: 1\n"
      "with: {hidden: 16, batch_size: 16, warmup: 20}\n"
      "options: {eval-every: 30, eval-episodes: 1}\n";
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, text, "-o out", &status), *reason = NULL;
  ck_assert_msg(status == 0, "%s", said);
  const char *page = source_read(f.arena, "out/report/report.html", &reason)->text;
  const char *undrawn = strstr(page, "Not drawn: ");
  ck_assert_msg(undrawn && strstr(undrawn, "Pendulum-v1: no thumbnail: Pendulum-v1 has nothing"),
                "%.300s", undrawn ? undrawn : "nothing is undrawn");
  ck_assert(access("out/runs/sac/Pendulum-v1/seed-1/thumbnail.jpg", F_OK) != 0);
  if (strncmp(undrawn, "Not drawn: InvertedPendulum", 27) == 0) {
    printf("SKIP: no pictures are made here: %.*s\n", (int)strcspn(undrawn, "<"), undrawn);
  } else {
    ck_assert(access("out/runs/sac/InvertedPendulum-v5/seed-1/thumbnail.jpg", F_OK) == 0);
    ck_assert_ptr_nonnull(strstr(page, "src=\"data:image/jpeg;base64,/9j/"));
    ck_assert_ptr_nonnull(strstr(page, "sac, InvertedPendulum-v5, seed 1<"));
  }
  ck_assert_int_eq(system("rm -r out"), 0);
  front_close(&f);
  folder_close();
}
END_TEST

static void ablate_refuses(const char *text, const char *options, const char *expected) {
  Front f = front_open();
  int status;
  ck_assert_str_eq(ablate(&f, text, options, &status), expected);
  ck_assert_int_eq(status, 1);
  front_close(&f);
}

/* Timing goes on behind the steps of a run, to where a rate like this one leads: what was seen
 * before is a bound. */
START_TEST(what_cannot_be_timed_has_a_bound) {
  static const char text[] = "study: s\nbase: bandit.yaml\nsteps: 10\nseeds: 2\n"
                             "variants: {wild: {optimizers.default: sgd(1e30)}}\n"
                             "score: {metric: losses/field}\n";
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, text, "--dry-run --seconds 600", &status);
  ck_assert_int_eq(status, 0);
  ck_assert_msg(strstr(said, "estimate: below ") != NULL, "%s", said);
  said = ablate(&f, text, "--dry-run --seconds 600 --json", &status);
  ck_assert_msg(strstr(said, "\"measured\":2,\"bounded\":1,") != NULL, "%s", said);
  front_close(&f);
  folder_close();
}
END_TEST

/* A constant that nothing reads: its points are one program, and it is said once. */
START_TEST(warnings_are_said_once) {
  static const char text[] = "study: s\nbase: bandit.yaml\nsteps: 10\nseeds: 1\n"
                             "grid: {constants.idle: [1, 2, 3], entropy_weight: [0.0, 0.5]}\n"
                             "score: {metric: losses/field}\n";
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, text, "--dry-run --seconds 0.01", &status);
  ck_assert_int_eq(status, 0);
  const char *at = strstr(said, "warning: nothing reads the constant 'idle' (6 points)\n");
  ck_assert_msg(at != NULL, "%s", said);
  ck_assert_msg(!strstr(at + 1, "warning:"), "%s", said);
  ck_assert_ptr_nonnull(strstr(said, "s: 6 points, 2 of them distinct, 2 jobs"));
  front_close(&f);
  folder_close();
}
END_TEST

/* What the folder holds is of other options: no estimate of it is made. */
START_TEST(a_refused_folder_has_no_estimate) {
  static const char text[] = "study: s\nbase: bandit.yaml\nsteps: 1\nseeds: 1\n"
                             "score: {metric: losses/field}\noptions: {log-every: %d}\n";
  folder_open();
  Front f = front_open();
  int status;
  const char *said = ablate(&f, arena_printf(f.arena, text, 1), "-o out", &status);
  ck_assert_msg(status == 0, "%s", said);
  said = ablate(&f, arena_printf(f.arena, text, 2), "-o out --dry-run", &status);
  ck_assert_int_eq(status, 1);
  ck_assert_msg(strstr(said, "that were made with '--steps 1 --log-every 1'"), "%s", said);
  ck_assert_msg(strstr(said, "\nestimate: none, as long as the study's folder is refused\n"), "%s",
                said);
  ck_assert_int_eq(system("rm -r out"), 0);
  front_close(&f);
  folder_close();
}
END_TEST

START_TEST(commands_refused) {
  folder_open();
  ablate_refuses(toy, "--dry-run K=3",
                 "error: what a study runs is in its file: 'K=3' belongs under 'grid' or into a "
                 "variant\n");
  ablate_refuses(
      toy, "-o out -- --steps 3",
      "error: '--steps' behind `--` is for sbatch or mpirun, and there is no --launcher "
      "slurm or mpi; the trainer's options stand in the study's file, under `options:`\n");
  ablate_refuses(
      toy, "--dry-run --target cc",
      "error: there is no target 'cc'; did you mean 'c'?; there are native, c and cuda\n");
  ablate_refuses("study: s\nbase: sac.yml\n", "--dry-run",
                 "case.yaml:2:7: error: cannot read 'sac.yml': No such file or directory\n"
                 "    2 | base: sac.yml\n"
                 "      |       ^~~~~~~ did you mean 'sac.yaml'?\n");
  folder_close();
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("study_command");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, dry_run);
  tcase_add_test(tcase, warnings_are_said_once);
  tcase_add_test(tcase, what_cannot_be_timed_has_a_bound);
  tcase_add_test(tcase, arrows_are_of_what_runs_keep);
  tcase_add_test(tcase, any_name_stands_in_figures);
  tcase_add_test(tcase, what_policies_do_is_drawn);
  tcase_add_test(tcase, a_refused_folder_has_no_estimate);
  tcase_add_test(tcase, commands_refused);
  tcase_set_timeout(tcase, 600); /* instrumented, on a busy machine, two minutes are short */
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
