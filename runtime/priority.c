/* The sum tree; see priority.h. */
#include "runtime/priority.h"
#include "runtime/rows.h"

#include <math.h>
#include <stdlib.h>

bool priorities_make(Priorities *priorities, uint64_t rows, RunError *error) {
  uint64_t leaves = 2;
  while (leaves < rows) leaves *= 2;
  *priorities = (Priorities){.leaves = leaves};
  priorities->sum = run_take(2 * leaves, sizeof *priorities->sum, error);
  priorities->least = run_take(leaves, sizeof *priorities->least, error);
  for (uint64_t i = 0; priorities->least && i < leaves; i++) priorities->least[i] = INFINITY;
  return priorities->sum && priorities->least;
}

void priorities_free(Priorities *priorities) {
  free(priorities->sum);
  free(priorities->least);
  *priorities = (Priorities){0};
}

/* The least positive value at or below a node. */
static double least_at(const Priorities *priorities, uint64_t node) {
  if (node < priorities->leaves) return priorities->least[node];
  double value = priorities->sum[node];
  return value > 0 ? value : INFINITY;
}

/* Computes a node from its children. */
static void node_mend(Priorities *priorities, uint64_t node) {
  double left = least_at(priorities, 2 * node), right = least_at(priorities, 2 * node + 1);
  priorities->sum[node] = priorities->sum[2 * node] + priorities->sum[2 * node + 1];
  priorities->least[node] = left < right ? left : right;
}

void priorities_set(Priorities *priorities, uint64_t row, double value) {
  *priorities_leaf(priorities, row) = value;
  for (uint64_t node = (priorities->leaves + row) / 2; node > 0; node /= 2)
    node_mend(priorities, node);
}

void priorities_mend(Priorities *priorities, uint64_t from, uint64_t to) {
  if (from >= to) return;
  uint64_t first = priorities->leaves + from, last = priorities->leaves + to - 1;
  while (first > 1) {
    first /= 2, last /= 2;
    for (uint64_t node = first; node <= last; node++) node_mend(priorities, node);
  }
}

/* Level by level for all rows, so that their looks into memory overlap. Rounding may leave a mass
 * that is not below the last sum it meets: a share of nothing is never entered. */
void priorities_find(const Priorities *priorities, double *mass, uint64_t *row, uint32_t count) {
  const double *sum = priorities->sum;
  for (uint32_t i = 0; i < count; i++) row[i] = 1;
  for (uint64_t level = 1; level < priorities->leaves; level *= 2)
    for (uint32_t i = 0; i < count; i++) {
      uint64_t left = 2 * row[i];
      bool right = mass[i] >= sum[left] && sum[left + 1] > 0;
      if (right) mass[i] -= sum[left];
      row[i] = left + right;
      if (2 * level < priorities->leaves) __builtin_prefetch(sum + 2 * row[i]);
    }
  for (uint32_t i = 0; i < count; i++) row[i] -= priorities->leaves;
}
