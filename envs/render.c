/* Drawing MuJoCo's scenes with MuJoCo's own renderer, which is in libmujoco beside the simulator;
 * the picture is drawn into a buffer of the graphics library and read back. */
#include "envs/render.h"

#include <stdio.h>

#include "envs/class.h"

#if __has_include(<mujoco/mujoco.h>)

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "envs/gl.h"
#include "envs/mujoco.h"

#define RENDER_FUNCTIONS(X)                                                                        \
  X(mj_id2name)                                                                                    \
  X(mjv_defaultCamera)                                                                             \
  X(mjv_defaultFreeCamera)                                                                         \
  X(mjv_defaultOption)                                                                             \
  X(mjv_defaultScene)                                                                              \
  X(mjv_makeScene)                                                                                 \
  X(mjv_freeScene)                                                                                 \
  X(mjv_updateScene)                                                                               \
  X(mjr_defaultContext)                                                                            \
  X(mjr_makeContext)                                                                               \
  X(mjr_freeContext)                                                                               \
  X(mjr_setBuffer)                                                                                 \
  X(mjr_render)                                                                                    \
  X(mjr_readPixels)

/* What only drawing needs of libmujoco. */
typedef struct RenderApi {
#define X(name) __typeof__(name) *name;
  RENDER_FUNCTIONS(X)
#undef X
} RenderApi;

enum { SCENE_GEOMS = 1000 };

struct Renderer {
  RenderOptions options;
  Env *env; /* its own, with a model of its own */
  MujocoScene mujoco;
  RenderApi api;
  GlContext *gl;
  bool made; /* scene and context below */
  mjvCamera camera;
  mjvOption option;
  mjvScene scene;
  mjrContext context;
  uint8_t *rows; /* a picture as it is read, the bottom row first */
};

/* ---- making ---- */

