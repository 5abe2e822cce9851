/* A run in progress: what trainer.c, loop.c, actor.c, collect.c, evaluate.c, metrics.c and save.c
 * work on together. */
#ifndef RLC_RUNTIME_TRAINING_H
#define RLC_RUNTIME_TRAINING_H

#include "envs/pool.h"
#include "runtime/device/device.h"
#include "runtime/rollout.h"
#include "runtime/stop.h"
#include "runtime/team.h"

/* Evaluation draws from the run's seed XOR this, so that it shares no draw with training. */
#define EVALUATION_SEED 0x9D5C0F3A6B2E8174u

/* The draw counter of starting declared environments counts from here, so that no start draws what
 * a step draws even where both read one stream. */
#define START_DRAWS (UINT64_C(1) << 63)

enum { RECENT_EPISODES = 100 };

/* Environments and the slots through which a program acts in them. */
typedef struct Actor {
  const RlcActing *acting;   /* NULL: not given, nothing else is set */
  const char *label;         /* "environment", for messages */
  Pool *pool;                /* what the environments showed last */
  struct Declared *declared; /* environments that are programs, `pool` is theirs; else NULL */
  Rows obs, action, send, first;
  Rows reward, next_obs, terminated, truncated;
  float *before;       /* [env][obs_dim] observations before the last step, as the pool gave them */
  float *acted;        /* [env][act_dim] the slot `action` */
  float *actions;      /* [env][act_dim] what the environments get */
  float *flags;        /* [env] a column of flags on its way into a slot */
  double scale, shift; /* from `send` to `actions` */
  Pace pace;           /* of stepping a pool: on the team, or alone */
} Actor;

/* One way of acting, judged on environments of its own. */
typedef struct Evaluator {
  Actor actor;
  void *start; /* pool state from which the next evaluation begins; declared environments have none
                */
  void *start_before; /* the same before the evaluation in progress */
  size_t start_bytes;
  double *episode_return, *episode_length; /* [episodes] */
  bool *ended;                             /* [env] */
  struct Recording *recording;             /* of what happens, where somebody wants it; else NULL */
} Evaluator;

typedef struct EvaluationResult {
  double mean, std, min, max, length;
} EvaluationResult;

typedef struct Average {
  double sum;
  uint64_t count;
} Average;

/* Metric slots of the module, gathered since the last line. */
typedef struct Metrics {
  uint32_t count;
  const RlcSlot **slot; /* [count] */
  Average *average;     /* [count] */
  const char *
      *name;     /* [columns] of progress.csv: the fixed ones, the metrics, the metrics' aliases */
  double *value; /* [columns] */
  size_t columns;
  char *alias; /* storage of the aliases' names */
  /* What programs on a card wrote and nobody has looked at yet */
  Device *device;           /* NULL: there is none */
  struct MetricsNote *note; /* [METRIC_NOTES] */
  uint32_t note_count;
  uint32_t *written; /* [count] metric slots that a program writes, for a moment */
  char *noted;       /* [METRIC_NOTES][count] values, SLOT_LINE bytes apart, in the card's reach */
} Metrics;

/* A program that ran on a card: when, for the message about a value that is not finite. */
typedef struct MetricsNote {
  uint32_t program;
  uint64_t step, update;
} MetricsNote;
enum { METRIC_NOTES = 256 };

/* TrainState.eval_mark: the evaluation of this step was cut off and has to be made yet. */
#define EVALUATION_OWED UINT64_MAX

/* Everything else that a checkpoint must hold, plain data. */
typedef struct TrainState {
  uint64_t step, iteration, updates, vector_steps, evaluations, episodes;
  uint64_t runs;     /* of the loop's programs that are no updates: their draw counter; updates' is
                        `updates` */
  uint64_t shuffles; /* of the rollout's rows */
  uint64_t log_mark, eval_mark, checkpoint_mark; /* multiples passed of the options' intervals */
  uint64_t logged_step, evaluated_step;          /* UINT64_MAX: never */
  Average episode_return, episode_length;        /* of episodes ended since the last line */
  double recent_return[RECENT_EPISODES], recent_length[RECENT_EPISODES];
  EvaluationResult result[2]; /* the last evaluation, deterministic and stochastic */
} TrainState;

