/* `rlc watch`: HTTP by libmicrohttpd, which has a thread of its own; the report is made in the
 * caller's. They share the folder alone, where reports take each other's place as a whole. */
#include "compiler/study/report/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/study/report/report.h"
#include "compiler/study/folder/folder.h"
#include "runtime/trainer.h"

#define ASKED_LATELY 60.0 /* seconds */
#define SHARE        20.0 /* of the time that passes is left for other things, to one */
#define AFTER_FAULT  10.0 /* seconds until a report that could not be made is tried again */

struct Server {
  Session *session;
  const char *folder;
  int directory; /* of the study */
  struct MHD_Daemon *daemon;
  uint16_t port;
  _Atomic double asked; /* when the page was asked for last */
  uint64_t seen;        /* what the runs looked like when the report was made */
  double next;          /* when they are looked at again, at the earliest */
};

/* What makes the page live: it asks for itself and shows what has changed, in place. */
static const char live[] =
    "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n<script>\n"
    "let shown = '';\n"
    "setInterval(async () => {\n"
    "  try {\n"
    "    const text = await (await fetch('/', {cache: 'no-store'})).text();\n"
    "    if (text === shown || document.hidden) return;\n"
    "    const first = shown === '', page = new DOMParser().parseFromString(text, 'text/html');\n"
    "    shown = text;\n"
    "    if (first && page.body.innerText === document.body.innerText) return;\n"
    "    const open = [...document.querySelectorAll('details')].map(d => d.open), y = scrollY;\n"
    "    document.body.innerHTML = page.body.innerHTML;\n"
    "    const now = [...document.querySelectorAll('details')];\n"
    "    if (now.length === open.length) now.forEach((d, i) => d.open = open[i]);\n"
    "    scrollTo(0, y);\n"
    "  } catch (nobody) {}\n"
    "}, 5000);\n</script>\n";

/* ---- files ---- */

/* A name that is one step down, and nothing hidden. */
static bool is_plain(const char *name, size_t length) {
  return length > 0 && length <= 255 && name[0] != '.';
}

/* Opens a regular file below DIR/report. Each step is taken from the folder above and follows no
 * link, so that no name leads out, whatever happens to the folder meanwhile. -1: there is none. */
static int open_below(const Server *server, const char *path, off_t *size) {
  char name[256];
  int at = openat(server->directory, "report", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  while (at >= 0 && *path == '/') {
    size_t length = strcspn(++path, "/");
    if (!is_plain(path, length)) return close(at), -1;
    memcpy(name, path, length), name[length] = '\0';
    path += length;
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (*path ? O_DIRECTORY : 0);
    int next = openat(at, name, flags);
    close(at);
    at = next;
  }
  struct stat status;
  if (at >= 0 && (*path || fstat(at, &status) != 0 || !S_ISREG(status.st_mode)))
    return close(at), -1;
  if (at >= 0) *size = status.st_size;
  return at;
}

static const char *kind_of(const char *path) {
  static const char *const kinds[][2] = {{".html", "text/html; charset=utf-8"},
                                         {".svg", "image/svg+xml"},
                                         {".pdf", "application/pdf"},
                                         {".csv", "text/csv; charset=utf-8"},
                                         {".tex", "text/plain; charset=utf-8"},
                                         {".json", "application/json"},
                                         {".png", "image/png"}};
  const char *tail = strrchr(path, '.');
  for (size_t i = 0; tail && i < COUNTOF(kinds); i++)
    if (strcmp(tail, kinds[i][0]) == 0) return kinds[i][1];
  return "application/octet-stream";
}

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *kind,
                              struct MHD_Response *response) {
  static const char policy[] =
      "default-src 'none'; style-src 'unsafe-inline'; script-src "
      "'unsafe-inline'; connect-src 'self'; img-src 'self' data:; base-uri "
      "'none'; form-action 'none'; frame-ancestors 'none'";
  if (!response) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", kind);
  MHD_add_response_header(response, "Content-Security-Policy", policy);
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, "Allow", "GET, HEAD");
  enum MHD_Result result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status,
                              const char *text) {
  return answer(
      connection, status, "text/plain; charset=utf-8",
      MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT));
}

/* The report's page with `live` in its head. */
static enum MHD_Result give_page(const Server *server, struct MHD_Connection *connection) {
  off_t size = 0;
  int file = open_below(server, "/report.html", &size);
  if (file < 0) return refuse(connection, MHD_HTTP_NOT_FOUND, "there is no report yet\n");
  char *text = malloc((size_t)size + sizeof live + 1);
  ssize_t got = text ? pread(file, text, (size_t)size, 0) : -1;
  close(file);
  if (got < 0) return free(text), refuse(connection, 500, "the report cannot be read\n");
  text[got] = '\0';
  char *head = strstr(text, "</head>");
  size_t length = (size_t)got;
  if (head) {
    memmove(head + sizeof live - 1, head, strlen(head) + 1);
    memcpy(head, live, sizeof live - 1);
    length += sizeof live - 1;
  }
  return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8",
                MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE));
}

