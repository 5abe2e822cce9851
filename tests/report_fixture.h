/* What tests of reports share: the folder of a small study, written by hand as `rlc ablate` and the
 * trainers leave it. */
#ifndef RLC_TESTS_REPORT_FIXTURE_H
#define RLC_TESTS_REPORT_FIXTURE_H

#include "compiler/study/report/report.h"
#include "compiler/study/run/run_parts.h"
#include "tests/files_support.h"
#include "tests/suite.h"

/* Three ways of training: a base, one that is twice as good, one that differs from the base by
 * chance; and one that is the base. */
enum { POINTS = 3, EVALUATIONS = 5, STEP = 100 };
static const char *const point_names[POINTS] = {"sac", "sac lr=1", "a <b> & \"c\""};
static const char *const point_folders[POINTS] = {"sac", "sac_lr=1", "a__b_____c_"};
static const char *const env_names[] = {"A-v1", "B-v1"};

typedef struct Made {
  size_t seeds, envs; /* 0: 3, 1 */
  bool normalised, lower;
  bool turned;                  /* the larger number counts as 0 */
  bool several;                 /* baselines: the last point has the second as its own */
  size_t done;                  /* runs that are done; 0: all */
  size_t failed;                /* number of a run that failed, from 1; 0: none */
  size_t fails;                 /* a point all of whose runs fail, from 1; 0: none */
  bool outlier;                 /* the first seed of the second point is far below all else, and
                                   no two scores are equal */
  bool diverged;                /* runs of the second point end far worse than all else */
  bool axes;                    /* scores are drawn over lr; entropy is on a logarithmic axis */
  bool apart;                   /* the third point has a value there too, and other losses */
  bool old;                     /* an older rlc wrote study.json */
  bool mixed;                   /* only runs of the second point are by `compiler` */
  const char *compiler, *curve; /* NULL: as usual */
  const char *metric;           /* of the score; NULL: return */
  bool gpu;                     /* runs were made on one */
} Made;

static char *folder; /* of the test */

/* The final score: 100, 200, and 90, 110, 100, ... */
static inline double made_score(const Made *made, size_t point, size_t env, size_t seed) {
  double score = point == 0 ? 100 : point == 1 ? 200 : (double[]){90, 110, 100}[seed % 3];
  if (made->outlier)
    score = point == 1 && seed == 0
                ? -5000
                : score + (double)((7 * seed + 3 * point) % 10) + 0.1 * (double)point;
  return env ? 10 * score : score;
}

static inline FILE *made_file(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  *strrchr(path, '/') = '\0';
  ck_assert(folder_make(path));
  FILE *out = fopen(path_in(folder, name).text, "w");
  ck_assert_ptr_nonnull(out);
  return out;
}

static inline void made_text(const char *name, const char *text) {
  FILE *out = made_file(name);
  fputs(text, out);
  fclose(out);
}

static inline void made_logs(const Made *made, const char *run, size_t point, size_t env,
                             size_t seed, size_t evaluations) {
  char name[512];
  snprintf(name, sizeof name, "%s/evaluations.csv", run);
  FILE *out = made_file(name);
  fprintf(out, "step,eval/mean_reward\n");
  for (size_t i = 1; i <= evaluations; i++)
    fprintf(out, "%zu,%g\n", i * STEP,
            made->diverged && point == 1 && i == EVALUATIONS
                ? (made->lower ? 1e13 : -1e13)
                : made_score(made, point, env, seed) * (double)i / EVALUATIONS);
  fclose(out);
  snprintf(name, sizeof name, "%s/progress.csv", run);
  out = made_file(name);
  fprintf(out, "step,charts/SPS,actor/entropy\n");
  for (size_t i = 1; i <= evaluations; i++)
    fprintf(out, "%zu,%d,%g\n", i * STEP, 17 * (int)i, 1 / (double)(i + point));
  fclose(out);
}

