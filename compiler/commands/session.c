/* Arguments and the way from a file to a module. */
#include "gen/version.h"
#include "compiler/commands/session.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/codegen.h"
#include "envs/env.h"

/* ---- environments as elaboration wants to know them ---- */

static bool lookup_env(const char *id, EnvFacts *facts) {
  const EnvSpec *spec = env_find(id);
  if (!spec) return false;
  *facts = (EnvFacts){spec->id,    spec->obs_dim, spec->act_dim,  spec->choices,
                      spec->limit, spec->act_low, spec->act_high, spec->threshold};
  return true;
}

static size_t list_envs(const char *const **ids) {
  static const char *const names[] = {
#define ENV(id, ...) id,
#include "envs/envs.def"
  };
  *ids = names;
  return COUNTOF(names);
}

/* ---- arguments ---- */

typedef enum OptionKind { OPTION_TEXT, OPTION_FLAG, OPTION_WHOLE, OPTION_NUMBER } OptionKind;

typedef struct OptionRow {
  const char *name;
  OptionKind kind;
  size_t offset;
} OptionRow;

#define AT(field) offsetof(Session, field)
static const OptionRow option_rows[] = {{"output", OPTION_TEXT, AT(output)},
                                        {"target", OPTION_TEXT, AT(target)},
                                        {"march", OPTION_TEXT, AT(march)},
                                        {"stage", OPTION_TEXT, AT(stage)},
                                        {"prelude", OPTION_TEXT, AT(prelude)},
                                        {"dump", OPTION_TEXT, AT(pipeline.dump)},
                                        {"stop", OPTION_TEXT, AT(pipeline.stop)},
                                        {"time", OPTION_FLAG, AT(pipeline.time)},
                                        {"json", OPTION_FLAG, AT(json)},
                                        {"dry-run", OPTION_FLAG, AT(dry_run)},
                                        {"measure", OPTION_FLAG, AT(measure)},
                                        {"seconds", OPTION_NUMBER, AT(seconds)},
                                        {"threads", OPTION_WHOLE, AT(threads)},
                                        {"jobs", OPTION_WHOLE, AT(jobs)},
                                        {"launcher", OPTION_TEXT, AT(launcher)},
                                        {"retry", OPTION_FLAG, AT(retry)},
                                        {"worker", OPTION_FLAG, AT(worker)},
                                        {"port", OPTION_WHOLE, AT(port)},
                                        {"components", OPTION_WHOLE, AT(components)},
                                        {"episodes", OPTION_WHOLE, AT(episodes)},
                                        {"trajectory", OPTION_TEXT, AT(trajectory)},
                                        {"thumbnail", OPTION_TEXT, AT(thumbnail)},
                                        {"seed", OPTION_TEXT, AT(seed)},
                                        {"width", OPTION_WHOLE, AT(width)},
                                        {"height", OPTION_WHOLE, AT(height)},
                                        {"fps", OPTION_NUMBER, AT(fps)},
                                        {"camera", OPTION_TEXT, AT(camera)},
                                        {"gl", OPTION_TEXT, AT(gl)}};

static bool has_word(const char *words, const char *word) {
  size_t length = strlen(word);
  for (const char *at = words; *at; at += strcspn(at, " "), at += *at == ' ')
    if (strcspn(at, " ") == length && strncmp(at, word, length) == 0) return true;
  return false;
}

/* The options of a trainer, which `rlc train` takes behind `--`. */
static const char *const trainer_options[] = {
#define OPTION(name, ...) name,
#include "runtime/options.def"
#undef OPTION
};

static bool is_trainer_option(const char *name) {
  for (size_t i = 0; i < COUNTOF(trainer_options); i++)
    if (strcmp(trainer_options[i], name) == 0) return true;
  return false;
}

static bool unknown_option(const char *name, const char *command, const char *accepted) {
  const char *names[COUNTOF(option_rows)];
  size_t count = 0;
  for (size_t i = 0; i < COUNTOF(option_rows); i++)
    if (has_word(accepted, option_rows[i].name)) names[count++] = option_rows[i].name;
  const char *near = nearest_name(name, names, count);
  bool exact = is_trainer_option(name), train = strcmp(command, "train") == 0;
  bool similar = !near && nearest_name(name, trainer_options, COUNTOF(trainer_options));
  fprintf(stderr, "error: `rlc %s` has no option '--%s'", command, name);
  if (train && (exact || similar))
    fprintf(stderr, "; options of the trainer stand behind --, as in: "
                    "rlc train SPEC -- --steps 1000");
  else if (near)
    fprintf(stderr, "; did you mean '--%s'?", near);
  fprintf(stderr, "\n");
  return false;
}

