/* The trainer's command line. All options are rows of options.def; --help, defaults, reading and
 * messages come from there. After options_read has returned -1 every field is set and in range. */
#include "runtime/options.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* How a value is read: uint64_t, uint32_t, text, minutes (double), or no value at all. */
typedef enum OptionKind { COUNT, SMALL, TEXT, MINUTES, FLAG } OptionKind;

typedef struct OptionRow {
  const char *name;
  OptionKind kind;
  size_t field; /* offset in Options */
  const char *standard;
  const char *label;
  uint64_t least;
  const char *doc;
} OptionRow;

static const OptionRow rows[] = {
#define OPTION(name, kind, field, standard, label, least, doc)                                     \
  {name, kind, offsetof(Options, field), standard, label, least, doc},
#include "runtime/options.def"
#undef OPTION
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* No row of the table, as it sets no field; it has a name, takes no value and is explained. */
static const OptionRow help_row = {.name = "help", .kind = FLAG, .doc = "this list"};

/* ---- values ---- */

/* Multiplies by 10 to the power `exponent`; false when that leaves the whole numbers of 64 bits. */
static bool scale_ten(uint64_t *value, long exponent) {
  for (; exponent > 0 && *value > 0; exponent--)
    if (__builtin_mul_overflow(*value, 10, value)) return false;
  for (; exponent < 0 && *value > 0; exponent++) {
    if (*value % 10 != 0) return false;
    *value /= 10;
  }
  return true;
}

/* Reads digits [. digits] [e digits] whose value is a whole number below 2^64. */
static bool read_count(const char *text, uint64_t *result) {
  uint64_t value = 0;
  long exponent = 0;
  bool point = false, digits = false;
  for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
    if (*text == '.') {
      point = true;
      continue;
    }
    if (__builtin_mul_overflow(value, 10, &value)) return false;
    if (__builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) return false;
    exponent -= point;
    digits = true;
  }
  if (*text == 'e' || *text == 'E') {
    char *end;
    if (text[1] != '-' && text[1] != '+' && !(text[1] >= '0' && text[1] <= '9')) return false;
    long power = strtol(text + 1, &end, 10);
    if (end == text + 1 || power > 1000 || power < -1000) return false;
    exponent += power;
    text = end;
  }
  *result = value;
  return digits && *text == '\0' && scale_ten(result, exponent);
}

static bool read_minutes(const char *text, double *result) {
  char *end;
  *result = strtod(text, &end);
  return end != text && *end == '\0' && isfinite(*result) && *result >= 0 && !strpbrk(text, " xX");
}

/* What a row's value must be, as messages say it. */
static void describe_value(const OptionRow *row, char text[80]) {
  switch (row->kind) {
  case COUNT:
    snprintf(text, 80, "a whole number, at least %d", (int)row->least);
    break;
  case SMALL:
    snprintf(text, 80, "a whole number from %d to 65535", (int)row->least);
    break;
  case TEXT:
    snprintf(text, 80, "a directory");
    break;
  case MINUTES:
    snprintf(text, 80, "a number of minutes, at least 0");
    break;
  case FLAG:
    snprintf(text, 80, "no value");
    break;
  }
}

/* Writes a value into its field; false when the row does not allow it. */
static bool set_value(Options *options, const OptionRow *row, const char *value) {
  char *field = (char *)options + row->field;
  uint64_t count = 0;
  switch (row->kind) {
  case COUNT:
    return read_count(value, (uint64_t *)field) && *(uint64_t *)field >= row->least;
  case SMALL:
    if (!read_count(value, &count) || count < row->least || count > 65535) return false;
    *(uint32_t *)field = (uint32_t)count;
    return true;
  case TEXT:
    *(const char **)field = value;
    return value[0] != '\0';
  case MINUTES:
    return read_minutes(value, (double *)field);
  case FLAG:
    *(bool *)field = true;
    return true;
  }
  return false;
}

