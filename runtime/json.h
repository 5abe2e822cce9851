/* JSON as the runtime needs it: a writer onto a FileOutput that allocates nothing, and a strict
 * reader that walks a text in memory and remembers the first thing that is wrong. */
#ifndef RLC_RUNTIME_JSON_H
#define RLC_RUNTIME_JSON_H

#include "runtime/output.h"

#define JSON_ESCAPE 8 /* bytes of a character in a string, at most, with an end */
/* Whether a character must be escaped in a string, and how. */
bool json_escape(char c, char text[JSON_ESCAPE]);

#define JSON_DEPTH 16 /* deepest nesting written, and skipped by the reader */

/* Writes commas, line breaks and indentation; the caller opens, names, writes and closes. */
typedef struct JsonWriter {
  FileOutput *out;
  uint32_t depth;
  uint32_t
      flat; /* entries at this depth (1: of the outermost) and below share a line; 0: no spaces */
  char close[JSON_DEPTH]; /* how each open object or array ends */
  bool filled[JSON_DEPTH];
  bool named; /* a name stands before the next value */
} JsonWriter;

JsonWriter json_writer(FileOutput *out, uint32_t flat);
void json_open(JsonWriter *json, char bracket); /* '{' or '[' */
void json_close(JsonWriter *json);
void json_name(JsonWriter *json, const char *name);
void json_string(JsonWriter *json, const char *text); /* UTF-8 passes, control characters do not */
/* A name and its text; nothing where that is NULL. */
void json_text(JsonWriter *json, const char *name, const char *text);
void json_u64(JsonWriter *json, uint64_t value);
/* NAN is written as null; infinities as 1e999 and -1e999, which is JSON and reads as infinity. */
void json_double(JsonWriter *json, double value);
void json_bool(JsonWriter *json, bool value);
void json_hex(JsonWriter *json, uint64_t value, int digits); /* a string of hexadecimal digits */

/* A place in a text. After a mistake `problem` is set, and every call fails or gives zero. */
typedef struct JsonReader {
  const char *at, *end;
  const char *problem; /* NULL when all is well */
  uint32_t depth;
  bool filled[JSON_DEPTH + 1];
} JsonReader;

JsonReader json_reader(const char *text, size_t bytes);
void json_enter(JsonReader *json, char bracket);
/* Moves to the next value of the array or object entered last; false at its end (which is then
 * consumed) or after a mistake. The name of an object's entry goes to `name` (NULL in arrays). */
bool json_next(JsonReader *json, char *name, size_t size);
void json_read_string(JsonReader *json, char *text, size_t size); /* too long is a mistake */
uint64_t json_read_u64(JsonReader *json);
uint64_t json_read_hex(JsonReader *json);
double json_read_double(JsonReader *json); /* null reads as NAN */
void json_skip(JsonReader *json);          /* any one value */
bool json_finish(JsonReader *json); /* nothing but white space is left, and no mistake made */

#endif
