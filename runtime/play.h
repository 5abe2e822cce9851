/* Playing back: a run's policy from its newest checkpoint, what it did as a file, and pictures. */
#ifndef RLC_RUNTIME_PLAY_H
#define RLC_RUNTIME_PLAY_H

#include "runtime/rlc.h"

typedef struct PlayRequest {
  const char *run;        /* its directory */
  uint32_t episodes;      /* 0: 1 */
  const char *trajectory; /* files; NULL: see rlc_play */
  const char *video;
  const char *thumbnail;  /* four pictures of the first episode, side by side and half as large */
  const char *camera;     /* of the model; NULL: its first */
  const char *gl;         /* "osmesa" or "egl"; NULL: the first that works */
  uint32_t width, height; /* of a picture, pixels; 0: 640 and 480 */
  double fps;             /* pictures a second, at the speed of life; 0: about 30, by whole steps */
} PlayRequest;

/* Plays the run's policy: the episodes of the evaluation that the checkpoint's policy had, or would
 * have; with --seed N in `argv` (a trainer's command line: --seed, --threads) those of another
 * seed. Returns go to standard output. Without `video` and `thumbnail` the video is RUN/play.mp4,
 * where there can be one; the trajectory is RUN/play.csv, or beside `video`, and left out when only
 * a thumbnail was asked for. Nothing else in the run's directory changes. The exit status: 0; 1
 * after a message, also when a picture that was asked for by name could not be made. */
int rlc_play(const RlcModule *module, const PlayRequest *request, int argc, char **argv);

#endif
