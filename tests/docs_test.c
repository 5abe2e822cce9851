/* The pages say what is so: tables in them are those of the program, every function has its place
 * in docs/language.md, and every whole spec elaborates. `docs_test --write` brings the tables up to
 * date.
 * Pages, scripts and sources name no file that is not there.
 */
#include <check.h>
#include <glob.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/cuda/gpu.h"
#include "compiler/commands/session.h"
#include "dsl/scope.h"
#include "tests/suite.h"

static const char language[] = "docs/language.md", commands[] = "docs/commands.md";

/* ---- what stands between markers ---- */

static void keys_write(FILE *out) { keys_print(out, true); }

/* A cell of a table: `|` would end it. */
static void cell_write(FILE *out, const char *text) {
  for (; *text; text++) fputs(*text == '|' ? "\\|" : (char[]){*text, 0}, out);
}

static void ops_write(FILE *out) {
  fprintf(out, "| function | meaning | value | derivative |\n|---|---|---|---|\n");
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = &op_table[op];
    if (info->shaped || op == OP_mark || op == OP_guard) continue;
    static const char *const arguments[] = {"", "x", "x, y", "x, y, z"};
    fprintf(out, "| `%s(%s)` | ", info->name, arguments[info->arity]);
    cell_write(out, info->doc);
    fprintf(out, " | `%s` | ", info->expr);
    for (int i = 0; i < info->arity; i++) fprintf(out, "%s`%s`", i ? ", " : "", info->grad[i]);
    fprintf(out, " |\n");
  }
}

static void prelude_write(FILE *out) { fprintf(out, "```yaml\n%s```\n", dsl_prelude); }

static void architectures_write(FILE *out) {
  const GpuArch *archs;
  size_t count = gpu_archs(&archs);
  fprintf(out, "| `--march` | cards |\n|---|---|\n");
  for (size_t i = 0; i < count; i++) fprintf(out, "| `%s` | %s |\n", archs[i].name, archs[i].cards);
}

static const struct Part {
  const char *page, *name;
  void (*write)(FILE *out);
} parts[] = {{language, "keys", keys_write},
             {language, "ops", ops_write},
             {language, "prelude", prelude_write},
             {commands, "architectures", architectures_write}};

static const char *part_text(Arena *arena, const struct Part *part) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  part->write(out);
  fclose(out);
  const char *copy = arena_copy(arena, text, size);
  free(text);
  return copy;
}

/* NULL where it cannot be read. */
static const char *page_read(Arena *arena, const char *page) {
  const char *error = NULL;
  Source *source = source_read(arena, page, &error);
  return source ? source->text : NULL;
}

/* The text between the markers of a part, or NULL. */
static const char *between(Arena *arena, const char *text, const char *name, size_t *length) {
  const char *open = arena_printf(arena, "<!-- %s -->\n", name), *begin = strstr(text, open);
  if (!begin) return NULL;
  begin += strlen(open);
  const char *end = strstr(begin, arena_printf(arena, "<!-- end of %s -->", name));
  *length = end ? (size_t)(end - begin) : 0;
  return end ? begin : NULL;
}

START_TEST(tables) {
  Arena *arena = arena_make();
  for (size_t i = 0; i < COUNTOF(parts); i++) {
    size_t length = 0;
    const char *page = parts[i].page, *text = page_read(arena, page);
    ck_assert(text != NULL);
    const char *found = between(arena, text, parts[i].name, &length);
    const char *wanted = part_text(arena, &parts[i]);
    ck_assert_msg(found != NULL, "%s has no markers of '%s'", page, parts[i].name);
    ck_assert_msg(strlen(wanted) == length && strncmp(found, wanted, length) == 0,
                  "the table '%s' of %s is out of date: run docs_test --write", parts[i].name,
                  page);
  }
  arena_free(arena);
}
END_TEST

