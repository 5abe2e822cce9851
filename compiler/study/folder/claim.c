/* Locks that belong to whoever has the file open: they pass to a trainer with its descriptor, and
 * go when the last process that has it is gone, however it went. Lock files are never removed, as a
 * file that is removed while another opens it would be locked twice. */
#include "compiler/study/folder/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

const char *claim_path(const Runner *runner, const StudyRun *run) {
  return arena_printf(runner->arena, "%s/%s.lock", runner->folder, run->folder);
}

int claim_take(const char *path, bool wait) {
  int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666), taken;
  if (lock < 0)
    return fprintf(stderr, "error: cannot open '%s': %s\n", path, strerror(errno)), CLAIM_FAULT;
  do taken = flock(lock, LOCK_EX | (wait ? 0 : LOCK_NB));
  while (taken != 0 && errno == EINTR);
  if (taken == 0) return lock;
  int reason = errno;
  close(lock);
  if (reason == EWOULDBLOCK) return CLAIM_TAKEN;
  return fprintf(stderr,
                 "error: cannot lock '%s': %s; a study's folder must be on a file system with "
                 "locks\n",
                 path, strerror(reason)),
         CLAIM_FAULT;
}
