/* Playing back: the returns are those of the run's own evaluation, the trajectory says what
 * happened and is the same every time, the run's directory stays as it was, pictures show
 * something, and what cannot be played is refused with a reason. */
#include "tests/trainer_fixture.h"

#include "tests/suite.h"

#include <dlfcn.h>
#include <math.h>

static char *folder; /* of the test, with the runs below */

/* ---- commands ---- */

static Ended say(const char *command) {
  Ended ended = {0};
  FILE *pipe = popen(command, "r");
  ck_assert(pipe != NULL);
  ended.said[fread(ended.said, 1, sizeof ended.said - 1, pipe)] = 0;
  int status = pclose(pipe);
  ck_assert_msg(WIFEXITED(status), "%s crashes", command);
  ended.status = WEXITSTATUS(status);
  return ended;
}

/* Good until the next but three. */
__attribute__((format(printf, 1, 2))) static const char *arguments_of(const char *format, ...) {
  static char room[4][5000];
  static unsigned next;
  char *text = room[next++ % 4];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof room[0], format, args);
  va_end(args);
  return text;
}

/* `rlc` in the test's folder; both streams. */
__attribute__((format(printf, 1, 2))) static Ended rlc(const char *format, ...) {
  char arguments[1024], command[6000];
  va_list args;
  va_start(args, format);
  vsnprintf(arguments, sizeof arguments, format, args);
  va_end(args);
  snprintf(command, sizeof command, "cd %s && %s/rlc %s 2>&1", folder, RLC_BUILD, arguments);
  return say(command);
}

static Ended rlc_good(const char *arguments) {
  Ended ended = rlc("%s", arguments);
  ck_assert_msg(ended.status == 0, "rlc %s: status %d: %s", arguments, ended.status, ended.said);
  return ended;
}

static void says(const Ended *ended, int status, const char *text) {
  ck_assert_msg(ended->status == status, "status %d: %s", ended->status, ended->said);
  ck_assert_msg(strstr(ended->said, text) != NULL, "no '%s' in: %s", text, ended->said);
}

static bool there(const char *name) { return access(path_in(folder, name).text, F_OK) == 0; }

/* A short run, evaluated with so many episodes at 0, 300 and 600 steps. */
static void train(const char *name, const char *spec, unsigned episodes, const char *more) {
  Ended ended = rlc("train %s/specs/%s -- --steps 600 --eval-every 300 --eval-episodes %u --out %s "
                    "--quiet %s",
                    RLC_ROOT, spec, episodes, name, more);
  ck_assert_msg(ended.status == 0, "status %d: %s", ended.status, ended.said);
}

#define SAC "sac.yaml hidden=16 batch_size=16 warmup=300 env="

/* A column of the run's last evaluation. */
static double evaluated(const char *run, size_t column) {
  Bytes bytes = file_read(path_in(path_in(folder, run).text, "evaluations.csv").text);
  char *line = NULL;
  for (char *at = bytes.data; at && at[0] && at[1]; at = strchr(at + 1, '\n')) line = at;
  for (; line && column > 0; column--) line = strchr(line + 1, ',');
  ck_assert_ptr_nonnull(line);
  double value = strtod(line + 1, NULL);
  free(bytes.data);
  return value;
}

enum { EVAL_MEAN = 1, EVAL_MIN = 3, EVAL_MAX = 4 };

/* ---- trajectories as tables ---- */

enum { COLUMNS = 80 };

typedef struct Lines {
  char *text;
  const char *name[COLUMNS];
  size_t columns, rows;
  double *cell; /* [rows][columns], NAN where there is nothing */
} Lines;

static size_t column_of(const Lines *table, const char *name) {
  size_t i = 0;
  while (i < table->columns && strcmp(table->name[i], name) != 0) i++;
  ck_assert_msg(i < table->columns, "there is no column '%s'", name);
  return i;
}

static double cell(const Lines *table, size_t row, const char *name) {
  return table->cell[row * table->columns + column_of(table, name)];
}

