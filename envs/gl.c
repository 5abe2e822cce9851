/* Contexts of OSMesa and EGL. Their few functions and constants are declared here, so that building
 * needs no headers of theirs. The libraries are opened for everybody (RTLD_GLOBAL), as MuJoCo finds
 * OpenGL's functions through whichever is there, and stay open until the process ends. */
#include "envs/gl.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct GlContext {
  const struct GlKind *kind;
  void *library;
  void *context, *display, *surface;
  uint8_t pixel[4]; /* OSMesa's own buffer: drawing goes to buffers of MuJoCo's */
};

typedef struct GlKind {
  const char *name, *label;
  const char *libraries[4]; /* the first that can be opened is taken */
  bool (*make)(GlContext *context);
  void (*free)(GlContext *context);
} GlKind;

/* Takes a function out of the context's library; false where it is not there. */
#define TAKE(context, function)                                                                    \
  ((function = (__typeof__(function))dlsym(context->library, #function)))

/* ---- OSMesa ---- */

enum { OSMESA_RGBA = 0x1908, GL_UNSIGNED_BYTE = 0x1401, DEPTH_BITS = 24, STENCIL_BITS = 8 };

static bool osmesa_make(GlContext *gl) {
  void *(*OSMesaCreateContextExt)(unsigned, int, int, int, void *);
  unsigned char (*OSMesaMakeCurrent)(void *, void *, unsigned, int, int);
  if (!TAKE(gl, OSMesaCreateContextExt) || !TAKE(gl, OSMesaMakeCurrent)) return false;
  gl->context = OSMesaCreateContextExt(OSMESA_RGBA, DEPTH_BITS, STENCIL_BITS, 0, NULL);
  return gl->context && OSMesaMakeCurrent(gl->context, gl->pixel, GL_UNSIGNED_BYTE, 1, 1);
}

static void osmesa_free(GlContext *gl) {
  void (*OSMesaDestroyContext)(void *);
  if (gl->context && TAKE(gl, OSMesaDestroyContext)) OSMesaDestroyContext(gl->context);
}

/* ---- EGL ---- */

enum {
  EGL_NONE = 0x3038,
  EGL_SURFACE_TYPE = 0x3033,
  EGL_PBUFFER_BIT = 1,
  EGL_RENDERABLE_TYPE = 0x3040,
  EGL_OPENGL_BIT = 8,
  EGL_DEPTH_SIZE = 0x3025,
  EGL_WIDTH = 0x3057,
  EGL_HEIGHT = 0x3056,
  EGL_OPENGL_API = 0x30A2,
  EGL_PLATFORM_DEVICE = 0x313F,
  EGL_PLATFORM_SURFACELESS = 0x31DD,
};

enum { EGL_DEVICES = 16 };

static bool egl_open(GlContext *gl, void *display) {
  unsigned (*eglInitialize)(void *, int *, int *);
  if (!display || !TAKE(gl, eglInitialize) || !eglInitialize(display, NULL, NULL)) return false;
  gl->display = display;
  return true;
}

/* A display that needs no window system: a graphics card, Mesa without one, or the default. */
static bool egl_display(GlContext *gl) {
  void *(*eglGetProcAddress)(const char *), *(*eglGetDisplay)(void *);
  if (!TAKE(gl, eglGetProcAddress) || !TAKE(gl, eglGetDisplay)) return false;
  void *(*platform)(unsigned, void *, const int *) =
      (__typeof__(platform))eglGetProcAddress("eglGetPlatformDisplayEXT");
  unsigned (*query)(int, void **, int *) =
      (__typeof__(query))eglGetProcAddress("eglQueryDevicesEXT");
  void *device[EGL_DEVICES];
  int devices = 0;
  if (platform && query && query(EGL_DEVICES, device, &devices))
    for (int i = 0; i < devices; i++)
      if (egl_open(gl, platform(EGL_PLATFORM_DEVICE, device[i], NULL))) return true;
  if (platform && egl_open(gl, platform(EGL_PLATFORM_SURFACELESS, NULL, NULL))) return true;
  return egl_open(gl, eglGetDisplay(NULL));
}

static bool egl_make(GlContext *gl) {
  static const int wanted[] = {EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE,
                               EGL_OPENGL_BIT,   EGL_DEPTH_SIZE,  DEPTH_BITS,
                               EGL_NONE};
  static const int one[] = {EGL_WIDTH, 1, EGL_HEIGHT, 1, EGL_NONE};
  unsigned (*eglChooseConfig)(void *, const int *, void **, int, int *);
  unsigned (*eglBindAPI)(unsigned), (*eglMakeCurrent)(void *, void *, void *, void *);
  void *(*eglCreateContext)(void *, void *, void *, const int *);
  void *(*eglCreatePbufferSurface)(void *, void *, const int *);
  void *config = NULL;
  int configs = 0;
  if (!TAKE(gl, eglChooseConfig) || !TAKE(gl, eglBindAPI) || !TAKE(gl, eglMakeCurrent) ||
      !TAKE(gl, eglCreateContext) || !TAKE(gl, eglCreatePbufferSurface) || !egl_display(gl))
    return false;
  if (!eglChooseConfig(gl->display, wanted, &config, 1, &configs) || configs < 1) return false;
  if (!eglBindAPI(EGL_OPENGL_API)) return false;
  gl->context = eglCreateContext(gl->display, config, NULL, NULL);
  gl->surface = eglCreatePbufferSurface(gl->display, config, one);
  return gl->context && gl->surface &&
         eglMakeCurrent(gl->display, gl->surface, gl->surface, gl->context);
}

static void egl_free(GlContext *gl) {
  unsigned (*eglMakeCurrent)(void *, void *, void *, void *), (*eglTerminate)(void *);
  unsigned (*eglDestroySurface)(void *, void *), (*eglDestroyContext)(void *, void *);
  if (!gl->display || !TAKE(gl, eglMakeCurrent) || !TAKE(gl, eglTerminate) ||
      !TAKE(gl, eglDestroySurface) || !TAKE(gl, eglDestroyContext))
    return;
  eglMakeCurrent(gl->display, NULL, NULL, NULL);
  if (gl->surface) eglDestroySurface(gl->display, gl->surface);
  if (gl->context) eglDestroyContext(gl->display, gl->context);
  eglTerminate(gl->display);
}

/* ---- which ---- */

static const GlKind kinds[] = {
    {"osmesa",
     "OSMesa",
     {"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so"},
     osmesa_make,
     osmesa_free},
    {"egl", "EGL", {"libEGL.so.1", "libEGL.so"}, egl_make, egl_free},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static void told(char *error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void told(char *error, size_t size, const char *format, ...) {
  size_t used = strnlen(error, size);
  va_list args;
  va_start(args, format);
  if (used < size) vsnprintf(error + used, size - used, format, args);
  va_end(args);
}

/* Whether a kind gives a context; else says why not. */
static bool kind_try(GlContext *gl, const GlKind *kind, char *error, size_t size) {
  *gl = (GlContext){.kind = kind};
  for (int i = 0; kind->libraries[i] && !gl->library; i++)
    gl->library = dlopen(kind->libraries[i], RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  const char *before = error[0] ? "; " : "";
  if (!gl->library) {
    told(error, size, "%s%s (%s) is not there", before, kind->label, kind->libraries[0]);
    return false;
  }
  if (kind->make(gl)) return true;
  told(error, size, "%s%s (%s) gives no context", before, kind->label, kind->libraries[0]);
  kind->free(gl);
  return false;
}

GlContext *gl_make(const char *wanted, char *error, size_t size) {
  GlContext *gl = malloc(sizeof *gl);
  bool known = !wanted;
  error[0] = '\0';
  for (int i = 0; gl && i < KINDS; i++) {
    if (wanted && strcmp(wanted, kinds[i].name) != 0) continue;
    known = true;
    if (kind_try(gl, &kinds[i], error, size)) return gl;
  }
  if (!known) snprintf(error, size, "there is no '%s' to draw with, only osmesa and egl", wanted);
  free(gl);
  return NULL;
}

void gl_free(GlContext *context) {
  if (!context) return;
  context->kind->free(context);
  free(context);
}

const char *gl_name(const GlContext *context) { return context->kind->label; }
