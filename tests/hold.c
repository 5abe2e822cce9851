/* A library that stands before the C library (LD_PRELOAD): behind its checkpoint number N a trainer
 * stands still for as long as there is a file $HOLD.N, or until it knows that it is to stop. So a
 * test can look at a run, or end it, before it is over, however quick the machine is. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int
    waits; /* of the trainer's thread for signals: the second one is behind a signal */

int sigwait(const sigset_t *set, int *which) {
  atomic_fetch_add(&waits, 1);
  int found = sigwaitinfo(set, NULL);
  if (found < 0) return errno;
  *which = found;
  return 0;
}

static void hold(int number) {
  static const struct timespec pause = {.tv_nsec = 2000000};
  const char *name = getenv("HOLD");
  char path[4096];
  if (!name || snprintf(path, sizeof path, "%s.%d", name, number) >= (int)sizeof path) return;
  while (atomic_load(&waits) < 2 && access(path, F_OK) == 0) nanosleep(&pause, NULL);
}

int rename(const char *from, const char *to) {
  static int checkpoints;
  int status = renameat(AT_FDCWD, from, AT_FDCWD, to);
  const char *name = strrchr(to, '/');
  if (status == 0 && name && strcmp(name, "/latest.json") == 0) hold(++checkpoints);
  return status;
}
