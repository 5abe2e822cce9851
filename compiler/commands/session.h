/* What every command shares: its arguments, and a spec brought to a module. */
#ifndef RLC_COMPILER_COMMANDS_SESSION_H
#define RLC_COMPILER_COMMANDS_SESSION_H

#include "compiler/passes/pipeline.h"
#include "dsl/dsl.h"

/* A command line after the command's name. */
typedef struct Session {
  const char *program; /* rlc, as it was called */
  Arena *arena;
  Diag *diag;
  const char *spec;       /* first positional argument */
  const char **overrides; /* key=value */
  size_t override_count, override_capacity;
  const char **rest; /* after `--`: for the trainer */
  size_t rest_count;
  const char *output, *target, *stage, *prelude; /* -o, --target, --stage, --prelude */
  const char *march;                             /* --march: what CPU code is made for */
  double seconds;                                /* --seconds */
  uint32_t threads, components;                  /* --threads, --components */
  bool json, measure, dry_run;                   /* --json, --measure, --dry-run */
  uint32_t jobs;                                 /* --jobs: runs at once; 0: as many as cores */
  const char *launcher;                          /* --launcher: local, slurm or mpi */
  bool retry, worker;                            /* --retry, --worker */
  uint32_t port;                                 /* --port: of `rlc watch`; 0: it chooses */
  uint32_t episodes, width, height;              /* of rlc play, as all to --gl: --episodes .. */
  const char *trajectory, *thumbnail, *seed;
  const char *camera, *gl;
  double fps; /* 0: the usual */
  PipelineOptions pipeline;
  Elaborated *elaborated; /* after session_elaborate */
} Session;

/* Exit statuses: the user's mistakes and ours. */
enum { EXIT_USER = 1, EXIT_BUG = 70 };

/* Reads the arguments behind the command. False after a message. `accepted` lists the options this
 * command takes. */
bool session_arguments(Session *session, int argc, char **argv, const char *command,
                       const char *accepted);
/* Loads, overlays, checks and elaborates the spec; prints what is wrong. */
bool session_elaborate(Session *session);
/* Elaborates a resolved spec whose keys were checked; messages are collected, not printed. */
bool session_elaborate_tree(Session *session, Tree *spec);
/* Prints collected messages to standard error; returns whether there were no errors. */
bool session_report(Session *session);

/* The commands, one row each (commands.def). Each returns the exit status. */
#define COMMAND(name, ...) int command_##name(Session *session);
#include "compiler/commands/commands.def"

#endif
