/* What the loop learns from: replays, the rollout, shuffled parts of it. Opening reads their sizes,
 * so that batches have rows; closing, after all programs are known, gives their columns the slots
 * that something reads. */
#include "dsl/data.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REPLAY_BYTES 1099511627776.0 /* 1 TiB: more is a mistake */
#define ROLLOUT_ROWS 1e9

/* ---- replays ---- */

static double row_bytes(const Elab *elab) {
  return 4.0 * (2 * elab->env.obs_dim + elab->env.act_dim + 3);
}

/* A number of the source, if it is there. */
static bool read_count(Elab *elab, const Tree *source, const char *key, const char *what,
                       double high, uint64_t *count) {
  const Tree *tree = tree_get(source, key);
  return !tree || eval_count(elab, elab->globals, tree, what, 1, high, count);
}

static bool required(Elab *elab, const Tree *source, const char *key, const char *example) {
  return tree_get(source, key) ||
         elab_error(elab, source->span, example, "the replay has no '%s'", key);
}

static bool read_exponent(Elab *elab, const Tree *map, const char *key, const char *what,
                          double *exponent) {
  const Tree *tree = tree_get(map, key);
  if (!tree) return true;
  if (!eval_number(elab, elab->globals, tree, what, exponent)) return false;
  return *exponent >= 0 || elab_error(elab, tree->span, "0 is uniform, 1 is proportional",
                                      "%s must not be negative", what);
}

static bool read_priority(Elab *elab, const Tree *tree, RlcSource *source) {
  if (!tree) return true;
  source->prioritized = 1;
  source->exponent = 1;
  return read_exponent(elab, tree, "exponent", "the exponent of priorities", &source->exponent) &&
         read_exponent(elab, tree, "weight_exponent", "the exponent of weights",
                       &source->weight_exponent);
}

/* The file that fills a source. It may be missing now: a trainer can be given another folder. */
static bool read_file(Elab *elab, const Tree *tree, RlcSource *source) {
  if (!tree) return true;
  if (tree->kind != TREE_SCALAR || !*tree->text.text)
    return elab_error(elab, tree->span, "as in  from: demos.safetensors", "expected a file name");
  const char *path = tree_file(elab->arena, tree);
  if (access(path, R_OK) != 0)
    diag_warning(elab->diag, tree->span, "a trainer's --data names another folder",
                 "the data file '%s' cannot be read: %s", path, strerror(errno));
  struct stat status;
  if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
    return elab_error(elab, tree->span, "name the file in it, as in  from: demos.safetensors",
                      "'%s' is a folder", path);
  source->file = path_absolute(elab, path);
  file_named(elab, tree);
  return true;
}

/* Fills what it can, so that a batch has rows whatever else is wrong. */
static bool fill_source(Elab *elab, const SourceInfo *info, RlcSource *source) {
  const Tree *tree = info->tree, *rows = tree_get(tree, "capacity");
  uint64_t capacity = 1, batch = 1, window = 0;
  bool good = required(elab, tree, "capacity", "as in  capacity: 1000000");
  good = required(elab, tree, "batch", "as in  batch: 256") && good;
  good = read_count(elab, tree, "capacity", "the replay's capacity", 1e12, &capacity) && good;
  good = read_count(elab, tree, "batch", "the batch", 1 << 24, &batch) && good;
  good = read_count(elab, tree, "window", "the window", 4096, &window) && good;
  *source = (RlcSource){.name = info->name,
                        .capacity = capacity,
                        .batch = (uint32_t)batch,
                        .window = (uint32_t)window,
                        RLC_UNIFORM};
  good = read_priority(elab, tree_get(tree, "priority"), source) && good;
  good = read_file(elab, tree_get(tree, "from"), source) && good;
  if (!good) return false;
  if (capacity < elab->env_count)
    return number_error(elab, elab->globals, tree_expr(elab, rows), NULL,
                        "the replay's capacity must hold one row of each of the %u environments",
                        elab->env_count);
  uint64_t held = (capacity + elab->env_count - 1) / elab->env_count;
  if (window > held)
    return number_error(elab, elab->globals, tree_expr(elab, tree_get(tree, "window")),
                        "the capacity holds the rows of all environments",
                        "windows of %llu steps do not fit the %llu that the replay holds of each "
                        "of %u environment%s",
                        (unsigned long long)window, (unsigned long long)held, elab->env_count,
                        elab->env_count == 1 ? "" : "s");
  return bytes_check(elab, elab->globals, rows, "the replay", (double)capacity * row_bytes(elab),
                     REPLAY_BYTES);
}

