/* One run in a process of its own: how its trainer is started, and what its end means. The trainer
 * holds the run's lock, is told to stop when this process dies, and leads a process group of its
 * own, so that ^C reaches it through us, once. */
#define _GNU_SOURCE
#include "compiler/study/run/run_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/trainer.h"

/* So much must fit on the disk for a failure to be the run's own: more than its record. */
enum { ROOM_NEEDED = 1 << 16 };

/* ---- starting ---- */

/* The trainer's command line. Options of the study stand behind ours, so that they hold.
 * Checkpoints go by the clock, as runs of all speeds should lose little when they are killed. */
static const char **words_make(const Runner *runner, const StudyRun *run, const char *trainer) {
  const Study *study = runner->study;
  const char *fixed[] = {
      "--quiet", "--threads", "1", "--checkpoint-every", "0", "--checkpoint-minutes", "1"};
  /* besides them: the trainer, three options with a value, the end */
  size_t most = COUNTOF(fixed) + study->option_count + 8, count = 0;
  const char **argv = NEW_ARRAY(runner->arena, const char *, most);
  argv[count++] = trainer_path(runner, trainer);
  for (size_t i = 0; i < COUNTOF(fixed); i++) argv[count++] = fixed[i];
  argv[count++] = "--seed";
  argv[count++] = arena_printf(runner->arena, "%llu", (unsigned long long)run->seed);
  if (study->steps) {
    argv[count++] = "--steps";
    argv[count++] = arena_printf(runner->arena, "%llu", (unsigned long long)study->steps);
  }
  for (size_t i = 0; i < study->option_count; i++) argv[count++] = study->options[i];
  argv[count++] = run->state == STUDY_PARTIAL ? "--resume" : "--out";
  argv[count++] = arena_printf(runner->arena, "%s/%s", runner->folder, run->folder);
  argv[count] = NULL;
  return argv;
}

static const char *log_path(const Runner *runner, const StudyRun *run) {
  return arena_printf(runner->arena, "%s/%s.log", runner->folder, run->folder);
}

static int sessions_count(const Runner *runner, const StudyRun *run) {
  return rundir_sessions(arena_printf(runner->arena, "%s/%s", runner->folder, run->folder));
}

/* The record of a run that begins, and no directory where it begins anew: of one that waits there
 * is nothing to go on from, and of no other is anything removed. */
static bool run_prepare(const Runner *runner, const StudyRun *run, StudyRecord *record) {
  bool anew = run->state == STUDY_WAITING;
  const char *directory = arena_printf(runner->arena, "%s/%s", runner->folder, run->folder);
  if (!record_begin(runner, run, anew, record)) return false;
  if (anew && access(directory, F_OK) == 0 && !folder_remove(directory)) return false;
  return record_write(runner, run, record);
}

/* In the child: becomes the trainer. Returns errno when it cannot. */
static int become(const char *const *argv, int lock, int log, pid_t parent) {
  sigset_t none;
  int null = open("/dev/null", O_RDONLY);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) return ESRCH;
  if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) return errno;
  if (fcntl(lock, F_SETFD, 0) < 0) return errno;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  execv(argv[0], (char *const *)argv);
  return errno;
}

/* Forks, and waits until the trainer has been started or could not be. */
static bool spawn(StudyChild *child, const char *const *argv, int log) {
  int told[2], reason = 0;
  if (pipe2(told, O_CLOEXEC) != 0)
    return fprintf(stderr, "error: cannot make a pipe: %s\n", strerror(errno)), false;
  pid_t parent = getpid();
  fflush(NULL);
  child->pid = fork();
  if (child->pid == 0) {
    reason = become(argv, child->lock, log, parent);
    _exit(write(told[1], &reason, sizeof reason) == sizeof reason ? 127 : 126);
  }
  if (child->pid < 0) reason = errno;
  close(told[1]);
  if (child->pid > 0 && read(told[0], &reason, sizeof reason) == sizeof reason)
    waitpid(child->pid, NULL, 0);
  close(told[0]);
  if (reason == 0) return true;
  return fprintf(stderr, "error: cannot start '%s': %s\n", argv[0], strerror(reason)), false;
}

bool child_start(const Runner *runner, StudyChild *child) {
  const StudyRun *run = &runner->study->runs[child->run];
  const char *path = log_path(runner, run);
  struct stat status;
  StudyRecord record;
  if (!run_prepare(runner, run, &record)) return false;
  int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (log < 0 || fstat(log, &status) != 0)
    return fprintf(stderr, "error: cannot write '%s': %s\n", path, strerror(errno)), false;
  child->logged = (long)status.st_size;
  child->sessions = sessions_count(runner, run);
  child->began = run_clock();
  bool good = spawn(child, words_make(runner, run, record.trainer), log);
  close(log);
  return good;
}

void child_look(const Runner *runner, StudyChild *child) {
  double now = run_clock();
  child->progress = study_progress(runner, &runner->study->runs[child->run]);
  uint64_t step = child->progress.step;
  if (child->first_seen == 0 && step > 0) {
    child->first_seen = now;
    child->first_step = step;
  }
  if (child->first_seen > 0 && step > child->first_step)
    child->rate = (double)(step - child->first_step) / (now - child->first_seen);
}

