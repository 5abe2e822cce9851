/* Recorded episodes as pictures: a video, or a strip of a few. */
#ifndef RLC_RUNTIME_VIDEO_H
#define RLC_RUNTIME_VIDEO_H

#include "runtime/play.h"
#include "runtime/recording.h"

/* Draws the episodes one behind the other and has ffmpeg write them in the format that the path's
 * ending names. False with the reason: nothing can draw, there is no ffmpeg, it failed, or a signal
 * came. Says on standard output what was written. */
bool video_write(const Recording *recording, const PlayRequest *request, const Stop *stop,
                 const char *path, RunError *error);
/* The same for a strip of four pictures of the first episode. */
bool thumbnail_write(const Recording *recording, const PlayRequest *request, const char *path,
                     RunError *error);

#endif
