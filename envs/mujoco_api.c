/* Finding and loading libmujoco, turning its fatal errors into return values, and the one place
 * that knows the differences between its versions. */
#include "envs/class.h"

#if __has_include(<mujoco/mujoco.h>)

#include <dlfcn.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/mujoco_api.h"

#include "envs/models/look.xml.h"

/* MuJoCo's error handler takes no context, so the way back to the caller has to be per thread. */
static _Thread_local jmp_buf *mujoco_rescue;
static _Thread_local char mujoco_message[256];

static void mujoco_fatal(const char *message) {
  snprintf(mujoco_message, sizeof mujoco_message, "%s", message);
  if (mujoco_rescue) longjmp(*mujoco_rescue, 1);
  fprintf(stderr, "MuJoCo: fatal error: %s\n", message);
  abort();
}

/* Warnings are read from the counters in mjData; printed ones would also write a log file. */
static void mujoco_ignore(const char *message) { (void)message; }

bool mujoco_api_guard(void (*work)(void *context), void *context, char *error, size_t size) {
  jmp_buf here;
  jmp_buf *outer = mujoco_rescue;
  if (setjmp(here)) {
    mujoco_rescue = outer;
    snprintf(error, size, "MuJoCo: fatal error: %s", mujoco_message);
    return false;
  }
  mujoco_rescue = &here;
  work(context);
  mujoco_rescue = outer;
  return true;
}

static void mujoco_version_text(int version, char text[24]) {
  int scale = version < 10000 ? 10 : 1000; /* 2.2.2 is 222, 3.12.0 is 3012000 */
  snprintf(text, 24, "%d.%d.%d", version / (scale * scale), version / scale % scale,
           version % scale);
}

__attribute__((format(printf, 3, 4))) static void mujoco_append(char *error, size_t size,
                                                                const char *format, ...) {
  size_t used = strnlen(error, size);
  va_list args;
  va_start(args, format);
  if (used < size) vsnprintf(error + used, size - used, format, args);
  va_end(args);
}

/* Takes the functions from an open library; false, with the reason added to `error`, when it is not
 * the right one. */
static bool mujoco_bind(void *library, MujocoApi *api, char *error, size_t size) {
#define X(name)                                                                                    \
  api->name = (__typeof__(name) *)dlsym(library, #name);                                           \
  if (!api->name) {                                                                                \
    mujoco_append(error, size, " (lacks %s)", #name);                                              \
    return false;                                                                                  \
  }
  MUJOCO_FUNCTIONS(X)
#undef X
  if (api->mj_version() != mjVERSION_HEADER) {
    char found[24];
    mujoco_version_text(api->mj_version(), found);
    mujoco_append(error, size, " (is %s)", found);
    return false;
  }
  void (**on_error)(const char *) = (void (**)(const char *))dlsym(library, "mju_user_error");
  void (**on_warning)(const char *) = (void (**)(const char *))dlsym(library, "mju_user_warning");
  if (on_error) *on_error = mujoco_fatal;
  if (on_warning) *on_warning = mujoco_ignore;
  api->library = library;
  return true;
}

static bool mujoco_try(const char *folder, const char *below, MujocoApi *api, char *error,
                       size_t size) {
  char version[24], path[PATH_MAX];
  mujoco_version_text(mjVERSION_HEADER, version);
  int length = snprintf(path, sizeof path, "%s%slibmujoco.so.%s", folder, below, version);
  if (length >= (int)sizeof path) return false;
  mujoco_append(error, size, "\n  %s", path);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    bool there = strchr(path, '/') && access(path, F_OK) == 0;
    mujoco_append(error, size, there ? " (%s)" : " (not there)", there ? dlerror() : "");
    return false;
  }
  if (mujoco_bind(library, api, error, size)) return true;
  dlclose(library);
  return false;
}

bool mujoco_api_load(MujocoApi *api, char *error, size_t size) {
  char version[24], program[PATH_MAX] = "";
  mujoco_version_text(mjVERSION_HEADER, version);
  if (size) error[0] = '\0';
  mujoco_append(
      error, size,
      "MuJoCo %s is not found; run `make deps`, or set MUJOCO_DIR to its folder. Tried:", version);
  ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  char *slash = length > 0 ? strrchr(program, '/') : NULL;
  if (slash) {
    *slash = '\0';
    if (mujoco_try(program, "/", api, error, size)) return true;
  }
  const char *folder = getenv("MUJOCO_DIR");
  if (folder && mujoco_try(folder, "/", api, error, size)) return true;
  if (folder && mujoco_try(folder, "/lib/", api, error, size)) return true;
#ifdef RLC_MUJOCO_DIR
  if (mujoco_try(RLC_MUJOCO_DIR, "/", api, error, size)) return true;
#endif
  return mujoco_try("", "", api, error, size);
}

#if mjVERSION_HEADER < 320
static int mujoco_add_file(const MujocoApi *api, mjVFS *vfs, const char *name, const char *text) {
  int bytes = (int)strlen(text);
  int failed = api->mj_makeEmptyFileVFS(vfs, name, bytes);
  if (!failed) memcpy(vfs->filedata[api->mj_findFileVFS(vfs, name)], text, (size_t)bytes);
  return failed;
}
#else
static int mujoco_add_file(const MujocoApi *api, mjVFS *vfs, const char *name, const char *text) {
  return api->mj_addBufferVFS(vfs, name, text, (int)strlen(text));
}
#endif

mjModel *mujoco_api_compile(const MujocoApi *api, const char *text, char *error, size_t size) {
  static const char NAME[] = "model.xml";
  mjModel *model = NULL;
  mjVFS *vfs = malloc(sizeof *vfs); /* two megabytes in old versions: not for the stack */
  if (!vfs) {
    snprintf(error, size, "out of memory");
    return NULL;
  }
  api->mj_defaultVFS(vfs);
  if (mujoco_add_file(api, vfs, NAME, text) || mujoco_add_file(api, vfs, "look.xml", model_look))
    snprintf(error, size, "MuJoCo: cannot hold the model's text");
  else
    model = api->mj_loadXML(NAME, vfs, error, (int)size);
  api->mj_deleteVFS(vfs);
  free(vfs);
  return model;
}

#endif
