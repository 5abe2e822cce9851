/* Every mistake in a spec has its message: tests/diag/NAME.yaml holds one mistake and, as `#
 * expect:` lines, all that must be said about it; `# override:` lines are what stands on the
 * command line. A file whose expectation holds no error must elaborate; every other must not. */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compiler/commands/session.h"
#include "tests/suite.h"

enum { MAX_CASES = 500, MAX_OVERRIDES = 8 };

typedef struct Outcome {
  bool good;
  const char *text; /* all messages */
} Outcome;

/* The messages without the prelude's line numbers, which change with every line added to it. */
static const char *without_prelude_lines(Arena *arena, const char *text) {
  static const char prelude[] = "<prelude>:";
  const char *out = "";
  int quoted = 0; /* lines left of the prelude's text */
  for (const char *at = text; *at;) {
    size_t length = strcspn(at, "\n"), skip = 0;
    bool place = strncmp(at, prelude, strlen(prelude)) == 0;
    if (place) skip = strspn(at + strlen(prelude), "0123456789:") + strlen(prelude);
    const char *bar = quoted ? memchr(at, '|', length) : NULL;
    if (bar) skip = (size_t)(bar - at);
    out = arena_printf(arena, "%s%s%.*s\n", out, place ? "<prelude>:" : "", (int)(length - skip),
                       at + skip);
    quoted = place ? 2 : quoted ? quoted - 1 : 0;
    at += length + (at[length] == '\n');
  }
  return out;
}

static Outcome outcome_of(Arena *arena, const char *path, const char **overrides, size_t count) {
  Session session = {.arena = arena, .diag = diag_make(arena), .spec = path};
  session.overrides = overrides;
  session.override_count = count;
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size), *former = stderr;
  stderr = out;
  Outcome outcome = {.good = session_elaborate(&session)};
  stderr = former;
  fclose(out);
  outcome.text = without_prelude_lines(arena, arena_copy(arena, text, size));
  free(text);
  return outcome;
}

/* The lines of a case that start with `prefix`, without it. Returns how many. */
static size_t lines_of(Arena *arena, const char *text, const char *prefix, const char **lines,
                       size_t limit) {
  size_t length = strlen(prefix), count = 0;
  for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
    if (strncmp(at, prefix, length) != 0) continue;
    const char *line = at + length;
    line += *line == ' ';
    ck_assert_uint_lt(count, limit);
    lines[count++] = arena_copy(arena, line, strcspn(line, "\n"));
  }
  return count;
}

static void case_run(const char *path) {
  Arena *arena = arena_make();
  const char *error = NULL, *lines[256], *overrides[MAX_OVERRIDES], *expected = "";
  Source *source = source_read(arena, path, &error);
  ck_assert_msg(source != NULL, "%s: %s", path, error);
  size_t count = lines_of(arena, source->text, "# expect:", lines, COUNTOF(lines));
  ck_assert_msg(count > 0, "%s expects nothing", path);
  for (size_t i = 0; i < count; i++) expected = arena_printf(arena, "%s%s\n", expected, lines[i]);
  expected = without_prelude_lines(arena, expected);
  size_t changes = lines_of(arena, source->text, "# override:", overrides, MAX_OVERRIDES);
  Outcome outcome = outcome_of(arena, path, overrides, changes);
  ck_assert_msg(!strcmp(outcome.text, expected), "%s says\n%s\nand should say\n%s", path,
                outcome.text, expected);
  ck_assert_msg(outcome.good == !strstr(expected, " error: "), "%s: %s", path,
                outcome.good ? "elaborates in spite of an error" : "does not elaborate");
  arena_free(arena);
}

static int name_compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

START_TEST(files) {
  Arena *arena = arena_make();
  const char *names[MAX_CASES];
  size_t count = 0;
  DIR *dir = opendir("tests/diag");
  ck_assert(dir != NULL);
  for (struct dirent *entry; (entry = readdir(dir));) {
    size_t length = strlen(entry->d_name);
    if (length < 6 || strcmp(entry->d_name + length - 5, ".yaml") != 0) continue;
    ck_assert_uint_lt(count, MAX_CASES);
    names[count++] = arena_copy(arena, entry->d_name, length);
  }
  closedir(dir);
  qsort(names, count, sizeof *names, name_compare);
  for (size_t i = 0; i < count; i++) case_run(arena_printf(arena, "tests/diag/%s", names[i]));
  printf("%zu files of mistakes\n", count);
  ck_assert_uint_ge(count, 150);
  arena_free(arena);
}
END_TEST

START_TEST(base_is_good) {
  Arena *arena = arena_make();
  Outcome outcome = outcome_of(arena, "tests/diag/base/small.yaml", NULL, 0);
  ck_assert_str_eq(outcome.text, "");
  ck_assert(outcome.good);
  arena_free(arena);
}
END_TEST

/* ---- texts that cannot hold an expectation ---- */

static char folder[64];

static void folder_open(void) {
  strcpy(folder, P_tmpdir "/rlc_diag_XXXXXX");
  ck_assert(mkdtemp(folder) != NULL);
  ck_assert_int_eq(chdir(folder), 0);
}

static void folder_close(void) {
  unlink("case.yaml");
  ck_assert_int_eq(chdir(RLC_ROOT), 0);
  rmdir(folder);
}

static void text_check(const char *text, size_t size, const char *expected) {
  FILE *out = fopen("case.yaml", "wb");
  ck_assert(out != NULL);
  fwrite(text, 1, size, out);
  fclose(out);
  Arena *arena = arena_make();
  Outcome outcome = outcome_of(arena, "case.yaml", NULL, 0);
  ck_assert_str_eq(outcome.text, expected);
  ck_assert(!outcome.good);
  arena_free(arena);
}

