/* rlc_play: restores what an evaluation needs of a checkpoint, plays its episodes with a recording,
 * and writes what was asked for. */
#include "runtime/play.h"

#include "runtime/checkpoint.h"
#include "runtime/recording.h"
#include "runtime/video.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Play {
  const RlcModule *module;
  const PlayRequest *request;
  Options options;
  uint64_t seed;      /* of --seed, if it was given */
  uint32_t evaluated; /* episodes that the run's evaluations have */
  Stop *stop;
  Trainer *trainer;
  Evaluator *evaluator; /* the one that plays: by the mean action where there is such a one */
  Recording recording;
  char trajectory[OUTPUT_PATH], video[OUTPUT_PATH]; /* "": not wanted */
  bool named;                                       /* the video was asked for by name */
  bool cut;
} Play;

/* ---- what to write ---- */

static bool play_files(Play *play, RunError *error) {
  const PlayRequest *request = play->request;
  const char *video = request->video;
  play->named = video != NULL;
  bool alone = request->thumbnail && !video && !request->trajectory;
  if (alone) return true;
  if (video && !path_make(play->video, error, "%s", video)) return false;
  if (!video && !request->trajectory && !request->thumbnail &&
      !path_make(play->video, error, "%s/play.mp4", request->run))
    return false;
  if (request->trajectory)
    return trajectory_format(request->trajectory, error) &&
           path_make(play->trajectory, error, "%s", request->trajectory);
  if (!video) return path_make(play->trajectory, error, "%s/play.csv", request->run);
  const char *slash = strrchr(video, '/'), *dot = strrchr(slash ? slash : video, '.');
  return path_make(play->trajectory, error, "%.*s.csv",
                   (int)(dot ? (size_t)(dot - video) : strlen(video)), video);
}

/* ---- the policy ---- */

static bool play_look(Play *play, uint64_t *seed) {
  Trainer *trainer = play->trainer;
  if (!trainer_make(trainer, play->module, &play->options)) return false;
  trainer->stop = play->stop;
  return path_make(trainer->directory, &trainer->error, "%s", play->request->run) &&
         save_look(trainer, seed);
}

/* As a run that goes on: the environments are made with the run's own seed, which is in the
 * checkpoint. */
static bool play_restore(Play *play) {
  uint64_t seed = 0;
  if (!play_look(play, &seed)) return false;
  if (seed == play->options.seed) return true;
  trainer_free(play->trainer);
  play->options.seed = seed;
  return play_look(play, &seed);
}

/* Which evaluator plays, and from where on. */
static bool play_begin(Play *play) {
  Trainer *trainer = play->trainer;
  Evaluator *evaluators = trainer->evaluator;
  int which = evaluators[0].actor.acting ? 0 : 1;
  Evaluator *evaluator = play->evaluator = &evaluators[which];
  if (!evaluator->actor.acting)
    return run_fail(&trainer->error, "the spec of '%s' has no `evaluate` and no `explore` to play",
                    play->request->run);
  if (!option_given(&play->options, "seed")) {
    evaluator_rewind(trainer, evaluator, play->evaluated);
  } else {
    const RlcModule *module = play->module;
    trainer->options.seed = play->seed;
    trainer->state.evaluations = 0;
    evaluator_free(evaluator);
    if (!evaluator_make(evaluator, module, which ? &module->sample : &module->evaluate,
                        &trainer->options, &trainer->error))
      return false;
  }
  return recording_make(&play->recording, evaluator, play->options.eval_episodes, &trainer->error);
}

static bool play_run(Play *play) {
  play->evaluator->recording = &play->recording;
  return evaluator_play(play->trainer, play->evaluator, &play->cut);
}

/* ---- telling ---- */

