/* The live view of a study: what it gives out, what it refuses, and that it follows the runs. */
#include "tests/report_fixture.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "compiler/study/report/serve.h"

static Session session;
static Server *server;

static void serve_open(void) {
  report_open();
  study_write(&(Made){.done = 4});
  session = (Session){.program = "rlc", .arena = arena_make()};
  session.diag = diag_make(session.arena);
  server = server_start(&session, folder, 0);
  ck_assert_ptr_nonnull(server);
}

static void serve_close(void) {
  server_stop(server);
  arena_free(session.arena);
  report_close();
}

/* ---- asking ---- */

enum { ANSWER_SIZE = 1 << 21 };

static int connect_to(const char *address) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server_port(server))};
  inet_pton(AF_INET, address, &to.sin_addr);
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(s, (struct sockaddr *)&to, sizeof to) == 0) return s;
  close(s);
  return -1;
}

/* Sends what stands there, byte for byte, and returns the whole answer. The caller frees. */
static char *ask_raw(const char *text) {
  char *answer = calloc(1, ANSWER_SIZE);
  int s = connect_to("127.0.0.1");
  ck_assert_int_ge(s, 0);
  ck_assert_int_eq(write(s, text, strlen(text)), (ssize_t)strlen(text));
  size_t size = 0;
  for (ssize_t got; (got = read(s, answer + size, ANSWER_SIZE - 1 - size)) > 0;)
    size += (size_t)got;
  close(s);
  return answer;
}

static char *ask(const char *method, const char *path, const char *host) {
  char text[2048], name[128];
  snprintf(name, sizeof name, "127.0.0.1:%u", server_port(server));
  snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", method,
           path, host ? host : name);
  return ask_raw(text);
}

static void status_is(char *answer, int status, const char *what) {
  char head[32];
  snprintf(head, sizeof head, "HTTP/1.1 %d ", status);
  ck_assert_msg(strncmp(answer, head, strlen(head)) == 0, "%s: %.40s", what, answer);
  ck_assert_msg(!strstr(answer, "root:") && !strstr(answer, "secret"), "%s leaks", what);
  free(answer);
}

/* ---- what is given ---- */

START_TEST(the_page_is_given_and_is_live) {
  char *page = ask("GET", "/", NULL);
  ck_assert(strncmp(page, "HTTP/1.1 200 ", 13) == 0);
  ck_assert_ptr_nonnull(strstr(page, "Content-Type: text/html; charset=utf-8\r\n"));
  ck_assert_ptr_nonnull(strstr(page, "Content-Security-Policy: default-src 'none'"));
  ck_assert_ptr_nonnull(strstr(page, "<h1>small &lt;study&gt;</h1>"));
  ck_assert_ptr_nonnull(strstr(page, "4 of 9 runs done"));
  const char *script = strstr(page, "setInterval"), *head = strstr(page, "</head>");
  ck_assert(script && head && script < head);
  ck_assert_ptr_nonnull(strstr(page, "</html>"));
  free(page);
}
END_TEST

