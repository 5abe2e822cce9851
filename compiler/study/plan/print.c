/* What a study would run, for `rlc ablate --dry-run`: as text for people, or whole as JSON. */
#include "compiler/study/plan/plan.h"
#include "compiler/study/plan/print.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
  VALUE_CELLS = 72, /* of a value as text; longer ones are cut */
  NAME_CELLS = 25,  /* of a point's name within its variant, and what keeps it apart */
};

/* ---- text ---- */

static void print_value(const char *value) {
  size_t length = value ? strlen(value) : 0;
  if (!value)
    printf("none");
  else if (length <= VALUE_CELLS)
    printf("%s", value);
  else {
    size_t cut = VALUE_CELLS - 3;
    while (((unsigned char)value[cut] & 0xc0) == 0x80) cut--;
    printf("%.*s...", (int)cut, value);
  }
}

static void print_change(const StudyChange *change) {
  printf("%s: ", change->path);
  print_value(change->before);
  printf(" -> ");
  print_value(change->after);
}

static bool change_is_of(const StudyChange *change, const StudyPoint *point) {
  for (size_t i = 0; i < point->change_count; i++) {
    const StudyChange *other = &point->changes[i];
    if (text_same(change->path, other->path) && text_same(change->before, other->before) &&
        text_same(change->after, other->after))
      return true;
  }
  return false;
}

/* Whether all points first..last-1, those of a variant, differ so. */
static bool change_is_common(const Study *study, size_t first, size_t last,
                             const StudyChange *change) {
  for (size_t i = first; i < last; i++)
    if (!change_is_of(change, &study->points[i])) return false;
  return true;
}

static void print_point(const Study *study, size_t index, size_t first, size_t last) {
  const StudyPoint *point = &study->points[index];
  const char *name = point->name + strlen(point->variant) + 1;
  const char *separator = "";
  int width = (int)strlen(name) < NAME_CELLS ? NAME_CELLS - (int)strlen(name) : 1;
  printf("    %s", name);
  for (size_t i = 0; i < point->change_count; i++) {
    if (last - first > 1 && change_is_common(study, first, last, &point->changes[i])) continue;
    printf("%s%*s", separator, *separator ? 1 : width, "");
    print_change(&point->changes[i]);
    separator = ";";
  }
  if (point->same_as != index)
    printf("%s%*sis %s", separator, *separator ? 1 : width, "", study->points[point->same_as].name);
  printf("\n");
}

static void print_variant(const Study *study, size_t first, size_t last) {
  const StudyPoint *point = &study->points[first];
  bool alone = last - first == 1 && strcmp(point->name, point->variant) == 0;
  printf("  %s", point->variant);
  if (alone && point->same_as != first) printf(" is %s", study->points[point->same_as].name);
  printf("\n");
  for (size_t i = 0; i < point->change_count; i++) {
    if (!alone && (last - first == 1 || !change_is_common(study, first, last, &point->changes[i])))
      continue;
    printf("    ");
    print_change(&point->changes[i]);
    printf("\n");
  }
  for (size_t i = 0; i < point->crossed_count; i++)
    printf("    without %s: %s\n", point->crossed[i].path, point->crossed[i].why);
  for (size_t i = 0; i < point->lack_count; i++)
    printf("    without the curve %s: it logs no such number\n", point->lacks[i]);
  for (size_t i = first; i < last && !alone; i++) print_point(study, i, first, last);
}

static size_t distinct_points(const Study *study) {
  size_t count = 0;
  for (size_t i = 0; i < study->point_count; i++) count += study->points[i].same_as == i;
  return count;
}

static const char *plural(size_t count) { return count == 1 ? "" : "s"; }

static void print_time(double seconds) {
  if (seconds < 90)
    printf("%.0f s", seconds);
  else if (seconds < 90 * 60)
    printf("%.0f min", seconds / 60);
  else if (seconds < 48 * 3600)
    printf("%.1f h", seconds / 3600);
  else
    printf("%.1f days", seconds / 86400);
}

static void print_about(double seconds, bool bound) {
  printf(bound || seconds < 1 ? "below " : "about ");
  print_time(seconds < 1 ? 1 : seconds);
}

static void print_estimate(const Study *study, const StudyEstimate *estimate) {
  if (estimate->refused)
    return (void)printf("estimate: none, as long as the study's folder is refused\n");
  if (estimate->left == 0) return (void)printf("estimate: no run is left\n");
  if (isnan(estimate->core_seconds))
    return (void)printf("estimate: none, no trainer could be made to time it\n");
  printf("estimate: ");
  print_about(estimate->wall_seconds, estimate->bounded);
  printf(" with %u run%s at once, ", estimate->cores, plural(estimate->cores));
  print_about(estimate->core_seconds, estimate->bounded);
  printf(" of one core");
  if (estimate->left < study->run_count)
    printf(", for %zu run%s that %s left", estimate->left, plural(estimate->left),
           estimate->left == 1 ? "is" : "are");
  printf(": ");
  if (estimate->finished)
    printf("as %zu finished run%s took, and ", estimate->finished, plural(estimate->finished));
  printf("%zu of %zu job%s timed now for a moment each, evaluations counted at full length\n",
         estimate->measured, study->job_count, plural(study->job_count));
}

