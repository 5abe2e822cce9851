/* The report's folder: the same runs give the same bytes, it takes the place of the one before as a
 * whole, whoever else makes one, and tells what made the runs. */
#define _GNU_SOURCE
#include "tests/report_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- the same bytes ---- */

static int compare_paths(const void *a, const void *b) { return strcmp(a, b); }

/* All files of the report, their names and their bytes. */
static uint64_t report_hash(void) {
  static const char *const folders[] = {"report", "report/tables", "report/figures"};
  uint64_t total = HASH_SEED;
  for (size_t i = 0; i < COUNTOF(folders); i++) {
    Path path = path_in(folder, folders[i]);
    char names[64][256];
    size_t count = 0;
    DIR *list = opendir(path.text);
    for (struct dirent *entry; list && (entry = readdir(list));)
      if (entry->d_type == DT_REG) snprintf(names[count++], 256, "%s", entry->d_name);
    if (list) closedir(list);
    qsort(names, count, sizeof *names, compare_paths);
    for (size_t k = 0; k < count; k++) {
      Bytes file = file_read(path_in(path.text, names[k]).text);
      total = hash_bytes(hash_text(total, names[k]), file.data, file.size);
      free(file.data);
    }
  }
  return total;
}

START_TEST(the_same_runs_give_the_same_bytes) {
  Made made = {.envs = 2, .normalised = true, .failed = 2};
  report_good(&made);
  uint64_t first = report_hash();
  sleep(1); /* a PDF has a date, in seconds */
  report_good(&made);
  ck_assert_uint_eq(report_hash(), first);
  made.compiler = "rlc 2";
  report_good(&made);
  ck_assert_uint_ne(report_hash(), first);
}
END_TEST

START_TEST(nothing_old_is_left) {
  report_good(&(Made){0});
  made_text("report/tables/old.csv", "old\n");
  report_good(&(Made){0});
  ck_assert(access(path_in(folder, "report/tables/old.csv").text, F_OK) != 0);
  size_t entries = directory_files(folder); /* hidden ones are not counted */
  ck_assert_uint_eq(entries, 4);            /* study.json, study.yaml, runs, report */
  DIR *list = opendir(folder);
  for (struct dirent *entry; (entry = readdir(list));)
    ck_assert_msg(strncmp(entry->d_name, ".report", 7) != 0, "%s is left", entry->d_name);
  closedir(list);
}
END_TEST

/* ---- the report's place ---- */

/* A file system that cannot exchange two names, on which the next rename to "report" fails, or
 * where others come first: one puts a report there, one removes what an exchange has brought. */
static bool no_exchange, no_report, another, removed;

static void another_comes(void) {
  another = false;
  made_text("report/report.html", "of another");
}

int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
  if (!no_exchange) {
    int status = (int)syscall(SYS_renameat2, from, old, to, new, flags);
    if (status == 0 && removed) tree_remove(old);
    return status;
  }
  errno = EINVAL;
  return -1;
}

int rename(const char *old, const char *new) {
  const char *name = strrchr(new, '/');
  bool report = name && strcmp(name, "/report") == 0;
  if (report && another) another_comes();
  if (!no_report || !report) return (int)syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0);
  no_report = false;
  errno = EIO;
  return -1;
}

static size_t reports_hidden(void) {
  size_t count = 0;
  DIR *list = opendir(folder);
  for (struct dirent *entry; (entry = readdir(list));)
    count += strncmp(entry->d_name, ".report", strlen(".report")) == 0;
  closedir(list);
  return count;
}

START_TEST(an_old_report_stays_until_there_is_a_new_one) {
  char said[2048];
  report_good(&(Made){0});
  made_text("report/mine.txt", "old");
  no_exchange = no_report = true;
  ck_assert(!report_ask(said, sizeof said));
  ck_assert_msg(strstr(said, "report' in place: Input/output error"), "%s", said);
  ck_assert(access(path_in(folder, "report/mine.txt").text, F_OK) == 0);
  ck_assert_uint_eq(reports_hidden(), 0);
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  ck_assert(access(path_in(folder, "report/mine.txt").text, F_OK) != 0);
  ck_assert(access(path_in(folder, "report/report.html").text, F_OK) == 0);
  ck_assert_uint_eq(reports_hidden(), 0);
}
END_TEST

START_TEST(leftovers_of_killed_reports_go) {
  struct timespec old[2] = {{.tv_sec = time(NULL) - 25 * 3600}, {.tv_sec = time(NULL) - 25 * 3600}};
  made_text(".report-aaaaaa/tables/x.csv", "1");
  made_text(".report-bbbbbb/tables/x.csv", "1");
  ck_assert_int_eq(utimensat(AT_FDCWD, path_in(folder, ".report-aaaaaa").text, old, 0), 0);
  report_good(&(Made){0});
  ck_assert(access(path_in(folder, ".report-aaaaaa").text, F_OK) != 0);
  ck_assert(access(path_in(folder, ".report-bbbbbb").text, F_OK) == 0); /* may be made now */
}
END_TEST