static int write_all(void) {
  Arena *arena = arena_make();
  for (size_t i = 0; i < COUNTOF(parts); i++) {
    const char *page = parts[i].page, *text = page_read(arena, page);
    size_t length;
    const char *at = text ? between(arena, text, parts[i].name, &length) : NULL;
    FILE *out = at ? fopen(page, "wb") : NULL;
    if (!out) return 1;
    fwrite(text, 1, (size_t)(at - text), out);
    fputs(part_text(arena, &parts[i]), out);
    fputs(at + length, out);
    fclose(out);
  }
  arena_free(arena);
  return 0;
}

/* ---- functions ---- */

START_TEST(functions) {
  Arena *arena = arena_make();
  const char *text = page_read(arena, language), *names[512];
  ck_assert(text != NULL);
  size_t count = builtin_names(names, COUNTOF(names));
  ck_assert_uint_gt(count, 30);
  for (size_t i = 0; i < count; i++) {
    bool there = false;
    static const char *const ends[] = {"[", "(", "`"};
    for (size_t k = 0; k < COUNTOF(ends); k++)
      there = there || strstr(text, arena_printf(arena, "`%s%s", names[i], ends[k]));
    ck_assert_msg(there, "%s does not explain '%s'", language, names[i]);
  }
  arena_free(arena);
}
END_TEST

/* ---- examples ---- */

/* Whole specs stand in blocks that begin with `name:` or `extends:`; files are named from the
 * repository's root. There is nothing to warn of. */
static bool example_check(Arena *arena, const char *text) {
  if (strncmp(text, "name:", 5) != 0 && strncmp(text, "extends:", 8) != 0) return false;
  char folder[] = P_tmpdir "/rlc_docs_XXXXXX";
  ck_assert(mkdtemp(folder) != NULL);
  const char *path = arena_printf(arena, "%s/example.yaml", folder),
             *specs = arena_printf(arena, "%s/specs", folder);
  ck_assert(symlink(RLC_ROOT "/specs", specs) == 0);
  FILE *out = fopen(path, "wb");
  fputs(text, out);
  fclose(out);
  Session session = {.arena = arena, .diag = diag_make(arena), .spec = path};
  bool good = session_elaborate(&session);
  unlink(path);
  unlink(specs);
  rmdir(folder);
  ck_assert_msg(good, "an example does not elaborate:\n%s", text);
  ck_assert_msg(diag_warnings(session.diag) == 0, "an example has warnings:\n%s", text);
  return true;
}

/* Elaborates the specs of one page. */
static void examples_of(const char *file, size_t least) {
  Arena *arena = arena_make();
  const char *error = NULL;
  Source *source = source_read(arena, file, &error);
  ck_assert_msg(source != NULL, "%s: %s", file, error);
  const char *text = source->text;
  static const char fence[] = "```yaml\n";
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, fence));) {
    at += strlen(fence);
    const char *end = strstr(at, "```");
    ck_assert(end != NULL);
    count += example_check(arena, arena_copy(arena, at, (size_t)(end - at)));
    at = end + 3;
  }
  printf("%zu specs in %s\n", count, file);
  ck_assert_uint_ge(count, least);
  arena_free(arena);
}

START_TEST(examples) {
  examples_of(language, 3);
  examples_of("docs/guide.md", 4);
}
END_TEST

/* ---- files that are named ---- */

/* Fails where the second part of a match of `pattern` in the file is no file, seen from `folder`.
 * Returns how many there are. What the build makes is asked for by its source. */
