/* --seeds: several runs in one process, each a whole trainer with a thread of control of its own, a
 * directory of its own and nothing shared but the program's code. So each is bit for bit what it
 * would be alone. One run is the case of one seed, without a folder around it.
 *
 * All threads of control are there from the beginning, and turns say which of them goes on: as many
 * runs as --threads has, in the order of their seeds; with more threads than runs all go on, and
 * the threads are dealt out among them. A run keeps its turn to its end, and takes memory only
 * while it has it, so that replays of runs that wait take none. On a card all runs go through their
 * programs together (cohort.h), so each gives its turn to another while it waits for the card. */
#include "runtime/seeds.h"
#include "runtime/checkpoint.h"
#include "runtime/device/cohort.h"
#include "runtime/summary.h"

#include "envs/env.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- turns ---- */

typedef struct Turns {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_cond_t again; /* for those that go on, who come before those that begin */
  uint32_t next;        /* the run whose turn comes */
  uint32_t free;        /* runs more that may go on now */
  uint32_t returning;   /* who wait for `again` */
} Turns;

/* Waits for the turn of a run; each takes one and gives it back. */
static void turn_take(Turns *turns, uint32_t run) {
  pthread_mutex_lock(&turns->lock);
  while (turns->next != run || !turns->free) pthread_cond_wait(&turns->changed, &turns->lock);
  turns->next++;
  turns->free--;
  pthread_cond_broadcast(&turns->changed);
  pthread_mutex_unlock(&turns->lock);
}

/* Wakes one who can take a free turn. */
static void turn_offer(Turns *turns) {
  if (turns->returning)
    pthread_cond_signal(&turns->again);
  else
    pthread_cond_broadcast(&turns->changed);
}

static void turn_give(void *arg) {
  Turns *turns = arg;
  pthread_mutex_lock(&turns->lock);
  turns->free++;
  turn_offer(turns);
  pthread_mutex_unlock(&turns->lock);
}

/* Takes a turn back that was given for a while. */
static void turn_again(void *arg) {
  Turns *turns = arg;
  pthread_mutex_lock(&turns->lock);
  turns->returning++;
  while (!turns->free) pthread_cond_wait(&turns->again, &turns->lock);
  turns->returning--;
  turns->free--;
  if (turns->free) turn_offer(turns);
  pthread_mutex_unlock(&turns->lock);
}

/* ---- what is to be run ---- */

typedef struct Seeds {
  Session session;
  Options options; /* of the whole */
  Run *runs;       /* [session.count] */
  Turns turns;
  char folder[RUN_PATH]; /* in which the runs' directories lie, where there are several */
  int lock;              /* of the folder; -1: none */
  Cohort *cohort;        /* the runs, where there are several on a card; else NULL */
  Team *team;            /* their threads of control */
  RunError error;
} Seeds;

/* What a directory to go on from says of the number of runs and their seeds, which the command line
 * must not contradict. */
static bool seeds_adopt(Seeds *seeds) {
  Options *options = &seeds->options;
  uint64_t first = 0;
  uint32_t count = rundir_seeds(options->resume, &first);
  if (option_given(options, "seeds") && options->seeds != count && count == 1)
    return run_fail(&seeds->error,
                    "--seeds %u cannot be given: '%s' holds no runs of several seeds",
                    options->seeds, options->resume);
  if (option_given(options, "seeds") && options->seeds != count)
    return run_fail(&seeds->error, "'%s' holds the runs of %u seeds, not of %u", options->resume,
                    count, options->seeds);
  if (count > 1 && option_given(options, "seed") && options->seed != first)
    return run_fail(&seeds->error, "the seeds in '%s' begin with %llu, not with %llu",
                    options->resume, (unsigned long long)first, (unsigned long long)options->seed);
  rundir_adopt(options);
  return true;
}

static bool seeds_check(Seeds *seeds) {
  const Options *options = &seeds->options;
  if (options->seeds > TEAM_MOST)
    return run_fail(&seeds->error, "--seeds %u: there can be %d runs in a process at most",
                    options->seeds, TEAM_MOST);
  if (options->seed > UINT64_MAX - (options->seeds - 1))
    return run_fail(&seeds->error, "--seed %llu --seeds %u: the last seed would be above %llu",
                    (unsigned long long)options->seed, options->seeds,
                    (unsigned long long)UINT64_MAX);
  return true;
}

/* ---- the folder ---- */