/* Where programs run. Learning has the run's own slots, evaluation a copy, and so has acting where
 * it goes on beside learning (overlap.c); else it shares learning's. */
typedef struct Side {
  char *memory, *work; /* slots; scratch of the program that runs */
  Team *team;
  uint64_t *done, *stepped;       /* [threads] work items of programs; instances stepped */
  const uint64_t *step, *updates; /* the counters as its programs see them */
  RunError *error;                /* filled when something on this side fails */
  Mirror *mirror;                 /* the slots on a card, where programs run there; else NULL */
} Side;

/* What is in `memory` is read and written between these: where programs run on a card, the slot's
 * newest values may lie there. */
static inline void side_fetch(const Side *side, uint32_t slot) {
  if (side->mirror && slot != RLC_NONE) mirror_fetch(side->mirror, slot);
}
static inline void side_store(const Side *side, uint32_t slot) {
  if (side->mirror && slot != RLC_NONE) mirror_store(side->mirror, slot);
}

enum { RUN_PATH = 4096 };

typedef struct Trainer {
  const RlcModule *module;
  Options options;
  char directory[RUN_PATH];
  char *memory, *work;     /* of learning */
  Device *device;          /* where the module's programs run; NULL: on the CPU */
  char *evaluation_memory; /* a copy of the slots that evaluation works on, so that training never
                              notices */
  Team *team;
  Stop *stop; /* of whoever made the trainer, who sets it afterwards; NULL: nobody listens */
  uint64_t *done, *stepped; /* of learning */
  Side learning, acting, evaluating;
  struct Overlap *overlap; /* where acting goes on beside learning, else NULL */
  bool collects;           /* the loop has a collect; else every pass counts as one step */
  Actor explore;
  Evaluator evaluator[2]; /* deterministic, stochastic */
  Replay **replay;        /* [source_count] */
  Rollout rollout;
  Parts *parts; /* [view_count] */
  Metrics metrics;
  TrainState state;
  Pace *pace;        /* [program_count] on the team, or alone */
  uint64_t *every;   /* [step_count] marks of RLC_DO_EVERY */
  uint64_t *samples; /* [source_count] batches drawn */
  double *carried;   /* results and columns in plain order, for checkpoints */
  uint64_t carried_count;
  void *pool_state;
  Blob *blobs;
  size_t blob_count;
  Log *log;
  Progress progress;
  double started; /* monotonic seconds at which this process's training began */
  double limited; /* from which --minutes counts: `started`, or when the first of several runs
                     began; 0: not known yet */
  double passed;  /* and at which its last pass and what followed on it had ended */
  double seconds_before; /* training seconds of earlier processes (resume) */
  double saved;          /* when the last checkpoint was written, or training began */
  double saving;         /* seconds that it took */
  uint64_t saved_step;   /* of the last checkpoint; UINT64_MAX when something came after it */
  bool resumed;
  bool diverged; /* the error is about a value that is not finite */
  RunError error;
} Trainer;

/* ---- trainer.c ---- */

/* Allocates everything and runs the module's init. On false trainer->error says why; trainer_free
 * is due either way. */
bool trainer_make(Trainer *trainer, const RlcModule *module, const Options *options);
void trainer_free(Trainer *trainer);
/* Runs one program after writing the counters: on the side's team, or on the caller's thread alone
 * where that is faster or `alone` says so; where there is a card, there, and the host goes on at
 * once. False when something has failed on the card. */
bool trainer_run(const Trainer *trainer, const Side *side, uint32_t program, uint64_t seed,
                 uint64_t draw, bool alone);
