/* Videos and strips of recorded episodes: which states are drawn, and where they go. Pictures are
 * drawn from the states after the playing, so that what is drawn cannot change what is played. */
#include "runtime/video.h"

#include "envs/render.h"
#include "runtime/ffmpeg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 480, STRIP = 4, USUAL_RATE = 30 };

typedef struct Film {
  const Recording *recording;
  const Stop *stop; /* NULL: nothing cuts it short */
  Renderer *renderer;
  uint32_t width, height; /* of a picture */
  uint8_t *rgb;           /* one picture */
  Ffmpeg ffmpeg;
} Film;

static bool film_open(Film *film, const Recording *recording, const PlayRequest *request,
                      RunError *error) {
  char why[512] = "";
  *film = (Film){.recording = recording,
                 .width = request->width ? request->width : WIDTH,
                 .height = request->height ? request->height : HEIGHT};
  if (!recording->env)
    return run_fail(error, "%s is a declared environment, which has nothing to draw",
                    recording->spec->id);
  if (film->width % 2 || film->height % 2)
    return run_fail(error, "videos want an even width and height, not %u by %u", film->width,
                    film->height);
  const RenderOptions options = {film->width, film->height, request->camera, request->gl};
  film->renderer = renderer_make(recording->spec, &options, why, sizeof why);
  if (!film->renderer) return run_fail(error, "%s", why);
  film->rgb = run_take((size_t)film->width * film->height, 3, error);
  return film->rgb != NULL;
}

static void film_close(Film *film) {
  renderer_free(film->renderer);
  free(film->rgb);
}

static bool film_draw(Film *film, const Episode *episode, uint32_t step, RunError *error) {
  char why[512];
  const double *state = episode->state + (size_t)step * film->recording->state_size;
  return renderer_draw(film->renderer, state, film->rgb, why, sizeof why) ||
         run_fail(error, "%s", why);
}

/* ---- videos ---- */

/* About thirty pictures a second, each so many whole steps after the one before. */
static double usual_rate(double dt) {
  double steps = fmax(1, round(1 / (USUAL_RATE * dt)));
  return 1 / (steps * dt);
}

/* Every picture shows the newest state of its moment; the small part is for rounding. */
static uint32_t frame_step(double dt, double rate, uint64_t frame) {
  return (uint32_t)((double)frame / (rate * dt) + 1e-6);
}

static bool film_episodes(Film *film, double rate, uint64_t *frames, RunError *error) {
  const Recording *recording = film->recording;
  for (uint32_t i = 0; i < recording->count; i++) {
    const Episode *episode = &recording->episode[i];
    for (uint64_t frame = 0;; frame++) {
      uint32_t step = frame_step(recording->spec->dt, rate, frame);
      if (step > episode->steps) break;
      if (film->stop && stop_signal(film->stop)) return run_fail(error, "interrupted");
      if (!film_draw(film, episode, step, error) ||
          !ffmpeg_put(&film->ffmpeg, film->rgb, 3 * (size_t)film->width * film->height, error))
        return false;
      ++*frames;
    }
  }
  return true;
}

static bool film_video(Film *film, double rate, const char *path, RunError *error) {
  uint64_t frames = 0;
  if (!ffmpeg_begin(&film->ffmpeg, path, film->width, film->height, rate, error)) return false;
  if (!film_episodes(film, rate, &frames, error)) {
    ffmpeg_abandon(&film->ffmpeg);
    return false;
  }
  if (!ffmpeg_end(&film->ffmpeg, error)) return false;
  printf("video: %s (%llu pictures, %.4g a second, drawn by %s)\n", path,
         (unsigned long long)frames, rate, renderer_name(film->renderer));
  return true;
}

bool video_write(const Recording *recording, const PlayRequest *request, const Stop *stop,
                 const char *path, RunError *error) {
  Film film;
  bool good = film_open(&film, recording, request, error);
  film.stop = stop;
  double rate = request->fps;
  if (good && rate <= 0) rate = usual_rate(recording->spec->dt);
  good = good && film_video(&film, rate, path, error);
  film_close(&film);
  return good;
}

/* ---- strips ---- */

static bool film_strip(Film *film, uint8_t *strip, RunError *error) {
  const Episode *episode = &film->recording->episode[0];
  size_t row = 3 * (size_t)film->width;
  for (uint32_t i = 0; i < STRIP; i++) {
    uint32_t step = (uint32_t)((uint64_t)episode->steps * (i + 1) / STRIP);
    if (!film_draw(film, episode, step, error)) return false;
    for (uint32_t y = 0; y < film->height; y++)
      memcpy(strip + (y * STRIP + i) * row, film->rgb + y * row, row);
  }
  return true;
}

static bool strip_write(Film *film, const uint8_t *strip, const char *path, RunError *error) {
  size_t bytes = 3 * (size_t)STRIP * film->width * film->height;
  if (!ffmpeg_begin(&film->ffmpeg, path, STRIP * film->width, film->height, 0, error)) return false;
  if (!ffmpeg_put(&film->ffmpeg, strip, bytes, error)) {
    ffmpeg_abandon(&film->ffmpeg);
    return false;
  }
  return ffmpeg_end(&film->ffmpeg, error);
}

bool thumbnail_write(const Recording *recording, const PlayRequest *request, const char *path,
                     RunError *error) {
  Film film;
  bool good = film_open(&film, recording, request, error);
  uint8_t *strip = good ? run_take((size_t)STRIP * film.width * film.height, 3, error) : NULL;
  good = strip && film_strip(&film, strip, error) && strip_write(&film, strip, path, error);
  if (good) printf("thumbnail: %s\n", path);
  free(strip);
  film_close(&film);
  return good;
}
