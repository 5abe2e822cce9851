/* What tests of running studies share: small studies made by hand, commands that run them in
 * processes of their own, and the tables that they leave. */
#ifndef RLC_TESTS_STUDY_FIXTURE_H
#define RLC_TESTS_STUDY_FIXTURE_H

#include "gen/engine.h"
#include "compiler/study/run/run_parts.h"
#include "tests/trainer_fixture.h"

enum { SMALL_STEPS = 1500, LONG_STEPS = 24000 };

static const char *folder; /* of the test */

/* How a study is asked for; zeros are fine. */
typedef struct Asked {
  const char *name; /* of the study's folder below the test's */
  const char *said; /* of the file that gets what it says; NULL: NAME.said */
  uint64_t steps;   /* 0: SMALL_STEPS */
  size_t points;    /* 0: 2; they differ in their learning rate */
  size_t seeds;     /* 0: 2 */
  const char *rate; /* of point 1 */
  uint32_t jobs;
  bool retry, worker;
  const char *data;  /* a data file of it */
  const char *study; /* its name; NULL: "rates" */
  bool wordy;        /* 40 options more */
  bool deaf;         /* SIGCHLD is ignored, as by whoever starts it */
  int held;          /* trainers stand still behind so many checkpoints, each until `release` */
  const char *launcher, **rest;
  size_t rest_count;
} Asked;

static inline StudyPoint point_made(Arena *arena, size_t at) {
  const char *name = arena_printf(arena, at ? "sac rate=%zu" : "sac", at);
  return (StudyPoint){.name = name,
                      .folder = arena_printf(arena, at ? "sac_rate=%zu" : "sac", at),
                      .variant = "sac",
                      .same_as = at};
}

static inline StudyJob job_made(Session *session, const Asked *asked, size_t at) {
  const char *rate =
      at == 1 && asked->rate ? asked->rate : arena_printf(session->arena, "%de-4", 3 + (int)at);
  const char *overrides[] = {"env=Pendulum-v1", "hidden=16", "batch_size=16", "warmup=200",
                             arena_printf(session->arena, "lr=%s", rate)};
  Tree *spec = tree_load(session->arena, session->diag, RLC_ROOT "/specs/sac.yaml", "a spec");
  spec = tree_override(session->arena, session->diag, spec, overrides, COUNTOF(overrides));
  ck_assert_ptr_nonnull(spec);
  return (StudyJob){.point = at,
                    .spec = spec,
                    .hash = arena_printf(session->arena, "%016lx", hash_text(HASH_SEED, rate))};
}

static inline void runs_made(Arena *arena, Study *study) {
  study->runs = NEW_ARRAY(arena, StudyRun, study->seed_count * study->job_count);
  for (size_t s = 0; s < study->seed_count; s++)
    for (size_t j = 0; j < study->job_count; j++)
      study->runs[study->run_count++] =
          (StudyRun){.job = j,
                     .seed = study->seeds[s],
                     .folder = arena_printf(arena, "runs/%s/Pendulum-v1/seed-%zu",
                                            study->points[study->jobs[j].point].folder, s + 1)};
}

/* Says --eval-every 20 times more; only the last is another. */
static inline void options_add(Arena *arena, Study *study) {
  const char **all = NEW_ARRAY(arena, const char *, study->option_count + 40);
  memcpy(all, study->options, study->option_count * sizeof *all);
  for (int i = 0; i < 20; i++) {
    all[study->option_count++] = "--eval-every";
    all[study->option_count++] = i < 19 ? "600" : "300";
  }
  study->options = all;
}

/* A study of SAC on the pendulum, as study_load would make it. */
static inline Study *study_made(Session *session, const Asked *asked) {
  static const char *envs[] = {"Pendulum-v1"};
  static const char *options[] = {"--eval-every",       "600", "--eval-episodes", "2",
                                  "--checkpoint-every", "600", "--log-every",     "300"};
  static const char *aggregates[] = {"iqm", "mean"};
  static StudyCurve metrics[] = {{"return", "eval/mean_reward"},
                                 {"losses/critic", "losses/critic"}};
  Study *study = NEW(session->arena, Study);
  size_t points = asked->points ? asked->points : 2;
  *study = (Study){
      .name = asked->study ? asked->study : "rates",
      .steps = asked->steps ? asked->steps : SMALL_STEPS,
      .seed_count = asked->seeds ? asked->seeds : 2,
      .envs = envs,
      .env_count = 1,
      .options = options,
      .option_count = COUNTOF(options),
      .score = {.metric = "return", .column = "eval/mean_reward", .last = 2, .failed_worst = true},
      .curves = metrics,
      .curve_count = COUNTOF(metrics),
      .aggregates = aggregates,
      .aggregate_count = COUNTOF(aggregates),
      .ci = 0.95,
      .resamples = 200,
      .point_count = points,
      .job_count = points};
  study->path = arena_printf(session->arena, "%s/rates.yaml", folder);
  study->seeds = NEW_ARRAY(session->arena, uint64_t, study->seed_count);
  for (size_t i = 0; i < study->seed_count; i++) study->seeds[i] = i + 1;
  study->points = NEW_ARRAY(session->arena, StudyPoint, points);
  study->jobs = NEW_ARRAY(session->arena, StudyJob, points);
  for (size_t i = 0; i < points; i++) {
    study->points[i] = point_made(session->arena, i);
    study->jobs[i] = job_made(session, asked, i);
  }
  if (asked->data) {
    struct stat status;
    ck_assert_int_eq(stat(asked->data, &status), 0);
    study->files = NEW(session->arena, StudyFile);
    *study->files = (StudyFile){asked->data, (long)status.st_size, status.st_mtim};
    study->file_count = 1;
  }
  if (asked->wordy) options_add(session->arena, study);
  runs_made(session->arena, study);
  return study;
}

