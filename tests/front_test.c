/* YAML to trees: what is accepted and where its bytes stand, what is refused with which words, and
 * printing. */
#include "tests/front.h"
#include "tests/suite.h"

static const char *const fixtures[] = {"accepted", "ppo", "qmle",  "remac",
                                       "reppo",    "sac", "study", "pendulum_env"};

static Tree *fixture_read(Front *f, const char *name) {
  const char *path = arena_printf(f->arena, "tests/data/front/%s.yaml", name);
  Tree *tree = tree_parse(f->arena, f->diag, front_file(f, path));
  ck_assert_msg(tree != NULL, "%s", front_messages(f));
  return tree;
}

static const char *value_of(const Tree *map, const char *key) {
  const Tree *tree = tree_get(map, key);
  ck_assert_msg(tree && tree->kind == TREE_SCALAR, "'%s' is no scalar", key);
  ck_assert_uint_eq(strlen(tree->text.text), tree->text.length);
  return tree->text.text;
}

START_TEST(values_of_every_form) {
  static const char *const expected[][2] = {
      {"plain", "a + b * c"},
      {"folded plain", "first second   third\nafter a blank line"},
      {"single", "it's {quoted}, # all of it: yes"},
      {"single folded", "one two"},
      {"double", "tab\t quote\" back\\slash \xc3\xa9 A joined"},
      {"double folded", "x + y"},
      {"literal", "sum[x](a,\n  b)\n\nend\n"},
      {"literal stripped", "no line end"},
      {"literal kept", "two line ends\n\n"},
      {"literal indented", "  two blanks stay"},
      {"folded", "mean[batch](x + y)\nnext\n  deeper\nlast"},
      {"quoted null", "null"},
      {"literal null", "null"},
      {"policy(o, by=2)", "normal[act](o)"},
      {"quoted: key", "1"},
      {"explicit key", "explicit value"},
      {"losses.actor.minimize", "-mean[batch](best_of[try](q, K)) + 0.2"},
      {"negative", "-x"},
      {"starred", "*x"},
      {"percent", "5%"},
      {"hash", "a#b"},
      {"colon", "a:b"},
      {"quote inside", "say \"x\" and 'y'"},
  };
  Front f = front_open();
  const Tree *tree = fixture_read(&f, "accepted");
  for (size_t i = 0; i < COUNTOF(expected); i++)
    ck_assert_str_eq(value_of(tree, expected[i][0]), expected[i][1]);
  ck_assert(tree_get(tree, "quoted null")->quoted && !tree_get(tree, "literal null")->quoted);
  const Tree *empty = tree_get(tree, "empty"), *tilde = tree_get(tree, "tilde");
  ck_assert(empty->kind == TREE_NULL && empty->empty);
  ck_assert(tilde->kind == TREE_NULL && !tilde->empty && !tree_get(tree, "nothing")->empty);
  front_close(&f);
}
END_TEST

START_TEST(words_are_texts) {
  static const char *const expected[] = {"on",   "off",  "yes",   "no",         "true", "false",
                                         "1e-4", "0x10", "1_000", "2026-11-21", ".inf"};
  Front f = front_open();
  const Tree *words = tree_get(fixture_read(&f, "accepted"), "words");
  ck_assert_uint_eq(words->item_count, COUNTOF(expected));
  for (size_t i = 0; i < COUNTOF(expected); i++) {
    ck_assert_int_eq(words->items[i]->kind, TREE_SCALAR);
    ck_assert_str_eq(words->items[i]->text.text, expected[i]);
  }
  front_close(&f);
}
END_TEST

START_TEST(maps_and_lists) {
  Front f = front_open();
  const Tree *tree = fixture_read(&f, "accepted"), *flow = tree_get(tree, "flow");
  ck_assert_int_eq(flow->kind, TREE_MAP);
  ck_assert_uint_eq(flow->entry_count, 8);
  ck_assert(tree_get(flow, "empty")->empty && tree_get(flow, "none")->kind == TREE_NULL);
  ck_assert(tree_get(flow, "e")->kind == TREE_MAP && tree_get(flow, "l")->kind == TREE_LIST);
  ck_assert_str_eq(tree_get(tree, "quoted in flow")->items[0]->text.text, "f(x, y)");
  ck_assert_str_eq(value_of(tree_get(tree, "many lines")->items[2], "k"), "v");
  const Tree *steps = tree_get(tree, "steps"), *body = tree_get(steps->items[1], "do");
  ck_assert_uint_eq(steps->item_count, 2);
  ck_assert_uint_eq(body->item_count, 6);
  ck_assert(body->items[2]->empty && body->items[3]->kind == TREE_NULL && !body->items[3]->empty);
  ck_assert(tree_get(tree, "nope") == NULL && tree_get(steps, "x") == NULL && !tree_get(NULL, "x"));
  ck_assert_uint_eq(tree_entry(tree, "plain")->key_span.line, 2);
  ck_assert_uint_eq(tree_entry(flow, "count")->key_span.length, 5);
  front_close(&f);
}
END_TEST

