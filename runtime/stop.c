/* The watcher: a thread in sigwait. No handler runs, so no state has to be global. */
#include "runtime/stop.h"
#include "runtime/training.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whoever stops a program may signal both it and its group (`timeout` does), so one wish can come
 * twice: only a signal that comes later than this is a second wish. */
#define ONE_WISH_SECONDS 1.0

struct Stop {
  pthread_t watcher;
  sigset_t before; /* the caller's mask */
  struct sigaction xfsz;
  atomic_int signal;
  atomic_bool quit; /* set by stop_free before it wakes the watcher with SIGUSR2 */
};

static void stop_set(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGUSR2);
}

/* The terminal's line may hold the progress and the ^C that was typed. */
static void stop_tell(void) {
  static const char text[] = "\nstopping after this pass; again to quit at once\n";
  size_t skipped = !isatty(STDERR_FILENO);
  ssize_t written = write(STDERR_FILENO, text + skipped, sizeof text - 1 - skipped);
  (void)written;
}

static void *stop_watch(void *arg) {
  Stop *stop = arg;
  sigset_t set;
  double first = 0;
  stop_set(&set);
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal)) continue;
    if (signal == SIGUSR2) {
      if (atomic_load(&stop->quit)) return NULL;
      continue;
    }
    if (atomic_load(&stop->signal)) {
      if (run_clock() - first >= ONE_WISH_SECONDS) _exit(128 + signal);
      continue;
    }
    first = run_clock();
    stop_tell();
    atomic_store(&stop->signal, signal);
  }
}

Stop *stop_make(RunError *error) {
  Stop *stop = run_take(1, sizeof *stop, error);
  if (!stop) return NULL;
  sigset_t set;
  stop_set(&set);
  pthread_sigmask(SIG_BLOCK, &set, &stop->before);
  int fault = pthread_create(&stop->watcher, NULL, stop_watch, stop);
  if (fault) {
    pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
    free(stop);
    run_fail(error, "a thread for signals cannot be made: %s", strerror(fault));
    return NULL;
  }
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGXFSZ, &ignore, &stop->xfsz);
  return stop;
}

int stop_signal(const Stop *stop) { return stop ? atomic_load(&stop->signal) : 0; }

void stop_free(Stop *stop) {
  if (!stop) return;
  atomic_store(&stop->quit, true);
  pthread_kill(stop->watcher, SIGUSR2);
  pthread_join(stop->watcher, NULL);
  sigaction(SIGXFSZ, &stop->xfsz, NULL);
  pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
  free(stop);
}
