/* ffmpeg as a child that reads raw pictures: see ffmpeg.h. It gets them through a socket, where a
 * child that has gone is an error to be told and no signal. */
#define _GNU_SOURCE /* MSG_NOSIGNAL, SOCK_CLOEXEC */
#include "runtime/ffmpeg.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The name under which it is written: beside the file and with its ending, which tells the format.
 */
static bool unfinished_name(Ffmpeg *ffmpeg, const char *path, RunError *error) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  const char *dot = strrchr(name, '.');
  if (!dot || dot == name || !dot[1])
    return run_fail(error, "'%s' has no ending that tells its format, as .mp4 or .png do", path);
  return path_make(ffmpeg->path, error, "%s", path) &&
         path_make(ffmpeg->unfinished, error, "%.*s.unfinished%s", (int)(dot - path), path, dot);
}

static int spawn(Ffmpeg *ffmpeg, int input, char **argv) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none); /* the trainer's threads block SIGINT and SIGTERM */
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input, 0);
  int reason = posix_spawnp(&ffmpeg->child, argv[0], &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return reason;
}

/* The colours of most players and browsers; a picture and a GIF have their own. */
static bool wants_yuv(const char *path, double rate) {
  return rate > 0 && strcmp(strrchr(path, '.'), ".gif") != 0;
}

bool ffmpeg_begin(Ffmpeg *ffmpeg, const char *path, uint32_t width, uint32_t height, double rate,
                  RunError *error) {
  char size[32], speed[40], output[OUTPUT_PATH];
  int ends[2];
  *ffmpeg = (Ffmpeg){.pipe = -1};
  if (!unfinished_name(ffmpeg, path, error) ||
      !path_make(output, error, "file:%s", ffmpeg->unfinished))
    return false;
  snprintf(size, sizeof size, "%ux%u", width, height);
  snprintf(speed, sizeof speed, "%.10g", rate > 0 ? rate : 1);
  char *argv[40] = {"ffmpeg",  "-nostdin",   "-y",       "-loglevel", "error",
                    "-f",      "rawvideo",   "-pix_fmt", "rgb24",     "-s",
                    size,      "-framerate", speed,      "-i",        "pipe:0",
                    "-fflags", "+bitexact",  "-flags:v", "+bitexact"};
  size_t n = 19;
  if (wants_yuv(path, rate)) argv[n++] = "-pix_fmt", argv[n++] = "yuv420p";
  if (rate <= 0) argv[n++] = "-vf", argv[n++] = "scale=iw/2:ih/2:flags=area";
  if (rate <= 0) argv[n++] = "-frames:v", argv[n++] = "1", argv[n++] = "-update", argv[n++] = "1";
  argv[n++] = output;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return run_fail(error, "no pipe to ffmpeg: %s", strerror(errno));
  int reason = spawn(ffmpeg, ends[1], argv);
  close(ends[1]);
  ffmpeg->pipe = ends[0];
  if (!reason) return true;
  close(ends[0]);
  return reason == ENOENT ? run_fail(error, "the program ffmpeg is not found (package ffmpeg)")
                          : run_fail(error, "ffmpeg does not start: %s", strerror(reason));
}

bool ffmpeg_put(Ffmpeg *ffmpeg, const uint8_t *rgb, size_t bytes, RunError *error) {
  while (bytes > 0) {
    ssize_t sent = send(ffmpeg->pipe, rgb, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return run_fail(error, "ffmpeg stopped before '%s' was complete", ffmpeg->path);
    rgb += sent, bytes -= (size_t)sent;
  }
  return true;
}

static bool ffmpeg_wait(Ffmpeg *ffmpeg) {
  int status = 1;
  close(ffmpeg->pipe);
  while (waitpid(ffmpeg->child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool ffmpeg_end(Ffmpeg *ffmpeg, RunError *error) {
  if (ffmpeg_wait(ffmpeg) && rename(ffmpeg->unfinished, ffmpeg->path) == 0) return true;
  unlink(ffmpeg->unfinished);
  return run_fail(error, "ffmpeg could not write '%s'", ffmpeg->path);
}

void ffmpeg_abandon(Ffmpeg *ffmpeg) {
  ffmpeg_wait(ffmpeg);
  unlink(ffmpeg->unfinished);
}