static Lines lines_read(const char *name, const char *ending) {
  Path path = path_in(folder, name);
  strncat(path.text, ending, 8);
  Bytes bytes = file_read(path.text);
  ck_assert_msg(bytes.data != NULL, "there is no %s", path.text);
  Lines table = {.text = bytes.data};
  for (char *at = bytes.data; *at; at++) table.rows += *at == '\n';
  char *at = bytes.data;
  for (bool more = true; more; at++) {
    table.name[table.columns++] = at;
    at += strcspn(at, ",\n");
    more = *at == ',';
    *at = 0;
  }
  table.rows--;
  table.cell = calloc(table.rows * table.columns, sizeof *table.cell);
  for (size_t i = 0; i < table.rows * table.columns; i++) {
    size_t length = strcspn(at, ",\n");
    table.cell[i] = length ? strtod(at, NULL) : NAN;
    ck_assert_int_eq(at[length], (i + 1) % table.columns ? ',' : '\n');
    at += length + 1;
  }
  ck_assert_int_eq(*at, 0);
  return table;
}

static void lines_free(Lines *table) {
  free(table->text);
  free(table->cell);
}

/* The episodes' returns as the last steps tell them; checks what each line must be. */
static size_t lines_returns(const Lines *table, double *returns, size_t most) {
  size_t count = 0;
  double sum = 0;
  for (size_t row = 0; row < table->rows; row++) {
    bool first = cell(table, row, "step") == 0;
    bool behind = isnan(cell(table, row, "reward"));
    ck_assert_uint_lt(count, most);
    ck_assert_double_eq(cell(table, row, "episode"), (double)count);
    if (first) sum = 0;
    if (!first) ck_assert_double_eq(cell(table, row, "step"), cell(table, row - 1, "step") + 1);
    if (!behind) {
      sum += cell(table, row, "reward");
      ck_assert_double_eq_tol(cell(table, row, "return"), sum, 1e-5 * (1 + fabs(sum)));
      continue;
    }
    ck_assert(isnan(cell(table, row, "action_0")) && isnan(cell(table, row, "terminated")));
    ck_assert(!isnan(cell(table, row, "obs_0")));
    ck_assert(cell(table, row - 1, "terminated") + cell(table, row - 1, "truncated") > 0);
    returns[count++] = cell(table, row - 1, "return");
  }
  return count;
}

/* ---- what is played ---- */

/* Ten environments evaluate: twelve episodes are two waves. The mean is summed as the run's
 * evaluation sums it, so it must be the same number. */
static const struct {
  const char *name, *spec;
  unsigned episodes;
} played[] = {{"pendulum", SAC "Pendulum-v1", 12},
              {"cheetah", SAC "HalfCheetah-v5", 2},
              {"hopper", SAC "Hopper-v5", 12}, /* episodes of all lengths */
              {"cartpole", "dqn.yaml first_hidden=16 second_hidden=16 warmup=300", 12}};

START_TEST(it_is_the_evaluation_again) {
  const char *name = played[_i].name;
  unsigned episodes = played[_i].episodes;
  double returns[13], mean = 0, least = INFINITY, most = -INFINITY;
  train(name, played[_i].spec, episodes, "");
  Ended ended = rlc("play %s --episodes %u --trajectory %s.csv", name, episodes, name);
  says(&ended, 0, "step 600, the evaluation's action, seed 1\nepisode 0: return ");
  Lines table = lines_read(name, ".csv");
  ck_assert_uint_eq(lines_returns(&table, returns, 13), episodes);
  for (unsigned i = 0; i < episodes; i++) {
    mean += returns[i] / episodes;
    least = fmin(least, returns[i]), most = fmax(most, returns[i]);
  }
  ck_assert_double_eq(mean, evaluated(name, EVAL_MEAN));
  ck_assert_double_eq(least, evaluated(name, EVAL_MIN));
  ck_assert_double_eq(most, evaluated(name, EVAL_MAX));
  lines_free(&table);
}
END_TEST

