/* Runs on more than one machine. The engines are Slurm's job arrays and mpirun; each of their tasks
 * is `rlc ablate --worker` on the same folder, where locks say who makes which run. What stands
 * behind `--` on the command line goes to sbatch or mpirun. */
#include "compiler/study/run/run_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of an array job where nobody says more: Slurm's own MaxArraySize is 1001. */
enum { MOST_TASKS = 1000 };

static size_t runs_left(const Runner *runner) {
  const Study *study = runner->study;
  size_t left = 0;
  for (size_t i = 0; i < study->run_count; i++)
    left += study->runs[i].state == STUDY_WAITING || study->runs[i].state == STUDY_PARTIAL ||
            (study->runs[i].state == STUDY_FAILED && runner->session->retry);
  return left;
}

/* A word as a shell reads it. */
static const char *quoted(Arena *arena, const char *word) {
  const char *text = "'";
  for (const char *at = word; *at; at++)
    text =
        *at == '\'' ? arena_printf(arena, "%s'\\''", text) : arena_printf(arena, "%s%c", text, *at);
  return arena_printf(arena, "%s'", text);
}

/* This program, whatever the folder. */
static const char *own_path(Arena *arena) {
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  return length > 0 ? arena_copy(arena, path, (size_t)length) : "rlc";
}

/* The words of a task's command line; returns how many. */
static size_t task_words(const Runner *runner, const char *words[20]) {
  const Session *session = runner->session;
  size_t count = 0;
  words[count++] = own_path(runner->arena);
  words[count++] = "ablate";
  words[count++] = runner->study->path;
  words[count++] = "-o";
  words[count++] = runner->folder;
  words[count++] = "--worker";
  words[count++] = "--jobs";
  words[count++] = "1";
  if (session->retry) words[count++] = "--retry";
  return count + program_words(session, words + count);
}

/* ---- commands ---- */

/* In the child, which leads a group of its own: ^C reaches it through us, once. */
static void become(const char *const *argv, const sigset_t *before) {
  int null = open("/dev/null", O_RDONLY);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigprocmask(SIG_SETMASK, before, NULL);
  if (null >= 0) dup2(null, 0);
  execvp(argv[0], (char *const *)argv);
  _exit(errno == ENOENT ? 127 : 126);
}

/* Waits for a child and passes signals on to it; `signal` gets the first of them. -1: how it ended
 * cannot be told. */
static int wait_child(pid_t child, const sigset_t *set, int *signal) {
  for (;;) {
    int status, caught;
    pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended != 0) return ended == child ? status : -1;
    if (sigwait(set, &caught) != 0 || caught == SIGCHLD) continue;
    if (!*signal) *signal = caught;
    kill(child, SIGTERM);
  }
}

/* Runs a command of PATH and waits for it. Returns 0, or the exit status after a message. */
static int run_words(const char *const *argv, const char *missing, int *signal) {
  sigset_t set, before;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, &before);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) become(argv, &before);
  int status = child < 0 ? 0 : wait_child(child, &set, signal);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (child < 0) return fprintf(stderr, "error: cannot start a process: %s\n", strerror(errno)), 1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
    fprintf(stderr, "error: there is no `%s` here: %s\n", argv[0], missing);
  else if (!*signal)
    fprintf(stderr, "error: `%s` has failed\n", argv[0]);
  return EXIT_USER;
}

/* ---- Slurm ---- */

/* The batch script is the worker itself, so that it gets the signal before the time limit; one that
 * Slurm puts back into the queue goes on from the checkpoints. */
static bool script_write(const Runner *runner, const char *path, size_t tasks) {
  const char *words[20];
  size_t count = task_words(runner, words);
  FILE *out = fopen(path, "w");
  if (!out) return fprintf(stderr, "error: cannot write '%s': %s\n", path, strerror(errno)), false;
  fprintf(out,
          "#!/bin/sh\n"
          "# Written by rlc. Each task makes one run after the other until none is left.\n"
          "#SBATCH --array=1-%zu\n"
          "#SBATCH --cpus-per-task=1\n"
          "#SBATCH --signal=B:TERM@60\n"
          "#SBATCH --requeue\n"
          "#SBATCH --open-mode=append\n"
          "exec",
          tasks);
  for (size_t i = 0; i < count; i++) fprintf(out, " %s", quoted(runner->arena, words[i]));
  fprintf(out, "\n");
  if (fclose(out) == 0) return true;
  return fprintf(stderr, "error: cannot write '%s': %s\n", path, strerror(errno)), false;
}

/* A path in which Slurm replaces nothing. */
static const char *slurm_path(Arena *arena, const char *path) {
  const char *text = "";
  for (const char *at = path; *at; at++)
    text = arena_printf(arena, "%s%s%c", text, *at == '%' ? "%" : "", *at);
  return text;
}

/* The command that submits. The folder stands here and not in the script, whose #SBATCH lines end
 * words at blanks. What the user says comes later and holds. */
static const char **submit_words(const Runner *runner, const char *script) {
  const Session *session = runner->session;
  Arena *arena = runner->arena;
  const char *slash = strrchr(runner->folder, '/');
  const char **argv = NEW_ARRAY(arena, const char *, session->rest_count + 5);
  size_t count = 0;
  argv[count++] = "sbatch";
  argv[count++] = arena_printf(arena, "--job-name=%s", slash ? slash + 1 : runner->folder);
  argv[count++] =
      arena_printf(arena, "--output=%s/slurm/%%a.log", slurm_path(arena, runner->folder));
  for (size_t i = 0; i < session->rest_count; i++) argv[count++] = session->rest[i];
  argv[count++] = script;
  argv[count] = NULL;
  return argv;
}

int slurm_run(const Runner *runner) {
  const Session *session = runner->session;
  size_t left = runs_left(runner), tasks = session->jobs ? session->jobs : MOST_TASKS;
  if (left == 0) return printf("%s: no run is left\n", runner->folder), 0;
  if (tasks > left) tasks = left;
  const char *path = arena_printf(runner->arena, "%s/slurm.sh", runner->folder);
  if (!folder_make(arena_printf(runner->arena, "%s/slurm", runner->folder)) ||
      !script_write(runner, path, tasks))
    return EXIT_USER;
  int signal = 0,
      status = run_words(submit_words(runner, path),
                         "--launcher slurm is for a machine that submits jobs", &signal);
  if (status == 0)
    printf("%zu task%s for %zu runs submitted; `squeue` shows them, `%s` waits for "
           "them and sums up\n",
           tasks, tasks == 1 ? "" : "s", left, study_again(runner));
  return status;
}

/* ---- MPI ---- */

int mpi_run(const Runner *runner) {
  const Session *session = runner->session;
  const char *words[20];
  size_t count = 0, left = runs_left(runner), words_count = task_words(runner, words);
  size_t tasks = runner_jobs(runner);
  if (left == 0) return printf("%s: no run is left\n", runner->folder), 0;
  if (tasks > left) tasks = left;
  const char **argv = NEW_ARRAY(runner->arena, const char *, session->rest_count + words_count + 4);
  argv[count++] = "mpirun";
  argv[count++] = "-n";
  argv[count++] = arena_printf(runner->arena, "%zu", tasks);
  for (size_t i = 0; i < session->rest_count; i++) argv[count++] = session->rest[i];
  for (size_t i = 0; i < words_count; i++) argv[count++] = words[i];
  int signal = 0;
  int status = run_words(argv, "--launcher mpi needs Open MPI or another MPI's mpirun", &signal);
  if (!study_states(runner)) return EXIT_USER;
  int summed = study_sum_up(runner, signal);
  return summed ? summed : status;
}