void options_put(JsonWriter *json, const Options *options) {
  json_open(json, '{');
  for (size_t i = 0; i < ROWS; i++) {
    const char *field = (const char *)options + rows[i].field;
    if (rows[i].kind == TEXT && !*(const char *const *)field) continue;
    json_name(json, rows[i].name);
    switch (rows[i].kind) {
    case COUNT:
      json_u64(json, *(const uint64_t *)field);
      break;
    case SMALL:
      json_u64(json, *(const uint32_t *)field);
      break;
    case TEXT:
      json_string(json, *(const char *const *)field);
      break;
    case MINUTES:
      json_double(json, *(const double *)field);
      break;
    case FLAG:
      json_bool(json, *(const bool *)field);
      break;
    }
  }
  json_close(json);
}

/* ---- names ---- */

/* Edits (a letter added, lost, changed, or two swapped) between two names, one length `n`. */
static size_t edit_distance(const char *a, size_t n, const char *b) {
  size_t m = strlen(b), lines[3][40];
  if (n >= 40 || m >= 40) return 40;
  size_t *before = lines[0], *last = lines[1], *now = lines[2];
  for (size_t j = 0; j <= m; j++) last[j] = j;
  for (size_t i = 1; i <= n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
      if (last[j] + 1 < best) best = last[j] + 1;
      if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
          before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      now[j] = best;
    }
    size_t *spare = before;
    before = last, last = now, now = spare;
  }
  return last[m];
}

static int report_unknown(const char *name, size_t length) {
  const char *nearest = NULL;
  size_t limit = length / 3 > 2 ? length / 3 : 2;
  for (size_t i = 0; i < ROWS; i++) {
    size_t distance = edit_distance(name, length, rows[i].name);
    if (distance > limit || (nearest && distance == limit)) continue;
    nearest = rows[i].name, limit = distance;
  }
  fprintf(stderr, "error: unknown option '--%.*s'", (int)length, name);
  if (nearest)
    fprintf(stderr, ": did you mean '--%s'?\n", nearest);
  else
    fprintf(stderr, "; --help lists them all\n");
  return 1;
}

/* The spec's own default of a row, or 0 when it has none. */
static uint64_t spec_default(const OptionRow *row, const RlcModule *module) {
  if (row->field == offsetof(Options, eval_every)) return module->eval_every;
  if (row->field == offsetof(Options, eval_episodes)) return module->eval_episodes;
  return 0;
}

/* The default's text, or NULL when there is none; `room` may hold it. */
static const char *default_text(const OptionRow *row, const RlcModule *module, char room[32]) {
  uint64_t own = spec_default(row, module);
  if (!own) return row->standard;
  snprintf(room, 32, "%llu", (unsigned long long)own);
  return room;
}

static int print_help(const RlcModule *module) {
  printf("usage: %s [options]    trains on %s\n\n", module->name, module->env_id);
  for (size_t i = 0; i < ROWS; i++) {
    char head[64], room[32];
    const char *label = rows[i].label, *standard = default_text(&rows[i], module, room);
    snprintf(head, sizeof head, "--%s%s%s", rows[i].name, label ? " " : "", label ? label : "");
    printf("  %-22s %s", head, rows[i].doc);
    if (standard)
      printf(" (default %s%s)", standard, spec_default(&rows[i], module) ? ", the spec's" : "");
    printf("\n");
  }
  printf("  --%-20s %s\n", help_row.name, help_row.doc);
  return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

/* ---- the command line ---- */

static const OptionRow *find_row(const char *name, size_t length) {
  for (size_t i = 0; i < ROWS; i++)
    if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0) return &rows[i];
  return NULL;
}

bool option_given(const Options *options, const char *name) {
  return options->given >> (find_row(name, strlen(name)) - rows) & 1;
}

void option_hold(Options *options, const char *name) {
  options->given |= 1u << (find_row(name, strlen(name)) - rows);
}

bool option_is_flag(const char *name) {
  const OptionRow *row = find_row(name, strlen(name));
  return row && row->kind == FLAG;
}

OptionAnswer option_check(const char *name, const char *value, char expected[80]) {
  const OptionRow *row = find_row(name, strlen(name));
  Options options;
  if (!row) return OPTION_UNKNOWN;
  describe_value(row, expected);
  if (row->kind != FLAG) return set_value(&options, row, value) ? OPTION_GOOD : OPTION_VALUE;
  snprintf(expected, 80, "true or false");
  return strcmp(value, "true") && strcmp(value, "false") ? OPTION_VALUE : OPTION_GOOD;
}

