/* Recorded episodes as a file: CSV with a column for every entry of a vector, or one JSON object a
 * line. Both are made of the same groups of values, and equal recordings give equal bytes. */
#include "runtime/output.h"
#include "runtime/recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef enum Form { CSV, JSONL } Form;

static const struct {
  const char *ending;
  Form form;
} forms[] = {{".csv", CSV}, {".jsonl", JSONL}};

static const char *path_ending(const char *path) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  return dot ? dot : "";
}

static bool form_find(const char *path, Form *form) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    if (strcmp(path_ending(path), forms[i].ending) != 0) continue;
    *form = forms[i].form;
    return true;
  }
  return false;
}

bool trajectory_format(const char *path, RunError *error) {
  Form form;
  return form_find(path, &form) ||
         run_fail(error, "the trajectory '%s' must end in .csv or .jsonl", path);
}

/* ---- groups of values ---- */

/* What stands under one name: one value, or a vector. */
typedef struct Group {
  const char *name;
  uint32_t count;
  bool vector, truth;   /* truth: 0 or 1 stand for false and true */
  const float *floats;  /* the values, or */
  const double *values; /* these; both NULL: there are none in this line */
} Group;

enum { GROUPS = 11 };

/* One line's values: of step `at`, or of what follows the last one. */
typedef struct Line {
  double episode, step, time, reward, terminated, truncated;
  Group groups[GROUPS];
  size_t count;
} Line;

static void line_add(Line *line, Group group) {
  if (group.count) line->groups[line->count++] = group;
}

static void line_one(Line *line, const char *name, const double *value) {
  line_add(line, (Group){.name = name, .count = 1, .values = value});
}

/* Seconds as a person would write them: 3 * 0.05 is 0.15. */
static double time_at(const EnvSpec *spec, uint32_t step) {
  char text[40];
  snprintf(text, sizeof text, "%.10g", step * spec->dt);
  return strtod(text, NULL);
}

static void line_state(Line *line, const Recording *recording, const double *state) {
  const EnvLayout *layout = &recording->layout;
  line_add(line, (Group){.name = "qpos",
                         .count = layout->positions,
                         .vector = true,
                         .values = state + layout->position});
  line_add(line, (Group){.name = "qvel",
                         .count = layout->speeds,
                         .vector = true,
                         .values = state + layout->speed});
}

static void line_make(Line *line, const Recording *recording, uint32_t number, uint32_t at) {
  const EnvSpec *spec = recording->spec;
  const Episode *episode = &recording->episode[number];
  bool step = at < episode->steps, last = at + 1 == episode->steps;
  *line = (Line){.episode = number,
                 .step = at,
                 .time = time_at(spec, at),
                 .reward = step ? (double)episode->reward[at] : 0,
                 .terminated = last && episode->terminated,
                 .truncated = last && episode->truncated};
  line_one(line, "episode", &line->episode);
  line_one(line, "step", &line->step);
  if (spec->dt > 0) line_one(line, "time", &line->time);
  line_add(line, (Group){.name = "obs",
                         .count = spec->obs_dim,
                         .vector = true,
                         .floats = episode->obs + (size_t)at * spec->obs_dim});
  line_add(line, (Group){.name = "action",
                         .count = spec->act_dim,
                         .vector = true,
                         .floats = step ? episode->action + (size_t)at * spec->act_dim : NULL});
  line_add(line,
           (Group){.name = "reward", .count = 1, .floats = step ? episode->reward + at : NULL});
  line_one(line, "return", step ? episode->so_far + at : NULL);
  line_add(line, (Group){.name = "terminated",
                         .count = 1,
                         .truth = true,
                         .values = step ? &line->terminated : NULL});
  line_add(line, (Group){.name = "truncated",
                         .count = 1,
                         .truth = true,
                         .values = step ? &line->truncated : NULL});
  line_state(line, recording, episode->state + (size_t)at * recording->state_size);
}

/* ---- writing ---- */

/* The shortest of a few lengths that reads back as `value`. */
static void put_float(FileOutput *out, float value) {
  char text[40];
  for (int digits = 6; digits <= 9; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, (double)value);
    if (strtof(text, NULL) == value) break;
  }
  output_text(out, text);
}

static void put_value(FileOutput *out, const Group *group, uint32_t i) {
  if (group->floats)
    put_float(out, group->floats[i]);
  else
    output_double(out, group->values[i]);
}

static void put_header(FileOutput *out, const Line *line) {
  char name[64];
  for (size_t g = 0; g < line->count; g++)
    for (uint32_t i = 0; i < line->groups[g].count; i++) {
      const Group *group = &line->groups[g];
      snprintf(name, sizeof name, group->vector ? "%s%s_%u" : "%s%s", g + i ? "," : "", group->name,
               i);
      output_text(out, name);
    }
  output_text(out, "\n");
}

static void put_csv(FileOutput *out, const Line *line) {
  for (size_t g = 0; g < line->count; g++)
    for (uint32_t i = 0; i < line->groups[g].count; i++) {
      const Group *group = &line->groups[g];
      if (g + i) output_text(out, ",");
      if (group->floats || group->values) put_value(out, group, i);
    }
  output_text(out, "\n");
}

static void put_json(FileOutput *out, const Line *line) {
  const char *before = "{\"";
  for (size_t g = 0; g < line->count; g++) {
    const Group *group = &line->groups[g];
    if (!group->floats && !group->values) continue;
    output_text(out, before);
    output_text(out, group->name);
    output_text(out, group->vector ? "\":[" : "\":");
    for (uint32_t i = 0; i < group->count; i++) {
      if (i) output_text(out, ",");
      if (group->truth)
        output_text(out, group->values[i] != 0 ? "true" : "false");
      else
        put_value(out, group, i);
    }
    output_text(out, group->vector ? "]" : "");
    before = ",\"";
  }
  output_text(out, "}\n");
}

bool trajectory_write(const Recording *recording, const char *path, RunError *error) {
  static void (*const put[])(FileOutput *, const Line *) = {[CSV] = put_csv, [JSONL] = put_json};
  char buffer[1 << 16];
  FileOutput out;
  Form form;
  if (!form_find(path, &form)) return trajectory_format(path, error);
  if (!output_begin(&out, path, buffer, sizeof buffer, error)) return false;
  for (uint32_t i = 0; i < recording->count; i++)
    for (uint32_t at = 0; at <= recording->episode[i].steps; at++) {
      Line line;
      line_make(&line, recording, i, at);
      if (i + at == 0 && form == CSV) put_header(&out, &line);
      put[form](&out, &line);
    }
  return output_finish(&out, error);
}
