/* Logs: the exact text of every file, event records read back by an independent reader, no memory
 * taken per line, truncation on resume, and full disks. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pseudo-terminals */
#endif
#include "runtime/crc32c.h"
#include "runtime/json.h"
#include "runtime/trainer.h"
#include "tests/files_support.h"
#include "tests/suite.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *const names[] = {"losses/critic", "rollout/ep_rew_mean", "charts/SPS"};
static const char *const eval_names[] = {"eval/mean_reward", "eval/std_reward"};

static Log *open_log(const char *directory, const LogMark *resume, RunError *error) {
  return log_open(directory, names, 3, eval_names, 2, resume, error);
}

static Log *open_good(const char *directory, const LogMark *resume) {
  RunError error;
  Log *log = open_log(directory, resume, &error);
  ck_assert_msg(log != NULL, "%s", error.text);
  return log;
}

static void line(Log *log, uint64_t step, double a, double b, double c) {
  RunError error;
  ck_assert_msg(log_line(log, step, (double[]){a, b, c}, &error), "%s", error.text);
}

static void evaluation(Log *log, uint64_t step, double mean, double std) {
  RunError error;
  ck_assert_msg(log_evaluation(log, step, (double[]){mean, std}, &error), "%s", error.text);
}

static void close_log(Log *log) {
  RunError error;
  ck_assert_msg(log_close(log, &error), "%s", error.text);
}

/* ---- checksums and numbers ---- */

START_TEST(crc_known_and_equal) {
  unsigned char data[300];
  ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xE3069283u);
  ck_assert_uint_eq(crc32c(0, (char[32]){0}, 32), 0x8A9136AAu);
  for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 167 + 13);
  for (size_t length = 0; length < 280; length++) {
    uint32_t crc = crc32c(0, data + length % 9, length);
    ck_assert_uint_eq(crc, crc32c_table(0, data + length % 9, length));
    uint32_t half = crc32c(0, data + length % 9, length / 2);
    ck_assert_uint_eq(crc, crc32c(half, data + length % 9 + length / 2, length - length / 2));
  }
}
END_TEST

/* What the writer makes of a number, by way of a file. */
static void number_text(double value, char text[64]) {
  char *directory = directory_make();
  RunError error;
  FileOutput out;
  char buffer[8];
  Path path = path_in(directory, "number");
  ck_assert(output_open(&out, path.text, 0, buffer, sizeof buffer, &error));
  output_double(&out, value);
  ck_assert(output_flush(&out, &error));
  output_drop(&out);
  Bytes bytes = file_read(path.text);
  snprintf(text, 64, "%s", bytes.data);
  free(bytes.data);
  directory_remove(directory);
}

START_TEST(numbers_shortest) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {{0, "0"},
               {-0.0, "-0"},
               {1, "1"},
               {0.1, "0.1"},
               {1.0 / 3, "0.3333333333333333"},
               {0.1f, "0.10000000149011612"},
               {0.1 + 0.2, "0.30000000000000004"},
               {1e300, "1e+300"},
               {1e14, "100000000000000"},
               {1e15, "1e+15"},
               {5e-324, "4.94065646e-324"},
               {1234567890, "1234567890"},
               {-1512.25, "-1512.25"},
               {INFINITY, "inf"},
               {-INFINITY, "-inf"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[64];
    number_text(cases[i].value, text);
    ck_assert_str_eq(text, cases[i].text);
    ck_assert(strtod(text, NULL) == cases[i].value);
  }
}
END_TEST

/* ---- the text files ---- */

