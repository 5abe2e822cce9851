/* Pictures of an environment, drawn off screen. */
#ifndef RLC_ENVS_RENDER_H
#define RLC_ENVS_RENDER_H

#include "envs/env.h"

typedef struct RenderOptions {
  uint32_t width, height; /* pixels */
  const char *camera;     /* one of the model's; NULL: its first */
  const char *gl;         /* "osmesa" or "egl"; NULL: the first that works */
} RenderOptions;

typedef struct Renderer Renderer;

/* Draws environments like `spec` in this thread, where it is the only renderer. NULL with a message
 * that says plainly why there can be no pictures. */
Renderer *renderer_make(const EnvSpec *spec, const RenderOptions *options, char *error,
                        size_t size);
void renderer_free(Renderer *renderer);

/* Draws a state as env_get_state wrote it: rgb[height][width][3], the top row first. False with a
 * message when the simulator or the graphics library failed. */
bool renderer_draw(Renderer *renderer, const double *state, uint8_t *rgb, char *error, size_t size);

/* What draws: "OSMesa" or "EGL". */
const char *renderer_name(const Renderer *renderer);

#endif