static inline Session session_made(const Asked *asked) {
  Arena *arena = arena_make();
  Session session = {.program = "rlc",
                     .arena = arena,
                     .diag = diag_make(arena),
                     .target = getenv("RLC_TARGET"),
                     .output = arena_printf(arena, "%s/%s", folder, asked->name),
                     .jobs = asked->jobs ? asked->jobs : 2,
                     .retry = asked->retry,
                     .worker = asked->worker,
                     .launcher = asked->launcher,
                     .rest = asked->rest,
                     .rest_count = asked->rest_count};
  session.pipeline.out = stdout;
  return session;
}

/* ---- commands ---- */

/* What trainers that are held wait for behind a checkpoint, numbered from 1. */
static inline Path hold_file(const Asked *asked, int checkpoint) {
  char name[256];
  snprintf(name, sizeof name, "%s.hold.%d", asked->name, checkpoint);
  return path_in(folder, name);
}

static inline void release(const Asked *asked, int checkpoint) {
  ck_assert_int_eq(unlink(hold_file(asked, checkpoint).text), 0);
}

/* Before a command is started. */
static inline void hold(const Asked *asked) {
  for (int i = 1; i <= asked->held; i++) file_write(hold_file(asked, i).text, "", 0);
}

/* A command in its own process. Returns its exit status. */
static inline int study_main(const Asked *asked) {
  if (asked->deaf) signal(SIGCHLD, SIG_IGN);
  if (asked->held) {
    Path name = hold_file(asked, 0);
    *strrchr(name.text, '.') = '\0';
    setenv("HOLD", name.text, 1);
    setenv("LD_PRELOAD", path_in(folder, "hold.so").text, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
  }
  Session session = session_made(asked);
  return study_run(&session, study_made(&session, asked));
}

/* Starts a command; what it says goes to folder/NAME.said. */
static inline pid_t study_start(const Asked *asked) {
  hold(asked);
  fflush(NULL);
  pid_t child = fork();
  if (child != 0) return child;
  char said[4200];
  snprintf(said, sizeof said, "%s/%s.said", folder, asked->said ? asked->said : asked->name);
  if (!freopen(said, "w", stderr) || dup2(2, 1) < 0) _exit(126);
  int status = study_main(asked);
  fflush(NULL);
  _exit(status);
}

static inline Ended study_wait(const Asked *asked, pid_t child) {
  char name[256];
  Ended ended = {0};
  int status = -1;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  snprintf(name, sizeof name, "%s.said", asked->said ? asked->said : asked->name);
  Bytes said = file_read(path_in(folder, name).text);
  snprintf(ended.said, sizeof ended.said, "%s", said.data ? said.data : "");
  free(said.data);
  return ended;
}

static inline Ended study_ask(const Asked *asked) { return study_wait(asked, study_start(asked)); }

static inline void study_good(const Asked *asked) {
  Ended ended = study_ask(asked);
  ck_assert_msg(ended.status == 0, "%s: status %d: %s", asked->name, ended.status, ended.said);
}

/* A command that must end so and say all of `parts`. */
static inline void study_says(const Asked *asked, int status, const char *const *parts) {
  Ended ended = study_ask(asked);
  ck_assert_msg(ended.status == status, "%s: status %d: %s", asked->name, ended.status, ended.said);
  for (; *parts; parts++)
    ck_assert_msg(strstr(ended.said, *parts) != NULL, "'%s' is not in: %s", *parts, ended.said);
}
#define SAYS(asked, status, ...) study_says(asked, status, (const char *const[]){__VA_ARGS__, NULL})

/* The trainers that a command has started: its children. */
static inline size_t trainers_of(pid_t command, pid_t *trainers, size_t most) {
  char path[64], text[1024] = "";
  snprintf(path, sizeof path, "/proc/%d/task/%d/children", command, command);
  FILE *file = fopen(path, "r");
  size_t count = 0;
  if (file) text[fread(text, 1, sizeof text - 1, file)] = '\0', fclose(file);
  for (char *at = text, *end; count < most; at = end) {
    long pid = strtol(at, &end, 10);
    if (end == at) break;
    trainers[count++] = (pid_t)pid;
  }
  return count;
}

/* How many runs are in a state. */
static inline size_t study_count(const Asked *asked, StudyState state) {
  Session session = session_made(asked);
  Study *study = study_made(&session, asked);
  Runner runner = {&session, study, session.arena, session.output};
  size_t count = 0;
  ck_assert(study_states(&runner));
  for (size_t i = 0; i < study->run_count; i++) count += study->runs[i].state == state;
  arena_free(session.arena);
  return count;
}

static inline Path run_file(const Asked *asked, size_t point, size_t seed, const char *file) {
  char name[512], rate[32] = "";
  if (point) snprintf(rate, sizeof rate, "_rate=%zu", point);
  snprintf(name, sizeof name, "%s/runs/sac%s/Pendulum-v1/seed-%zu%s", asked->name, rate, seed,
           file);
  return path_in(folder, name);
}

/* The trainer of point 0. */
static inline Path trainer_file(const Asked *asked) {
  char name[128];
  snprintf(name, sizeof name, "%s/trainers/%016lx-" RLC_ENGINE, asked->name,
           hash_text(HASH_SEED, "3e-4"));
  return path_in(folder, name);
}

/* Waits until a point's first run has a checkpoint. */
static inline void wait_checkpoint(const Asked *asked, size_t point) {
  wait_text(run_file(asked, point, 1, "/checkpoints/latest.json"), "");
}

/* The first `from` of a file becomes `to`. */
static inline void file_replace(Path path, const char *from, const char *to) {
  Bytes file = file_read(path.text);
  char text[8192];
  char *at = file.data ? strstr(file.data, from) : NULL;
  ck_assert_msg(at != NULL, "no '%s' in %s", from, path.text);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - file.data), file.data, to, at + strlen(from));
  file_write(path.text, text, strlen(text));
  free(file.data);
}