static const struct Text {
  const char *text, *expected;
} texts[] = {
    {"", "case.yaml: error: the file is empty\n"
         "      | expected a loss specification\n"},
    {"# nothing but a comment\n", "case.yaml: error: the file is empty\n"
                                  "      | expected a loss specification\n"},
    {"just words\n", "case.yaml:1:1: error: a map of keys should start here\n"
                     "    1 | just words\n"
                     "      | ^~~~~~~~~~ expected a loss specification\n"},
    {"name: [x\n", "case.yaml:2:1: error: expected ',' or ']'\n"
                   "    2 | \n"
                   "      | ^\n"
                   "case.yaml:1:7: note: the '[' is opened here\n"
                   "    1 | name: [x\n"
                   "      |       ^\n"},
    {"a: b: c\n", "case.yaml:1:5: error: a ':' cannot stand here\n"
                  "    1 | a: b: c\n"
                  "      |     ^ quote a value that contains ': ', and check the indentation\n"},
    {"name: x\n---\nname: y\n", "case.yaml:2:1: error: a second document starts here\n"
                                "    2 | ---\n"
                                "      | ^~~ one file holds one document\n"},
    {"name: \xff\n", "case.yaml:1:7: error: the byte 0xff is not UTF-8 text\n"
                     "    1 | name: ?\n"
                     "      |       ^ save the file as UTF-8\n"},
};

START_TEST(no_specs) {
  folder_open();
  for (size_t i = 0; i < COUNTOF(texts); i++)
    text_check(texts[i].text, strlen(texts[i].text), texts[i].expected);
  folder_close();
}
END_TEST

START_TEST(no_files) {
  Arena *arena = arena_make();
  Outcome outcome = outcome_of(arena, "tests", NULL, 0);
  ck_assert_str_eq(outcome.text, "rlc: error: cannot read 'tests': is a directory\n"
                                 "      | expected the file of a loss specification\n");
  outcome = outcome_of(arena, "specs/sacc.yaml", NULL, 0);
  ck_assert_str_eq(outcome.text,
                   "rlc: error: cannot read 'specs/sacc.yaml': No such file or directory\n"
                   "      | did you mean 'specs/sac.yaml'?\n");
  outcome = outcome_of(arena, NULL, NULL, 0);
  ck_assert_str_eq(
      outcome.text,
      "error: which spec? Give the path of a loss specification, as in specs/NAME.yaml\n");
  arena_free(arena);
}
END_TEST

/* One error, of which only the first line is compared, since the excerpt is cut from a long line.
 */
static void first_line_check(const char *text, size_t size, const char *expected) {
  FILE *out = fopen("case.yaml", "wb");
  ck_assert(out != NULL);
  fwrite(text, 1, size, out);
  fclose(out);
  Arena *arena = arena_make();
  Outcome outcome = outcome_of(arena, "case.yaml", NULL, 0);
  size_t length = strcspn(outcome.text, "\n");
  ck_assert_str_eq(arena_copy(arena, outcome.text, length), expected);
  ck_assert(!outcome.good && !strstr(outcome.text + length, " error: "));
  arena_free(arena);
}

/* Ten thousand brackets, in YAML and in an expression; a chain of ten thousand operators. */
START_TEST(nesting) {
  enum { DEPTH = 10000 };
  char *text = malloc(2 * DEPTH + 64);
  ck_assert(text != NULL);
  folder_open();
  size_t size = (size_t)sprintf(text, "name: ");
  for (size_t i = 0; i < DEPTH; i++) text[size++] = '[';
  first_line_check(text, size, "case.yaml:1:70: error: maps and lists nested more than 64 deep");
  size = (size_t)sprintf(text, "name: x\nlosses: {}\nconstants:\n  a: ");
  for (size_t i = 0; i < DEPTH; i++) text[size++] = '(';
  first_line_check(text, size, "case.yaml:4:206: error: expression nested more than 200 deep");
  size = (size_t)sprintf(text, "name: x\nlosses: {}\nconstants:\n  a: 1");
  for (size_t i = 0; i < DEPTH; i++) size += (size_t)sprintf(text + size, "+1");
  first_line_check(text, size, "case.yaml:4:2005: error: expression of more than 1000 steps");
  folder_close();
  free(text);
}
END_TEST

/* Twenty-five mistakes: twenty are shown, the rest is counted. */
START_TEST(many) {
  Arena *arena = arena_make();
  const char *text = "name: x\nlosses: {}\nloop: [{descend: all}]\nconstants:\n";
  for (int i = 0; i < 25; i++) text = arena_printf(arena, "%s  c%d: unknown%d\n", text, i, i);
  folder_open();
  FILE *out = fopen("case.yaml", "wb");
  ck_assert(out != NULL);
  fputs(text, out);
  fclose(out);
  Outcome outcome = outcome_of(arena, "case.yaml", NULL, 0);
  ck_assert(!outcome.good);
  size_t count = 0;
  for (const char *at = outcome.text; (at = strstr(at, ": error: unknown name 'unknown")); at++)
    count++;
  ck_assert_uint_eq(count, 20);
  ck_assert_msg(strstr(outcome.text, "rlc: 6 more errors not shown\n") != NULL, "%s", outcome.text);
  folder_close();
  arena_free(arena);
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("diag");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, base_is_good);
  tcase_add_test(tcase, files);
  tcase_add_test(tcase, no_specs);
  tcase_add_test(tcase, no_files);
  tcase_add_test(tcase, nesting);
  tcase_add_test(tcase, many);
  tcase_set_timeout(tcase, 120);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