static inline void made_run(const Made *made, size_t number, const char *run, size_t point,
                            size_t env, size_t seed) {
  char name[512], text[1024];
  bool failed = made->failed == number + 1 || made->fails == point + 1,
       done = !made->done || number < made->done;
  snprintf(name, sizeof name, "%s.json", run);
  snprintf(text, sizeof text, "{\"hash\": \"00%zu%zu\", \"options\": \"--steps 500\"%s}\n", point,
           env, failed ? ", \"status\": 1, \"failure\": \"loss 'critic' is <nan>\"" : "");
  if (done || failed) made_text(name, text);
  if (!done && !failed) return;
  made_logs(made, run, point, env, seed, failed ? 2 : EVALUATIONS);
  snprintf(name, sizeof name, "%s/config.yaml", run);
  made_text(name, point == 1 ? "name: x\nlosses:\n  actor: {minimize: \"square(x) / 2\", over: x}\n"
                             : "name: x\nlosses:\n  actor: {minimize: square(x), over: x}\n");
  snprintf(name, sizeof name, "%s/provenance.json", run);
  snprintf(text, sizeof text,
           "{\"compiler\": \"%s\", \"cpu\": \"a CPU\", \"target\": \"%s\", %s\"started\": "
           "\"2026-01-02T03:04:0%zuZ\"}\n",
           made->compiler && (!made->mixed || point == 1) ? made->compiler : "rlc 1",
           made->gpu ? "cuda" : "native",
           made->gpu ? "\"gpu\": \"a <card>\", \"gpu_code\": \"sm_90 by a compiler\", " : "", seed);
  made_text(name, text);
  snprintf(name, sizeof name, "%s/result.json", run);
  if (!failed) made_text(name, "{\"finished\": 1}\n");
}

static inline void made_points(const Made *made, FILE *out) {
  fprintf(out, "\"points\": [");
  for (size_t p = 0; p < POINTS; p++) {
    fprintf(out, "%s{\"name\": \"%s\", \"folder\": \"%s\", \"variant\": \"%s\", \"changes\": [",
            p ? ", " : "", p == 2 ? "a <b> & \\\"c\\\"" : point_names[p], point_folders[p],
            p == 2 ? "a <b> & \\\"c\\\"" : "sac");
    if (p == 1)
      fprintf(out, "{\"path\": \"constants.lr\", \"before\": \"3e-4\", \"after\": \"1\"}");
    if (p == 2)
      fprintf(out, "{\"path\": \"losses.actor.minimize\", \"before\": \"mean[batch](a_long_name(q, "
                   "K) * another)\", \"after\": \"x < 1 && y\"}");
    static const char *const at[POINTS] = {"1e-8", "1", "null"};
    fprintf(out, "], ");
    if (made->axes) fprintf(out, "\"at\": [%s, null], ", made->apart && p == 2 ? "0.5" : at[p]);
    fprintf(out, "%s%s\"crossed\": [%s]}", p == 1 ? "\"lacks\": [\"entropy\"], " : "",
            p == 2 && made->several ? "\"against\": \"sac lr=1\", " : "",
            p == 2 ? "{\"path\": \"lr\", \"why\": \"it has no 'lr'\"}" : "");
  }
  fprintf(out, ", {\"name\": \"twin\", \"folder\": \"twin\", \"variant\": \"twin\", \"same_as\": "
               "\"sac\", \"changes\": [], \"crossed\": []}], ");
}