static bool render_bind(Renderer *renderer, char *error, size_t size) {
#define X(name)                                                                                    \
  renderer->api.name = (__typeof__(name) *)dlsym(renderer->mujoco.api->library, #name);            \
  if (!renderer->api.name) {                                                                       \
    snprintf(error, size, "this libmujoco cannot draw: it lacks %s", #name);                       \
    return false;                                                                                  \
  }
  RENDER_FUNCTIONS(X)
#undef X
  return true;
}

/* The camera's number in the model; -1 where there is none of that name, after listing them. */
static int render_camera(const Renderer *renderer, char *error, size_t size) {
  const mjModel *model = renderer->mujoco.model;
  const char *wanted = renderer->options.camera;
  if (model->ncam == 0) {
    snprintf(error, size, "there is no camera '%s', as the model has none; leave it out", wanted);
    return -1;
  }
  size_t used = (size_t)snprintf(error, size, "there is no camera '%s'; there are", wanted);
  for (int i = 0; i < model->ncam; i++) {
    const char *name = renderer->api.mj_id2name(model, mjOBJ_CAMERA, i);
    if (name && strcmp(name, wanted) == 0) return i;
    if (used < size) used += (size_t)snprintf(error + used, size - used, " %s", name ? name : "?");
  }
  return -1;
}

static bool render_look(Renderer *renderer, char *error, size_t size) {
  const mjModel *model = renderer->mujoco.model;
  int camera = renderer->options.camera ? render_camera(renderer, error, size) : 0;
  renderer->api.mjv_defaultCamera(&renderer->camera);
  if (camera < 0) return false;
  if (model->ncam > 0) {
    renderer->camera.type = mjCAMERA_FIXED;
    renderer->camera.fixedcamid = camera;
  } else {
    renderer->api.mjv_defaultFreeCamera(model, &renderer->camera);
  }
  return true;
}

/* A floor has no end: one with a size is drawn no further, while contacts know of none, so that a
 * policy that runs well leaves the picture's ground. */
static void floors_extend(mjModel *model) {
  for (int i = 0; i < model->ngeom; i++)
    if (model->geom_type[i] == mjGEOM_PLANE)
      model->geom_size[3 * i] = model->geom_size[3 * i + 1] = 0;
}

/* In a guard: libmujoco ends what it cannot do with a fatal error. */
static void render_context(void *context) {
  Renderer *renderer = context;
  const RenderApi *api = &renderer->api;
  mjModel *model = renderer->mujoco.model;
  model->vis.global.offwidth = (int)renderer->options.width;
  model->vis.global.offheight = (int)renderer->options.height;
  floors_extend(model);
  api->mjv_defaultOption(&renderer->option);
  api->mjv_defaultScene(&renderer->scene);
  api->mjr_defaultContext(&renderer->context);
  renderer->made = true;
  api->mjv_makeScene(model, &renderer->scene, SCENE_GEOMS);
  api->mjr_makeContext(model, &renderer->context, mjFONTSCALE_100);
  api->mjr_setBuffer(mjFB_OFFSCREEN, &renderer->context);
}

static bool render_make(Renderer *renderer, const EnvSpec *spec, char *error, size_t size) {
  const RenderOptions *options = &renderer->options;
  if (!(renderer->env = env_make(spec, error, size))) return false;
  renderer->mujoco = mujoco_scene(renderer->env);
  if (!render_bind(renderer, error, size) || !render_look(renderer, error, size)) return false;
  renderer->rows = malloc(3 * (size_t)options->width * options->height);
  if (!renderer->rows) return snprintf(error, size, "out of memory for a picture"), false;
  if (!(renderer->gl = gl_make(options->gl, error, size))) return false;
  if (!mujoco_api_guard(render_context, renderer, error, size)) return false;
  const mjrContext *context = &renderer->context;
  if (context->currentBuffer == mjFB_OFFSCREEN && context->offWidth >= (int)options->width &&
      context->offHeight >= (int)options->height)
    return true;
  snprintf(error, size, "%s has no buffer of %u by %u pixels to draw into", gl_name(renderer->gl),
           options->width, options->height);
  return false;
}

Renderer *renderer_make(const EnvSpec *spec, const RenderOptions *options, char *error,
                        size_t size) {
  if (spec->class != &mujoco_class) {
    snprintf(error, size, "%s has nothing to draw: only MuJoCo's scenes are drawn", spec->id);
    return NULL;
  }
  Renderer *renderer = calloc(1, sizeof *renderer);
  if (!renderer) return snprintf(error, size, "out of memory"), NULL;
  renderer->options = *options;
  if (render_make(renderer, spec, error, size)) return renderer;
  renderer_free(renderer);
  return NULL;
}

void renderer_free(Renderer *renderer) {
  if (!renderer) return;
  if (renderer->made) {
    renderer->api.mjr_freeContext(&renderer->context);
    renderer->api.mjv_freeScene(&renderer->scene);
  }
  gl_free(renderer->gl);
  env_free(renderer->env);
  free(renderer->rows);
  free(renderer);
}

const char *renderer_name(const Renderer *renderer) { return gl_name(renderer->gl); }

/* ---- drawing ---- */

static void render_draw(void *context) {
  Renderer *renderer = context;
  const RenderApi *api = &renderer->api;
  const MujocoScene *mujoco = &renderer->mujoco;
  mjrRect whole = {0, 0, (int)renderer->options.width, (int)renderer->options.height};
  mujoco->api->mj_forward(mujoco->model, mujoco->data);
  api->mjv_updateScene(mujoco->model, mujoco->data, &renderer->option, NULL, &renderer->camera,
                       mjCAT_ALL, &renderer->scene);
  api->mjr_render(whole, &renderer->scene, &renderer->context);
  api->mjr_readPixels(renderer->rows, NULL, whole, &renderer->context);
}

bool renderer_draw(Renderer *renderer, const double *state, uint8_t *rgb, char *error,
                   size_t size) {
  size_t row = 3 * (size_t)renderer->options.width, height = renderer->options.height;
  env_set_state(renderer->env, state);
  if (!mujoco_api_guard(render_draw, renderer, error, size)) return false;
  for (size_t y = 0; y < height; y++)
    memcpy(rgb + y * row, renderer->rows + (height - 1 - y) * row, row);
  return true;
}

#else

/* Built without MuJoCo's headers: then there is no scene either. */
Renderer *renderer_make(const EnvSpec *spec, const RenderOptions *options, char *error,
                        size_t size) {
  (void)options;
  snprintf(error, size, "%s has nothing to draw: only MuJoCo's scenes are drawn", spec->id);
  return NULL;
}

void renderer_free(Renderer *renderer) { (void)renderer; }

const char *renderer_name(const Renderer *renderer) { return (void)renderer, ""; }

bool renderer_draw(Renderer *renderer, const double *state, uint8_t *rgb, char *error,
                   size_t size) {
  (void)renderer, (void)state, (void)rgb;
  snprintf(error, size, "built without MuJoCo");
  return false;
}

#endif