START_TEST(text_pinned) {
  char *directory = directory_make();
  Log *log = open_good(directory, NULL);
  evaluation(log, 0, -1200.5, 80);
  line(log, 1000, 0.25, NAN, 5123);
  line(log, 2000, INFINITY, -333.125, 1.0 / 3);
  evaluation(log, 2000, NAN, -INFINITY);
  close_log(log);
  assert_file(directory, "progress.csv",
              "step,losses/critic,rollout/ep_rew_mean,charts/SPS\n"
              "1000,0.25,,5123\n"
              "2000,inf,-333.125,0.3333333333333333\n");
  assert_file(directory, "evaluations.csv",
              "step,eval/mean_reward,eval/std_reward\n0,-1200.5,80\n2000,,-inf\n");
  assert_file(
      directory, "metrics.jsonl",
      "{\"step\":0,\"eval/mean_reward\":-1200.5,\"eval/std_reward\":80}\n"
      "{\"step\":1000,\"losses/critic\":0.25,\"rollout/ep_rew_mean\":null,\"charts/SPS\":5123}\n"
      "{\"step\":2000,\"losses/critic\":1e999,\"rollout/ep_rew_mean\":-333.125,"
      "\"charts/SPS\":0.3333333333333333}\n"
      "{\"step\":2000,\"eval/mean_reward\":null,\"eval/std_reward\":-1e999}\n");
  directory_remove(directory);
}
END_TEST

START_TEST(lines_at_once) {
  char *directory = directory_make();
  Log *log = open_good(directory, NULL);
  line(log, 7, 1, 2, 3);
  assert_file(directory, "progress.csv",
              "step,losses/critic,rollout/ep_rew_mean,charts/SPS\n7,1,2,3\n");
  close_log(log);
  directory_remove(directory);
}
END_TEST

START_TEST(nothing_allocated) {
  if (!allocations_counted()) return;
  char *directory = directory_make();
  Log *log = open_good(directory, NULL);
  RunError error;
  LogMark mark;
  uint64_t before = allocations();
  for (uint64_t step = 1; step <= 500; step++) {
    double x = 1 / (double)step;
    if (!log_line(log, step, (double[]){x, -x * 1e300, x * 5e-324}, &error)) break;
    if (!log_evaluation(log, step, (double[]){exp(x), NAN}, &error)) break;
    if (!log_mark(log, &mark, &error)) break;
  }
  ck_assert_uint_eq(allocations(), before);
  ck_assert_uint_gt(mark.bytes[0], 500);
  close_log(log);
  directory_remove(directory);
}
END_TEST

/* ---- events, read back ---- */

typedef struct Scalar {
  uint64_t step;
  char tag[64];
  float value;
} Scalar;

static uint64_t varint(const unsigned char **at, const unsigned char *end) {
  uint64_t value = 0;
  for (int shift = 0; *at < end; shift += 7) {
    unsigned char byte = *(*at)++;
    value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) break;
  }
  return value;
}

/* Reads one message's fields; a Summary and its Value stand inside the Event. */
static void read_message(const unsigned char *at, const unsigned char *end, int level,
                         Scalar *scalar, double *seconds) {
  while (at < end) {
    uint64_t key = varint(&at, end);
    uint64_t length = (key & 7) == 1 ? 8 : (key & 7) == 5 ? 4 : varint(&at, end);
    if ((key & 7) == 0) {
      ck_assert_int_eq(level, 0);
      ck_assert_uint_eq(key >> 3, 2);
      scalar->step = length;
      continue;
    }
    ck_assert_uint_le(length, (uint64_t)(end - at));
    if (level == 0 && key == (1 << 3 | 1))
      memcpy(seconds, at, 8);
    else if (level == 0 && key == (3 << 3 | 2))
      memcpy(scalar->tag, at, length);
    else if (level == 0 && key == (5 << 3 | 2))
      read_message(at, at + length, 1, scalar, seconds);
    else if (level == 1 && key == (1 << 3 | 2))
      read_message(at, at + length, 2, scalar, seconds);
    else if (level == 2 && key == (1 << 3 | 2))
      memcpy(scalar->tag, at, length);
    else if (level == 2 && key == (2 << 3 | 5))
      memcpy(&scalar->value, at, 4);
    else
      ck_abort_msg("field %d at level %d", (int)key, level);
    at += length;
  }
}

