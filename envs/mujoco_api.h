/* MuJoCo, loaded when first needed: a trainer for a task without it must run where it is not
 * installed. All calls go through MujocoApi, a table of the functions found in the shared library.
 */
#ifndef RLC_ENVS_MUJOCO_API_H
#define RLC_ENVS_MUJOCO_API_H

#include <mujoco/mujoco.h>
#include <stdbool.h>
#include <stddef.h>

/* Since 3.2.0 a buffer is added to the virtual file system in one call, before it is filled in
 * place. */
#if mjVERSION_HEADER < 320
#define MUJOCO_VFS_FUNCTIONS(X) X(mj_makeEmptyFileVFS) X(mj_findFileVFS)
#else
#define MUJOCO_VFS_FUNCTIONS(X) X(mj_addBufferVFS)
#endif

#define MUJOCO_FUNCTIONS(X)                                                                        \
  X(mj_version)                                                                                    \
  X(mj_defaultVFS)                                                                                 \
  X(mj_deleteVFS)                                                                                  \
  X(mj_loadXML)                                                                                    \
  X(mj_deleteModel)                                                                                \
  X(mj_makeData)                                                                                   \
  X(mj_deleteData)                                                                                 \
  X(mj_resetData)                                                                                  \
  X(mj_forward)                                                                                    \
  X(mj_step)                                                                                       \
  X(mj_rnePostConstraint)                                                                          \
  MUJOCO_VFS_FUNCTIONS(X)

typedef struct MujocoApi {
  void *library; /* as dlopen gave it: for functions that only some callers want */
#define X(name) __typeof__(name) *name;
  MUJOCO_FUNCTIONS(X)
#undef X
} MujocoApi;

/* Fills the table from the library of the version of the headers. False with a message in `error`,
 * which names every place looked in. The library stays loaded until the process ends. */
bool mujoco_api_load(MujocoApi *api, char *error, size_t size);

/* Calls work(context). False when MuJoCo hit a fatal error inside, with its message in `error`;
 * whatever work was doing is then half done, and the mjData it used may only be reset or freed. */
bool mujoco_api_guard(void (*work)(void *context), void *context, char *error, size_t size);

/* The model written in `text` (MJCF), which may include "look.xml" (envs/models), or NULL with a
 * message. Inside a guard. */
mjModel *mujoco_api_compile(const MujocoApi *api, const char *text, char *error, size_t size);

#endif