/* How often a part is in a text. */
static inline size_t count_of(const char *text, const char *part) {
  size_t count = 0;
  for (; (text = strstr(text, part)); text++) count++;
  return count;
}

/* ---- tables ---- */

static inline bool is_wall_time(const char *name) {
  static const char *const wall[] = {"charts/SPS", "time/fps", "time/updates_per_second",
                                     "time/time_elapsed"};
  for (size_t i = 0; i < COUNTOF(wall); i++)
    if (strcmp(name, wall[i]) == 0) return true;
  return false;
}

/* A CSV file without its columns of wall time. The caller frees. */
static inline char *table_timeless(const char *path) {
  Bytes file = file_read(path);
  ck_assert_msg(file.data != NULL, "there is no '%s'", path);
  bool wall[128] = {false};
  char *text = calloc(1, file.size + 1), *to = text;
  size_t column = 0;
  for (char *at = file.data; *at;) {
    size_t length = strcspn(at, ",\n");
    char end = at[length];
    ck_assert_uint_lt(column, COUNTOF(wall));
    at[length] = '\0';
    if (to == text || !strchr(text, '\n')) wall[column] = is_wall_time(at);
    if (!wall[column]) to = stpcpy(to, at), *to++ = end;
    if (wall[column] && end == '\n') to[-1] = '\n';
    at += length + 1;
    column = end == '\n' ? 0 : column + 1;
  }
  free(file.data);
  return text;
}

/* Both commands left the same tables. */
static inline void same_tables(const Asked *a, const Asked *b) {
  static const char *const files[] = {"/progress.csv", "/evaluations.csv"};
  size_t points = a->points ? a->points : 2, seeds = a->seeds ? a->seeds : 2;
  for (size_t p = 0; p < points; p++)
    for (size_t s = 1; s <= seeds; s++)
      for (size_t f = 0; f < COUNTOF(files); f++) {
        char *x = table_timeless(run_file(a, p, s, files[f]).text);
        char *y = table_timeless(run_file(b, p, s, files[f]).text);
        ck_assert_msg(strcmp(x, y) == 0, "point %zu, seed %zu: %s differ", p, s, files[f] + 1);
        free(x);
        free(y);
      }
}

static inline void fixture_open(void) {
  static const char text[] = "study: rates\nbase: sac.yaml\n";
  char command[8192 + 200];
  folder = directory_make();
  bench_home(folder);
  snprintf(command, sizeof command, "gcc -shared -fPIC -O1 -o '%s' '%s/tests/hold.c'",
           path_in(folder, "hold.so").text, RLC_ROOT);
  ck_assert_int_eq(system(command), 0);
  file_write(path_in(folder, "rates.yaml").text, text, sizeof text - 1);
}

static inline void fixture_close(void) { directory_remove((char *)folder); }

#endif