static bool folder_make(Seeds *seeds) {
  Options *options = &seeds->options;
  const RlcModule *named = &seeds->session.named;
  if (!rundir_make(options, named, seeds->folder, sizeof seeds->folder, &seeds->error) ||
      !rundir_lock(seeds->folder, &seeds->lock, &seeds->error))
    return false;
  if (!options->quiet)
    fprintf(stderr, "run directory: %s, of the seeds %llu to %llu\n", seeds->folder,
            (unsigned long long)options->seed,
            (unsigned long long)options->seed + options->seeds - 1);
  if (options->resume) rundir_compare(options, named);
  return !options->resume || rundir_resumed(options, named, &seeds->error);
}

/* A run that was broken off before its first checkpoint begins anew; what it left is kept. */
static bool seed_aside(Seeds *seeds, const Run *run) {
  char path[OUTPUT_PATH];
  int reason = 0;
  RunError *error = &seeds->error;
  if (rundir_empty(run->directory, &reason) || reason == ENOENT) return true;
  for (int attempt = 1; attempt < 1000; attempt++) {
    if (!path_make(path, error, "%s/broken-%d-seed-%llu", seeds->folder, attempt,
                   (unsigned long long)run->options.seed))
      return false;
    if (access(path, F_OK) == 0) continue;
    if (rename(run->directory, path) != 0) break;
    fprintf(stderr,
            "note: %sthere is no checkpoint yet; it begins anew, and '%s' has what it left\n",
            run->label, path);
    return true;
  }
  return run_fail(error, "cannot move '%s' aside: %s", run->directory, strerror(errno));
}

/* ---- runs ---- */

/* With as many runs as threads or more each has one. */
static uint32_t threads_dealt(const Seeds *seeds, uint32_t run) {
  uint32_t threads = seeds->options.threads, count = seeds->session.count;
  return threads <= count ? 1 : threads / count + (run < threads % count);
}

/* A run of several: its directory, and whether it goes on or begins. */
static bool seed_place(Seeds *seeds, Run *run) {
  Options *options = &run->options;
  options->seed += run->number;
  options->seeds = 1;
  option_hold(options, "seed");
  option_hold(options, "seeds");
  snprintf(run->label, sizeof run->label, "seed %llu: ", (unsigned long long)options->seed);
  if (!path_make(run->directory, &seeds->error, "%s/seed-%llu", seeds->folder,
                 (unsigned long long)options->seed))
    return false;
  options->out = run->directory;
  if (!options->resume) return true;
  options->resume = checkpoint_any(run->directory) ? run->directory : NULL;
  return options->resume || seed_aside(seeds, run);
}

static bool runs_make(Seeds *seeds) {
  uint32_t count = seeds->session.count;
  seeds->runs = run_take(count, sizeof *seeds->runs, &seeds->error);
  if (!seeds->runs) return false;
  for (uint32_t i = 0; i < count; i++) {
    Run *run = &seeds->runs[i];
    run->session = &seeds->session;
    run->number = i;
    run->options = seeds->options;
    run->options.cohort = seeds->cohort;
    run->options.member = i;
    run->options.threads = threads_dealt(seeds, i);
    run->result[0].mean = run->result[1].mean = NAN;
    if (count > 1 && !seed_place(seeds, run)) return false;
  }
  return true;
}

static void seed_run(void *arg, uint32_t thread, uint32_t threads) {
  Seeds *seeds = arg;
  (void)threads;
  turn_take(&seeds->turns, thread);
  if (!session_over(&seeds->session, seeds->options.stop_after)) run_go(&seeds->runs[thread]);
  if (seeds->cohort) cohort_leave(seeds->cohort, thread);
  turn_give(&seeds->turns);
}

/* ---- making ---- */

static bool seeds_cohort(Seeds *seeds) {
  const RlcModule *module = seeds->session.module;
  if (!module->gpu || seeds->session.count == 1) return true;
  const Rest rest = {turn_give, turn_again, &seeds->turns};
  if (!(seeds->cohort = cohort_make(module, seeds->session.count, rest, &seeds->error)))
    return false;
  seeds->options.gpu = device_name(cohort_device(seeds->cohort));
  seeds->options.gpu_code = device_code(cohort_device(seeds->cohort));
  return true;
}

static bool seeds_make(Seeds *seeds) {
  Session *session = &seeds->session;
  Options *options = &seeds->options;
  RunError *error = &seeds->error;
  if ((options->resume && !seeds_adopt(seeds)) || !seeds_check(seeds)) return false;
  session->count = options->seeds;
  bool several = session->count > 1;
  seeds->turns.free = options->threads < session->count ? options->threads : session->count;
  session->beside = session->module->gpu ? session->count : seeds->turns.free;
  if (!seeds_cohort(seeds) || !(session->stop = stop_make(error))) return false;
  if (several && !folder_make(seeds)) return false;
  if (several && !options->quiet &&
      !(session->board = board_make(session->count, 60 * options->stop_after, error)))
    return false;
  return runs_make(seeds) && (seeds->team = team_make(session->count, error));
}