/* Whether `replay` is one source, or a map of several by name. */
static bool is_single(const Tree *replay) {
  static const char *const keys[] = {"capacity", "batch", "window", "priority", "extra", "from"};
  for (size_t i = 0; i < COUNTOF(keys); i++)
    if (tree_get(replay, keys[i])) return true;
  return replay->entry_count == 0;
}

static void list_sources(Elab *elab, const Tree *replay, size_t *count) {
  bool single = is_single(replay);
  *count = single ? 1 : replay->entry_count;
  elab->sources = NEW_ARRAY(elab->arena, SourceInfo, *count);
  if (single) elab->sources[0] = (SourceInfo){"replay", replay, true};
  for (size_t i = 0; !single && i < *count; i++)
    elab->sources[i] = (SourceInfo){replay->entries[i].key, replay->entries[i].value, false};
}

bool sources_open(Elab *elab) {
  const Tree *replay = tree_get(elab->spec, "replay");
  if (!replay) return true;
  if (!elab->env_count)
    return elab_error(elab, replay->span, "as in  env: HalfCheetah-v5",
                      "a replay needs an environment to fill it");
  size_t count;
  bool good = true;
  list_sources(elab, replay, &count);
  RlcSource *sources = NEW_ARRAY(elab->arena, RlcSource, count);
  for (size_t i = 0; i < count; i++) {
    Span span = elab->sources[i].single ? replay->span : replay->entries[i].key_span;
    good = name_check(elab, elab->sources[i].name, span) && good;
    good = fill_source(elab, &elab->sources[i], &sources[i]) && good;
  }
  elab->module->shell.sources = sources;
  elab->module->shell.source_count = (uint32_t)count;
  return good;
}

uint32_t source_named(const Elab *elab, const char *name) {
  for (uint32_t i = 0; i < elab->module->shell.source_count; i++)
    if (strcmp(elab->sources[i].name, name) == 0) return i;
  return RLC_NONE;
}

const Tree *source_extra(const Elab *elab, uint32_t source) {
  return tree_get(elab->sources[source].tree, "extra");
}

/* ---- the rollout ---- */

static bool open_rollout(Elab *elab) {
  const Tree *rollout = tree_get(elab->spec, "rollout"), *compute = tree_get(elab->spec, "compute");
  if (!rollout || rollout->kind != TREE_MAP)
    return !compute || elab_error(elab, compute->span, "as in  rollout: {steps: 128}",
                                  "'compute' needs a rollout to compute over");
  if (!elab->env_count)
    return elab_error(elab, rollout->span, "as in  env: HalfCheetah-v5",
                      "a rollout needs an environment to fill it");
  uint64_t steps = 1;
  const Tree *tree = tree_get(rollout, "steps");
  bool good =
      tree ? eval_count(elab, elab->globals, tree, "the steps of the rollout", 1, 1e7, &steps)
           : elab_error(elab, rollout->span, "as in  rollout: {steps: 128}",
                        "the rollout has no 'steps'");
  elab->rollout_steps = (uint32_t)steps;
  elab->rollout_broken = !good;
  elab->module->shell.rollout.steps = (uint32_t)steps;
  elab->time_axis = axis_instance(elab, "time", (uint32_t)steps, AXIS_ROW, rollout->span);
  if (good && (double)steps * elab->env_count > ROLLOUT_ROWS)
    good =
        number_error(elab, elab->globals, tree_expr(elab, tree), NULL,
                     "a rollout of %.0f steps in all is too long", (double)steps * elab->env_count);
  return good;
}

