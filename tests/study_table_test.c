/* How a running study shows itself on a terminal: a table that fits, and errors that stay. */
#include "runtime/trainer.h"
#include "tests/study_fixture.h"
#include "tests/suite.h"

#include <poll.h>
#include <pty.h>

/* A command on a terminal. */
typedef struct Shown {
  pid_t command;
  int terminal;
  char *text; /* all that it wrote; free it */
  size_t used;
} Shown;

enum { TEXT_ROOM = 1 << 20 };

static Shown shown_start(const Asked *asked, unsigned short columns) {
  struct winsize window = {.ws_row = 24, .ws_col = columns};
  Shown shown = {.text = calloc(1, TEXT_ROOM)};
  hold(asked);
  fflush(NULL);
  shown.command = forkpty(&shown.terminal, NULL, NULL, &window);
  ck_assert_int_ge(shown.command, 0);
  if (shown.command != 0) return shown;
  _exit(study_main(asked));
}

/* Reads until a part has been written, or (NULL) until the end. */
static void shown_read(Shown *shown, const char *part) {
  double began = run_clock();
  while (!part || !strstr(shown->text, part)) {
    struct pollfd more = {.fd = shown->terminal, .events = POLLIN};
    size_t room = TEXT_ROOM - 1 - shown->used;
    if (run_clock() - began > WAITS_MOST) break;
    if (poll(&more, 1, 1000) == 0) continue;
    ssize_t got = room ? read(shown->terminal, shown->text + shown->used, room) : 0;
    if (got <= 0) break;
    shown->used += (size_t)got;
  }
  ck_assert_msg(!part || strstr(shown->text, part), "no '%s' in %s", part, shown->text);
}

/* Reads to the end and returns the exit status. */
static int shown_end(Shown *shown) {
  int status;
  shown_read(shown, NULL);
  ck_assert_int_eq(waitpid(shown->command, &status, 0), shown->command);
  ck_assert(WIFEXITED(status));
  close(shown->terminal);
  return WEXITSTATUS(status);
}

/* What stands on a terminal of endless lines after all that was written to it. The caller frees. */
static char *screen_of(const char *text) {
  enum { ROWS = 512, COLUMNS = 1024 };
  char(*rows)[COLUMNS] = calloc(ROWS, sizeof *rows), *screen = calloc(ROWS, COLUMNS), *end = screen;
  size_t row = 0, column = 0;
  for (const char *at = text; *at; at++) {
    if (at[0] == '\033' && at[1] == '[' && at[2] == 'J') {
      memset(rows[row], 0, (ROWS - row) * sizeof *rows);
      at += 2;
    } else if (at[0] == '\033') {
      char *after;
      size_t up = strtoul(at + 2, &after, 10);
      ck_assert_msg(*after == 'A' && up <= row, "%.20s", at);
      row -= up;
      at = after;
    } else if (*at == '\r') {
      column = 0;
    } else if (*at == '\n') {
      row++;
    } else {
      rows[row][column++] = *at;
    }
    ck_assert(row < ROWS && column < COLUMNS);
  }
  for (size_t i = 0; i <= row; i++) end += sprintf(end, "%s\n", rows[i]);
  free(rows);
  return screen;
}

/* Every line of the table fits; what the terminal is told is no part of it. */
static void lines_fit(const char *text, size_t columns) {
  for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    size_t length = strcspn(line, "\r\n"), width = 0;
    bool table = false;
    for (const char *at = line; at < line + length; at++) {
      table |= strncmp(at, "steps/s", 7) == 0;
      if (*at == '\033')
        while (at[1] && !strchr("AJ", *at)) at++;
      else
        width++;
    }
    ck_assert_msg(!table || width < columns, "%zu columns: %.*s", width, (int)length, line);
  }
}

