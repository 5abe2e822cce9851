/* Runs on one card that go through their programs together (runtime/device/cohort.c), with a card
 * that only notes what it is given. What belongs into which launch follows from the runs' scripts
 * alone, whatever thread is slow, so every launch is held to them. */
#include "tests/suite.h"

#include "runtime/device/device.h"
#include "runtime/rng.h"
#include "runtime/team.h"

#include <semaphore.h>
#include <unistd.h>

/* Its own copy of what is tested, on the card below. */
static void card_run(const MirrorRun *runs, uint32_t count);
static void card_bring(const MirrorRun *run);
static Device *card_open(const RlcModule *module, RunError *error);
static void card_close(Device *device);
#define mirrors_run  card_run
#define mirror_bring card_bring
#define device_open  card_open
#define device_close card_close
#include "runtime/device/cohort.c"

enum { RUNNERS = 8, PARTS = 256, PROGRAMS = 3, NEVER = PARTS };

/* OUT: has not come; BUSY: the others wait for it; ASKS: waits for a launch; LAUNCHED: does not
 * know of it yet; LEFT. */
typedef enum State { OUT, BUSY, ASKS, LAUNCHED, LEFT } State;

typedef struct Part {
  uint64_t place; /* smaller: further behind; equal: in step */
  uint64_t step;
  uint32_t program;
  bool aside;
} Part;

/* A member with what it runs. */
typedef struct Runner {
  struct Play *play;
  Part parts[PARTS + 1];
  uint32_t count, comes; /* parts; those that it runs before it comes */
  uint64_t step;         /* where the last part is, in number and in its own step */
  uint32_t counted, asides;
  State state;
  pthread_t thread;
  uint32_t brought, done; /* parts that were brought to the card, and that it was given */
} Runner;

typedef struct Play {
  uint64_t seed;
  pthread_mutex_t lock; /* of what follows and of the runners' states */
  Runner *runners;
  uint32_t count, turns; /* 0: as many go on as there are */
  sem_t free;
  uint32_t going, launches; /* launches of those who have come */
  Cohort *cohort;
  pthread_barrier_t *bringing; /* all bring at the same time, and none is done before; or NULL */
  const char *fault;           /* the first */
} Play;

static void demand(Play *play, bool good, const char *fault) {
  if (!good && !play->fault) play->fault = fault;
}

/* ---- the card ---- */

static Device *card_open(const RlcModule *module, RunError *error) {
  (void)module, (void)error;
  return calloc(1, 1);
}

static void card_close(Device *device) { free(device); }

/* What holds of everybody at a launch. */
static void launch_check(Play *play, const Part *part) {
  for (uint32_t i = 0; i < play->count; i++) {
    const Runner *runner = &play->runners[i];
    const Part *next = &runner->parts[runner->done];
    demand(play, runner->state != OUT, "a launch before all had come or left");
    demand(play, runner->state != BUSY, "a launch while a member was busy");
    if (runner->state == LAUNCHED)
      demand(play, next[-1].place == part->place, "a launch before another was noticed");
    if (runner->state != ASKS) continue;
    demand(play, next->place >= part->place, "one who was further behind did not go first");
    demand(play, next->place != part->place || next->program != part->program,
           "members in step had launches of their own");
  }
}

/* A member brings what its next part reads, in its own thread and in nobody's way. */
static void card_bring(const MirrorRun *run) {
  Runner *runner = (Runner *)run->mirror;
  Play *play = runner->play;
  pthread_mutex_lock(&play->lock);
  demand(play, pthread_equal(runner->thread, pthread_self()), "a thread brought what is another's");
  demand(play, run->draw == runner->done && runner->brought++ == runner->done,
         "what was brought is not the next part's");
  pthread_mutex_unlock(&play->lock);
  if (play->bringing) pthread_barrier_wait(play->bringing);
}

