/* Pictures into a file by the program ffmpeg, which is looked for when it is needed. */
#ifndef RLC_RUNTIME_FFMPEG_H
#define RLC_RUNTIME_FFMPEG_H

#include "runtime/output.h"

#include <sys/types.h>

typedef struct Ffmpeg {
  pid_t child;
  int pipe;
  char path[OUTPUT_PATH], unfinished[OUTPUT_PATH];
} Ffmpeg;

/* Starts ffmpeg, which will write `path` in the format of its ending from pictures of width by
 * height RGB pixels; `rate` is how many a second, 0: it is one picture, to be halved in size. */
bool ffmpeg_begin(Ffmpeg *ffmpeg, const char *path, uint32_t width, uint32_t height, double rate,
                  RunError *error);
bool ffmpeg_put(Ffmpeg *ffmpeg, const uint8_t *rgb, size_t bytes, RunError *error);
/* Waits for it; the file appears complete or not at all. */
bool ffmpeg_end(Ffmpeg *ffmpeg, RunError *error);
/* Gives up, after a failure; `path` is as it was. */
void ffmpeg_abandon(Ffmpeg *ffmpeg);

#endif
