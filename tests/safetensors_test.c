/* The reader of safetensors headers: what it takes, every message, and that no text makes it read
 * outside its memory (which sanitizers see, as each text lies in memory of exactly its size). */
#include "runtime/safetensors.h"
#include "tests/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool parse(const char *text, size_t bytes, uint64_t data_bytes, SafeTensors *file,
                  RunError *error) {
  char *exact = malloc(bytes + (bytes == 0));
  memcpy(exact, text, bytes);
  bool good = safetensors_parse(file, exact, bytes, data_bytes, error);
  free(exact);
  return good;
}

#define A "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]}"
#define B "\"b\":{\"shape\":[],\"data_offsets\":[0,8],\"dtype\":\"F64\"}"
static const char good_text[] = "{\"__metadata__\":{\"x\":\"y\"},\n " A " , " B "}   ";

START_TEST(any_order) {
  SafeTensors file;
  RunError error;
  ck_assert_msg(parse(good_text, sizeof good_text - 1, 32, &file, &error), "%s", error.text);
  ck_assert_uint_eq(file.count, 2);
  ck_assert_str_eq(file.tensors[0].name, "b"); /* in the order of the data */
  ck_assert_uint_eq(file.tensors[0].rank, 0);
  ck_assert_int_eq(file.tensors[0].type, RLC_F64);
  ck_assert_str_eq(file.tensors[1].name, "a");
  ck_assert_uint_eq(file.tensors[1].rank, 2);
  ck_assert_uint_eq(file.tensors[1].shape[1], 3);
  ck_assert_uint_eq(file.tensors[1].begin, 8);
  safetensors_free(&file);
  ck_assert(parse("{}", 2, 0, &file, &error));
  ck_assert_uint_eq(file.count, 0);
  safetensors_free(&file);
}
END_TEST

#define T(shape, offsets)                                                                          \
  "{\"t\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

START_TEST(messages_pinned) {
  static const struct {
    const char *text;
    uint64_t data_bytes;
    const char *message;
  } cases[] = {
      {"", 0, "its header is not good: '{' expected"},
      {"{} x", 0, "its header is not good: text after the end"},
      {"{" A "," B ",}", 32, "its header is not good: a string expected"},
      {"{" A "," B "}", 40, "its tensors do not fill its data"},
      {"{" A "}", 32, "its tensors do not fill its data"},
      {"{" A "," A "," B "}", 32, "its tensors do not fill its data"},
      {"{" A "," B "}", 31, "tensor 'a': offsets that do not fit the shape"},
      {T("[2]", "[0,4]"), 4, "tensor 't': offsets that do not fit the shape"},
      {T("[2]", "[8,0]"), 8, "tensor 't': offsets that do not fit the shape"},
      {T("[4294967296,4294967296]", "[0,0]"), 0, "tensor 't': offsets that do not fit the shape"},
      {T("[2]", "[0,8,9]"), 8, "tensor 't': more than two offsets"},
      {T("[-2]", "[0,8]"), 8, "tensor 't': a whole number expected"},
      {T("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "tensor 't': a tensor of too many axes"},
      {T("[99999999999999999999]", "[0,4]"), 4, "tensor 't': a whole number expected"},
      {"{\"t\":3}", 0, "tensor 't': '{' expected"},
      {"{\"t\":{}}", 0, "tensor 't': a tensor without dtype, shape or data_offsets"},
      {"{\"t\":{\"type\":1}}", 0, "tensor 't': a tensor with an unknown key"},
      {"{\"t\":{\"dtype\":\"BF16\"}}", 0,
       "tensor 't': an element type that is not F32, F64, I32 or BOOL"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    SafeTensors file;
    RunError error;
    bool good = parse(cases[i].text, strlen(cases[i].text), cases[i].data_bytes, &file, &error);
    ck_assert_msg(!good, "taken as good: %s", cases[i].text);
    ck_assert_str_eq(error.text, cases[i].message);
    safetensors_free(&file);
  }
}
END_TEST

/* What comes of a text is a list that covers the data, or a message. */
static bool parse_any(const char *text, size_t bytes) {
  SafeTensors file;
  RunError error = {0};
  bool good = parse(text, bytes, 32, &file, &error);
  uint64_t at = 0;
  for (size_t i = 0; good && i < file.count; at = file.tensors[i++].end)
    ck_assert_uint_eq(file.tensors[i].begin, at);
  ck_assert(good ? at == 32 : error.text[0] != '\0');
  safetensors_free(&file);
  return good;
}

START_TEST(any_text) {
  size_t bytes = sizeof good_text - 1, good = 0, refused = 0;
  for (size_t length = 0; length < bytes - 3; length++) ck_assert(!parse_any(good_text, length));
  char text[sizeof good_text];
  for (size_t at = 0; at < bytes; at++) {
    for (int value = 0; value < 256; value++) {
      memcpy(text, good_text, sizeof text);
      text[at] = (char)value;
      if (parse_any(text, bytes))
        good++;
      else
        refused++;
    }
  }
  ck_assert_uint_gt(good, bytes);
  ck_assert_uint_gt(refused, 200 * bytes / 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("safetensors");
  TCase *cases = tcase_create("safetensors");
  tcase_add_test(cases, any_order);
  tcase_add_test(cases, messages_pinned);
  tcase_add_test(cases, any_text);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