static enum MHD_Result give_file(const Server *server, struct MHD_Connection *connection,
                                 const char *path) {
  off_t size = 0;
  int file = open_below(server, path, &size);
  if (file < 0) return refuse(connection, MHD_HTTP_NOT_FOUND, "there is no such file\n");
  return answer(connection, MHD_HTTP_OK, kind_of(path),
                MHD_create_response_from_fd((size_t)size, file));
}

/* Whether it was asked for by an address of this machine: another site's script that made its own
 * name lead here would read along. */
static bool is_ours(const Server *server, const char *host) {
  static const char *const names[] = {"127.0.0.1", "localhost"};
  char port[16];
  snprintf(port, sizeof port, ":%u", server->port);
  for (size_t i = 0; host && i < COUNTOF(names); i++) {
    size_t length = strlen(names[i]);
    if (strncmp(host, names[i], length) == 0 && (!host[length] || !strcmp(host + length, port)))
      return true;
  }
  return false;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *data_size, void **seen) {
  static const char begun;
  Server *server = cls;
  (void)version, (void)data;
  if (!*seen) return *seen = (void *)&begun, MHD_YES;
  if (*data_size) return *data_size = 0, MHD_YES; /* what is sent goes nowhere */
  if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
    return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "this can only be read\n");
  if (!is_ours(server, MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host")))
    return refuse(connection, MHD_HTTP_FORBIDDEN, "this is for this machine alone\n");
  if (strcmp(url, "/") != 0) return give_file(server, connection, url);
  server->asked = run_clock();
  return give_page(server, connection);
}

/* ---- the runs ---- */

static uint64_t look_at(const Server *server, uint64_t hash, const char *path) {
  struct stat status;
  if (fstatat(server->directory, path, &status, 0) != 0) return hash_text(hash, "none");
  int64_t facts[] = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size};
  return hash_bytes(hash, facts, sizeof facts);
}

/* What all runs look like: their states, for who is killed leaves no file behind, and their files.
 * 0 after a message: the study or a run cannot be read. */
static uint64_t runs_look(const Server *server) {
  static const char *const files[] = {"/progress.csv", "/evaluations.csv", "/result.json", ".json"};
  Session own = *server->session;
  own.arena = arena_make();
  Study *study = study_open(&own, server->folder);
  const Runner runner = {&own, study, own.arena, server->folder};
  bool good = study && study_states(&runner);
  uint64_t hash = look_at(server, HASH_SEED, "study.json");
  for (size_t i = 0; good && i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    hash = hash_bytes(hash, &run->state, sizeof run->state);
    for (size_t k = 0; k < COUNTOF(files); k++)
      hash = look_at(server, hash, arena_printf(own.arena, "%s%s", run->folder, files[k]));
  }
  arena_free(own.arena);
  return good ? hash : 0;
}

/* Makes the report where the runs are not as they were when it was made; whether it did. */
static bool follow(Server *server) {
  double began = run_clock();
  uint64_t look = runs_look(server);
  bool other = look != server->seen;
  bool made = other && look && report_make(server->session, server->folder, false);
  double now = run_clock(), pause = SHARE * (now - began);
  if (made) server->seen = look;
  if (other && !made) pause = fmax(pause, AFTER_FAULT);
  server->next = now + pause;
  return made;
}

bool server_look(Server *server) {
  double now = run_clock();
  return now - server->asked <= ASKED_LATELY && now >= server->next && follow(server);
}

/* ---- from start to stop ---- */

/* A socket that listens at a port of the loopback address; -1: errno says why there is none. */
static int socket_on(uint16_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int at = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  if (at < 0) return -1;
  if (setsockopt(at, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(at, (struct sockaddr *)&address, sizeof address) == 0 && listen(at, SOMAXCONN) == 0)
    return at;
  int reason = errno;
  close(at);
  errno = reason;
  return -1;
}

/* The port is known before the daemon's thread begins, which compares it. */
static bool listen_somewhere(Server *server, uint16_t port) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  server->port = port ? port : SERVER_PORT;
  int at = socket_on(server->port);
  if (at < 0 && !port) at = socket_on(0);
  if (at >= 0 && getsockname(at, (struct sockaddr *)&address, &size) == 0) {
    server->port = ntohs(address.sin_port);
    server->daemon =
        MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, server->port, NULL, NULL, handle, server,
                         MHD_OPTION_LISTEN_SOCKET, at, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                         MHD_OPTION_CONNECTION_LIMIT, 64u, MHD_OPTION_END);
  }
  if (server->daemon) return true;
  return fprintf(stderr, "error: cannot listen on 127.0.0.1:%u: %s; another port is --port N\n",
                 server->port, strerror(errno)),
         false;
}

Server *server_start(Session *session, const char *folder, uint16_t port) {
  Server *server = NEW(session->arena, Server);
  *server = (Server){.session = session, .folder = folder, .directory = -1, .asked = run_clock()};
  server->directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (server->directory < 0)
    return fprintf(stderr, "error: cannot open the folder '%s': %s\n", folder, strerror(errno)),
           NULL;
  if (follow(server) && listen_somewhere(server, port)) return server;
  close(server->directory);
  return NULL;
}

uint16_t server_port(const Server *server) { return server->port; }

void server_stop(Server *server) {
  MHD_stop_daemon(server->daemon);
  close(server->directory);
}