static inline void made_head(const Made *made, FILE *out) {
  size_t seeds = made->seeds ? made->seeds : 3, envs = made->envs ? made->envs : 1;
  fprintf(out,
          "{\"study\": \"small <study>\", \"doc\": \"Which & why?\", \"path\": \"specs/s.yaml\", ");
  if (!made->old)
    fprintf(out,
            "\"base\": \"../s.yaml\", \"with\": [{\"path\": \"env.count\", \"before\": \"4\", "
            "\"after\": \"64\"}, {\"path\": \"constants.bins\", \"before\": \"51\", \"after\": "
            "\"51\"}], \"grid\": [{\"path\": \"constants.lr\", \"label\": \"lr\", \"values\": "
            "[\"3e-4\", \"1\"]}], ");
  fprintf(out, "\"steps\": 500, \"seeds\": [");
  for (size_t s = 0; s < seeds; s++) fprintf(out, s ? ", %zu" : "%zu", s + 1);
  fprintf(out, "], \"envs\": [");
  for (size_t e = 0; e < envs; e++) fprintf(out, "%s\"%s\"", e ? ", " : "", env_names[e]);
  fprintf(out,
          "], \"options\": \"--steps 500\", \"score\": {\"metric\": \"%s\", \"last\": 1, "
          "\"better\": \"%s\", \"failed\": \"worst\"}, \"normalize\": {",
          made->metric ? made->metric : "return", made->lower ? "lower" : "higher");
  for (size_t e = 0; made->normalised && e < envs; e++)
    fprintf(out, made->turned ? "%s\"%s\": [%s, 0]" : "%s\"%s\": [0, %s]", e ? ", " : "",
            env_names[e], e ? "2000" : "200");
  fprintf(out,
          "}, \"report\": {\"curves\": [\"return\", \"%s\"], \"aggregate\": [\"iqm\", "
          "\"mean\", \"median\", \"optimality_gap\"], \"ci\": 0.95, \"resamples\": 200, "
          "\"compare\": \"sac\"%s}, ",
          made->curve ? made->curve : "entropy",
          made->axes
              ? ", \"axes\": [{\"name\": \"lr\", \"path\": \"constants.lr\", \"scale\": \"log\"}, "
                "{\"name\": \"entropy\", \"scale\": \"log\"}]"
              : "");
}

/* Writes the study and its runs into the test's folder. */
static inline void study_write(const Made *made) {
  size_t seeds = made->seeds ? made->seeds : 3, envs = made->envs ? made->envs : 1, number = 0;
  FILE *out = made_file("study.json");
  made_head(made, out);
  made_points(made, out);
  fprintf(out, "\"runs\": [");
  for (size_t s = 0; s < seeds; s++)
    for (size_t p = 0; p < POINTS; p++)
      for (size_t e = 0; e < envs; e++, number++) {
        char run[256];
        snprintf(run, sizeof run, "runs/%s/%s/seed-%zu", point_folders[p], env_names[e], s + 1);
        fprintf(out,
                "%s{\"point\": \"%s\", \"env\": \"%s\", \"seed\": %zu, \"hash\": \"00%zu%zu\", "
                "\"folder\": \"%s\"}",
                number ? ", " : "", p == 2 ? "a <b> & \\\"c\\\"" : point_names[p], env_names[e],
                s + 1, p, e, run);
        made_run(made, number, run, p, e, s);
      }
  fprintf(out, "]}\n");
  fclose(out);
  made_text("study.yaml", "study: small <study>\n");
}

/* Makes the report; what it says on standard error is in `said`. */
static inline bool report_ask(char *said, size_t size) {
  Arena *arena = arena_make();
  Session session = {.program = "rlc", .arena = arena, .diag = diag_make(arena)};
  Capture capture = capture_begin(STDERR_FILENO);
  bool good = report_make(&session, folder, false);
  capture_end(&capture, said, size);
  arena_free(arena);
  return good;
}

static inline void report_good(const Made *made) {
  char said[4096];
  study_write(made);
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
}

static inline void report_open(void) { folder = directory_make(); }
static inline void report_close(void) { directory_remove(folder); }

static inline Bytes report_file(const char *name) {
  Bytes file = file_read(path_in(path_in(folder, "report").text, name).text);
  ck_assert_msg(file.data != NULL, "there is no report/%s", name);
  return file;
}

/* All of `parts` are in a file of the report, in their order. */
static inline void report_has(const char *name, const char *const *parts) {
  Bytes file = report_file(name);
  const char *at = file.data;
  for (; *parts; parts++) {
    const char *found = strstr(at, *parts);
    ck_assert_msg(found != NULL, "%s lacks '%s' behind what comes before it", name, *parts);
    at = found + strlen(*parts);
  }
  free(file.data);
}
#define HAS(name, ...) report_has(name, (const char *const[]){__VA_ARGS__, NULL})

static inline void report_lacks(const char *name, const char *part) {
  Bytes file = report_file(name);
  ck_assert_msg(strstr(file.data, part) == NULL, "%s has '%s'", name, part);
  free(file.data);
}

/* Whether a command can be found. */
static inline bool command_there(const char *name) {
  char command[256];
  snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
  return system(command) == 0;
}

#endif
