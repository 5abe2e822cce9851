/* rlc: the command line. Which command, then its row in commands.def. */
#include "gen/version.h"
#include "compiler/commands/session.h"

#include <signal.h>
#include <string.h>

static const struct {
  const char *name, *arguments, *options, *doc;
  int (*run)(Session *session);
} commands[] = {
#define COMMAND(name, arguments, options, doc) {#name, arguments, options, doc, command_##name},
#include "compiler/commands/commands.def"
};

static void help(FILE *out) {
  fprintf(out, "rlc %s: a compiler for reinforcement-learning losses\n\n", RLC_VERSION);
  for (size_t i = 0; i < COUNTOF(commands); i++)
    fprintf(out, "  rlc %-10s %s\n%17s%s\n", commands[i].name, commands[i].arguments, "",
            commands[i].doc);
  fprintf(out, "\nkey=value overrides the spec, with dotted paths; a bare name is a constant: K=8 "
               "optimizers.actor.eps=0.1\n");
}

/* The row of one command. */
static int help_command(int command) {
  printf("rlc %s%s%s\n  %s\n", commands[command].name, *commands[command].arguments ? " " : "",
         commands[command].arguments, commands[command].doc);
  printf("  options:");
  for (const char *at = commands[command].options; *at; at += strspn(at, " ")) {
    int length = (int)strcspn(at, " ");
    printf(" --%.*s", length, at);
    at += length;
  }
  printf("%s\n", *commands[command].options ? "" : " none");
  return 0;
}

/* Whether --help stands before the trainer's options. */
static bool wants_help(int argc, char **argv) {
  for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
    if (strcmp(argv[i], "--help") == 0) return true;
  return false;
}

/* Nothing stands behind `--` of a command that hands nothing on. */
static bool rest_allowed(const Session *session, int command) {
  if (!session->rest_count || strstr(commands[command].arguments, "[-- ")) return true;
  fprintf(stderr, "error: `rlc %s` takes nothing behind `--`, but '%s' stands there\n",
          commands[command].name, session->rest[0]);
  return false;
}

/* A command whose row has no arguments gets none. */
static bool arguments_allowed(const Session *session, int command) {
  const char *extra = session->spec             ? session->spec
                      : session->override_count ? session->overrides[0]
                      : session->rest_count     ? session->rest[0]
                                                : NULL;
  if (*commands[command].arguments) return rest_allowed(session, command);
  if (!extra) return true;
  fprintf(stderr, "error: `rlc %s` takes no arguments, but '%s' stands there\n",
          commands[command].name, extra);
  return false;
}

static int run(const char *program, int command, int argc, char **argv) {
  if (wants_help(argc, argv)) return help_command(command);
  Arena *arena = arena_make();
  Session session = {.program = program,
                     .arena = arena,
                     .diag = diag_make(arena),
                     .threads = 1,
                     .components = 24,
                     .seconds = 5};
  session.pipeline.out = stdout;
  int status = EXIT_USER;
  if (session_arguments(&session, argc, argv, commands[command].name, commands[command].options) &&
      arguments_allowed(&session, command))
    status = commands[command].run(&session);
  arena_free(arena);
  return status;
}

int main(int argc, char **argv) {
  signal(SIGCHLD, SIG_DFL); /* ignored, as some launchers leave it, no child could be waited for */
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
    help(argc < 2 ? stderr : stdout);
    return argc < 2 ? EXIT_USER : 0;
  }
  if (strcmp(argv[1], "--version") == 0) return printf("rlc %s\n", RLC_VERSION), 0;
  const char *names[COUNTOF(commands)];
  for (size_t i = 0; i < COUNTOF(commands); i++) {
    if (strcmp(commands[i].name, argv[1]) == 0) return run(argv[0], (int)i, argc - 2, argv + 2);
    names[i] = commands[i].name;
  }
  const char *near = nearest_name(argv[1], names, COUNTOF(commands));
  fprintf(stderr, "error: there is no command '%s'%s%s%s; `rlc help` lists them\n", argv[1],
          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return EXIT_USER;
}