/* Any number of reports may be made at once: each takes the place of what is there by then. */
START_TEST(others_may_put_theirs_there_first) {
  for (int exchange = 0; exchange < 2; exchange++)
    for (int old = 0; old < 2; old++) {
      char said[2048];
      study_write(&(Made){0});
      tree_remove(path_in(folder, "report").text);
      if (old) made_text("report/report.html", "old");
      no_exchange = !exchange, another = true;
      ck_assert_msg(report_ask(said, sizeof said), "%s", said);
      ck_assert_msg(another == (exchange && old), "nobody came");
      HAS("report.html", "<h1>small &lt;study&gt;</h1>");
      ck_assert_uint_eq(reports_hidden(), 0);
    }
}
END_TEST

START_TEST(others_may_remove_the_old_one) {
  char said[2048];
  report_good(&(Made){0});
  removed = true;
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  HAS("report.html", "<h1>small &lt;study&gt;</h1>");
  ck_assert_uint_eq(reports_hidden(), 0);
}
END_TEST

/* Where the report's place is taken by a link, or by a file, that goes alone. */
START_TEST(what_a_link_leads_to_stays) {
  char said[4096];
  made_text("apart/below/keep", "mine");
  study_write(&(Made){0});
  ck_assert_int_eq(symlink("apart", path_in(folder, "report").text), 0);
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  assert_file(folder, "apart/below/keep", "mine");
  ck_assert_int_eq(symlink("../apart", path_in(folder, "report/link").text), 0);
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  assert_file(folder, "apart/below/keep", "mine");
  ck_assert_uint_eq(reports_hidden(), 0);
  ck_assert(folder_remove(path_in(folder, "report").text));
  made_text("report", "a file");
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  ck_assert(access(path_in(folder, "report/report.html").text, F_OK) == 0);
  ck_assert_uint_eq(reports_hidden(), 0);
}
END_TEST

/* ---- what made it ---- */

/* What resumed a run made it too; what does not count made nothing of it. */
START_TEST(all_that_made_the_runs_is_told) {
  study_write(&(Made){0});
  made_text("runs/sac/A-v1/seed-1/provenance-2.json",
            "{\"compiler\": \"rlc resumed\", \"cpu\": \"another CPU\", \"started\": "
            "\"2026-03-02T03:04:05Z\"}\n");
  made_text("runs/sac/A-v1/seed-2/provenance.json",
            "{\"compiler\": \"rlc foreign\", \"cpu\": \"a foreign CPU\", \"started\": "
            "\"2026-04-02T03:04:05Z\", \"options\": {\"seed\": 99}}\n");
  made_text("runs/sac/A-v1/seed-2/provenance-2.json", "{\"compiler\": \"rlc foreign\"}\n");
  char said[2048];
  ck_assert_msg(report_ask(said, sizeof said), "%s", said);
  HAS("report.html", "rlc 1, rlc resumed", "a CPU<br>another CPU", " to 2026-03-02T03:04:05Z");
  report_lacks("report.html", "foreign CPU");
  report_lacks("report.html", "rlc foreign");
  report_lacks("report.html", "2026-04-02");
}
END_TEST

/* ---- pictures ---- */

/* Thumbnails are drawn by `rlc play`; what it cannot draw it says. */
START_TEST(what_cannot_be_drawn_is_told) {
  char command[4096];
  study_write(&(Made){0});
  snprintf(command, sizeof command, RLC_BUILD "/rlc report %s >/dev/null", folder);
  ck_assert_int_eq(system(command), 0);
  HAS("report.html", "Not drawn: A-v1: the spec has no loop.");
  report_good(&(Made){0}); /* which draws nothing, as asked */
  report_lacks("report.html", "Not drawn");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("study_place");
  TCase *cases = tcase_create("study_place");
  tcase_set_timeout(cases, 300);
  tcase_add_checked_fixture(cases, report_open, report_close);
  tcase_add_test(cases, the_same_runs_give_the_same_bytes);
  tcase_add_test(cases, nothing_old_is_left);
  tcase_add_test(cases, an_old_report_stays_until_there_is_a_new_one);
  tcase_add_test(cases, others_may_put_theirs_there_first);
  tcase_add_test(cases, others_may_remove_the_old_one);
  tcase_add_test(cases, what_a_link_leads_to_stays);
  tcase_add_test(cases, leftovers_of_killed_reports_go);
  tcase_add_test(cases, all_that_made_the_runs_is_told);
  tcase_add_test(cases, what_cannot_be_drawn_is_told);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