START_TEST(the_columns_are_there) {
  static const char head[] = "episode,step,time,obs_0,obs_1,obs_2,action_0,reward,return,"
                             "terminated,truncated,qpos_0,qvel_0\n0,0,0,";
  train("columns", SAC "Pendulum-v1", 1, "");
  rlc_good("play columns");
  Bytes text = file_read(path_in(folder, "columns/play.csv").text);
  ck_assert(text.data && strncmp(text.data, head, sizeof head - 1) == 0);
  free(text.data);
  Lines table = lines_read("columns/play", ".csv");
  ck_assert_uint_eq(table.rows, 201);
  for (size_t row = 0; row < table.rows; row++) { /* the observation is that of the state */
    ck_assert_double_eq_tol(cell(&table, row, "time"), 0.05 * (double)row, 1e-9);
    ck_assert_double_eq_tol(cell(&table, row, "obs_0"), cos(cell(&table, row, "qpos_0")), 1e-6);
    ck_assert_double_eq_tol(cell(&table, row, "obs_2"), cell(&table, row, "qvel_0"), 1e-6);
  }
  lines_free(&table);
  rlc_good("play columns --trajectory lines.jsonl --episodes 2");
  text = file_read(path_in(folder, "lines.jsonl").text);
  static const char *const parts[] = {
      "{\"episode\":0,\"step\":0,\"time\":0,\"obs\":[", "],\"action\":[", "\"terminated\":false,",
      "\"truncated\":true,\"qpos\":[", "\n{\"episode\":1,\"step\":200,\"time\":10,\"obs\":["};
  for (size_t i = 0; i < COUNTOF(parts); i++)
    ck_assert_msg(text.data && strstr(text.data, parts[i]), "no %s", parts[i]);
  free(text.data);
}
END_TEST

/* The mean return that `rlc play` tells for two episodes. */
static double told_mean(const Ended *ended) {
  const char *at = strstr(ended->said, "mean return ");
  ck_assert_msg(ended->status == 0 && at, "status %d: %s", ended->status, ended->said);
  return strtod(at + strlen("mean return "), NULL);
}

/* All names and contents below a directory, but for what playing writes there. */
static Ended contents(const char *run) {
  char command[5000];
  snprintf(command, sizeof command,
           "cd %s/%s && find . -type f ! -name 'play.*' | sort | xargs sha256sum", folder, run);
  return say(command);
}

START_TEST(it_repeats_and_leaves_the_run_alone) {
  train("twice", SAC "Pendulum-v1", 2, "");
  Ended before = contents("twice");
  rlc_good("play twice --trajectory a.csv");
  rlc_good("play twice --trajectory b.csv");
  rlc_good("play twice --trajectory c.csv --seed 7");
  Bytes a = file_read(path_in(folder, "a.csv").text), b = file_read(path_in(folder, "b.csv").text),
        c = file_read(path_in(folder, "c.csv").text);
  ck_assert(a.data && b.data && c.data);
  ck_assert_str_eq(a.data, b.data);
  ck_assert_str_ne(a.data, c.data);
  free(a.data);
  free(b.data);
  free(c.data);
  Ended after = contents("twice");
  ck_assert_str_eq(before.said, after.said);
}
END_TEST

/* A damaged checkpoint is named and left where it is. The one before it, of step 400, was not
 * evaluated; a run that ends there is, by the evaluation that comes next. */
START_TEST(older_checkpoints) {
  train("older", SAC "Pendulum-v1", 2, "--checkpoint-every 400");
  train("short", SAC "Pendulum-v1", 2, "--steps 400");
  Path newest = file_find(path_in(folder, "older/checkpoints").text, "", "-step-600.safetensors");
  Bytes bytes = file_read(newest.text);
  bytes.data[bytes.size / 2] ^= 1;
  file_write(newest.text, bytes.data, bytes.size);
  free(bytes.data);
  Ended before = contents("older"), ended = rlc("play older --episodes 2");
  says(&ended, 0, "-step-600.safetensors: the checksum of its data differs; going on from 000001-");
  says(&ended, 0, "step 400, ");
  ck_assert_double_eq_tol(told_mean(&ended), evaluated("short", EVAL_MEAN), 1e-6);
  Ended after = contents("older");
  ck_assert_str_eq(before.said, after.said);
}
END_TEST