static void play_tell(const Play *play) {
  const Trainer *trainer = play->trainer;
  const Recording *recording = &play->recording;
  double mean = 0;
  printf("step %llu, %s", (unsigned long long)trainer->state.step,
         play->evaluator == &trainer->evaluator[0] ? "the evaluation's action" : "exploring");
  printf(", seed %llu\n", (unsigned long long)trainer->options.seed);
  for (uint32_t i = 0; i < recording->count; i++) {
    const Episode *episode = &recording->episode[i];
    double value = episode->so_far[episode->steps - 1];
    mean += value / recording->count;
    printf("episode %u: return %.10g, %u steps, %s\n", i, value, episode->steps,
           episode->terminated ? "terminated" : "truncated");
  }
  if (recording->count > 1) printf("mean return %.10g\n", mean);
}

static bool play_trajectory(const Play *play) {
  if (!play->trajectory[0]) return true;
  if (!trajectory_write(&play->recording, play->trajectory, &play->trainer->error)) return false;
  printf("trajectory: %s\n", play->trajectory);
  return true;
}

/* Pictures that were asked for by name are owed; others are extra. */
static bool play_pictures(const Play *play) {
  const PlayRequest *request = play->request;
  RunError why;
  bool good = true;
  if (play->video[0] && !video_write(&play->recording, request, play->stop, play->video, &why)) {
    fprintf(stderr, "%s: no video: %s\n", play->named ? "error" : "note", why.text);
    good = !play->named;
  }
  if (request->thumbnail && !thumbnail_write(&play->recording, request, request->thumbnail, &why)) {
    fprintf(stderr, "error: no thumbnail: %s\n", why.text);
    good = false;
  }
  return good;
}

/* ---- the whole ---- */

static int play_status(const Play *play, bool good) {
  if (!good) {
    fprintf(stderr, "error: %s\n", play->trainer->error.text);
    return 1;
  }
  const Stop *stop = play->stop;
  if (play->cut) return 128 + stop_signal(stop);
  play_tell(play);
  if (!play_trajectory(play)) return play_status(play, false);
  good = play_pictures(play);
  return stop_signal(stop) ? 128 + stop_signal(stop) : !good;
}

/* Before anything is made: whether there is something to play. */
static bool play_check(const Play *play, RunError *error) {
  const char *run = play->request->run;
  uint64_t first = 0;
  uint32_t seeds = rundir_seeds(run, &first);
  if (play->module->env_id && checkpoint_any(run)) return true;
  if (seeds > 1)
    return run_fail(error, "'%s' holds the runs of %u seeds: name one, as %s/seed-%llu", run, seeds,
                    run, (unsigned long long)first);
  if (play->module->env_id)
    return run_fail(error,
                    "no checkpoint was written yet in '%s'; a run writes one every "
                    "--checkpoint-every steps and at its end",
                    run);
  return run_fail(error, "the spec of '%s' has no environment to play in", run);
}

static int play_options(Play *play, int argc, char **argv) {
  Options *options = &play->options;
  int status = options_read(options, play->module, argc, argv);
  if (status >= 0) return status;
  options->quiet = true;
  options->resume = options->out = play->request->run;
  play->seed = options->seed;
  rundir_adopt(options);
  play->evaluated = options->eval_episodes;
  options->eval_episodes = play->request->episodes ? play->request->episodes : 1;
  return -1;
}

int rlc_play(const RlcModule *module, const PlayRequest *request, int argc, char **argv) {
  RunError error = {0};
  Play *play = calloc(1, sizeof *play);
  Trainer *trainer = calloc(1, sizeof *trainer);
  int status = 1;
  if (play && trainer) {
    *play = (Play){.module = module, .request = request, .trainer = trainer};
    if (!play_check(play, &error) || !play_files(play, &error) ||
        !(play->stop = stop_make(&error))) {
      fprintf(stderr, "error: %s\n", error.text);
    } else if ((status = play_options(play, argc, argv)) < 0) {
      status = play_status(play, play_restore(play) && play_begin(play) && play_run(play));
      recording_free(&play->recording);
      trainer_free(trainer);
    }
    stop_free(play->stop);
  }
  free(trainer);
  free(play);
  return status;
}