static size_t named_in(Arena *arena, const char *file, const char *folder, const regex_t *pattern) {
  const char *error = NULL;
  Source *source = source_read(arena, file, &error);
  ck_assert_msg(source != NULL, "%s: %s", file, error);
  size_t count = 0;
  regmatch_t part[3];
  for (const char *at = source->text; regexec(pattern, at, COUNTOF(part), part, 0) == 0;
       at += part[2].rm_eo, count++) {
    size_t length = (size_t)(part[2].rm_eo - part[2].rm_so);
    char *name = arena_copy(arena, at + part[2].rm_so, length);
    if (length > 2 && strcmp(name + length - 2, ".o") == 0) name[length - 1] = 'c';
    ck_assert_msg(access(arena_printf(arena, "%s%s", folder, name), F_OK) == 0,
                  "%s names '%s', which is not there", file, name);
  }
  return count;
}

/* The folder of a file with the slash behind it; "" for one at the root. */
static const char *folder_of(Arena *arena, const char *file) {
  const char *slash = strrchr(file, '/');
  return slash ? arena_copy(arena, file, (size_t)(slash + 1 - file)) : "";
}

/* Looks through all files of the patterns: for a link of a page (`links`, from its own folder),
 * else for paths from the root. Records tell of the tree that they were taken from, so only their
 * links are held to be there. */
static size_t named_in_all(const char *const *patterns, size_t count, const char *text,
                           bool links) {
  Arena *arena = arena_make();
  regex_t pattern;
  ck_assert_int_eq(regcomp(&pattern, text, REG_EXTENDED | REG_NEWLINE), 0);
  glob_t found = {0};
  for (size_t i = 0; i < count; i++) glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
  size_t named = 0;
  for (size_t i = 0; i < found.gl_pathc; i++)
    named += named_in(arena, found.gl_pathv[i], links ? folder_of(arena, found.gl_pathv[i]) : "",
                      &pattern);
  printf("%zu %s in %zu files\n", named, links ? "links" : "paths", found.gl_pathc);
  globfree(&found);
  regfree(&pattern);
  arena_free(arena);
  return named;
}

START_TEST(links_lead_somewhere) {
  static const char *const pages[] = {"*.md", "docs/*.md", "docs/*/*.md", "bench/*.md",
                                      "bench/results/*.md"};
  static const char link[] =
      "\\](\\(|: )([A-Za-z0-9_./-]*([.](md|svg|png|c|def|yaml|csv)|/))(#[^) ]*)?(\\)|$)";
  ck_assert_uint_ge(named_in_all(pages, COUNTOF(pages), link, true), 40);
}
END_TEST

START_TEST(files_named_are_there) {
  static const char *const files[] = {"*.md",
                                      "Makefile",
                                      "docs/*.md",
                                      "bench/*.md",
                                      "bench/*.sh",
                                      "bench/*.py",
                                      "bench/peers/*",
                                      "tools/*",
                                      "specs/*.yaml",
                                      "dsl/*.[ch]",
                                      "ir/*.[ch]",
                                      "compiler/*.c",
                                      "compiler/*/*.[ch]",
                                      "codegen/*.[ch]",
                                      "codegen/*/*.[ch]",
                                      "envs/*.[ch]",
                                      "runtime/*.[ch]",
                                      "tests/*.[ch]",
                                      "tests/*.sh",
                                      "compiler/*/*/*.[ch]"};
  static const char path[] = "(^|[^A-Za-z0-9_./$}-]|BUILD\"?/|\\$\\(BUILD\\)/)"
                             "((bench|compiler|codegen|docs|dsl|envs|ir|runtime|tests|tools)/"
                             "[A-Za-z0-9_/-]+\\.(c|h|def|sh|py|css|o|supp))";
  ck_assert_uint_ge(named_in_all(files, COUNTOF(files), path, false), 200);
}
END_TEST

int main(int argc, char **argv) {
  if (chdir(RLC_ROOT) != 0) return 1;
  if (argc > 1 && strcmp(argv[1], "--write") == 0) return write_all();
  Suite *suite = suite_create("docs");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, tables);
  tcase_add_test(tcase, functions);
  tcase_add_test(tcase, examples);
  tcase_add_test(tcase, links_lead_somewhere);
  tcase_add_test(tcase, files_named_are_there);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