/* The mask undone, so that the reader shares no line with the writer. */
static uint32_t unmask(uint32_t masked) {
  uint32_t rotated = masked - 0xa282ead8u;
  return rotated << 15 | rotated >> 17;
}

static size_t read_events(const char *directory, Scalar *scalars, size_t most) {
  Bytes file = file_read(file_find(directory, "events.out.tfevents.", "").text);
  size_t count = 0;
  for (size_t at = 0; at < file.size && count < most; count++) {
    uint64_t length;
    uint32_t length_crc, data_crc;
    double seconds = 0;
    ck_assert_uint_ge(file.size - at, 16);
    memcpy(&length, file.data + at, 8);
    memcpy(&length_crc, file.data + at + 8, 4);
    ck_assert_uint_eq(unmask(length_crc), crc32c_table(0, file.data + at, 8));
    ck_assert_uint_le(length, file.size - at - 16);
    memcpy(&data_crc, file.data + at + 12 + length, 4);
    ck_assert_uint_eq(unmask(data_crc), crc32c_table(0, file.data + at + 12, length));
    const unsigned char *data = (const unsigned char *)file.data + at + 12;
    scalars[count] = (Scalar){0};
    read_message(data, data + length, 0, &scalars[count], &seconds);
    ck_assert(seconds > 1.6e9 && seconds < 1e11);
    at += 16 + length;
  }
  free(file.data);
  return count;
}

static void assert_scalar(const Scalar *scalar, uint64_t step, const char *tag, float value) {
  ck_assert_uint_eq(scalar->step, step);
  ck_assert_str_eq(scalar->tag, tag);
  ck_assert(scalar->value == value);
}

START_TEST(events_read_back) {
  char *directory = directory_make();
  Log *log = open_good(directory, NULL);
  line(log, 100, 0.1, NAN, 5123);
  line(log, 3000000000u, -2.5, INFINITY, 0);
  evaluation(log, 3000000001u, 7, 8);
  close_log(log);
  Scalar found[16];
  ck_assert_uint_eq(read_events(directory, found, 16), 8);
  assert_scalar(&found[0], 0, "brain.Event:2", 0);
  assert_scalar(&found[1], 100, "losses/critic", 0.1f);
  assert_scalar(&found[2], 100, "charts/SPS", 5123);
  assert_scalar(&found[3], 3000000000u, "losses/critic", -2.5f);
  assert_scalar(&found[4], 3000000000u, "rollout/ep_rew_mean", INFINITY);
  assert_scalar(&found[5], 3000000000u, "charts/SPS", 0);
  assert_scalar(&found[6], 3000000001u, "eval/mean_reward", 7);
  assert_scalar(&found[7], 3000000001u, "eval/std_reward", 8);
  directory_remove(directory);
}
END_TEST

/* ---- going on ---- */

START_TEST(resume_cuts_to_mark) {
  char *directory = directory_make();
  RunError error;
  LogMark mark;
  Log *log = open_good(directory, NULL);
  line(log, 1, 1, 2, 3);
  evaluation(log, 1, 4, 5);
  ck_assert(log_mark(log, &mark, &error));
  line(log, 2, -1, -1, -1);
  evaluation(log, 2, -1, -1);
  close_log(log);
  log = open_good(directory, &mark);
  line(log, 2, 6, 7, 8);
  close_log(log);
  assert_file(directory, "progress.csv",
              "step,losses/critic,rollout/ep_rew_mean,charts/SPS\n1,1,2,3\n2,6,7,8\n");
  assert_file(directory, "evaluations.csv", "step,eval/mean_reward,eval/std_reward\n1,4,5\n");
  assert_file(directory, "metrics.jsonl",
              "{\"step\":1,\"losses/critic\":1,\"rollout/ep_rew_mean\":2,\"charts/SPS\":3}\n"
              "{\"step\":1,\"eval/mean_reward\":4,\"eval/std_reward\":5}\n"
              "{\"step\":2,\"losses/critic\":6,\"rollout/ep_rew_mean\":7,\"charts/SPS\":8}\n");
  Scalar found[16];
  ck_assert_uint_eq(read_events(directory, found, 16), 9);
  assert_scalar(&found[8], 2, "charts/SPS", 8);
  directory_remove(directory);
}
END_TEST