void study_print(const Study *study, const StudyEstimate *estimate) {
  size_t distinct = distinct_points(study);
  printf("%s: %zu point%s", study->name, study->point_count, plural(study->point_count));
  if (distinct != study->point_count) printf(", %zu of them distinct", distinct);
  printf(", %zu job%s, %zu seed%s, %zu run%s of %" PRIu64 " steps\n", study->job_count,
         plural(study->job_count), study->seed_count, plural(study->seed_count), study->run_count,
         plural(study->run_count), study->steps);
  printf("on ");
  for (size_t i = 0; i < study->env_count; i++) printf("%s%s", i ? ", " : "", study->envs[i]);
  printf("\n");
  for (size_t i = 0; i < study->with_count; i++) {
    printf("with ");
    print_change(&study->with[i]);
    printf("\n");
  }
  for (size_t first = 0, last; first < study->point_count; first = last) {
    for (last = first + 1; last < study->point_count &&
                           !strcmp(study->points[last].variant, study->points[first].variant);)
      last++;
    print_variant(study, first, last);
  }
  print_estimate(study, estimate);
}

/* ---- JSON ---- */

static void print_json_text(const char *text) {
  if (text)
    text_quote(text, stdout);
  else
    printf("null");
}

static void print_json_field(const char *before, const char *name, const char *text) {
  printf("%s\"%s\":", before, name);
  print_json_text(text);
}

static void print_json_texts(const char *name, const char *const *texts, size_t count) {
  printf(",\"%s\":[", name);
  for (size_t i = 0; i < count; i++) {
    if (i) putchar(',');
    print_json_text(texts[i]);
  }
  putchar(']');
}

static void print_json_changes(const char *name, const StudyChange *changes, size_t count) {
  printf(",\"%s\":[", name);
  for (size_t i = 0; i < count; i++) {
    print_json_field(i ? ",{" : "{", "path", changes[i].path);
    print_json_field(",", "before", changes[i].before);
    print_json_field(",", "after", changes[i].after);
    putchar('}');
  }
  putchar(']');
}

static void print_json_point(const Study *study, size_t index) {
  const StudyPoint *point = &study->points[index];
  print_json_field(index ? ",{" : "{", "name", point->name);
  print_json_field(",", "folder", point->folder);
  print_json_field(",", "variant", point->variant);
  print_json_field(",", "against", study->points[point->against].name);
  print_json_field(",", "same_as",
                   point->same_as == index ? NULL : study->points[point->same_as].name);
  print_json_changes("changes", point->changes, point->change_count);
  printf(",\"crossed\":[");
  for (size_t i = 0; i < point->crossed_count; i++) {
    print_json_field(i ? ",{" : "{", "path", point->crossed[i].path);
    print_json_field(",", "why", point->crossed[i].why);
    putchar('}');
  }
  putchar(']');
  print_json_texts("lacks", point->lacks, point->lack_count);
  putchar('}');
}

static void print_json_number(const char *name, double value) {
  if (isfinite(value))
    printf(",\"%s\":%.3f", name, value);
  else
    printf(",\"%s\":null", name);
}

void study_print_json(const Study *study, const StudyEstimate *estimate) {
  print_json_field("{", "study", study->name);
  printf(",\"steps\":%" PRIu64 ",\"seeds\":[", study->steps);
  for (size_t i = 0; i < study->seed_count; i++)
    printf("%s%" PRIu64, i ? "," : "", study->seeds[i]);
  putchar(']');
  print_json_texts("envs", study->envs, study->env_count);
  print_json_texts("options", study->options, study->option_count);
  print_json_changes("with", study->with, study->with_count);
  printf(",\"points\":[");
  for (size_t i = 0; i < study->point_count; i++) print_json_point(study, i);
  printf("],\"jobs\":[");
  for (size_t i = 0; i < study->job_count; i++) {
    const StudyJob *job = &study->jobs[i];
    print_json_field(i ? ",{" : "{", "point", study->points[job->point].name);
    print_json_field(",", "env", study->envs[job->env]);
    print_json_field(",", "hash", job->hash);
    printf(",\"spec_hash\":\"%016" PRIx64 "\"}", job->spec_hash);
  }
  putchar(']');
  print_json_texts("dropped", study->dropped, study->dropped_count);
  printf(",\"runs\":%zu,\"left\":%zu,\"cores\":%u,\"finished\":%zu,\"measured\":%zu,"
         "\"bounded\":%zu",
         study->run_count, estimate->left, estimate->cores, estimate->finished, estimate->measured,
         estimate->bounded);
  print_json_number("core_seconds", estimate->core_seconds);
  print_json_number("wall_seconds", estimate->wall_seconds);
  printf("}\n");
}