static bool store_option(Session *session, const OptionRow *row, const char *value) {
  char *field = (char *)session + row->offset;
  double number = 0;
  if (row->kind == OPTION_TEXT) return *(const char **)field = value, true;
  bool whole = row->kind == OPTION_WHOLE;
  bool good = number_read(value, strlen(value), &number) && number > 0 &&
              (!whole || (number <= 1e6 && number == (double)(uint32_t)number));
  if (!good) {
    fprintf(stderr, "error: --%s wants a %s above 0, not '%s'\n", row->name,
            whole ? "whole number" : "number", value);
    return false;
  }
  if (whole)
    *(uint32_t *)field = (uint32_t)number;
  else
    *(double *)field = number;
  return true;
}

/* Reads one option at argv[*i], "--name=value" or "--name value"; -o is --output. */
static bool read_option(Session *session, int argc, char **argv, int *i, const char *command,
                        const char *accepted) {
  const char *text = strcmp(argv[*i], "-o") == 0 ? "--output" : argv[*i];
  size_t length = strcspn(text + 2, "=");
  const char *name = arena_copy(session->arena, text + 2, length);
  const char *value = text[2 + length] ? text + 3 + length : NULL;
  for (size_t k = 0; k < COUNTOF(option_rows); k++) {
    const OptionRow *row = &option_rows[k];
    if (strcmp(row->name, name) != 0 || !has_word(accepted, name)) continue;
    if (row->kind == OPTION_FLAG) return *(bool *)((char *)session + row->offset) = true;
    if (!value && *i + 1 < argc) value = argv[++*i];
    if (value && *value) return store_option(session, row, value);
    fprintf(stderr, "error: --%s wants a value\n", name);
    return false;
  }
  return unknown_option(name, command, accepted);
}

/* key=value; a key is a dotted path, so that what has a slash before the sign is a file, as the
 * runs of a study are called: runs/sac_K=4/Hopper-v5/seed-1. */
static bool is_override(const char *argument) {
  size_t key = strcspn(argument, "=/");
  return argument[key] == '=';
}

/* Behind `--` of `rlc train` stand options of the trainer: one of rlc's own is told before anything
 * is compiled. */
static bool rest_good(const Session *session, const char *command, const char *accepted) {
  if (strcmp(command, "train") != 0) return true;
  for (size_t i = 0; i < session->rest_count; i++) {
    const char *word = session->rest[i];
    if (strncmp(word, "--", 2) != 0) continue;
    const char *name = arena_copy(session->arena, word + 2, strcspn(word + 2, "="));
    if (!has_word(accepted, name) || is_trainer_option(name)) continue;
    return fprintf(stderr,
                   "error: '--%s' is an option of `rlc train` and not of the trainer: it stands "
                   "before --\n",
                   name),
           false;
  }
  return true;
}

bool session_arguments(Session *session, int argc, char **argv, const char *command,
                       const char *accepted) {
  for (int i = 0; i < argc; i++) {
    if (strcmp(argv[i], "--") == 0) {
      session->rest = (const char **)argv + i + 1;
      session->rest_count = (size_t)(argc - i - 1);
      return rest_good(session, command, accepted);
    }
    if (argv[i][0] == '-' && argv[i][1]) {
      if (argv[i][1] != '-' && strcmp(argv[i], "-o") != 0)
        return unknown_option(argv[i] + 1, command, accepted);
      if (!read_option(session, argc, argv, &i, command, accepted)) return false;
    } else if (is_override(argv[i])) {
      PUSH(session->arena, session->overrides, session->override_count, session->override_capacity,
           (const char *)argv[i]);
    } else if (!session->spec) {
      session->spec = argv[i];
    } else {
      fprintf(stderr, "error: unexpected argument '%s'; an override is written key=value\n",
              argv[i]);
      return false;
    }
  }
  return true;
}

/* ---- from file to module ---- */

bool session_report(Session *session) {
  diag_print(session->diag, stderr);
  return diag_errors(session->diag) == 0;
}

bool session_elaborate_tree(Session *session, Tree *spec) {
  DslOptions options = {lookup_env, list_envs, session->prelude};
  session->elaborated = dsl_elaborate(session->arena, session->diag, spec, &options);
  if (!session->elaborated) return false;
  session->elaborated->module->shell.compiler = "rlc " RLC_VERSION;
  session->elaborated->module->device = target_is_device(session->target);
  return true;
}

static bool elaborate(Session *session) {
  Tree *spec = tree_load(session->arena, session->diag, session->spec, "a loss specification");
  if (spec)
    spec = tree_override(session->arena, session->diag, spec, session->overrides,
                         session->override_count);
  return spec && tree_check_keys(session->arena, session->diag, spec, "spec") &&
         session_elaborate_tree(session, spec);
}

bool session_elaborate(Session *session) {
  if (!session->spec) {
    fprintf(stderr,
            "error: which spec? Give the path of a loss specification, as in specs/NAME.yaml\n");
    return false;
  }
  bool good = elaborate(session);
  return session_report(session) && good;
}