/* ---- ending ---- */

/* What stands behind the last "error:" that begins a line, else the last three lines. */
static const char *last_words(const char *said) {
  const char *from = NULL, *line[3] = {said, said, said};
  for (const char *at = said; *at; at += strcspn(at, "\n"), at += *at == '\n') {
    if (strncmp(at, "error:", 6) == 0) from = at;
    line[0] = line[1], line[1] = line[2], line[2] = at;
  }
  return from ? from : line[0];
}

/* What the trainer of this child said last, or how it ended. */
static void read_failure(const Runner *runner, const StudyChild *child, int status,
                         char text[1024]) {
  static char const crash[] = "ended by signal";
  char said[4096];
  const StudyRun *run = &runner->study->runs[child->run];
  int log = open(log_path(runner, run), O_RDONLY | O_CLOEXEC);
  off_t end = log < 0 ? 0 : lseek(log, 0, SEEK_END), from = child->logged;
  if (end - from > (off_t)sizeof said - 1) from = end - (off_t)sizeof said + 1;
  ssize_t got = log < 0 ? 0 : pread(log, said, sizeof said - 1, from);
  if (log >= 0) close(log);
  said[got > 0 ? got : 0] = '\0';
  while (got > 0 && said[got - 1] == '\n') said[--got] = '\0';
  const char *words = last_words(said);
  if (strncmp(words, "error: ", 7) == 0) words += 7;
  if (WIFSIGNALED(status))
    snprintf(text, 1024, "%s %d (%s)%s%.900s", crash, WTERMSIG(status), strsignal(WTERMSIG(status)),
             *words ? ": " : "", words);
  else if (*words)
    snprintf(text, 1024, "%s", words);
  else
    snprintf(text, 1024, "ended with status %d and said nothing", WEXITSTATUS(status));
}

/* Ended from elsewhere: such a run can go on. A fault of its own would come again. */
static bool is_interruption(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status) == 130 || WEXITSTATUS(status) == 143;
  static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
  for (size_t i = 0; i < COUNTOF(own); i++)
    if (WTERMSIG(status) == own[i]) return false;
  return true;
}

/* No room: by the trainer's word, or where a file of some size cannot be written. What a file
 * system says of its room is no sign: some say 0 and mean that they cannot tell. */
static bool is_full(const Runner *runner, const char *text) {
  static const char zeros[ROOM_NEEDED];
  if (strstr(text, strerror(ENOSPC)) || strstr(text, strerror(EDQUOT))) return true;
  char *path = arena_printf(runner->arena, "%s/.room-XXXXXX", runner->folder);
  int file = mkostemp(path, O_CLOEXEC);
  if (file < 0) return errno == ENOSPC || errno == EDQUOT;
  ssize_t written = write(file, zeros, sizeof zeros);
  bool good = written >= 0 && fsync(file) == 0;
  bool full =
      (written >= 0 && written < ROOM_NEEDED) || (!good && (errno == ENOSPC || errno == EDQUOT));
  close(file);
  unlink(path);
  return full;
}

/* What is damaged would stand in the way for ever: says what to remove. */
static void say_remedy(const Runner *runner, const StudyRun *run, const StudyRecord *record,
                       int status, char text[1024]) {
  size_t used = strlen(text), room = 1024 - used;
  if (WIFSIGNALED(status))
    snprintf(text + used, room, "; if its trainer is damaged, remove '%s' to have it made again",
             trainer_path(runner, record->trainer));
  else if (run->state == STUDY_PARTIAL)
    snprintf(text + used, room,
             "; if what is there is damaged, remove '%s/%s' to make that run anew", runner->folder,
             run->folder);
}

StudyEnd child_end(const Runner *runner, const StudyChild *child, int status, char text[1024]) {
  StudyRun *run = &runner->study->runs[child->run];
  text[0] = '\0';
  if (is_interruption(status) || status == 0) {
    if (WIFSIGNALED(status))
      snprintf(text, 1024, " by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (!study_state(runner, run, true)) return END_UNREADABLE;
    return run->state == STUDY_DONE ? END_DONE : END_INTERRUPTED;
  }
  read_failure(runner, child, status, text);
  StudyEnd end = END_FAILED;
  StudyRecord record;
  bool known = record_begin(runner, run, false, &record);
  record.failure = text;
  record.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  bool full = !known || is_full(runner, text);
  if (full && known && !strstr(text, strerror(EDQUOT))) /* there may have been no room to say it */
    snprintf(text, 1024, "%s", strerror(ENOSPC));
  if (full)
    end = END_FULL;
  else if (sessions_count(runner, run) == child->sessions)
    end = END_NOT_BEGUN;
  else if (!record_write(runner, run, &record))
    end = END_FULL;
  if (!study_state(runner, run, true)) return END_UNREADABLE;
  if (end == END_NOT_BEGUN) say_remedy(runner, run, &record, status, text);
  return end;
}