/* The byte of the source at a place. */
static char byte_at(const Source *source, uint32_t line, uint32_t column) {
  const char *at = source->text;
  for (uint32_t i = 1; i < line; i++) at = strchr(at, '\n') + 1;
  return at[column - 1];
}

/* Every byte of a value that is no blank stands where the tree says, or at the escape that means
 * it. Returns how many. */
static size_t places_check(const Tree *tree) {
  size_t count = 0;
  const ExprText *text = &tree->text;
  for (size_t i = 0; tree->kind == TREE_SCALAR && i < text->length; i++) {
    if (strchr(" \n\t", text->text[i])) continue;
    Span place = text->spans ? text->spans[i] : text->start;
    if (!text->spans) place.column += (uint32_t)i, place.length = 1;
    char byte = byte_at(text->source, place.line, place.column);
    if (place.length > 1 && byte == '\\') continue;
    ck_assert_msg(byte == text->text[i],
                  "byte %zu of '%s' is said to stand at %u:%u, where '%c' is", i, text->text,
                  place.line, place.column, byte);
    count++;
  }
  for (size_t i = 0; i < tree->entry_count; i++) count += places_check(tree->entries[i].value);
  for (size_t i = 0; i < tree->item_count; i++) count += places_check(tree->items[i]);
  return count;
}

START_TEST(places_of_all_bytes) {
  for (size_t i = 0; i < COUNTOF(fixtures); i++) {
    Front f = front_open();
    ck_assert_uint_ge(places_check(fixture_read(&f, fixtures[i])), 100);
    front_close(&f);
  }
}
END_TEST

/* Where the text `needle` of the value behind `key` stands: "line:column". */
static const char *place_of(Front *f, const Tree *tree, const char *key, const char *needle) {
  const ExprText *text = &tree_get(tree, key)->text;
  size_t i = (size_t)(strstr(text->text, needle) - text->text);
  uint32_t line = text->spans ? text->spans[i].line : text->start.line;
  uint32_t column = text->spans ? text->spans[i].column : text->start.column + (uint32_t)i;
  return arena_printf(f->arena, "%u:%u", line, column);
}

START_TEST(places_in_every_form) {
  static const char *const expected[][3] = {
      {"plain", "b", "2:12"},           {"folded plain", "third", "4:12"},
      {"folded plain", "after", "6:3"}, {"single", "quoted", "7:17"},
      {"single folded", "two", "9:3"},  {"double", "quote", "10:16"},
      {"double", "\xc3\xa9", "10:36"},  {"double", "A", "10:43"},
      {"double", "joined", "11:3"},     {"double folded", "y", "13:5"},
      {"literal", "b)", "16:5"},        {"literal", "end", "18:3"},
      {"folded", "mean", "27:3"},       {"folded", "+ y", "28:3"},
      {"folded", "deeper", "31:5"},     {"folded", "last", "32:3"},
  };
  Front f = front_open();
  const Tree *tree = fixture_read(&f, "accepted");
  for (size_t i = 0; i < COUNTOF(expected); i++)
    ck_assert_msg(!strcmp(place_of(&f, tree, expected[i][0], expected[i][1]), expected[i][2]),
                  "'%s' in '%s' stands at %s", expected[i][1], expected[i][0],
                  place_of(&f, tree, expected[i][0], expected[i][1]));
  front_close(&f);
}
END_TEST

START_TEST(line_ends_and_byte_order_marks) {
  Front f = front_open();
  const Tree *plain = front_tree(&f, "a: 1\nb: [x,\n  y]\nc: |\n  p\n  q\n");
  const Tree *mark = front_tree(&f, "\xef\xbb\xbf"
                                    "a: 1\r\nb: [x,\r\n  y]\r\nc: |\r\n  p\r\n  q\r\n");
  ck_assert_msg(plain && mark, "%s", front_messages(&f));
  ck_assert(front_equal(plain, mark));
  const Tree *y = tree_get(mark, "b")->items[1];
  ck_assert(y->text.start.line == 3 && y->text.start.column == 3);
  ck_assert_uint_eq(places_check(mark), 5);
  ck_assert_uint_eq(tree_entry(mark, "a")->key_span.column, 4); /* columns are bytes of the file */
  front_close(&f);
}
END_TEST