/* A mark taken before the first line: metrics.jsonl is empty then, and must become so again. */
START_TEST(resume_from_the_start) {
  char *directory = directory_make();
  RunError error;
  LogMark mark;
  Log *log = open_good(directory, NULL);
  ck_assert(log_mark(log, &mark, &error));
  ck_assert_uint_eq(mark.bytes[1], 0);
  line(log, 2, -1, -1, -1);
  close_log(log);
  close_log(open_good(directory, &mark));
  assert_file(directory, "metrics.jsonl", "");
  assert_file(directory, "progress.csv", "step,losses/critic,rollout/ep_rew_mean,charts/SPS\n");
  directory_remove(directory);
}
END_TEST

static void assert_refused(const char *directory, const LogMark *resume, const char *format) {
  RunError error;
  char expected[5000];
  ck_assert_ptr_null(open_log(directory, resume, &error));
  snprintf(expected, sizeof expected, format, directory);
  ck_assert_str_eq(error.text, expected);
}

START_TEST(resume_refused) {
  char *directory = directory_make();
  RunError error;
  LogMark mark;
  Log *log = open_good(directory, NULL);
  line(log, 1, 1, 2, 3);
  ck_assert(log_mark(log, &mark, &error));
  assert_refused(directory, &mark, "the run directory '%s' is in use by another process");
  close_log(log);

  /* Whatever is refused, no file is changed. */
  mark.bytes[2] += 1000;
  assert_refused(
      directory, &mark,
      "cannot go on with '%s/evaluations.csv': it has 38 bytes, the checkpoint saw 1038");
  mark.bytes[2] -= 1000, mark.bytes[0] -= 8;
  const char *const other[] = {"losses/critic", "rollout/ep_rew_mean", "charts/UPS"};
  ck_assert_ptr_null(log_open(directory, other, 3, eval_names, 2, &mark, &error));
  ck_assert_ptr_nonnull(strstr(error.text, "its columns are not those of this trainer"));
  assert_file(directory, "progress.csv",
              "step,losses/critic,rollout/ep_rew_mean,charts/SPS\n1,1,2,3\n");

  unlink(file_find(directory, "events.out.tfevents.", "").text);
  assert_refused(directory, &mark, "cannot go on in '%s': it has no file 'events.out.tfevents.*'");
  directory_remove(directory);
}
END_TEST

START_TEST(directories_refused) {
  char *directory = directory_make();
  Path file = path_in(directory, "file"), missing = path_in(directory, "missing");
  file_write(file.text, "x", 1);
  assert_refused(file.text, NULL, "cannot open the run directory '%s': Not a directory");
  assert_refused(missing.text, NULL,
                 "cannot open the run directory '%s': No such file or directory");
  assert_refused("/proc", NULL, "cannot write '%s/progress.csv': No such file or directory");
  RunError error;
  const char *const bad[] = {"a,b"};
  ck_assert_ptr_null(log_open(directory, bad, 1, eval_names, 2, NULL, &error));
  ck_assert_str_eq(error.text, "a column cannot be called 'a,b'");
  directory_remove(directory);
}
END_TEST

/* ---- full disks ---- */

START_TEST(full_at_opening) {
  char *directory = directory_make();
  ck_assert_int_eq(symlink("/dev/full", path_in(directory, "evaluations.csv").text), 0);
  assert_refused(directory, NULL, "cannot write '%s/evaluations.csv': No space left on device");
  directory_remove(directory);
}
END_TEST