static int report_value(const OptionRow *row, const char *value) {
  char expected[80];
  describe_value(row, expected);
  if (row->kind == FLAG)
    fprintf(stderr, "error: --%s takes no value", row->name);
  else
    fprintf(stderr, "error: --%s wants %s", row->name, expected);
  if (value) fprintf(stderr, ", not '%s'", value);
  fprintf(stderr, "\n");
  return 1;
}

/* Reads the option at argv[*at] and moves past it. Returns -1, or the exit status. */
static int read_option(Options *options, const RlcModule *module, int argc, char **argv, int *at) {
  const char *argument = argv[(*at)++];
  if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
    fprintf(stderr, "error: unexpected argument '%s': options begin with '--'%s\n", argument,
            strchr(argument, '=') ? " (key=value belongs to the compiler)" : "");
    return 1;
  }
  const char *name = argument + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t)(equals - name) : strlen(name);
  if (strcmp(name, "help") == 0) return print_help(module);
  if (strncmp(name, "help=", 5) == 0) return report_value(&help_row, equals + 1);
  const OptionRow *row = find_row(name, length);
  if (!row) return report_unknown(name, length);
  const char *value = equals ? equals + 1 : NULL;
  if (row->kind == FLAG && value) return report_value(row, value);
  if (row->kind != FLAG && !value) value = *at < argc ? argv[(*at)++] : NULL;
  if (row->kind != FLAG && !value) return report_value(row, NULL);
  if (!set_value(options, row, value)) return report_value(row, value);
  options->given |= 1u << (row - rows);
  return -1;
}

/* ---- going on ---- */

/* What decides a run's results and logs, so that a resumed run is the one that was broken off.
 * Threads, time limit and display belong to the session. */
static bool belongs_to_run(const OptionRow *row) {
  static const char *const names[] = {
      "steps", "seed", "seeds", "eval-every", "eval-episodes", "checkpoint-every", "log-every"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (strcmp(row->name, names[i]) == 0) return true;
  return false;
}

static void adopt_options(Options *options, JsonReader *json) {
  char name[64], text[32];
  json_enter(json, '{');
  while (json_next(json, name, sizeof name)) {
    const OptionRow *row = find_row(name, strlen(name));
    if (!row || !belongs_to_run(row)) {
      json_skip(json);
      continue;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)json_read_u64(json));
    if (!json->problem && !(options->given >> (row - rows) & 1)) set_value(options, row, text);
  }
}

bool options_adopt(Options *options, const char *path) {
  static const char key[] = "options";
  char text[16384], name[64];
  FILE *file = fopen(path, "re");
  size_t size = file ? fread(text, 1, sizeof text, file) : 0;
  if (file) fclose(file);
  if (size == 0 || size == sizeof text) return false;
  JsonReader json = json_reader(text, size);
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name))
    if (strcmp(name, key) == 0)
      adopt_options(options, &json);
    else
      json_skip(&json);
  return json.problem == NULL;
}

static bool same_directory(const char *a, const char *b) {
  size_t n = strlen(a), m = strlen(b);
  while (n > 1 && a[n - 1] == '/') n--;
  while (m > 1 && b[m - 1] == '/') m--;
  return n == m && memcmp(a, b, n) == 0;
}

int options_read(Options *options, const RlcModule *module, int argc, char **argv) {
  *options = (Options){.argc = argc, .argv = argv};
  for (size_t i = 0; i < ROWS; i++) {
    char room[32];
    const char *standard = default_text(&rows[i], module, room);
    if (standard && !set_value(options, &rows[i], standard))
      return report_value(&rows[i], standard);
  }
  for (int at = 1; at < argc;) {
    int status = read_option(options, module, argc, argv, &at);
    if (status >= 0) return status;
  }
  if (!options->resume) return -1;
  if (options->out && !same_directory(options->out, options->resume)) {
    fprintf(stderr, "error: --resume %s goes on in that directory: --out %s cannot be given too\n",
            options->resume, options->out);
    return 1;
  }
  options->out = options->resume;
  return -1;
}
