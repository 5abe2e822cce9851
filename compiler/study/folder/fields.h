/* Structs as JSON objects, by a table: one row a field, which writes it and reads it back. What the
 * table does not know is passed over when reading, so that a newer file can be read as far as it
 * goes. */
#ifndef RLC_COMPILER_STUDY_FOLDER_FIELDS_H
#define RLC_COMPILER_STUDY_FOLDER_FIELDS_H

#include "ir/base.h"
#include "runtime/json.h"

typedef enum FieldKind {
  FIELD_TEXT,    /* const char *; NULL is not written */
  FIELD_WHOLE,   /* uint64_t */
  FIELD_WHOLE32, /* uint32_t */
  FIELD_NUMBER,  /* double */
  FIELD_TWO,     /* const char *[2] */
  FIELD_TEXTS,   /* const char **, `count` of them; one alone may stand without brackets */
  FIELD_WHOLES,  /* uint64_t * */
  FIELD_NUMBERS, /* double * */
  FIELD_WORD,    /* bool: words[0] or words[1] */
  FIELD_EITHER,  /* words[0], and then the bool at `count` is true, or the double at `at` */
  FIELD_PAIRS,   /* NumberPair *, as an object of [first, second] by name */
  FIELD_PART,    /* an object whose fields lie in the same struct */
  FIELD_OBJECTS, /* an array of structs; a text stands for one whose first field it is. An empty
                    array is not written */
} FieldKind;

typedef struct Schema Schema;

typedef struct Field {
  const char *name;
  FieldKind kind;
  bool needed;      /* a text or an array that must be there */
  size_t at, count; /* where in the struct the value lies, and the number of values */
  const Schema *of; /* of a part and of objects */
  const char *words[2];
} Field;

struct Schema {
  const Field *fields;
  size_t count, size; /* fields; bytes of the struct */
};

typedef struct NumberPair {
  const char *name;
  double first, second;
} NumberPair;

/* Writes a struct as an object. */
void fields_write(JsonWriter *json, const Schema *schema, const void *from);
/* Fills a struct, which holds the values of what the file lacks, from an object of a text. NULL, or
 * what is wrong with it. All lies in `arena`. */
const char *fields_read(Arena *arena, const char *text, size_t size, const Schema *schema,
                        void *to);

#endif
