/* The rows of dsl/names.def as data; private to dsl/. */
#ifndef RLC_DSL_NAMES_H
#define RLC_DSL_NAMES_H

#include "dsl/scope.h"

typedef enum NameMeaning {
  NAME_COUNTER,
  NAME_NUMBER,
  NAME_TRUTH,
  NAME_TRAINING,
  NAME_LOW,
  NAME_HIGH,
  NAME_BOX,
  NAME_FACT,
  NAME_FAN_IN,
  NAME_FAN_OUT,
  NAME_LAST_LAYER,
  NAME_COLUMN,
  NAME_LOSSES
} NameMeaning;

typedef enum NamePlace {
  PLACE_EVERYWHERE,
  PLACE_ENVIRONMENT,
  PLACE_CONTINUOUS,
  PLACE_DISCRETE,
  PLACE_INITIALISER,
  PLACE_ELSEWHERE
} NamePlace;

typedef struct LanguageName {
  const char *name;
  NameMeaning meaning;
  NamePlace place;
  double value;
  bool reserved;
} LanguageName;

extern const LanguageName language_names[]; /* ends with a NULL name */

/* The row of that name, or NULL. */
const LanguageName *language_name(const char *name);
/* Whether it can be read where the expression stands. */
bool language_name_seen(const Elab *elab, const LanguageName *row);
/* Whether some expression can read it, whatever the environment: for what nothing evaluates. */
bool language_name_readable(const LanguageName *row);
/* The counters that count one by one: at most RLC_COUNTERS names. */
size_t counter_names(const char **names);

#endif