START_TEST(columns_are_bytes) {
  Front f = front_open();
  const Tree *tree = front_tree(
      &f, "\xc3\xa9\xc3\xa9: '\xe6\xbc\xa2' # \xf0\x9f\x8e\xb2\nb: {\xc3\xa9: x, c: z}\n");
  ck_assert_msg(tree != NULL, "%s", front_messages(&f));
  ck_assert_uint_eq(tree->entries[0].value->text.start.column, 8);
  ck_assert_uint_eq(tree->entries[0].key_span.length, 4);
  ck_assert_uint_eq(tree_get(tree_get(tree, "b"), "c")->span.column, 15);
  front_close(&f);
}
END_TEST

START_TEST(printing_reads_back) {
  for (size_t i = 0; i < COUNTOF(fixtures); i++) {
    Front f = front_open();
    const Tree *tree = fixture_read(&f, fixtures[i]);
    const char *printed = front_print(&f, tree);
    const Tree *again = front_tree(&f, printed);
    ck_assert_msg(again && front_equal(tree, again), "%s is printed as\n%s%s", fixtures[i], printed,
                  front_messages(&f));
    ck_assert_str_eq(front_print(&f, again), printed);
    front_close(&f);
  }
}
END_TEST

START_TEST(printing_of_odd_values) {
  static const char *const documents[] = {"x\n",
                                          "[]\n",
                                          "{}\n",
                                          "null\n",
                                          "'null'\n",
                                          "|-\n  null\n",
                                          "- 1\n- - 2\n  - 3\n",
                                          "[[], [a], {}]\n",
                                          "a: |2+\n\n\n",
                                          "a: |-\n\n",
                                          "a: ''\n",
                                          "a: |\n  # no comment\n",
                                          "a: >-\n  - x\n",
                                          "a: \"\\x01\\u2028\\ufeff\\x85\\r\\n\"\n",
                                          "a: |2-\n     x\n    y\n",
                                          "a: |-\n  x \n",
                                          "'a: b': 1\n",
                                          "null: 1\n~: 2\n",
                                          "'- a': 1\n",
                                          "' ': ' '\n",
                                          "a: [x y, \"x, y\", 'z']\n",
                                          "- - - - x\n",
                                          "a:\n- b:\n  - c\n",
                                          "'---': '...'\n",
                                          "a: ---b\n",
                                          "|2\n  text\n  more\n",
                                          "a: ?x\n",
                                          "a: :x\n",
                                          "'#': x#\n"};
  for (size_t i = 0; i < COUNTOF(documents); i++) {
    Front f = front_open();
    const Tree *tree = front_tree(&f, documents[i]);
    ck_assert_msg(tree != NULL, "%s%s", documents[i], front_messages(&f));
    const Tree *again = front_tree(&f, front_print(&f, tree));
    ck_assert_msg(again && front_equal(tree, again), "%s is printed as\n%s%s", documents[i],
                  front_print(&f, tree), front_messages(&f));
    front_close(&f);
  }
}
END_TEST

START_TEST(printing_is_plain) {
  Front f = front_open();
  const Tree *tree =
      front_tree(&f, "a: {b: 'x, y', c: [1, 2], d: [{e: 1, f: ~}, [g, [h]]], k: }\n");
  ck_assert_str_eq(front_print(&f, tree), "a:\n"
                                          "  b: \"x, y\"\n"
                                          "  c: [1, 2]\n"
                                          "  d:\n"
                                          "    - e: 1\n"
                                          "      f: null\n"
                                          "    - - g\n"
                                          "      - [h]\n"
                                          "  k:\n");
  front_close(&f);
}
END_TEST

/* ---- what is refused ---- */

static void case_run(Front *f, const char *name, const char *input) {
  input = arena_printf(f->arena, "%s\n", input);
  ck_assert_msg(!tree_parse(f->arena, f->diag, source_from_text(f->arena, name, input)),
                "%s passes", name);
}

START_TEST(refused) { ck_assert_uint_ge(front_cases("tests/data/front/yaml.txt", case_run), 60); }
END_TEST