START_TEST(tables_are_as_wide_as_the_terminal) {
  static const unsigned short columns[] = {60, 100};
  for (int i = 0; i < 2; i++) {
    Asked asked = {.name = i ? "wide" : "narrow", .points = 1, .held = 1};
    Shown shown = shown_start(&asked, columns[i]);
    shown_read(&shown, "0 of 2 runs done, 2 running, 0 waiting; ");
    shown_read(&shown, " 40 %");
    shown_read(&shown, "\033[3A\r\033[J");
    release(&asked, 1);
    ck_assert_int_eq(shown_end(&shown), 0);
    char *text = shown.text;
    lines_fit(text, columns[i]);
    ck_assert_msg(strstr(text, i ? "sac, Pendulum-v1, seed 2" : "seed 2 "), "%s", text);
    ck_assert_msg(!strstr(text, "[#") == !i, "%s", text);
    ck_assert_ptr_null(strstr(text, ": begins"));
    free(text);
  }
}
END_TEST

/* The table is drawn in place; what others write must not go with it. */
START_TEST(errors_stay_on_the_terminal) {
  Asked asked = {.name = "spoilt", .points = 1};
  study_good(&asked);
  folder_remove(run_file(&asked, 0, 1, "").text);
  int lock = claim_take(run_file(&asked, 0, 1, ".lock").text, false);
  ck_assert_int_ge(lock, 0);
  Shown shown = shown_start(&asked, 80);
  shown_read(&shown, "1 by others");
  file_write(run_file(&asked, 0, 1, ".json").text, "{\"hash\": \"12", 12);
  ck_assert_int_eq(shown_end(&shown), 1);
  close(lock);
  char *screen = screen_of(shown.text);
  ck_assert_msg(strstr(screen, "error: '") == screen, "%s", screen);
  ck_assert_msg(strstr(screen, "seed-1.json' is damaged"), "%s", screen);
  ck_assert_msg(!strstr(screen, "by others") && strstr(screen, "1 of 2 runs done"), "%s", screen);
  free(screen);
  free(shown.text);
}
END_TEST

/* A trainer that cannot be started is told where a table stands too. */
START_TEST(a_trainer_that_is_gone_is_told) {
  Asked asked = {.name = "gone", .points = 1, .seeds = 3, .jobs = 1, .held = 1};
  Shown shown = shown_start(&asked, 80);
  shown_read(&shown, "0 of 3 runs done, 1 running");
  ck_assert_int_eq(unlink(trainer_file(&asked).text), 0);
  release(&asked, 1);
  ck_assert_int_eq(shown_end(&shown), 1);
  char *screen = screen_of(shown.text);
  ck_assert_msg(strstr(screen, "error: cannot start '") && strstr(screen, "1 of 3 runs done"), "%s",
                screen);
  ck_assert_msg(!strstr(screen, "steps/s"), "%s", screen);
  free(screen);
  free(shown.text);
}
END_TEST

/* What is left is the rest of what runs, and for what waits what done runs took. Of a run that
 * stands still nothing is known until it has gone on. */
START_TEST(time_left_is_that_of_done_runs) {
  Asked asked = {.name = "left", .points = 1, .seeds = 1, .jobs = 1};
  study_good(&asked);
  file_replace(run_file(&asked, 0, 1, "/result.json"),
               "\"seconds\": ", "\"seconds\": 1000000, \"were\": ");
  asked.seeds = 4, asked.held = 2;
  Shown shown = shown_start(&asked, 100);
  shown_read(&shown, " 40 %");
  shown_read(&shown, "1 of 4 runs done, 1 running, 2 waiting; ? left");
  release(&asked, 1);
  shown_read(&shown, "1 of 4 runs done, 1 running, 2 waiting; 555:3"); /* 2 million seconds */
  kill(shown.command, SIGINT);
  ck_assert_int_eq(shown_end(&shown), 130);
  free(shown.text);
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("study_table");
  TCase *tests = tcase_create("study_table");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fixture_open, fixture_close);
  tcase_add_test(tests, tables_are_as_wide_as_the_terminal);
  tcase_add_test(tests, errors_stay_on_the_terminal);
  tcase_add_test(tests, a_trainer_that_is_gone_is_told);
  tcase_add_test(tests, time_left_is_that_of_done_runs);
  return suite_run(suite);
}