/* The counters as a side's programs see them. */
void trainer_counters(const Trainer *trainer, const Side *side, double value[RLC_COUNTERS]);
/* All slots of one side become those of another. */
void side_give_all(const Trainer *trainer, const Side *to, const Side *from);

/* ---- loop.c ---- */

/* What steps of the loop do, on learning's side; false: trainer->error. A program of the loop with
 * its RlcStep.flags, whose metrics count; a batch of a source into its slots; whether the condition
 * of a step holds; a part of a view's rows into its slots; the write-back of step number `at`. */
bool trainer_program(Trainer *trainer, uint32_t program, uint8_t flags);
bool trainer_sample(Trainer *trainer, uint32_t source);
bool trainer_holds(Trainer *trainer, const RlcStep *step, bool *holds);
void trainer_part(Trainer *trainer, uint32_t view, uint64_t part);
bool trainer_write(Trainer *trainer, uint32_t at);

/* One pass through the loop's table. */
bool trainer_pass(Trainer *trainer);
/* The steps of a pass but those aside, which act. */
bool trainer_learn(Trainer *trainer);
/* The clock and the counts that rates are told from, and what the first pass begins with. */
void trainer_start(Trainer *trainer);
/* A pass, and the log line, evaluation and checkpoint that are due after it. */
bool trainer_round(Trainer *trainer);
/* Training until --steps, the time limit or a signal, with its logs, evaluations and checkpoints.
 * False: trainer->error. */
bool trainer_train(Trainer *trainer);
/* Whether --minutes are over. */
bool trainer_late(const Trainer *trainer);
/* Whether nothing is left to do: the last step and its evaluation have been made. */
bool trainer_finished(const Trainer *trainer);

/* ---- terms.c ---- */

/* Whether the terms make sense: of known operations, each of earlier terms. */
bool terms_check(const RlcTerm *terms, uint32_t count);
/* The last term's value; the terms must make sense. */
double terms_value(const RlcTerm *terms, uint32_t count, const double counters[RLC_COUNTERS]);

/* ---- actor.c ---- */

/* Whether a table of acting has a program and environments at all. */
static inline bool acting_any(const RlcActing *acting) {
  return acting->program != RLC_NONE && acting->count > 0;
}
/* Without any actor->acting stays NULL and true is returned. */
bool actor_make(Actor *actor, const RlcModule *module, const RlcActing *acting, const char *label,
                uint64_t seed, RunError *error);
void actor_free(Actor *actor);
/* What a checkpoint must hold of the environments beside the slots; nothing without `acting`. */
size_t actor_state_size(const Actor *actor);
void actor_get_state(const Actor *actor, void *state);
void actor_set_state(const Actor *actor, const void *state);
/* Begins an episode in every environment; `draw` numbers the starts of declared ones. False on a
 * fault. */
bool actor_start(const Trainer *trainer, Actor *actor, const Side *side, uint64_t seed,
                 uint64_t draw);
/* Writes the current observations into the slots. */
void actor_observe(const Actor *actor, const Side *side);
/* Observes, runs the program, steps every environment, fills the slots of results; false on a
 * fault. */
bool actor_step(const Trainer *trainer, Actor *actor, const Side *side, uint64_t seed,
                uint64_t draw);
/* Steps the pool on the team, or alone where that is faster; `stepped` counts each thread's
 * instances. */
void actor_pool_step(Pool *pool, const float *actions, Team *team, uint64_t *stepped, Pace *pace);
/* Runs a program over the environments' rows, on one thread when it is light. False as of
 * trainer_run. */
bool actor_run(const Trainer *trainer, const Actor *actor, uint32_t program, const Side *side,
               uint64_t seed, uint64_t draw);

/* ---- collect.c ---- */

/* One vector step of the training environments with all that programs and the rollout make of it,
 * but the replays: their rows can be taken from the actor then. */