START_TEST(files_of_the_report_are_given) {
  Bytes csv = report_file("tables/aggregates.csv");
  char *answer = ask("GET", "/tables/aggregates.csv", NULL);
  ck_assert_ptr_nonnull(strstr(answer, "Content-Type: text/csv"));
  ck_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, csv.data);
  free(answer);
  free(csv.data);
  answer = ask("GET", "/report.html", "localhost");
  ck_assert(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
  ck_assert_ptr_null(strstr(answer, "setInterval"));
  free(answer);
  answer = ask("HEAD", "/scores.json", NULL);
  ck_assert(strncmp(answer, "HTTP/1.1 200 ", 13) == 0);
  ck_assert_str_eq(strstr(answer, "\r\n\r\n") + 4, "");
  free(answer);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(nothing_outside_of_the_report_is_given) {
  static const char *const paths[] = {
      "/../study.json",
      "/../../../../../../etc/passwd",
      "/%2e%2e/study.json",
      "/%2e%2e%2fstudy.json",
      "/..%2fstudy.json",
      "/tables/../../study.json",
      "/tables/%2e%2e/%2e%2e/study.json",
      "/tables/..",
      "/./scores.json",
      "//etc/passwd",
      "//scores.json",
      "/%2fetc%2fpasswd",
      "/etc/passwd",
      "/tables",
      "/tables/",
      "/scores.json/",
      "/scores.json/x",
      "/.hidden",
      "/link",
      "/linked/passwd",
      "/pipe",
      "/nothing",
      "/%2e%2e%00/study.json",
      "/..%5c..%5cstudy.json",
      "/%252e%252e/study.json",
  };
  made_text("study.yaml", "secret: true\n");
  made_text("report/.hidden", "secret\n");
  ck_assert_int_eq(symlink("/etc/passwd", path_in(folder, "report/link").text), 0);
  ck_assert_int_eq(symlink("/etc", path_in(folder, "report/linked").text), 0);
  ck_assert_int_eq(mkfifo(path_in(folder, "report/pipe").text, 0666), 0);
  for (size_t i = 0; i < COUNTOF(paths); i++) status_is(ask("GET", paths[i], NULL), 404, paths[i]);
}
END_TEST

START_TEST(a_report_that_is_a_link_is_not_followed) {
  ck_assert_int_eq(rename(path_in(folder, "report").text, path_in(folder, "elsewhere").text), 0);
  ck_assert_int_eq(symlink("/etc", path_in(folder, "report").text), 0);
  status_is(ask("GET", "/passwd", NULL), 404, "/passwd");
  status_is(ask("GET", "/", NULL), 404, "/");
}
END_TEST

START_TEST(nothing_is_taken) {
  static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"};
  for (size_t i = 0; i < COUNTOF(methods); i++)
    status_is(ask(methods[i], "/scores.json", NULL), 405, methods[i]);
  char text[512];
  snprintf(text, sizeof text,
           "PUT /x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
           "hello",
           server_port(server));
  status_is(ask_raw(text), 405, "PUT with a body");
  ck_assert(access(path_in(folder, "report/x").text, F_OK) != 0);
}
END_TEST

START_TEST(other_names_and_addresses_are_refused) {
  static const char *const hosts[] = {"evil.example", "127.0.0.1.evil.example", "localhost:1", "",
                                      "127.0.0.1:99999"};
  for (size_t i = 0; i < COUNTOF(hosts); i++) status_is(ask("GET", "/", hosts[i]), 403, hosts[i]);
  status_is(ask_raw("GET / HTTP/1.0\r\n\r\n"), 403, "no host");
  ck_assert_int_lt(connect_to("127.0.0.2"), 0); /* also of this machine, but not ours */
}
END_TEST

START_TEST(nonsense_does_no_harm) {
  static const char *const texts[] = {"\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
                                      "\x16\x03\x01\x02\r\n\r\n"};
  for (size_t i = 0; i < COUNTOF(texts); i++) {
    int s = connect_to("127.0.0.1");
    ck_assert_int_eq(write(s, texts[i], strlen(texts[i])), (ssize_t)strlen(texts[i]));
    shutdown(s, SHUT_WR);
    char answer[256];
    while (read(s, answer, sizeof answer) > 0) continue;
    close(s);
  }
  char *page = ask("GET", "/", NULL);
  ck_assert(strncmp(page, "HTTP/1.1 200 ", 13) == 0);
  free(page);
}
END_TEST

/* ---- following the runs ---- */

/* Looks until it makes a report, or for two minutes. */
static bool look_long(void) {
  for (int i = 0; i < 240; i++) {
    free(ask("GET", "/", NULL));
    if (server_look(server)) return true;
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
  }
  return false;
}

START_TEST(the_page_follows_the_runs) {
  study_write(&(Made){.done = 6});
  ck_assert(look_long());
  char *page = ask("GET", "/", NULL);
  ck_assert_ptr_nonnull(strstr(page, "6 of 9 runs done"));
  free(page);
}
END_TEST

/* Who makes a run holds its lock, as this test does. */
START_TEST(the_page_counts_what_runs) {
  made_text("runs/a__b_____c_/A-v1/seed-3.lock", "");
  int lock = claim_take(path_in(folder, "runs/a__b_____c_/A-v1/seed-3.lock").text, false);
  ck_assert_int_ge(lock, 0);
  study_write(&(Made){.done = 6});
  ck_assert(look_long());
  char *page = ask("GET", "/", NULL);
  ck_assert_ptr_nonnull(
      strstr(page, "6 of 9 runs done, 0 failed, 1 running, 2 waiting or interrupted."));
  ck_assert_ptr_nonnull(strstr(page, "6 done, 0 failed, 1 running, 0 interrupted, 2 waiting."));
  free(page);
  close(lock); /* as who is killed, without a word in any file */
  ck_assert(look_long());
  page = ask("GET", "/", NULL);
  ck_assert_ptr_nonnull(strstr(page, "6 done, 0 failed, 0 running, 0 interrupted, 3 waiting."));
  free(page);
}
END_TEST

/* Looks, with files of so many bytes at most, until something is said, or for two minutes. */
static void look_in_vain(rlim_t bytes, char *said, size_t size) {
  struct rlimit before, few;
  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
  few = before, few.rlim_cur = bytes;
  said[0] = '\0';
  for (int i = 0; i < 240 && !*said; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    free(ask("GET", "/", NULL));
    Capture capture = capture_begin(STDERR_FILENO);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &few), 0);
    bool made = server_look(server);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    capture_end(&capture, said, size);
    ck_assert(!made);
  }
}

