/* What the trained policies do, as thumbnails that `rlc play` draws: one for each point in each
 * environment, of its first seed that is done, kept in the run's directory. */
#include "compiler/study/report/page.h"
#include "compiler/study/report/program.h"

#include <string.h>
#include <unistd.h>

#define THUMBNAIL "thumbnail.jpg"

/* The run that is shown of a point in an environment, or NO_RUN. */
static size_t shown_run(const Results *r, size_t point, size_t env) {
  for (size_t s = 0; s < r->study->seed_count; s++) {
    size_t run = results_run(r, point, env, s);
    if (run != NO_RUN && r->study->runs[run].state == STUDY_DONE) return run;
  }
  return NO_RUN;
}

/* What stands behind "error: " in what was said, on one line. */
static const char *reason_in(Arena *arena, const char *path) {
  const char *unread = NULL;
  Source *said = source_read(arena, path, &unread);
  const char *at = said ? strstr(said->text, "error: ") : NULL;
  if (!at) return "rlc play ended without a word";
  at += strlen("error: ");
  return arena_copy(arena, at, strcspn(at, "\n"));
}

/* Draws the thumbnail of a run. NULL, or why there is none. */
static const char *draw(Arena *arena, const char *run) {
  const char *said = arena_printf(arena, "%s/play.said", run);
  const char *made = arena_printf(arena, "%s/" THUMBNAIL, run);
  char *const arguments[] = {"/proc/self/exe", "play",       (char *)run,
                             "--thumbnail",    (char *)made, NULL};
  int status = program_run(arguments, NULL, said);
  if (status < 0) return strerror(-status);
  const char *reason = status == 0 ? NULL : reason_in(arena, said);
  unlink(said);
  return reason;
}

/* Bytes as base64, for an address that holds its own data. */
static const char *base64(Arena *arena, const unsigned char *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *text = arena_alloc(arena, 4 * ((size + 2) / 3) + 1), *to = text;
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                     (left > 2 ? bytes[i + 2] : 0);
    for (size_t k = 0; k < 4; k++) *to++ = k <= left ? digits[three >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

static const char *read_base64(Arena *arena, const char *path) {
  const char *reason;
  size_t size;
  const void *bytes = source_bytes(arena, path, &size, &reason);
  return bytes && size ? base64(arena, bytes, size) : NULL;
}

static void picture_add(const Results *r, Pictures *pictures, size_t point, size_t env) {
  const StudyRun *run = &r->study->runs[shown_run(r, point, env)];
  const char *path = arena_printf(r->arena, "%s/%s/" THUMBNAIL, r->folder, run->folder);
  Picture picture = {.data = read_base64(r->arena, path)};
  if (!picture.data) return;
  picture.caption = arena_printf(r->arena, "%s, %s, seed %llu", r->study->points[point].name,
                                 r->study->envs[env], (unsigned long long)run->seed);
  PUSH(r->arena, pictures->picture, pictures->count, pictures->capacity, picture);
}

/* What cannot be drawn once in an environment is not tried again in it. */
static void pictures_of_env(const Results *r, Pictures *pictures, size_t env, bool make) {
  const char *why = NULL;
  for (size_t i = 0; i < r->shown_count; i++) {
    size_t shown = shown_run(r, r->shown[i], env);
    if (shown == NO_RUN) continue;
    const char *run = arena_printf(r->arena, "%s/%s", r->folder, r->study->runs[shown].folder);
    bool there = access(arena_printf(r->arena, "%s/" THUMBNAIL, run), R_OK) == 0;
    if (!there && make && !why) why = draw(r->arena, run);
    picture_add(r, pictures, r->shown[i], env);
  }
  if (!why) return;
  pictures->missing =
      arena_printf(r->arena, "%s%s%s: %s", pictures->missing ? pictures->missing : "",
                   pictures->missing ? "; " : "", r->study->envs[env], why);
}

Pictures pictures_make(const Results *r, bool make) {
  Pictures pictures = {0};
  for (size_t e = 0; e < r->study->env_count; e++)
    if (strcmp(r->study->envs[e], "-") != 0) pictures_of_env(r, &pictures, e, make);
  return pictures;
}
