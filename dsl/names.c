/* The names of the language itself: what they are and who sees them. */
#include "dsl/names.h"

#include <math.h>
#include <string.h>

enum { RESERVED = true, FREE = false };

const LanguageName language_names[] = {
#define NAME(name, meaning, value, place, standing)                                                \
  {name, NAME_##meaning, PLACE_##place, value, standing},
#include "dsl/names.def"
#undef NAME
    {NULL, NAME_NUMBER, PLACE_ELSEWHERE, 0, FREE}};

enum {
  COUNTER_ROWS = 0
#define NAME(name, meaning, value, place, standing) +(NAME_##meaning == NAME_COUNTER)
#include "dsl/names.def"
#undef NAME
};
_Static_assert((int)COUNTER_ROWS == (int)RLC_COUNTERS, "every counter of the runtime has its name");

const LanguageName *language_name(const char *name) {
  for (const LanguageName *row = language_names; row->name; row++)
    if (strcmp(row->name, name) == 0) return row;
  return NULL;
}

bool language_name_seen(const Elab *elab, const LanguageName *row) {
  switch (row->place) {
  case PLACE_EVERYWHERE:
    return true;
  case PLACE_ENVIRONMENT:
    return elab->env_count > 0;
  case PLACE_CONTINUOUS:
    return elab->env_count && !elab->env.choices;
  case PLACE_DISCRETE:
    return elab->env_count && elab->env.choices;
  case PLACE_INITIALISER:
    return elab->fans.in > 0;
  case PLACE_ELSEWHERE:
    return false;
  }
  return false;
}

bool language_name_readable(const LanguageName *row) {
  return row->place != PLACE_ELSEWHERE && row->meaning != NAME_FACT; /* facts are in the globals */
}

size_t counter_names(const char **names) {
  size_t count = 0;
  for (const LanguageName *row = language_names; row->name; row++)
    if (row->meaning == NAME_COUNTER && row->value != RLC_PROGRESS) names[count++] = row->name;
  return count;
}
