/* What the parts of the replay share: the ring, and how its rows follow each other.
 *
 * A row is obs, action, reward, extra columns and one word of flags, contiguous, so that sampling
 * it touches one or two cache lines. Rows of a file come first, as one sequence: row r is followed
 * by row r + 1. All others come in vector steps: row r belongs to environment r % envs and is
 * followed by row r + envs. Its next_obs is the obs of that row, except where the word says that it
 * lies in `finals` (ends of episodes, and all rows of a file) and for the newest vector step (whose
 * next observations lie in `latest`).
 *
 * A file of a length that is no multiple of envs leaves the ring's first rows unused until they
 * are written the first time.
 *
 * `finals` is as long as the ring, for the worst case, but untouched memory costs nothing: entries
 * are taken from a list of free ones, then from the lowest never used, so only as much is touched
 * as was ever in use at once. */
#ifndef RLC_RUNTIME_RING_H
#define RLC_RUNTIME_RING_H

#include "runtime/device/gather.h"
#include "runtime/priority.h"
#include "runtime/replay.h"
#include "runtime/rows.h"

#include <string.h>

enum {
  ROW_TERMINATED = 1,
  ROW_TRUNCATED = 2,
  ROW_ENDED = 3,
  ROW_NEXT = 4, /* the other bits number the entry of `finals` with the next observation */
  ROW_SHIFT = 3
};
static const uint32_t NO_FINAL = UINT32_MAX >> ROW_SHIFT;
static const uint64_t NEVER_SAMPLED = UINT64_MAX;

typedef struct Column {
  uint8_t kind;
  uint32_t at;  /* its place in a row, in floats */
  bool written; /* by RLC_DO_WRITE */
  Rows batch;   /* where a sample goes */
  Rows from;    /* RLC_EXTRA: the slot it is stored from */
} Column;

typedef struct ReplayWrite { /* an RLC_DO_WRITE of the loop */
  uint32_t step;             /* its number in the loop's table */
  uint32_t column;           /* RLC_NONE: the priorities */
  Rows from;
} ReplayWrite;

typedef struct ReplayHead { /* what a checkpoint keeps beside the rows */
  uint64_t capacity, envs, stride;
  uint64_t head;         /* row that is written next */
  uint64_t skip;         /* rows at the start that were never written */
  uint64_t stored;       /* rows, from `skip` on */
  uint64_t finals, free; /* entries ever used; first of the free list */
  uint64_t file_end;     /* rows below it, from `head` on if that is less, are a file's; or 0 */
  uint64_t file_drawn;   /* rows of the file below it start whole windows */
  uint64_t vectors;      /* vector steps ever appended */
  uint64_t sampled;      /* `vectors` at the last sample, or NEVER_SAMPLED */
  double largest;        /* priority so far */
} ReplayHead;

typedef struct ReplayStage { /* vector steps that wait to be appended */
  uint64_t vectors;
  float *rows;   /* [vectors][envs][stride] */
  float *finals; /* [vectors][envs][obs_dim], written where an episode ended */
  float *latest; /* [vectors][envs][obs_dim] */
} ReplayStage;

struct Replay {
  const RlcSource *source;
  const RlcModule *module;
  const char *folder; /* of the file, or NULL: as the spec says */
  ReplayHead head;
  uint32_t obs_dim, act_dim, action, reward, flags; /* places in a row */
  uint32_t ahead;                                   /* rows per element of a batch, at least 1 */
  uint32_t envs;                                    /* as the head has it, whatever is loaded */
  bool next;                                        /* some program reads next_obs */
  bool appends;                                     /* else its rows come from its file alone */
  char name[REPLAY_BLOBS][96];
  uint32_t stream;
  float *rows;   /* [capacity][stride] */
  float *finals; /* [capacity][obs_dim] */
  float *latest; /* [env][obs_dim] */
  ReplayStage stage;
  Pace pace; /* of copying batches: on the team, or alone */
  Column *columns;
  Rows valid, weight;
  ReplayWrite *writes;
  uint32_t write_count;
  Priorities priorities; /* leaves: priority ^ exponent of rows that may be drawn */
  /* The newest ahead - 1 vector steps hold rows whose windows are cut short by an end, and others
   * that may not be drawn yet. */
  uint32_t *since; /* [env] steps after the last one that ended an episode, at most `ahead` */
  uint64_t *tail;  /* [env + 1] sums of the numbers of rows in them that may be drawn */
  /* of the last sample: */
  uint64_t *drawn;            /* [batch] rows */
  double *mass;               /* [batch] */
  const float **row, **after; /* [batch][ahead] rows and their next observations */
  /* Where programs run on a card, the rows lie there too, and batches are copied there. Its pool is
   * rows, finals and latest one behind the other. */
  Gather *gather; /* or NULL */
};

/* ---- replay_card.c ---- */

/* Takes the batch whose rows were found. */
void replay_gather(Replay *replay);
/* `count` floats of rows, finals or latest have changed; or all that is in use. */
void replay_changed(Replay *replay, const float *at, uint64_t count);
void replay_filled(Replay *replay);
/* The rows of the last sample have new values in a column; the last one, where two are of a row. */
void replay_rewritten(Replay *replay, const ReplayWrite *write);

static inline uint32_t row_word(const Replay *replay, const float *row) {
  uint32_t word;
  memcpy(&word, row + replay->flags, sizeof word);
  return word;
}

static inline float *row_at(const Replay *replay, uint64_t row) {
  return replay->rows + row * replay->head.stride;
}

/* The first row of the file that is still there; file_end when none is. */
static inline uint64_t file_first(const ReplayHead *head) {
  if (head->head >= head->file_end) return head->file_end ? head->skip : 0;
  return head->head > head->skip ? head->head : head->skip;
}

/* Rows of the file that are still there. */
static inline uint64_t file_rows(const ReplayHead *head) {
  return head->file_end - file_first(head);
}

/* Vector steps that are stored. */
static inline uint64_t ring_vectors(const ReplayHead *head) {
  return (head->stored - file_rows(head)) / head->envs;
}

/* The first row of the vector step that was appended `age` vector steps before the newest. */
static inline uint64_t ring_vector(const ReplayHead *head, uint64_t age) {
  uint64_t back = (age + 1) * head->envs;
  return head->head >= back ? head->head - back : head->head + head->capacity - back;
}

/* The row that follows, where there is one. */
static inline uint64_t row_following(const ReplayHead *head, uint64_t row) {
  if (row < head->file_end && row >= file_first(head)) return row + 1;
  uint64_t next = row + head->envs;
  return next >= head->capacity ? next - head->capacity : next;
}

/* An entry of `finals` holding a row's next observation; the bits that name it in the row's word.
 */
uint32_t final_keep(Replay *replay, const float *obs);

/* ---- window.c ---- */

/* Rows that may be drawn, and the k-th of them. */
uint64_t window_rows(const Replay *replay);
uint64_t window_row(const Replay *replay, uint64_t k);
/* After a vector step was appended: which rows may be drawn now. */
void window_append(Replay *replay);
/* Works out `since` and `tail` from the rows, and the priorities' sums from their leaves. */
void window_restore(Replay *replay);
/* The rows of a file were put in place: which of them may be drawn. */
void window_file(Replay *replay);

#endif