static void part_launched(Play *play, const MirrorRun *run, const Part *part) {
  Runner *runner = (Runner *)run->mirror;
  const Part *own = &runner->parts[runner->done];
  bool right = runner->done < runner->count && run->draw == runner->done &&
               run->program == own->program && run->seed == play->seed;
  demand(play, right, "a run that was not its member's next one");
  if (!right) return;
  demand(play, own->program == part->program, "a launch of two programs");
  demand(play, own->place == part->place, "a launch of members at two places");
  demand(play, runner->state == OUT || runner->state == ASKS, "a launch for one who did not wait");
  if (runner->state == OUT) runner->brought++; /* the card does both */
  demand(play, runner->brought == runner->done + 1, "a launch of what was not brought");
  if (runner->state == ASKS) runner->state = LAUNCHED;
  runner->done++;
}

static void card_run(const MirrorRun *runs, uint32_t count) {
  const Runner *first = (const Runner *)runs->mirror;
  const Part *part = &first->parts[first->done];
  Play *play = first->play;
  pthread_mutex_lock(&play->lock);
  bool alone = first->state == OUT;
  demand(play, count == 1 || !alone, "a launch for some who have not come");
  for (uint32_t i = 0; i < count; i++) part_launched(play, &runs[i], part);
  if (!alone) launch_check(play, part);
  play->launches += !alone;
  pthread_mutex_unlock(&play->lock);
}

/* ---- members ---- */

static void turn_give(void *arg) {
  Play *play = arg;
  pthread_mutex_lock(&play->lock);
  for (uint32_t i = 0; i < play->count; i++) {
    const Runner *runner = &play->runners[i];
    if (runner->state != OUT && pthread_equal(runner->thread, pthread_self()))
      demand(play, runner->state == ASKS, "one who need not wait gave its turn");
  }
  pthread_mutex_unlock(&play->lock);
  sem_post(&play->free);
}

static void turn_take(void *arg) {
  Play *play = arg;
  while (sem_wait(&play->free) != 0) {
  }
}

/* Takes a while that is another each time, mostly none. It sleeps: who yields on a busy machine
 * comes back milliseconds later. */
static void dawdle(const Play *play, uint32_t runner, uint32_t part) {
  uint32_t bits = philox(play->seed, 1, runner, part).word[0];
  if (bits % 4 == 0) usleep(bits >> 8 & (bits >> 28 ? 0x1f : 0xff));
}

/* From one state to another, where it is in it. */
static void runner_turns(Runner *runner, State from, State to, int going) {
  Play *play = runner->play;
  pthread_mutex_lock(&play->lock);
  play->going += (uint32_t)going;
  if (runner->state == from) runner->state = to;
  demand(play, !play->turns || play->going <= play->turns, "more went on than there are turns");
  pthread_mutex_unlock(&play->lock);
}

static void runner_asks(Runner *runner, uint32_t number, uint32_t at) {
  Play *play = runner->play;
  const Part *part = &runner->parts[at];
  const MirrorRun run = {(Mirror *)runner, part->program, play->seed, at};
  runner_turns(runner, BUSY, ASKS, -1);
  cohort_run(play->cohort, number, &run, part->step, part->aside);
  runner_turns(runner, LAUNCHED, BUSY, 1);
  pthread_mutex_lock(&play->lock);
  demand(play, runner->done == at + 1, "a member went on without its launch");
  pthread_mutex_unlock(&play->lock);
}

static void runner_run(void *arg, uint32_t number, uint32_t count) {
  Play *play = arg;
  Runner *runner = &play->runners[number];
  (void)count;
  if (play->turns) turn_take(play);
  runner->thread = pthread_self();
  runner_turns(runner, OUT, OUT, 1);
  for (uint32_t i = 0; i <= runner->count; i++) {
    dawdle(play, number, i);
    if (i == runner->comes) {
      cohort_come(play->cohort, number);
      runner_turns(runner, OUT, BUSY, 0);
    }
    if (i < runner->count) runner_asks(runner, number, i);
  }
  runner_turns(runner, runner->state, LEFT, -1);
  cohort_leave(play->cohort, number);
  if (play->turns) sem_post(&play->free);
}

/* ---- scripts ---- */

/* What a member runs next. Its place is the step, the programs of the step that counted and, of
 * those aside, how many there were: from the words of cohort.h, not from its code. */