bool collect_act(Trainer *trainer);
/* `count` vector steps of the training environments into all sources and the rollout. */
bool collect_steps(Trainer *trainer, uint64_t count);

/* ---- overlap.c ---- */

/* Gives acting a side of its own where the loop has steps aside; all sides must be there. */
bool overlap_make(Trainer *trainer);
void overlap_free(Trainer *trainer);
/* Acting's slots become those of learning: before the first pass, and after others wrote them. */
void overlap_begin(Trainer *trainer);
/* What acting did becomes visible to everybody, as at the end of each pass. */
void overlap_join(Trainer *trainer);
/* One pass of such a loop. */
bool overlap_pass(Trainer *trainer);
/* Whether it is known which way of running a pass is faster, or there is only one. */
bool overlap_settled(const Trainer *trainer);

/* ---- evaluate.c ---- */

bool evaluator_make(Evaluator *evaluator, const RlcModule *module, const RlcActing *acting,
                    const Options *options, RunError *error);
void evaluator_free(Evaluator *evaluator);
/* Both evaluations, logged; training's memory and draws are not touched. A signal cuts them off,
 * and so does --minutes when `limited`: nothing is logged then, and state.eval_mark says so. */
bool evaluate_run(Trainer *trainer, bool limited);
/* For playing back. If the state of the trainer has been evaluated, goes back to before that, where
 * an evaluation was of `episodes` episodes. */
void evaluator_rewind(Trainer *trainer, Evaluator *evaluator, uint32_t episodes);
/* The evaluation that comes next, of this evaluator alone; nothing is logged or counted. False on a
 * fault; `cut`: a signal cut it off. */
bool evaluator_play(Trainer *trainer, Evaluator *evaluator, bool *cut);
extern const char *const evaluation_columns[];
enum { EVALUATION_COLUMNS = 10 };
/* Whether runs of the module have values in a column of evaluations.csv. */
bool evaluation_fills(const RlcModule *module, size_t column);

/* ---- metrics.c ---- */

bool metrics_make(Metrics *metrics, const RlcModule *module, RunError *error);
/* Room for what programs on a card write; before the first of them. */
bool metrics_notes(Metrics *metrics, Device *device, RunError *error);
void metrics_free(Metrics *metrics);
/* Before a program of the loop: marks all metrics as not written. After it: adds up those it wrote;
 * false when one is not finite, with the parameters that are not finite either. What a card wrote
 * is only noted, and added up by metrics_settle, in the same order. */
void metrics_clear(const Metrics *metrics, const Side *side);
bool metrics_gather(Trainer *trainer, uint32_t program);
bool metrics_settle(Trainer *trainer);
/* False, naming slot and element, when a parameter is not finite. */
bool metrics_check_parameters(Trainer *trainer);
void metrics_episode(TrainState *state, double episode_return, uint32_t length);
/* One line of progress.csv and metrics.jsonl; starts the next averages. */
bool metrics_line(Trainer *trainer);

/* ---- save.c ---- */

bool save_make(Trainer *trainer);
void save_free(Trainer *trainer);
/* A checkpoint of this moment. */
bool save_write(Trainer *trainer);
/* Continues from the newest good checkpoint of the run directory; `mark` gets the lengths of its
 * logs and `seed` the run's. The trainer was made with options.seed, so when `seed` differs it must
 * be made anew with that one. */
bool save_read(Trainer *trainer, LogMark *mark, uint64_t *seed);
/* What of the newest good checkpoint decides how the policy acts, for somebody who only looks: the
 * run directory stays as it is, and the trainer cannot go on. */
bool save_look(Trainer *trainer, uint64_t *seed);

/* ---- cpu.c ---- */

/* False, naming what is missing, when this machine lacks a CPU feature that the module's code
 * needs. */
bool cpu_check(const char *const *features, RunError *error);

#endif