/* The seed of a run without --seed is found in its checkpoint; the episodes of another seed are
 * those that a run of that seed begins with. */
START_TEST(seeds) {
  double returns[3], other[3];
  train("seed9", SAC "Pendulum-v1", 2, "--seed 9");
  rlc_good("play seed9 --trajectory nine.csv --episodes 2");
  Lines table = lines_read("nine", ".csv");
  ck_assert_uint_eq(lines_returns(&table, returns, 3), 2);
  ck_assert_double_eq(fmax(returns[0], returns[1]), evaluated("seed9", EVAL_MAX));
  lines_free(&table);
  train("seed5", SAC "Pendulum-v1", 2, "--seed 5");
  Ended ended = rlc_good("play seed9 --trajectory nine.csv --episodes 2 --seed 5");
  says(&ended, 0, ", seed 5\n");
  rlc_good("play seed5 --trajectory five.csv --episodes 2 --seed 5");
  Lines nine = lines_read("nine", ".csv"), five = lines_read("five", ".csv");
  ck_assert_uint_eq(lines_returns(&nine, other, 3), 2);
  ck_assert_double_ne(other[0], returns[0]);
  for (int i = 0; i < 3; i++) { /* another policy from the same states */
    char name[16];
    snprintf(name, sizeof name, "obs_%d", i);
    ck_assert_double_eq(cell(&nine, 0, name), cell(&five, 0, name));
  }
  ck_assert_double_ne(cell(&nine, 100, "obs_0"), cell(&five, 100, "obs_0"));
  lines_free(&nine);
  lines_free(&five);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refusals) {
  static const struct {
    const char *arguments, *text;
  } cases[] = {
      {"play", "error: which run? Give a run's directory"},
      {"play nowhere", "error: 'nowhere' is no run directory: it is not there"},
      {"play .", "error: '.' is no run directory: it has no config.yaml"},
      {"play plain.txt", "error: 'plain.txt' is no run directory: it is a file"},
      {"play empty", "error: no checkpoint was written yet in 'empty'; a run writes one every"},
      {"play refused K=3", "error: a run is played as it was trained; 'K=3' cannot change it"},
      {"play runs/K=3/seed-1", "error: 'runs/K=3/seed-1' is no run directory: it is not there"},
      {"report runs/K=3", "error: there is no study in 'runs/K=3': it has no study.json"},
      {"play refused --epsiodes 3", "has no option '--epsiodes'; did you mean '--episodes'?"},
      {"play refused --episodes 0", "error: --episodes wants a whole number above 0, not '0'"},
      {"play refused --seed x", "error: --seed wants a whole number, at least 0, not 'x'"},
      {"play refused --trajectory a.txt", "the trajectory 'a.txt' must end in .csv or .jsonl"},
  };
  train("refused", SAC "Pendulum-v1", 1, "");
  ck_assert_int_eq(mkdir(path_in(folder, "empty").text, 0777), 0);
  Bytes config = file_read(path_in(folder, "refused/config.yaml").text);
  file_write(path_in(folder, "empty/config.yaml").text, config.data, config.size);
  file_write(path_in(folder, "plain.txt").text, "x", 1);
  free(config.data);
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    Ended ended = rlc("%s", cases[i].arguments);
    says(&ended, 1, cases[i].text);
  }
  ck_assert(!there("refused/play.csv") && !there("a.txt"));
}
END_TEST