bool rows_open(Elab *elab) {
  bool good = open_rollout(elab); /* time stands before env in every layout */
  if (elab->env_count)
    elab->env_axis = axis_instance(elab, "env", elab->env_count, AXIS_ROW, (Span){0});
  return good;
}

/* ---- parts of the rollout ---- */

uint32_t view_open(Elab *elab, uint64_t count, Span span, Block *block) {
  RlcModule *shell = &elab->module->shell;
  uint64_t rows = (uint64_t)elab->rollout_steps * elab->env_count / count;
  const char *name = arena_printf(elab->arena, "parts%llu", (unsigned long long)rows);
  AxisId batch = axis_instance(elab, "batch", (uint32_t)rows, AXIS_ROW, span);
  *block = (Block){.kind = BLOCK_PART, .columns = name, .rows = axes_one(batch), .draws = true};
  for (uint32_t i = 0; i < shell->view_count; i++)
    if (shell->views[i].rows == rows) return i;
  RlcView *views = NEW_ARRAY(elab->arena, RlcView, shell->view_count + 1);
  if (shell->view_count) memcpy(views, shell->views, shell->view_count * sizeof *views);
  views[shell->view_count] = (RlcView){.name = name, .rows = (uint32_t)rows};
  shell->views = views;
  return shell->view_count++;
}

/* ---- closing ---- */

typedef struct Columns {
  RlcColumn *items;
  size_t count, capacity;
} Columns;

static uint32_t width_of(const Elab *elab, const Column *column) {
  return (uint32_t)axes_extent(elab->graph, column->own);
}

static uint32_t prefixed(Elab *elab, const char *prefix, const char *name) {
  return slot_named(elab, arena_printf(elab->arena, "%s.%s", prefix, name));
}

/* Whether some loss writes the column of this source. */
static bool is_written(const Elab *elab, uint32_t source, const char *name) {
  const Tree *losses = tree_get(elab->spec, "losses");
  (void)source;
  for (size_t i = 0; losses && i < losses->entry_count; i++)
    if (tree_get(tree_get(losses->entries[i].value, "write"), name)) return true;
  return false;
}

static void close_source(Elab *elab, uint32_t number, RlcSource *source) {
  Columns list = {0};
  for (size_t i = 0; i < elab->column_count; i++) {
    const Column *column = &elab->columns[i];
    bool extra = column->origin == COLUMN_EXTRA;
    if (column->origin == COLUMN_COMPUTE || (extra && column->source != number)) continue;
    uint32_t slot = prefixed(elab, source->name, column->name), from = RLC_NONE;
    if (column->origin != COLUMN_STEP) {
      if (slot == RLC_NONE && !is_written(elab, number, column->name)) continue;
      const char *prefix = extra ? arena_printf(elab->arena, "act.%s", source->name) : "act";
      from = prefixed(elab, prefix, column->name);
    }
    RlcColumn item = {column->name, (uint8_t)column->kind, width_of(elab, column), slot, from};
    PUSH(elab->arena, list.items, list.count, list.capacity, item);
  }
  source->columns = list.items;
  source->column_count = (uint32_t)list.count;
  source->valid = prefixed(elab, source->name, "valid");
  source->weight = prefixed(elab, source->name, "weight");
}

/* A part needs its whole, which the runtime or a program fills. */
static void close_view(Elab *elab, RlcView *view) {
  RlcPair *pairs = NULL;
  size_t count = 0, capacity = 0;
  for (size_t i = 0; i < elab->column_count; i++) {
    const Column *column = &elab->columns[i];
    uint32_t to = prefixed(elab, view->name, column->name);
    if (to == RLC_NONE) continue;
    Axes rows = axes_union(axes_one(elab->time_axis), axes_one(elab->env_axis));
    bool computed = column->origin == COLUMN_COMPUTE;
    uint32_t from = column_slot(elab, "rollout", column->name, computed ? RLC_RESULT : RLC_COLUMN,
                                axes_union(rows, column->own), column->integer);
    PUSH(elab->arena, pairs, count, capacity, ((RlcPair){from, to}));
  }
  view->columns = pairs;
  view->column_count = (uint32_t)count;
}