/* A disk may be full for a while. */
START_TEST(what_could_not_be_made_is_made_later) {
  char said[4096];
  signal(SIGXFSZ, SIG_IGN);
  study_write(&(Made){.done = 6});
  look_in_vain(3000, said, sizeof said);
  ck_assert_msg(strstr(said, "error: cannot write '"), "%s", said);
  ck_assert(look_long());
  char *page = ask("GET", "/", NULL);
  ck_assert_ptr_nonnull(strstr(page, "6 of 9 runs done"));
  free(page);
}
END_TEST

START_TEST(what_does_not_change_is_not_made_again) {
  struct stat before, after;
  ck_assert_int_eq(stat(path_in(folder, "report").text, &before), 0);
  sleep(3); /* so that it has the time for it */
  free(ask("GET", "/", NULL));
  ck_assert(!server_look(server));
  ck_assert_int_eq(stat(path_in(folder, "report").text, &after), 0);
  ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

START_TEST(what_is_no_study_is_not_served) {
  char said[4096];
  Capture capture = capture_begin(STDERR_FILENO);
  Server *none = server_start(&session, "/nowhere", 0);
  Server *empty = server_start(&session, path_in(folder, "runs").text, 0);
  Server *taken = server_start(&session, folder, server_port(server));
  capture_end(&capture, said, sizeof said);
  ck_assert(!none && !empty && !taken);
  ck_assert_msg(strstr(said, "cannot open the folder '/nowhere'") &&
                    strstr(said, "no study.json") && strstr(said, "another port is --port N"),
                "%s", said);
}
END_TEST

/* ---- the command ---- */

/* `rlc watch` with a port; it begins to say where it is in `said`. */
static pid_t watch_start(const char *port, char *said, size_t size) {
  int told[2];
  ck_assert_int_eq(pipe(told), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(told[1], 1), dup2(told[1], 2);
    close(told[0]), close(told[1]);
    execl(RLC_BUILD "/rlc", "rlc", "watch", folder, "--port", port, NULL);
    _exit(126);
  }
  close(told[1]);
  size_t used = 0;
  for (ssize_t got; used < size - 1 && (got = read(told[0], said + used, 1)) > 0;)
    if (said[used++] == '\n') break;
  said[used] = '\0';
  close(told[0]);
  return child;
}

static int watch_end(pid_t child) {
  int status = -1;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A port that nobody else is given, by a socket that is bound to it and does not listen: whoever
 * asks for this port may share it. */
static int port_reserve(char port[16]) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof at;
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  ck_assert(s >= 0 && setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
  ck_assert(bind(s, (struct sockaddr *)&at, size) == 0);
  ck_assert(getsockname(s, (struct sockaddr *)&at, &size) == 0);
  snprintf(port, 16, "%u", ntohs(at.sin_port));
  return s;
}

/* A port that is asked for is that one or an error; a signal ends the command, and it is well. */
START_TEST(a_port_is_insisted_on) {
  char said[1024], port[16];
  ck_assert_int_eq(watch_end(watch_start("65536", said, sizeof said)), 1);
  ck_assert_str_eq(said, "error: there is no port 65536\n");
  snprintf(port, sizeof port, "%u", server_port(server));
  ck_assert_int_eq(watch_end(watch_start(port, said, sizeof said)), 1);
  ck_assert_msg(strstr(said, "Address already in use; another port is --port N"), "%s", said);
  int reserved = port_reserve(port);
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < COUNTOF(signals); i++) {
    char expected[4200];
    pid_t child = watch_start(port, said, sizeof said);
    snprintf(expected, sizeof expected, "http://127.0.0.1:%s/ shows %s; ^C ends it\n", port,
             folder);
    ck_assert_str_eq(said, expected);
    kill(child, signals[i]);
    ck_assert_int_eq(watch_end(child), 0);
  }
  close(reserved);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("serve");
  TCase *cases = tcase_create("serve");
  tcase_set_timeout(cases, 300);
  tcase_add_checked_fixture(cases, serve_open, serve_close);
  tcase_add_test(cases, the_page_is_given_and_is_live);
  tcase_add_test(cases, files_of_the_report_are_given);
  tcase_add_test(cases, nothing_outside_of_the_report_is_given);
  tcase_add_test(cases, a_report_that_is_a_link_is_not_followed);
  tcase_add_test(cases, nothing_is_taken);
  tcase_add_test(cases, other_names_and_addresses_are_refused);
  tcase_add_test(cases, nonsense_does_no_harm);
  tcase_add_test(cases, the_page_follows_the_runs);
  tcase_add_test(cases, the_page_counts_what_runs);
  tcase_add_test(cases, what_could_not_be_made_is_made_later);
  tcase_add_test(cases, what_does_not_change_is_not_made_again);
  tcase_add_test(cases, what_is_no_study_is_not_served);
  tcase_add_test(cases, a_port_is_insisted_on);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