/* What cannot be drawn is said; the trajectory is there all the same. */
START_TEST(nothing_to_draw) {
  train("plain", SAC "Pendulum-v1", 1, "");
  train("declared", "dqn.yaml first_hidden=16 second_hidden=16 warmup=300", 1, "");
  Ended ended = rlc("play plain");
  says(&ended, 0, "note: no video: Pendulum-v1 has nothing to draw");
  ck_assert(there("plain/play.csv") && !there("plain/play.mp4"));
  ended = rlc("play declared");
  says(&ended, 0, "note: no video: CartPole-v1 is a declared environment, which has nothing");
  ended = rlc("play plain -o film.mp4");
  says(&ended, 1, "error: no video: Pendulum-v1 has nothing to draw");
  ck_assert(there("film.csv") && !there("film.mp4"));
  ended = rlc("play plain --thumbnail strip.png");
  says(&ended, 1, "error: no thumbnail: Pendulum-v1 has nothing to draw");
  ck_assert(!there("strip.png") && !there("strip.csv"));
}
END_TEST

/* ---- pictures ---- */

enum { WIDE = 160, HIGH = 120 };

/* Whether pictures can be made here; says so when not. */
static bool can_draw(void) {
  void *library = dlopen("libOSMesa.so.8", RTLD_NOW);
  bool tools = say("command -v ffmpeg && command -v ffprobe").status == 0;
  if (library && tools) return true;
  printf("SKIP: no %s: no pictures are made\n",
         library ? "ffmpeg and ffprobe" : "libOSMesa.so.8 (libosmesa6)");
  return false;
}

/* What ffprobe says of a file's pictures: "WIDTH,HEIGHT,RATE,COUNT". */
static void probed(const char *name, const char *expected) {
  char command[5000];
  snprintf(command, sizeof command,
           "ffprobe -v error -count_packets -show_entries "
           "stream=width,height,r_frame_rate,nb_read_packets -of csv=p=0 %s/%s",
           folder, name);
  Ended ended = say(command);
  ended.said[strcspn(ended.said, "\n")] = 0;
  ck_assert_str_eq(ended.said, expected);
}

/* A file's pictures as bytes, one behind the other; the caller frees. */
static Bytes pixels(const char *name, const char *format) {
  Path raw = path_in(folder, "raw");
  Ended ended =
      say(arguments_of("ffmpeg -y -v error -i %s/%s -f rawvideo -pix_fmt %s %s </dev/null", folder,
                       name, format, raw.text));
  ck_assert_msg(ended.status == 0, "%s", ended.said);
  return file_read(raw.text);
}

static double variance(const char *data, size_t count) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    double value = (unsigned char)data[i];
    sum += value, squares += value * value;
  }
  return squares / (double)count - sum / (double)count * (sum / (double)count);
}

/* The film of an episode of T steps of 0.008 s, by its own rate and by one that was asked for: a
 * picture at the start of every fourth step, and one at every twenty-fifth of a second. */
static void film_check(const char *gl) {
  char expected[64];
  double returns[2];
  Ended ended = rlc("play film -o film.mp4 --width %d --height %d --gl %s", WIDE, HIGH, gl);
  says(&ended, 0, "film.csv\nvideo: film.mp4 (");
  Lines lines = lines_read("film", ".csv");
  unsigned steps = (unsigned)lines.rows - 1;
  ck_assert_uint_eq(lines_returns(&lines, returns, 2), 1);
  snprintf(expected, sizeof expected, "%d,%d,125/4,%u", WIDE, HIGH, steps / 4 + 1);
  probed("film.mp4", expected);
  Bytes frames = pixels("film.mp4", "gray");
  size_t size = (size_t)WIDE * HIGH, count = steps / 4 + 1;
  ck_assert_uint_eq(frames.size, size * count);
  for (size_t i = 0; i < count; i++)
    ck_assert_double_gt(variance(frames.data + i * size, size), 50);
  ck_assert_int_ne(memcmp(frames.data, frames.data + (count - 1) * size, size), 0);
  const char *ground = frames.data + (HIGH - 1) * WIDE; /* tiles; the sky is even */
  ck_assert_double_gt(variance(ground, WIDE), 10 + 2 * variance(frames.data, WIDE));
  free(frames.data);
  lines_free(&lines);
  rlc_good("play film -o film.mp4 --width 160 --height 120 --fps 25 --episodes 1");
  snprintf(expected, sizeof expected, "%d,%d,25/1,%u", WIDE, HIGH,
           (unsigned)(steps * 0.008 * 25 + 1e-6) + 1);
  probed("film.mp4", expected);
}