START_TEST(full_at_a_line) {
  char *directory = directory_make();
  ck_assert_int_eq(symlink("/dev/full", path_in(directory, "metrics.jsonl").text), 0);
  Log *log = open_good(directory, NULL);
  RunError error;
  char expected[5000];
  snprintf(expected, sizeof expected, "cannot write '%s/metrics.jsonl': No space left on device",
           directory);
  for (int i = 0; i < 2; i++) { /* it stays an error */
    ck_assert(!log_line(log, 1, (double[]){1, 2, 3}, &error));
    ck_assert_str_eq(error.text, expected);
  }
  LogMark mark;
  ck_assert(!log_mark(log, &mark, &error));
  ck_assert(!log_close(log, &error));
  ck_assert_str_eq(error.text, expected);
  directory_remove(directory);
}
END_TEST

/* In a child: writes lines until the limit on file sizes stops it. Exits with 0 when all was well:
 * the error names the file, and the file ends with the last whole line. */
static int write_to_limit(const char *directory) {
  RunError error;
  signal(SIGXFSZ, SIG_IGN);
  Log *log = open_good(directory, NULL);
  struct rlimit limit = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &limit);
  uint64_t step = 1;
  while (step < 1000 && log_line(log, step, (double[]){1, 2, 3}, &error)) step++;
  if (step == 1000 || !strstr(error.text, "File too large")) return 2;
  log_close(log, &error);
  static const char *const files[] = {"progress.csv", "metrics.jsonl"};
  for (size_t i = 0; i < 2; i++) {
    Bytes bytes = file_read(path_in(directory, files[i]).text);
    if (bytes.size == 0 || bytes.size > 1000 || bytes.data[bytes.size - 1] != '\n') return 3;
    free(bytes.data);
  }
  return 0;
}

START_TEST(size_limit_leaves_whole_lines) {
  char *directory = directory_make();
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) _exit(write_to_limit(directory));
  int status = -1;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  /* The event file is the one that grew too long; it holds whole records only. */
  Scalar found[32];
  size_t records = read_events(directory, found, 32);
  ck_assert(records > 3 && records < 32);
  directory_remove(directory);
}
END_TEST

/* ---- JSON and the progress line ---- */