static void close_rollout(Elab *elab) {
  Columns list = {0};
  for (size_t i = 0; i < elab->column_count; i++) {
    const Column *column = &elab->columns[i];
    uint32_t slot = prefixed(elab, "rollout", column->name);
    if (slot == RLC_NONE || column->origin == COLUMN_COMPUTE || column->origin == COLUMN_EXTRA)
      continue;
    bool stored = column->origin == COLUMN_STORE;
    uint32_t from = prefixed(elab, stored ? "act" : "kept", column->name);
    RlcColumn item = {column->name, (uint8_t)column->kind, width_of(elab, column), slot, from};
    PUSH(elab->arena, list.items, list.count, list.capacity, item);
  }
  elab->module->shell.rollout.columns = list.items;
  elab->module->shell.rollout.column_count = (uint32_t)list.count;
}

static bool is_kept(const RlcModule *shell, uint32_t slot) {
  for (uint32_t s = 0; s < shell->source_count; s++)
    for (uint32_t c = 0; c < shell->sources[s].column_count; c++)
      if (shell->sources[s].columns[c].from_slot == slot) return true;
  for (uint32_t c = 0; c < shell->rollout.column_count; c++)
    if (shell->rollout.columns[c].from_slot == slot) return true;
  return false;
}

/* What `store` computes and nothing keeps is not computed. */
static void close_store(Elab *elab) {
  RlcModule *shell = &elab->module->shell;
  if (shell->explore.store == RLC_NONE) return;
  Program *program = &elab->module->programs[shell->explore.store];
  size_t count = 0;
  for (size_t i = 0; i < program->output_count; i++)
    if (is_kept(shell, program->outputs[i].slot)) program->outputs[count++] = program->outputs[i];
  program->output_count = count;
  if (!count) shell->explore.store = RLC_NONE;
}

/* Results of a step that programs read. */
static void close_acting(Elab *elab, const char *prefix, RlcActing *acting) {
  if (acting->program == RLC_NONE) return;
  const struct {
    const char *name;
    uint32_t *slot;
  } results[] = {{"is_first", &acting->first},
                 {"reward", &acting->reward},
                 {"next_obs", &acting->next_obs},
                 {"terminated", &acting->terminated},
                 {"truncated", &acting->truncated}};
  for (size_t i = 0; i < COUNTOF(results); i++)
    *results[i].slot = prefixed(elab, prefix, results[i].name);
}

/* The steps that write back know their columns now. */
static void close_writes(Elab *elab) {
  for (size_t i = 0; i < elab->written_count; i++) {
    const struct Written *written = &elab->written[i];
    const RlcSource *source = &elab->module->shell.sources[written->source];
    RlcStep *step = (RlcStep *)&elab->module->shell.steps[written->step];
    step->count = RLC_PRIORITY;
    for (uint32_t c = 0; c < source->column_count; c++)
      if (strcmp(source->columns[c].name, written->column) == 0) step->count = c;
  }
}

void sources_close(Elab *elab) {
  RlcModule *shell = &elab->module->shell;
  if (!elab->env_count) return;
  for (uint32_t i = 0; i < shell->source_count; i++)
    close_source(elab, i, (RlcSource *)&shell->sources[i]);
  for (uint32_t i = 0; i < shell->view_count; i++) close_view(elab, (RlcView *)&shell->views[i]);
  close_rollout(elab);
  close_writes(elab);
  close_store(elab);
  close_acting(elab, "act", &shell->explore);
  close_acting(elab, "eval", &shell->evaluate);
  close_acting(elab, "eval", &shell->sample);
}