static void seeds_free(Seeds *seeds) {
  team_free(seeds->team);
  board_free(seeds->session.board);
  stop_free(seeds->session.stop);
  cohort_free(seeds->cohort);
  if (seeds->lock >= 0) close(seeds->lock);
  free(seeds->runs);
  pthread_mutex_destroy(&seeds->session.lock);
  pthread_mutex_destroy(&seeds->turns.lock);
  pthread_cond_destroy(&seeds->turns.changed);
  pthread_cond_destroy(&seeds->turns.again);
}

/* ---- how it ended ---- */

/* A word as a shell reads it. */
static void print_word(const char *word, const char *behind) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@";
  bool quoted = word[strspn(word, plain)] != '\0';
  if (quoted) fputc('\'', stderr);
  for (const char *at = word; *at; at++)
    if (*at == '\'')
      fputs("'\\''", stderr);
    else
      fputc(*at, stderr);
  fputs(behind, stderr);
  if (quoted) fputc('\'', stderr);
}

/* The command that resumes. */
static void print_again(const Options *options, const char *directory) {
  if (options->launcher) {
    fprintf(stderr, "%s ", options->launcher);
    print_word(directory, "/config.yaml");
    fputs(" --", stderr);
  } else {
    print_word(options->argv[0], "");
  }
  fputs(" --resume ", stderr);
  print_word(directory, "");
  fputc('\n', stderr);
}

/* Some runs have not made all their steps, and none failed but these. */
static void stop_tell(const Seeds *seeds, int signal) {
  const Run *runs = seeds->runs;
  fprintf(stderr, "stopped%s",
          signal == SIGINT    ? " by SIGINT"
          : signal == SIGTERM ? " by SIGTERM"
                              : "");
  if (seeds->session.count > 1)
    fputs("; checkpoints were written; resume with: ", stderr);
  else if (runs->end == RUN_STOPPED)
    fprintf(stderr, " at step %llu; a checkpoint was written; resume with: ",
            (unsigned long long)runs->step);
  else
    fputs(" before it began\n", stderr);
  if (seeds->session.count > 1 || runs->end == RUN_STOPPED)
    print_again(&seeds->options, seeds->session.count > 1 ? seeds->folder : runs->directory);
}

static bool seeds_sum(Seeds *seeds) {
  uint32_t count = seeds->session.count;
  if (seeds->session.board) board_close(seeds->session.board);
  if (count == 1) return true;
  if (!seeds->options.quiet) summary_tell(seeds->runs, count);
  return summary_write(seeds->folder, seeds->runs, count, &seeds->error);
}

static int seeds_status(Seeds *seeds) {
  uint32_t count = seeds->session.count;
  const Run *runs = seeds->runs;
  uint32_t failed = summary_count(runs, count, RUN_FAILED);
  bool whole = failed + summary_count(runs, count, RUN_FINISHED) == count;
  int signal = stop_signal(seeds->session.stop);
  if (!whole) stop_tell(seeds, signal);
  return failed ? 1 : !whole && signal ? 128 + signal : 0;
}

int seeds_run(const RlcModule *module, const Options *options) {
  const EnvSpec *env = module->env_id ? env_find(module->env_id) : NULL;
  const char *simulator = env ? env_simulator(env) : NULL;
  const Fact fact = {"simulator", simulator ? simulator : "none"};
  Seeds seeds = {.session = {.module = module,
                             .named = module_named(module),
                             .lock = PTHREAD_MUTEX_INITIALIZER},
                 .options = *options,
                 .turns = {.lock = PTHREAD_MUTEX_INITIALIZER,
                           .changed = PTHREAD_COND_INITIALIZER,
                           .again = PTHREAD_COND_INITIALIZER},
                 .lock = -1};
  seeds.options.facts = &fact, seeds.options.fact_count = 1;
  int status = 1;
  bool good = seeds_make(&seeds);
  if (good) {
    team_run(seeds.team, seed_run, &seeds);
    good = seeds_sum(&seeds);
    status = seeds_status(&seeds);
  }
  if (!good) fprintf(stderr, "error: %s\n", seeds.error.text);
  seeds_free(&seeds);
  return good ? status : 1;
}