static void script_add(Runner *runner, uint64_t step, uint32_t program, bool aside) {
  ck_assert_uint_lt(runner->count, PARTS);
  Part *part = &runner->parts[runner->count++];
  *part = (Part){.step = step, .program = program, .aside = aside};
  if (runner->count <= runner->comes) return;
  if (runner->step != step) runner->counted = runner->asides = 0;
  runner->step = step;
  part->place = (step * PARTS + runner->counted) * PARTS + (aside ? runner->asides : PARTS - 1);
  runner->asides = aside ? runner->asides + 1 : 0;
  runner->counted += !aside;
}

/* As many launches as there are places with programs. */
static uint32_t launches_expected(const Play *play) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < play->count; i++) {
    const Runner *runner = &play->runners[i];
    for (uint32_t k = runner->comes; k < runner->count; k++) {
      const Part *part = &runner->parts[k];
      bool met = false;
      for (uint32_t j = 0; j < i; j++) {
        const Runner *other = &play->runners[j];
        for (uint32_t l = other->comes; l < other->count; l++)
          met |= other->parts[l].place == part->place && other->parts[l].program == part->program;
      }
      count += !met;
    }
  }
  return count;
}

static void play_open(Play *play, uint64_t seed, uint32_t count, uint32_t turns) {
  RunError error;
  *play = (Play){.seed = seed, .count = count, .turns = turns, .lock = PTHREAD_MUTEX_INITIALIZER};
  play->runners = calloc(count, sizeof *play->runners);
  for (uint32_t i = 0; i < count; i++) play->runners[i].play = play;
  sem_init(&play->free, 0, turns);
  const Rest rest = {turns ? turn_give : NULL, turns ? turn_take : NULL, play};
  play->cohort = cohort_make(NULL, count, rest, &error);
  ck_assert_ptr_nonnull(play->cohort);
}

/* Plays it to its end. */
static void play_close(Play *play) {
  RunError error;
  Team *team = team_make(play->count, &error);
  ck_assert_ptr_nonnull(team);
  team_run(team, runner_run, play);
  team_free(team);
  ck_assert_msg(!play->fault, "%u members, %u turns, draws of %u: %s", play->count, play->turns,
                (unsigned)play->seed, play->fault);
  for (uint32_t i = 0; i < play->count; i++)
    ck_assert_uint_eq(play->runners[i].done, play->runners[i].count);
  ck_assert_uint_eq(play->launches, launches_expected(play));
  int left;
  ck_assert(sem_getvalue(&play->free, &left) == 0 && left == (int)play->turns);
  sem_destroy(&play->free);
  cohort_free(play->cohort);
  pthread_mutex_destroy(&play->lock);
  free(play->runners);
}

/* ---- tests ---- */

enum { WAITS_MOST = 600 }; /* seconds, against waiting for ever */

/* Turns: none are asked for, one, two, as many as members. */
static uint32_t turns_of(int number, uint32_t members) {
  return number < 3 ? (uint32_t)number : members;
}

START_TEST(members_in_step_are_one_launch) {
  Play play;
  alarm(WAITS_MOST);
  play_open(&play, 1, RUNNERS, turns_of(_i, RUNNERS));
  for (uint32_t i = 0; i < RUNNERS; i++)
    for (uint32_t k = 0; k < 60; k++) script_add(&play.runners[i], k / 6, k % PROGRAMS, k % 6 == 3);
  ck_assert_uint_eq(launches_expected(&play), 60);
  play_close(&play);
}
END_TEST

/* Whoever brings may have to wait for the card, and another must be able to bring meanwhile. */
START_TEST(members_bring_side_by_side) {
  Play play;
  pthread_barrier_t bringing;
  alarm(WAITS_MOST);
  play_open(&play, 4, RUNNERS, 0);
  pthread_barrier_init(&bringing, NULL, RUNNERS);
  play.bringing = &bringing;
  for (uint32_t i = 0; i < RUNNERS; i++)
    for (uint32_t k = 0; k < 30; k++) script_add(&play.runners[i], k / 6, k % PROGRAMS, k % 6 == 3);
  play_close(&play);
  pthread_barrier_destroy(&bringing);
}
END_TEST

