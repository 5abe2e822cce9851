/* An OpenGL context without a screen, from whichever library is on the machine. The libraries are
 * opened when first needed; nothing links them. */
#ifndef RLC_ENVS_GL_H
#define RLC_ENVS_GL_H

#include <stddef.h>
#include <stdint.h>

typedef struct GlContext GlContext;

/* A context that is current in this thread, by "osmesa" (Mesa's renderer in main memory) or "egl"
 * (a driver's, without a window), or with NULL by the first of them that works. NULL with a message
 * that names what was tried. */
GlContext *gl_make(const char *wanted, char *error, size_t size);
void gl_free(GlContext *context);
const char *gl_name(const GlContext *context);

#endif
