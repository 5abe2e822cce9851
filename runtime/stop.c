/* The watcher: a thread in sigwait. No handler runs, so no state has to be global. */
#include "runtime/stop.h"
#include "runtime/rows.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void *stop_watch(void *arg) {
  Stop *stop = arg;
  sigset_t set;
  stop_set(&set);
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal)) continue;
    if (signal == SIGUSR2) {
      if (atomic_load(&stop->quit)) return NULL;
      continue;
    }
    if (atomic_load(&stop->signal)) _exit(128 + signal);
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

int stop_signal(const Stop *stop) { return atomic_load(&stop->signal); }

void stop_free(Stop *stop) {
  if (!stop) return;
  atomic_store(&stop->quit, true);
  pthread_kill(stop->watcher, SIGUSR2);
  pthread_join(stop->watcher, NULL);
  sigaction(SIGXFSZ, &stop->xfsz, NULL);
  pthread_sigmask(SIG_SETMASK, &stop->before, NULL);
  free(stop);
}