/* Evaluations of 0 to 7 programs and then of 7 to 0, and what all do before, between and behind. */
START_TEST(members_meet_again_after_evaluations) {
  Play play;
  alarm(WAITS_MOST);
  play_open(&play, 2, RUNNERS, turns_of(_i, RUNNERS));
  for (uint32_t i = 0; i < RUNNERS; i++) {
    Runner *runner = &play.runners[i];
    for (uint32_t k = 0; k < 4; k++) script_add(runner, 0, 0, false);
    for (uint32_t k = 0; k < i; k++) script_add(runner, 0, 1, true);
    for (uint32_t k = 0; k < 4; k++) script_add(runner, 1, 0, false);
    for (uint32_t k = i; k < RUNNERS - 1; k++) script_add(runner, 1, 1, true);
    for (uint32_t k = 0; k < 4; k++) script_add(runner, 2, 0, false);
  }
  ck_assert_uint_eq(launches_expected(&play), 3 * 4 + 2 * (RUNNERS - 1));
  play_close(&play);
}
END_TEST

/* Episodes of different lengths: in each step a member has some programs more than another. */
START_TEST(members_meet_again_at_the_next_step) {
  Play play;
  alarm(WAITS_MOST);
  play_open(&play, 3, RUNNERS, turns_of(_i, RUNNERS));
  for (uint32_t i = 0; i < RUNNERS; i++)
    for (uint32_t step = 5; step < 15; step++)
      for (uint32_t k = 0; k <= (i + step) % RUNNERS; k++)
        script_add(&play.runners[i], step, k % PROGRAMS, false);
  ck_assert_uint_eq(launches_expected(&play), 10 * RUNNERS);
  play_close(&play);
}
END_TEST

/* A member's script of up to ten steps: with programs by their place or by chance, evaluations,
 * some before it comes, an early end; one in eight never comes. */
static void script_draw(Runner *runner, uint32_t number, bool chance) {
  uint64_t seed = runner->play->seed;
  Philox own = philox(seed, 2, number, 0);
  runner->comes = own.word[0] % 8 == 0 ? NEVER : own.word[0] % 8 < 4 ? 0 : own.word[1] % 6;
  uint64_t begins = own.word[2] % 4 == 0 ? own.word[2] >> 8 & 3 : 0;
  uint32_t ends = own.word[3] % 2 ? 10 : own.word[3] >> 8 & 7;
  for (uint64_t step = begins; step < ends; step++) {
    Philox drawn = philox(seed, 3, number, (uint32_t)step);
    uint32_t programs = drawn.word[0] % 5, evaluates = drawn.word[1] % 15;
    for (uint32_t k = 0; k < programs; k++) {
      for (uint32_t l = 0; k == evaluates && l < drawn.word[2] % 7; l++)
        script_add(runner, step, chance ? (drawn.word[3] >> l) % PROGRAMS : 2, true);
      uint64_t same = chance ? (drawn.word[3] >> (16 + k)) % 2 : step + k;
      script_add(runner, step, (uint32_t)(same % PROGRAMS), false);
    }
  }
}

START_TEST(any_members_end) {
  alarm(WAITS_MOST);
  for (uint32_t draw = 0; draw < 60; draw++) {
    Play play;
    uint32_t members = 2 + draw % (RUNNERS - 1);
    play_open(&play, 100 * (uint64_t)_i + draw, members, turns_of(_i, members));
    for (uint32_t i = 0; i < members; i++) script_draw(&play.runners[i], i, draw / 8 % 2);
    play_close(&play);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cohort");
  TCase *tcase = tcase_create("cohort");
  tcase_set_timeout(tcase, WAITS_MOST + 10);
  tcase_add_loop_test(tcase, members_in_step_are_one_launch, 0, 4);
  tcase_add_test(tcase, members_bring_side_by_side);
  tcase_add_loop_test(tcase, members_meet_again_after_evaluations, 0, 4);
  tcase_add_loop_test(tcase, members_meet_again_at_the_next_step, 0, 4);
  tcase_add_loop_test(tcase, any_members_end, 0, 4);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