START_TEST(json_strict) {
  static const char *const good[] = {"{}", "[]",
                                     " { \"a\" : [1, -2.5e3, null], \"b\" : {\"c\":\"\\u0041\"} } ",
                                     "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "true"};
  static const char *const bad[] = {"",
                                    "{",
                                    "}",
                                    "[1,]",
                                    "[,1]",
                                    "{\"a\"}",
                                    "{\"a\":}",
                                    "{a:1}",
                                    "[1 2]",
                                    "[1]]",
                                    "{\"a\":1,}",
                                    "nul",
                                    "[+1]",
                                    "[.5]",
                                    "[1e]",
                                    "\"a",
                                    "\"a\nb\"",
                                    "[1] x",
                                    "{\"a\" 1}",
                                    "[\"\\",
                                    "[\"\\u12",
                                    "[tru]",
                                    "[1,,2]",
                                    "{\"\\ud800\":1}",
                                    "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
                                    "[-]",
                                    "-",
                                    "/*x*/1"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    JsonReader json = json_reader(good[i], strlen(good[i]));
    json_skip(&json);
    ck_assert_msg(json_finish(&json), "%s: %s", good[i], json.problem);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    size_t length = strlen(bad[i]);
    char *exact = malloc(length + 1); /* so that sanitizers see a read past the end */
    memcpy(exact, bad[i], length);
    JsonReader json = json_reader(exact, length);
    json_skip(&json);
    ck_assert_msg(!json_finish(&json), "taken as good: %s", bad[i]);
    free(exact);
  }
}
END_TEST

START_TEST(progress_line) {
  char text[1024];
  Progress progress = {.step = 51000,
                       .steps = 200000,
                       .updates = 50000,
                       .start_step = 1000,
                       .episode_return = -203.4375,
                       .eval_return = NAN,
                       .seconds = 5};
  Capture capture = capture_begin(STDERR_FILENO);
  progress_show(&progress, false); /* not a terminal: nothing before 10 s */
  progress.seconds = 10;
  progress_show(&progress, false);
  progress_show(&progress, false);
  progress.eval_return = -150, progress.seconds = 12, progress.step = 200000;
  progress_show(&progress, true);
  ck_assert_str_eq(capture_end(&capture, text, sizeof text),
                   "step 51000 (25.5 %)  return -203.438  5000 steps/s  5000 updates/s  left 0:30\n"
                   "step 200000 (100.0 %)  return -203.438  eval -150  16583 steps/s  4167 "
                   "updates/s  took 0:12\n");
  progress = (Progress){.steps = 10, .seconds = 11, .episode_return = NAN, .eval_return = NAN};
  capture = capture_begin(STDERR_FILENO);
  progress_show(&progress, false);
  ck_assert_str_eq(capture_end(&capture, text, sizeof text),
                   "step 0 (0.0 %)  0 steps/s  0 updates/s  left ?\n");
}
END_TEST

/* A run that its time limit ends long before its steps is over by the limit's share. */
START_TEST(progress_of_a_time_limit) {
  char text[1024];
  Progress progress = {.step = 30000,
                       .steps = 1000000,
                       .episode_return = NAN,
                       .eval_return = NAN,
                       .seconds = 30,
                       .limit_seconds = 120};
  Capture capture = capture_begin(STDERR_FILENO);
  progress_show(&progress, false);
  progress.seconds = 121, progress.step = 121000;
  progress_show(&progress, true);
  progress.seconds = 30, progress.step = 500000; /* the steps end it sooner */
  progress_show(&progress, true);
  ck_assert_str_eq(capture_end(&capture, text, sizeof text),
                   "step 30000 (25.0 %)  1000 steps/s  0 updates/s  left 1:30\n"
                   "step 121000 (100.0 %)  1000 steps/s  0 updates/s  took 2:01\n"
                   "step 500000 (50.0 %)  16667 steps/s  0 updates/s  left 0:30\n");
}
END_TEST

START_TEST(progress_on_a_terminal) {
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  ck_assert_int_ge(terminal, 0);
  ck_assert_int_eq(grantpt(terminal) | unlockpt(terminal), 0);
  int screen = open(ptsname(terminal), O_RDWR | O_NOCTTY), saved = dup(STDERR_FILENO);
  ck_assert_int_ge(screen, 0);
  dup2(screen, STDERR_FILENO);
  Progress progress = {.steps = 10, .seconds = 0.1, .episode_return = NAN, .eval_return = NAN};
  progress_show(&progress, false); /* too early */
  progress.step = 5, progress.seconds = 1;
  progress_show(&progress, false);
  progress.step = 10, progress.seconds = 1.1;
  progress_show(&progress, false); /* too early after the last */
  progress_show(&progress, true);
  dup2(saved, STDERR_FILENO);
  close(saved);
  /* The terminal hands over what has arrived so far: read on to the end of the last line. */
  char text[1024] = "";
  size_t length = 0;
  while (!memchr(text, '\n', length)) {
    ssize_t more = read(terminal, text + length, sizeof text - 1 - length);
    ck_assert_int_gt(more, 0);
    length += (size_t)more;
  }
  text[length] = '\0';
  ck_assert_str_eq(text, "\rstep 5 (50.0 %)  5 steps/s  0 updates/s  left 0:01\033[K"
                         "\rstep 10 (100.0 %)  9 steps/s  0 updates/s  took 0:01\033[K\r\n");
  close(screen);
  close(terminal);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {crc_known_and_equal,
                                numbers_shortest,
                                text_pinned,
                                lines_at_once,
                                nothing_allocated,
                                events_read_back,
                                resume_cuts_to_mark,
                                resume_from_the_start,
                                resume_refused,
                                directories_refused,
                                full_at_opening,
                                full_at_a_line,
                                size_limit_leaves_whole_lines,
                                json_strict,
                                progress_line,
                                progress_of_a_time_limit,
                                progress_on_a_terminal};
  Suite *suite = suite_create("logs");
  TCase *cases = tcase_create("logs");
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(cases, tests[i]);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