START_TEST(videos) {
  if (!can_draw()) return;
  train("film", SAC "Hopper-v5", 1, "");
  film_check("osmesa");
  Ended ended = rlc("play film -o x.mp4 --gl glx");
  says(&ended, 1, "error: no video: there is no 'glx' to draw with, only osmesa and egl");
  ended = rlc("play film -o x.mp4 --camera top");
  says(&ended, 1, "error: no video: there is no camera 'top'; there are track\n");
  ended = rlc("play film -o x.mp4 --width 161");
  says(&ended, 1, "error: no video: videos want an even width and height, not 161 by 480");
  ended = rlc("play film -o x");
  says(&ended, 1, "error: no video: 'x' has no ending that tells its format");
  ended = rlc("play film -o x.nothing --width 64 --height 64");
  says(&ended, 1, "error: no video: ffmpeg ");
  ended = rlc("play film -o none/x.mp4 --trajectory x.csv --width 64 --height 64");
  says(&ended, 1, "error: no video: ffmpeg ");
  char command[6000];
  snprintf(command, sizeof command, "cd %s && PATH=/nonexistent %s/rlc play film 2>&1", folder,
           RLC_BUILD);
  ended = say(command);
  says(&ended, 0, "note: no video: the program ffmpeg is not found (package ffmpeg)");
  ck_assert(there("film/play.csv") && !there("film/play.mp4"));
  ck_assert_str_eq(
      say(arguments_of("ls %s | grep -e unfinished -e x.mp4 -e x.nothing", folder)).said, "");
}
END_TEST

/* How many points of one of a strip's four pictures have the colour of what moves. */
static size_t body_points(const Bytes *strip, size_t picture) {
  size_t points = 0, across = 4 * WIDE / 2;
  for (size_t y = 0; y < HIGH / 2; y++)
    for (size_t x = 0; x < WIDE / 2; x++) {
      const unsigned char *rgb =
          (const unsigned char *)strip->data + 3 * (y * across + picture * WIDE / 2 + x);
      points += rgb[0] > rgb[2] + 60;
    }
  return points;
}

/* Every task has a camera that sees what moves, to the end. */
START_TEST(thumbnails) {
  static const char *const envs[] = {"HalfCheetah", "Hopper",  "Walker2d",        "Ant",
                                     "Swimmer",     "Reacher", "InvertedPendulum"};
  if (!can_draw()) return;
  train("strip", arguments_of(SAC "%s-v5", envs[_i]), 1, "--eval-every 0");
  Ended ended = rlc("play strip --thumbnail strip.png --width %d --height %d", WIDE, HIGH);
  says(&ended, 0, "thumbnail: strip.png\n");
  ck_assert(!there("strip/play.csv") && !there("strip/play.mp4"));
  Bytes strip = pixels("strip.png", "rgb24");
  ck_assert_uint_eq(strip.size, 4 * 3 * (WIDE / 2) * (HIGH / 2));
  for (size_t i = 0; i < 4; i++) {
    size_t points = body_points(&strip, i);
    ck_assert_msg(points > 25 && points < 2400, "%s: %zu points", envs[_i], points);
  }
  free(strip.data);
}
END_TEST

static void play_open(void) { folder = directory_make(); }
static void play_close(void) { directory_remove(folder); }

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("play");
  TCase *tests = tcase_create("play");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, play_open, play_close);
  tcase_add_loop_test(tests, it_is_the_evaluation_again, 0, COUNTOF(played));
  tcase_add_test(tests, the_columns_are_there);
  tcase_add_test(tests, it_repeats_and_leaves_the_run_alone);
  tcase_add_test(tests, older_checkpoints);
  tcase_add_test(tests, seeds);
  tcase_add_test(tests, refusals);
  tcase_add_test(tests, nothing_to_draw);
  tcase_add_test(tests, videos);
  tcase_add_loop_test(tests, thumbnails, 0, 7);
  return suite_run(suite);
}
