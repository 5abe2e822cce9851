/* Both ways are tried in turn, in blocks of runs; the way with the fastest block is taken for at
 * least STAY_LEAST times as long as the trial took, so that trials cost little. It holds twice as
 * long each time a trial confirms it. It is looked at for as long as a trial takes, again and
 * again, and ends when it has become slower than the other way was: threads can be moved to cores
 * that are farther apart. */
#include "runtime/pace.h"

enum { ROUNDS = 3, BLOCK_RUNS = 8, STAY_LEAST = 20, STAY_MOST = 320 };
static const double BLOCK_LEAST = 5e-4, BLOCK_MOST = 0.02; /* seconds */
static const double HOPELESS = 4, SLOWER = 1.25;

bool pace_second(const Pace *pace) { return pace->settled ? pace->second : pace->block % 2; }

/* Whether the trial's block has shown what it can. */
static bool block_done(const Pace *pace) {
  double other = pace->best[pace->block % 2 == 0];
  if (pace->seconds >= BLOCK_MOST) return true;
  if (other > 0 && pace->seconds > HOPELESS * other * BLOCK_RUNS) return true;
  return pace->runs >= BLOCK_RUNS && pace->seconds >= BLOCK_LEAST;
}

static void block_end(Pace *pace) {
  double *best = &pace->best[pace->block % 2], mean = pace->seconds / pace->runs;
  if (*best == 0 || mean < *best) *best = mean;
  pace->trial += pace->seconds;
  pace->runs = 0, pace->seconds = 0;
  if (++pace->block < 2 * ROUNDS) return;
  bool second = pace->best[1] < pace->best[0], same = second == pace->second && pace->stay > 0;
  pace->stay = !same ? STAY_LEAST : pace->stay < STAY_MOST ? 2 * pace->stay : pace->stay;
  pace->second = second;
  pace->settled = true;
}

/* Whether the way taken did worse in the last look than both ways did in the trial; a little worse
 * than itself is noise. */
static bool became_slower(const Pace *pace) {
  double mean = pace->seconds / pace->runs;
  return mean > pace->best[!pace->second] && mean > SLOWER * pace->best[pace->second];
}

static void look_end(Pace *pace) {
  bool slower = became_slower(pace);
  pace->held += pace->seconds;
  pace->runs = 0, pace->seconds = 0;
  if (pace->held < STAY_LEAST * pace->trial) return;
  if (slower || pace->held >= pace->stay * pace->trial)
    *pace = (Pace){.second = pace->second, .stay = slower ? 0 : pace->stay};
}

void pace_note(Pace *pace, double seconds) {
  pace->runs++;
  pace->seconds += seconds;
  if (pace->settled ? pace->seconds >= pace->trial : block_done(pace))
    (pace->settled ? look_end : block_end)(pace);
}