/* Texts that a file of cases cannot hold. */
static const struct {
  const char *text, *messages;
} bytes[] = {
    {"", "text: error: the file is empty\n"},
    {"a: 1\nb: \xe9\n", "text:2:4: error: the byte 0xe9 is not UTF-8 text\n"
                        "    2 | b: ?\n"
                        "      |    ^ save the file as UTF-8\n"},
    {"a: \xc0\x80\n", "text:1:4: error: the byte 0xc0 is not UTF-8 text\n"
                      "    1 | a: ?\n"
                      "      |    ^ save the file as UTF-8\n"},
    {"a: \xed\xa0\x80\n", "text:1:4: error: the byte 0xed is not UTF-8 text\n"
                          "    1 | a: \xed\xa0\x80\n"
                          "      |    ^ save the file as UTF-8\n"},
    {"a: \x01\n", "text:1:4: error: a control character (U+0001)\n"
                  "    1 | a: ?\n"
                  "      |    ^\n"},
    {"a: 1\rb: 2\n", "text:1:5: error: a carriage return without a line feed (U+000D)\n"
                     "    1 | a: 1?b: 2\n"
                     "      |     ^\n"},
    {"a: \xe2\x80\xa8\n", "text:1:4: error: a Unicode line separator (U+2028)\n"
                          "    1 | a: \xe2\x80\xa8\n"
                          "      |    ^\n"},
    {"a: 1\xc2\x85\n", "text:1:5: error: a Unicode line separator (U+0085)\n"
                       "    1 | a: 1?\n"
                       "      |     ^\n"},
    {"a: \xef\xbb\xbf\n", "text:1:4: error: a byte order mark inside the text (U+FEFF)\n"
                          "    1 | a: \xef\xbb\xbf\n"
                          "      |    ^\n"},
    {"a: \xef\xbf\xbf\n", "text:1:4: error: not a Unicode character (U+FFFF)\n"
                          "    1 | a: \xef\xbf\xbf\n"
                          "      |    ^\n"},
};

START_TEST(refused_bytes) {
  for (size_t i = 0; i < COUNTOF(bytes); i++) {
    Front f = front_open();
    ck_assert(!front_tree(&f, bytes[i].text));
    ck_assert_str_eq(front_messages(&f), bytes[i].messages);
    front_close(&f);
  }
}
END_TEST

/* `count` openings, ten thousand deep: refused at the limit, by whatever they are made of. */
START_TEST(refused_depth) {
  static const char *const openings[] = {"[", "{a: ", "- ", "[[", "{a: [", "{? "};
  for (size_t i = 0; i < COUNTOF(openings); i++) {
    Front f = front_open();
    size_t length = strlen(openings[i]), count = 10000;
    char *text = arena_alloc(f.arena, length * count + 2);
    for (size_t k = 0; k < count; k++) memcpy(text + k * length, openings[i], length);
    ck_assert(!front_tree(&f, text));
    ck_assert_uint_eq(diag_errors(f.diag), 1);
    const char *messages = front_messages(&f);
    ck_assert_msg(strstr(messages, "maps and lists nested more than 64 deep\n") ||
                      strstr(messages, "a key is a text, not a map or a list\n"),
                  "%s", messages);
    front_close(&f);
  }
}
END_TEST

static const char *keys_of_length(Front *f, const char *format, int from, int to) {
  const char *text = "";
  for (int i = from; i < to; i += 64) {
    char block[64 * 16] = "", *at = block;
    for (int k = i; k < to && k < i + 64; k++) at += sprintf(at, "k%d: 1\n", k);
    text = arena_printf(f->arena, format, text, block);
  }
  return text;
}

START_TEST(limits_that_pass_and_fail) {
  Front f = front_open();
  ck_assert_uint_eq(front_tree(&f, keys_of_length(&f, "%s%s", 0, 4096))->entry_count, 4096);
  ck_assert(!front_tree(&f, keys_of_length(&f, "%s%s", 0, 4097)));
  ck_assert_str_eq(front_messages(&f), "text:4097:1: error: a map of more than 4096 keys\n"
                                       " 4097 | k4096: 1\n"
                                       "      | ^~~~~\n");
  char key[256];
  memset(key, 'a', 201);
  strcpy(key + 200, ": 1\n");
  ck_assert(front_tree(&f, key));
  strcpy(key + 200, "a: 1\n");
  ck_assert(!front_tree(&f, key));
  ck_assert_ptr_nonnull(
      strstr(front_messages(&f), "text:1:1: error: a key of more than 200 bytes\n"));
  front_close(&f);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("front");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, values_of_every_form);
  tcase_add_test(tcase, words_are_texts);
  tcase_add_test(tcase, maps_and_lists);
  tcase_add_test(tcase, places_of_all_bytes);
  tcase_add_test(tcase, places_in_every_form);
  tcase_add_test(tcase, line_ends_and_byte_order_marks);
  tcase_add_test(tcase, columns_are_bytes);
  tcase_add_test(tcase, printing_reads_back);
  tcase_add_test(tcase, printing_of_odd_values);
  tcase_add_test(tcase, printing_is_plain);
  tcase_add_test(tcase, refused);
  tcase_add_test(tcase, refused_bytes);
  tcase_add_test(tcase, refused_depth);
  tcase_add_test(tcase, limits_that_pass_and_fail);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
