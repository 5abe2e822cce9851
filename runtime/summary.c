/* The last evaluations of several runs: their mean and standard deviation over the seeds. A run
 * that failed is counted as such and left out of both; one that was stopped is in them with what it
 * had last, so steps are told as well. */
#include "runtime/summary.h"
#include "runtime/json.h"

#include <math.h>

static const char *const result_names[] = {"eval/mean_reward", "eval_sample/mean_reward"};
static const char *const end_names[] = {
    [RUN_WAITING] = "waiting",
    [RUN_FAILED] = "failed",
    [RUN_STOPPED] = "stopped",
    [RUN_FINISHED] = "finished",
};
enum { RESULTS = 2, ENDS = 4 };

/* Over the seeds that have a value; NAN where there are too few. */
typedef struct Over {
  uint32_t count;
  double mean, std; /* std: the sample's, with count - 1 */
} Over;

static bool run_counts(const Run *run, int result) {
  return run->end != RUN_FAILED && run->end != RUN_WAITING && !isnan(run->result[result].mean);
}

static Over over_seeds(const Run *runs, uint32_t count, int result) {
  double sum = 0, squares = 0;
  Over over = {.mean = NAN, .std = NAN};
  for (uint32_t i = 0; i < count; i++)
    if (run_counts(&runs[i], result)) sum += runs[i].result[result].mean, over.count++;
  if (over.count) over.mean = sum / over.count;
  for (uint32_t i = 0; i < count; i++)
    if (run_counts(&runs[i], result)) squares += pow(runs[i].result[result].mean - over.mean, 2);
  if (over.count > 1) over.std = sqrt(squares / (over.count - 1));
  return over;
}

uint32_t summary_count(const Run *runs, uint32_t count, RunEnd end) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; i++) found += runs[i].end == end;
  return found;
}

void summary_tell(const Run *runs, uint32_t count) {
  fprintf(stderr, "%u seeds:", count);
  const char *between = " ";
  for (int end = ENDS; end-- > 0;) {
    uint32_t found = summary_count(runs, count, (RunEnd)end);
    if (!found) continue;
    fprintf(stderr, "%s%u %s", between, found, end_names[end]);
    between = ", ";
  }
  fputc('\n', stderr);
  for (int i = 0; i < RESULTS; i++) {
    Over over = over_seeds(runs, count, i);
    if (!over.count) continue;
    fprintf(stderr, "%s %.6g", result_names[i], over.mean);
    if (over.count > 1) fprintf(stderr, ", standard deviation %.4g", over.std);
    fprintf(stderr, " over %u seed%s\n", over.count, over.count > 1 ? "s" : "");
  }
}

static void put_run(JsonWriter *json, const Run *run) {
  json_open(json, '{');
  json_name(json, "seed");
  json_u64(json, run->options.seed);
  json_name(json, "end");
  json_string(json, end_names[run->end]);
  json_name(json, "step");
  json_u64(json, run->step);
  for (int i = 0; i < RESULTS; i++) {
    json_name(json, result_names[i]);
    json_double(json, run->result[i].mean);
  }
  if (run->end == RUN_FAILED) {
    json_name(json, "error");
    json_string(json, run->error.text);
  }
  json_close(json);
}

static void put_summary(JsonWriter *json, const Run *runs, uint32_t count) {
  json_open(json, '{');
  json_name(json, "seeds");
  json_u64(json, count);
  for (int end = 0; end < ENDS; end++) {
    json_name(json, end_names[end]);
    json_u64(json, summary_count(runs, count, (RunEnd)end));
  }
  for (int i = 0; i < RESULTS; i++) {
    Over over = over_seeds(runs, count, i);
    json_name(json, result_names[i]);
    json_open(json, '{');
    json_name(json, "mean");
    json_double(json, over.mean);
    json_name(json, "std");
    json_double(json, over.std);
    json_name(json, "seeds");
    json_u64(json, over.count);
    json_close(json);
  }
  json_name(json, "runs");
  json_open(json, '[');
  for (uint32_t i = 0; i < count; i++) put_run(json, &runs[i]);
  json_close(json);
  json_close(json);
}

bool summary_write(const char *directory, const Run *runs, uint32_t count, RunError *error) {
  char buffer[4096], path[OUTPUT_PATH];
  FileOutput out;
  if (!path_make(path, error, "%s/summary.json", directory) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  JsonWriter json = json_writer(&out, 3);
  put_summary(&json, runs, count);
  output_text(&out, "\n");
  return output_finish(&out, error);
}
