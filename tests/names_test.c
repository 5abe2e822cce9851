/* The names of the language (dsl/names.def): each is read where it should be, kept or left to the
 * spec, accepted in what nothing evaluates, and described. */
#include "dsl/names.h"
#include "tests/spec_fixture.h"

/* What elaboration says of a text; empty where nothing is wrong. */
static const char *said_of(Arena *arena, const char *text) {
  char path[] = P_tmpdir "/rlc-names-XXXXXX";
  int file = mkstemp(path);
  ck_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
  close(file);
  Session session = {.arena = arena, .diag = diag_make(arena), .spec = path};
  char *said = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&said, &size), *former = stderr;
  stderr = out;
  bool good = session_elaborate(&session);
  stderr = former;
  fclose(out);
  unlink(path);
  ck_assert_msg(good == !strstr(said, " error: "), "%s", said);
  const char *result = arena_copy(arena, said, size);
  free(said);
  return result;
}

/* A spec with `constant` declared besides, `unused` in a define that nothing calls, `initial` in an
 * initialiser and `value` in a loss. */
static const char *spec_said(Arena *arena, const char *env, const char *constant,
                             const char *unused, const char *initial, const char *value) {
  return said_of(
      arena, arena_printf(arena,
                          "name: names\n"
                          "env: %s\n"
                          "constants: {n: 1, %s: 1}\n"
                          "networks:\n"
                          "  f: {input: obs, layers: dense(), init: '%s * normal_noise[]'}\n"
                          "define: {'unused(x)': 'where(%s, x, 0)'}\n"
                          "replay: {capacity: 10, batch: 2}\n"
                          "act: {explore: 0, evaluate: 0}\n"
                          "losses: {l: {over: f, minimize: 'mean[batch](square(f(obs) - %s))'}}\n"
                          "optimizers: {default: sgd(0.1 * %s)}\n"
                          "loop: [{collect: 1}, {sample: replay}, {descend: l}]\n",
                          env, constant, initial, unused, value, constant));
}

/* Nothing was said but that the define is not read. */
static bool is_quiet(const char *said) {
  const char *first = strstr(said, "warning: nothing reads the define 'unused'");
  return first && !strstr(first + 1, "warning:") && !strstr(said, "error:");
}

static const char *const envs[] = {"Pendulum-v1", "CartPole-v1"};

static bool seen_in(const LanguageName *row, bool discrete) {
  return row->place == PLACE_EVERYWHERE || row->place == PLACE_ENVIRONMENT ||
         row->place == (discrete ? PLACE_DISCRETE : PLACE_CONTINUOUS);
}

START_TEST(they_are_read_where_they_should) {
  const LanguageName *row = &language_names[_i];
  Arena *arena = arena_make();
  for (size_t e = 0; e < COUNTOF(envs); e++) {
    bool initial = row->place == PLACE_INITIALISER;
    const char *value = row->name;
    if (row->meaning == NAME_BOX) value = "sum[act](sample(box))";
    if (!seen_in(row, e) && !initial) continue;
    const char *said =
        spec_said(arena, envs[e], "m", "n", initial ? value : "n", initial ? "n" : value);
    ck_assert_msg(is_quiet(said), "%s", said);
    said = spec_said(arena, envs[e], "m", row->name, "n", "n"); /* nothing evaluates it */
    ck_assert_msg(is_quiet(said), "%s", said);
  }
  arena_free(arena);
}
END_TEST

START_TEST(they_are_refused_where_they_are_nothing) {
  const LanguageName *row = &language_names[_i];
  Arena *arena = arena_make();
  for (size_t e = 0; e < COUNTOF(envs); e++) {
    if (seen_in(row, e)) continue;
    const char *said = spec_said(arena, envs[e], "m", "n", "n", row->name);
    ck_assert_msg(strstr(said, " error: "), "'%s' stands in a loss", row->name);
    ck_assert_msg(!strstr(strstr(said, " error: ") + 1, " error: "), "%s", said);
  }
  arena_free(arena);
}
END_TEST

START_TEST(reserved_ones_are_kept) {
  const LanguageName *row = &language_names[_i];
  Arena *arena = arena_make();
  const char *said = spec_said(arena, envs[0], row->name, "n", "n", "n");
  const char *reserved = arena_printf(arena, "the name '%s' is reserved", row->name);
  ck_assert_msg(!row->reserved == !strstr(said, reserved), "%s: %s", row->name, said);
  arena_free(arena);
}
END_TEST

/* In the section on names: the list of those reserved, then the table. */
START_TEST(they_are_described) {
  Arena *arena = arena_make();
  const char *error;
  Source *page = source_read(arena, RLC_ROOT "/docs/language.md", &error);
  ck_assert(page != NULL);
  const char *begin = strstr(page->text, "\n## Names\n"), *end = strstr(page->text, "\n## Axes\n");
  ck_assert(begin && end);
  const char *section = arena_copy(arena, begin, (size_t)(end - begin));
  const char *list = strstr(section, "Reserved are `") + strlen("Reserved are `");
  const char *table = list + strcspn(list, "`");
  size_t listed = 0, reserved = 0;
  for (const char *at = list; at < table; at += strspn(at, " \n"), listed++) {
    size_t length = strcspn(at, " \n`");
    const LanguageName *row = language_name(arena_copy(arena, at, length));
    ck_assert_msg(row && row->reserved, "'%.*s' is not reserved", (int)length, at);
    at += length;
  }
  for (const LanguageName *row = language_names; row->name; row++) {
    reserved += row->reserved;
    ck_assert_msg(strstr(table, arena_printf(arena, "`%s`", row->name)), "'%s' has no row",
                  row->name);
  }
  ck_assert_uint_eq(listed, reserved);
  arena_free(arena);
}
END_TEST

int main(void) {
  int count = 0;
  while (language_names[count].name) count++;
  Suite *suite = suite_create("names");
  TCase *tests = tcase_create("names");
  suite_add_tcase(suite, tests);
  tcase_add_loop_test(tests, they_are_read_where_they_should, 0, count);
  tcase_add_loop_test(tests, they_are_refused_where_they_are_nothing, 0, count);
  tcase_add_loop_test(tests, reserved_ones_are_kept, 0, count);
  tcase_add_test(tests, they_are_described);
  return suite_run(suite);
}
