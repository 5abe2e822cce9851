/* A study's file becomes the points, jobs and runs that it means, or is refused with all its
 * mistakes at their places: tests/data/study/refused.txt holds one mistake a case and what must be
 * said. Changed files of studies never crash. */
#include "tests/study_files.h"

#include <math.h>
#include <sys/stat.h>

#include "compiler/study/plan/plan.h"
#include "tests/suite.h"

static Study *study_read(Front *f, const char *text) {
  file_write("case.yaml", text);
  Session session = {.arena = f->arena, .diag = f->diag, .spec = "case.yaml"};
  return plan_load(&session);
}

static Study *study_good(Front *f, const char *text) {
  Study *study = study_read(f, text);
  ck_assert_msg(study != NULL, "%s", front_messages(f));
  ck_assert_str_eq(front_messages(f), "");
  return study;
}

/* ---- mistakes ---- */

static void refuse(Front *f, const char *name, const char *input) {
  Study *study = study_read(f, arena_printf(f->arena, "%s\n", input));
  ck_assert_msg(!study && diag_errors(f->diag) > 0, "%s is accepted", name);
}

START_TEST(refused_files) {
  folder_open();
  size_t count = front_cases(RLC_ROOT "/tests/data/study/refused.txt", refuse);
  printf("%zu studies with mistakes\n", count);
  ck_assert_uint_ge(count, 60);
  folder_close();
}
END_TEST

/* ---- data files ---- */

static const char two_files[] = "study: s\nbase: small.yaml\nvariants:\n"
                                "  one: {replay.from: d1/x.safetensors}\n"
                                "  two: {replay.from: d2/x.safetensors}\n";

/* The hashes of the jobs of such a study. */
static size_t hashes_read(const char *text, char hashes[3][32]) {
  Front f = front_open();
  Study *study = study_good(&f, text);
  for (size_t i = 0; i < study->job_count && i < 3; i++)
    snprintf(hashes[i], 32, "%s", study->jobs[i].hash);
  size_t count = study->job_count;
  front_close(&f);
  return count;
}

START_TEST(data_files_count_by_what_they_hold) {
  char first[3][32], again[3][32];
  folder_open();
  ck_assert(mkdir("d1", 0777) == 0 && mkdir("d2", 0777) == 0);
  file_write("d1/x.safetensors", "one");
  file_write("d2/x.safetensors", "two");
  ck_assert_uint_eq(hashes_read(two_files, first), 3);
  ck_assert_str_ne(first[1], first[2]);
  const char *elsewhere = "study: s\nbase: small.yaml\noptions: {data: d2}\n"
                          "variants:\n  one: {replay.from: d1/x.safetensors}\n";
  ck_assert_uint_eq(hashes_read(elsewhere, again), 2);
  ck_assert_str_eq(again[1], first[2]);
  file_write("d2/x.safetensors", "three");
  ck_assert_uint_eq(hashes_read(two_files, again), 3);
  ck_assert_str_eq(again[0], first[0]);
  ck_assert_str_eq(again[1], first[1]);
  ck_assert_str_ne(again[2], first[2]);
  file_write("d2/x.safetensors", "one");
  ck_assert_uint_eq(hashes_read(two_files, again), 2);
  unlink("d2/x.safetensors");
  Front f = front_open();
  ck_assert_ptr_null(study_read(&f, two_files));
  ck_assert_msg(strstr(front_messages(&f), "case.yaml:5:22: error: a study must know what is in"),
                "%s", front_messages(&f));
  front_close(&f);
  unlink("d1/x.safetensors");
  ck_assert(rmdir("d1") == 0 && rmdir("d2") == 0);
  folder_close();
}
END_TEST

/* ---- points ---- */

/* "name: path before -> after; ...; without path (why)[; is other]", a line each. */
static const char *points_text(Front *f, const Study *study) {
  const char *text = "";
  for (size_t i = 0; i < study->point_count; i++) {
    const StudyPoint *point = &study->points[i];
    text = arena_printf(f->arena, "%s%s:", text, point->name);
    for (size_t k = 0; k < point->change_count; k++) {
      const StudyChange *change = &point->changes[k];
      text =
          arena_printf(f->arena, "%s %s %s -> %s;", text, change->path,
                       change->before ? change->before : "-", change->after ? change->after : "-");
    }
    for (size_t k = 0; k < point->crossed_count; k++)
      text = arena_printf(f->arena, "%s without %s (%s);", text, point->crossed[k].path,
                          point->crossed[k].why);
    if (point->same_as != i)
      text = arena_printf(f->arena, "%s is %s", text, study->points[point->same_as].name);
    text = arena_printf(f->arena, "%s\n", text);
  }
  return text;
}

/* What is laid on all is told of the base, and of a spec that has no place for it. */
START_TEST(with) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(&f, "study: s\nbase: remac.yaml\nwith: {K: 2, hidden: 32}\n"
                                      "variants: {sac: {spec: sac.yaml}}\n");
  ck_assert_str_eq(study->score.column, "eval/mean_reward");
  ck_assert_str_eq(study->base, "remac.yaml");
  ck_assert_uint_eq(study->with_count, 2);
  ck_assert_str_eq(study->with[0].path, "constants.K");
  ck_assert_str_eq(study->with[0].before, "4");
  ck_assert_str_eq(study->with[0].after, "2");
  const char *text = points_text(&f, study);
  ck_assert_msg(strstr(text, " without K (sac has no 'K');\n"), "%s", text);
  ck_assert_msg(!strstr(text, "hidden"), "%s", text);
  front_close(&f);
  folder_close();
}
END_TEST

/* Where the study has environments, none is a difference; one that is written short was there. */
START_TEST(environments_as_they_are_run) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(&f, "study: s\nbase: small.yaml\nenvs: [HillCar-v0]\n"
                                      "variants: {sac: {spec: sac.yaml}}\n");
  const char *text = points_text(&f, study);
  ck_assert_msg(strstr(text, "sac: constants") && !strstr(text, " env"), "%s", text);
  study = study_good(&f, "study: s\nbase: small.yaml\nwith: {env.id: HillCar-v0}\n");
  ck_assert_str_eq(study->with[0].path, "env.id");
  ck_assert_str_eq(study->with[0].before, "Pendulum-v1");
  front_close(&f);
  folder_close();
}
END_TEST

START_TEST(plain) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(&f, "study: a plain one\nbase: small.yaml\n");
  ck_assert_str_eq(points_text(&f, study), "small:\n");
  ck_assert_str_eq(study->folder, "a_plain_one");
  ck_assert_uint_eq(study->steps, 1000000);
  ck_assert_uint_eq(study->job_count, 1);
  ck_assert_uint_eq(study->run_count, 5);
  ck_assert_uint_eq(study->env_count, 1);
  ck_assert_str_eq(study->envs[0], "Pendulum-v1");
  ck_assert_str_eq(study->runs[4].folder, "runs/small/Pendulum-v1/seed-5");
  ck_assert_str_eq(study->score.metric, "return");
  ck_assert_uint_eq(study->score.last, 1);
  ck_assert(study->score.failed_worst && !study->score.lower);
  ck_assert_uint_eq(study->resamples, 2000);
  ck_assert_double_eq(study->ci, 0.95);
  front_close(&f);
  folder_close();
}
END_TEST

START_TEST(everything_said) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(
      &f, "study: all\ndoc: What is it?\ncite: nobody\nbase: small.yaml\nsteps: 3e3\n"
          "seeds: [7, 0]\nenvs: [Pendulum-v1, Hopper-v5]\n"
          "options: {eval-every: 1e3, quiet: true, no-replay: false, data: there}\n"
          "score: {metric: losses/actor, last: 5, better: lower, failed: -3.5}\n"
          "normalize: {Hopper-v5: [3234.5, 18]}\n"
          "variants:\n  three: {constants.K: 3}\n"
          "report: {curves: [return, losses/critic], aggregate: median, ci: 0.9, resamples: 100,\n"
          "  compare: three}\n");
  ck_assert_str_eq(study->doc, "What is it?");
  ck_assert_str_eq(study->cite, "nobody");
  ck_assert_uint_eq(study->steps, 3000);
  ck_assert_uint_eq(study->seed_count, 2);
  ck_assert_uint_eq(study->seeds[0], 7);
  ck_assert_uint_eq(study->job_count, 4);
  ck_assert_uint_eq(study->run_count, 8);
  ck_assert_str_eq(study->runs[0].folder, "runs/small/Pendulum-v1/seed-7");
  ck_assert_str_eq(study->runs[1].folder, "runs/small/Hopper-v5/seed-7");
  ck_assert_str_eq(study->runs[7].folder, "runs/three/Hopper-v5/seed-0");
  ck_assert_uint_eq(study->option_count, 5);
  ck_assert_str_eq(study->options[0], "--eval-every");
  ck_assert_str_eq(study->options[1], "1e3");
  ck_assert_str_eq(study->options[2], "--quiet");
  ck_assert_str_eq(study->options[3], "--data");
  ck_assert(study->options[4][0] == '/' && strstr(study->options[4], "/there"));
  ck_assert_str_eq(study->score.metric, "losses/actor");
  ck_assert(study->score.lower && !study->score.failed_worst);
  ck_assert_double_eq(study->score.failed, -3.5);
  ck_assert(!study->normal[0].given && study->normal[1].given);
  ck_assert_double_eq(study->normal[1].one, 18);
  ck_assert_uint_eq(study->curve_count, 2);
  ck_assert_str_eq(study->curves[0].column, "eval/mean_reward");
  ck_assert_str_eq(study->curves[1].column, "losses/critic");
  ck_assert_uint_eq(study->aggregate_count, 1);
  ck_assert_uint_eq(study->resamples, 100);
  ck_assert_uint_eq(study->compare, 1);
  front_close(&f);
  folder_close();
}
END_TEST

/* A key that a variant lacks or sets itself is crossed out for it; labels are the shortest tails
 * that differ. */
START_TEST(crossed) {
  folder_open();
  Front f = front_open();
  const Study *study =
      study_good(&f, "study: s\nbase: small.yaml\n"
                     "grid:\n  K: [1, 3]\n  optimizers.actor.eps: [1e-8, 1e-3]\n"
                     "variants:\n  three: {constants: {K: 3}}\n"
                     "  plain: {optimizers.actor: sgd(lr)}\n"
                     "  mean:\n    constants.K: null\n    optimizers: {actor: {eps: 1e-5}}\n"
                     "    losses.actor.minimize: -mean[batch, try](q)\n");
  ck_assert_str_eq(
      points_text(&f, study),
      "small K=1 eps=1e-8: constants.K 2 -> 1; optimizers.actor.eps - -> 1e-8;\n"
      "small K=1 eps=1e-3: constants.K 2 -> 1; optimizers.actor.eps - -> 1e-3;\n"
      "small K=3 eps=1e-8: constants.K 2 -> 3; optimizers.actor.eps - -> 1e-8;\n"
      "small K=3 eps=1e-3: constants.K 2 -> 3; optimizers.actor.eps - -> 1e-3;\n"
      "three eps=1e-8: constants.K 2 -> 3; optimizers.actor.eps - -> 1e-8;"
      " without K (three sets it itself); is small K=3 eps=1e-8\n"
      "three eps=1e-3: constants.K 2 -> 3; optimizers.actor.eps - -> 1e-3;"
      " without K (three sets it itself); is small K=3 eps=1e-3\n"
      "plain K=1: constants.K 2 -> 1; optimizers.actor adam(lr) -> sgd(lr);"
      " without optimizers.actor.eps (plain has no 'optimizers.actor.eps');\n"
      "plain K=3: constants.K 2 -> 3; optimizers.actor adam(lr) -> sgd(lr);"
      " without optimizers.actor.eps (plain has no 'optimizers.actor.eps');\n"
      "mean: constants.K 2 -> -;"
      " losses.actor.minimize -mean[batch](best_of[try](q, K)) -> -mean[batch, try](q);"
      " optimizers.actor.eps - -> 1e-5; without K (mean has no 'K');"
      " without optimizers.actor.eps (mean sets it itself);\n");
  ck_assert_uint_eq(study->job_count, 7);
  front_close(&f);
  folder_close();
}
END_TEST

START_TEST(folders_lead_nowhere_else) {
  Arena *arena = arena_make();
  ck_assert_str_eq(study_folder(arena, "a..b"), "a._b");
  ck_assert_str_eq(study_folder(arena, "../../up"), "___.__up");
  ck_assert_str_eq(study_folder(arena, "K=4 eps=0.1"), "K=4_eps=0.1");
  ck_assert_str_eq(study_folder(arena, ""), "_");
  ck_assert_str_eq(study_folder(arena, "α, β"), "α__β");
  arena_free(arena);
}
END_TEST

/* No two points, environments or seeds share a folder: names that would are refused. */
START_TEST(no_two_runs_share_a_folder) {
  static const char *const shared[] = {
      "variants:\n  a b: {K: 1}\n  a_b: {K: 3}\n",                 /* two points */
      "variants:\n  small_K=1: {K: 1, M: 3}\ngrid: {K: [1, 3]}\n", /* a variant and a point */
      "variants:\n  a/b: {K: 1}\n  'a:b': {K: 3}\n", "envs: [Pendulum-v1, Pendulum-v1]\n",
      "seeds: [1, 1]\n"};
  folder_open();
  for (size_t i = 0; i < COUNTOF(shared); i++) {
    Front f = front_open();
    Study *study =
        study_read(&f, arena_printf(f.arena, "study: s\nbase: small.yaml\n%s", shared[i]));
    ck_assert_msg(!study && diag_errors(f.diag) > 0, "%s", shared[i]);
    front_close(&f);
  }
  Front f = front_open();
  const Study *study = study_good(&f, "study: s\nbase: small.yaml\nenvs: [Pendulum-v1, Hopper-v5]\n"
                                      "seeds: [1, 11, 2]\ngrid: {K: [1, 3], lr: [1e-3, 1e-4]}\n"
                                      "variants:\n  a b: {M: 6}\n  a.b: {M: 5}\n");
  ck_assert_uint_eq(study->run_count, 3 * 2 * 12);
  for (size_t i = 0; i < study->run_count; i++)
    for (size_t k = 0; k < i; k++) ck_assert_str_ne(study->runs[i].folder, study->runs[k].folder);
  front_close(&f);
  folder_close();
}
END_TEST

/* Of two keys with one last part the part before tells. */
START_TEST(labels) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(
      &f, "study: s\nbase: small.yaml\n"
          "grid:\n  optimizers.actor.eps: [1e-5]\n  optimizers.critic.eps: [1e-6]\n"
          "  constants.gamma: [0.9]\n  losses.critic.let.y: [gamma * v, v * gamma * 2]\n");
  ck_assert_str_eq(study->points[0].name,
                   "small actor.eps=1e-5 critic.eps=1e-6 gamma=0.9 y=gamma * v");
  ck_assert_str_eq(study->points[1].folder,
                   "small_actor.eps=1e-5_critic.eps=1e-6_gamma=0.9_y=v___gamma___2");
  front_close(&f);
  folder_close();
}
END_TEST

/* Values are kept as they are, blanks and all; an axis knows the key that it is of. */
START_TEST(points_know_their_values) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(
      &f, "study: s\nbase: small.yaml\n"
          "grid:\n  gamma: [0.9, 0.99]\n  losses.critic.let.y: [gamma * v, v * gamma * 2]\n"
          "report: {axes: {constants.gamma: linear, lr: log}}\n"
          "variants: {set: {gamma: 0.5, lr: 1e-3}}\n");
  const StudyPoint *point = &study->points[3];
  ck_assert_uint_eq(point->value_count, 2);
  ck_assert_str_eq(study_point_value(point, "gamma"), "0.99");
  ck_assert_str_eq(study_point_value(point, "y"), "v * gamma * 2");
  ck_assert_ptr_null(study_point_value(point, "lr"));
  ck_assert_str_eq(study_point_name(f.arena, point, "gamma"), "small y=v * gamma * 2");
  ck_assert_str_eq(study_point_name(f.arena, point, "y"), "small gamma=0.99");
  ck_assert_uint_eq(study->points[4].value_count, 1);
  ck_assert_str_eq(study->axes[0].key, "gamma");
  ck_assert_ptr_null(study->axes[1].key);
  front_close(&f);
  folder_close();
}
END_TEST

/* By whichever of its names a number is asked for, it is one column. */
START_TEST(numbers_are_columns) {
  static const char *const reports[] = {"curves: [eval/mean_reward], axes: {return: log}",
                                        "curves: [return], axes: {eval/mean_reward: log}"};
  folder_open();
  for (size_t i = 0; i < COUNTOF(reports); i++) {
    Front f = front_open();
    const Study *study = study_good(
        &f, arena_printf(f.arena, "study: s\nbase: small.yaml\nreport: {%s}\n", reports[i]));
    ck_assert_str_eq(study->score.column, "eval/mean_reward");
    ck_assert_str_eq(study->curves[0].column, "eval/mean_reward");
    ck_assert_str_eq(study->axes[0].column, "eval/mean_reward");
    ck_assert(study->axes[0].log && !study->axes[0].path);
    front_close(&f);
  }
  folder_close();
}
END_TEST

/* What each point is compared with, by number; "." is itself. */
static void compared(const char *with, const char *expected) {
  Front f = front_open();
  const char *text = "study: s\nbase: small.yaml\ngrid: {K: [1, 2], lr: [1e-3, 3e-4]}\n"
                     "variants:\n  other: {spec: other.yaml, M: 3}\n  fixed: {K: 2, M: 5}\n";
  const Study *study = study_good(&f, arena_printf(f.arena, "%sreport: {%s}\n", text, with));
  const char *found = "";
  for (size_t i = 0; i < study->point_count; i++) {
    size_t against = study->points[i].against;
    found = against == i ? arena_printf(f.arena, "%s .", found)
                         : arena_printf(f.arena, "%s %zu", found, against);
  }
  ck_assert_str_eq(found, expected);
  front_close(&f);
}

/* The base alone on a grid, named or not. */
START_TEST(the_base_is_compared_with_where_it_stands) {
  static const char *const reports[] = {"ci: 0.9", "compare: small"};
  folder_open();
  for (size_t i = 0; i < COUNTOF(reports); i++) {
    Front f = front_open();
    const char *text = "study: s\nbase: small.yaml\ngrid: {K: [1, 3, 2]}\nreport: {%s}\n";
    const Study *study = study_good(&f, arena_printf(f.arena, text, reports[i]));
    ck_assert_uint_eq(study->compare, 2);
    for (size_t p = 0; p < 3; p++) ck_assert_uint_eq(study->points[p].against, 2);
    front_close(&f);
  }
  folder_close();
}
END_TEST

/* small and other have both keys, fixed has lr alone. */
START_TEST(comparisons) {
  folder_open();
  compared("ci: 0.9", " 3 3 3 . 3 3 3 3 3 3"); /* the base has K 2 and lr 3e-4 */
  compared("compare: 'small K=2 lr=1e-3'", " 2 2 . 2 2 2 2 2 2 2");
  compared("compare: small", " . . . . 0 1 2 3 0 1");
  compared("compare: other", " 4 5 6 7 . . . . 4 5");
  compared("compare: fixed", " 8 9 8 9 8 9 8 9 . .");
  folder_close();
}
END_TEST

/* Without `envs` each spec runs in its own, or in none. */
START_TEST(own_environments) {
  folder_open();
  Front f = front_open();
  const Study *study =
      study_good(&f, "study: s\nbase: small.yaml\nseeds: 2\nnormalize: {HalfCheetah-v5: [0, 9]}\n"
                     "score: {metric: episodes}\nreport: {curves: [return, field, actor]}\n"
                     "variants:\n  sac: {spec: sac.yaml}\n  bandit: {spec: bandit.yaml}\n"
                     "  far: {env: HalfCheetah-v5}\n");
  ck_assert_uint_eq(study->env_count, 3);
  ck_assert_str_eq(study->envs[0], "Pendulum-v1");
  ck_assert_str_eq(study->envs[1], "HalfCheetah-v5");
  ck_assert_str_eq(study->envs[2], "-");
  ck_assert(!study->normal[0].given && study->normal[1].given);
  ck_assert_uint_eq(study->job_count, 4);
  ck_assert_uint_eq(study->jobs[3].env, 1);
  ck_assert_str_eq(study->runs[2].folder, "runs/bandit/_/seed-1");
  static const char *const lacks[] = {"field ", "field ", "return actor ", "field "};
  for (size_t i = 0; i < study->point_count; i++) {
    const char *text = "";
    for (size_t k = 0; k < study->points[i].lack_count; k++)
      text = arena_printf(f.arena, "%s%s ", text, study->points[i].lacks[k]);
    ck_assert_str_eq(text, lacks[i]);
  }
  front_close(&f);
  folder_close();
}
END_TEST

/* What the sketch of the paper's sweep means: sac has no K, and one in each environment. */
START_TEST(sweep) {
  folder_open();
  Front f = front_open();
  const Study *study = study_good(
      &f, "study: retry budget\nbase: remac.yaml\nsteps: 300000\nseeds: 10\n"
          "envs: [HalfCheetah-v5, Swimmer-v5]\n"
          "grid:\n  K: [1, 2, 4, 8]\n  optimizers.actor.eps: [1e-8, 1e-1]\n"
          "variants:\n  sac: {spec: sac.yaml}\n  one_critic: {networks.critic.copies.twin: 1}\n"
          "  keep_entropy:\n    losses.actor.minimize: -mean[batch](best_of[try](q, K))"
          " + 0.2 * mean[batch, try](a.log_prob)\n"
          "report: {curves: [return, entropy], aggregate: [iqm, mean], ci: 0.95, compare: sac}\n");
  ck_assert_uint_eq(study->point_count, 3 * 8 + 2);
  ck_assert_uint_eq(study->job_count, 26 * 2);
  ck_assert_uint_eq(study->run_count, 520);
  ck_assert_str_eq(study->points[study->compare].name, "sac eps=1e-8");
  ck_assert_uint_eq(study->points[8].crossed_count, 1);
  ck_assert_str_eq(study->points[8].crossed[0].why, "sac has no 'K'");
  ck_assert_str_eq(study->points[0].changes[0].path, "constants.K");
  ck_assert_str_eq(study->points[0].changes[0].after, "1");
  front_close(&f);
  folder_close();
}
END_TEST

/* ---- what a program is ---- */

static const char *hash_of(Front *f, const char *variant, const char *target) {
  file_write("case.yaml", arena_printf(f->arena,
                                       "study: s\nbase: small.yaml\nvariants:\n"
                                       "  v: {%s, constants.K: 1}\n",
                                       variant));
  Session session = {.arena = f->arena, .diag = f->diag, .spec = "case.yaml", .target = target};
  const Study *study = plan_load(&session);
  ck_assert_msg(study != NULL, "%s", front_messages(f));
  ck_assert_uint_eq(strlen(study->jobs[1].hash), 16);
  return study->jobs[1].hash;
}

/* Names and comments do not count; the loop, the replay, the environment and the target do. */
START_TEST(hash) {
  folder_open();
  Front f = front_open();
  const char *plain = hash_of(&f, "doc: a", NULL);
  ck_assert_str_eq(plain, hash_of(&f, "doc: b", NULL));
  ck_assert_str_eq(plain, hash_of(&f, "name: another", "native"));
  ck_assert_str_eq(plain, hash_of(&f, "networks.critic.doc: Q", NULL));
  static const char *const others[] = {"replay.capacity: 2000", "env.reward_scale: 2",
                                       "env: Hopper-v5",        "constants.warmup: 101",
                                       "constants.gamma: 0.98", "evaluate.every: 5"};
  for (size_t i = 0; i < COUNTOF(others); i++)
    ck_assert_msg(strcmp(plain, hash_of(&f, others[i], NULL)), "%s", others[i]);
  ck_assert_str_ne(plain, hash_of(&f, "doc: a", "c"));
  static const char large[] = "constants.batch_size: 256, networks.critic.layers: "
                              "'dense(256), relu, dense(256), relu, dense()'";
  const char *wide = hash_of(&f, large, NULL);
  ck_assert_str_ne(wide, hash_of(&f, arena_printf(f.arena, "%s, precision: bf16", large), NULL));
  front_close(&f);
  folder_close();
}
END_TEST

/* ---- robustness ---- */

static const char odd[] = "()[]{},:#&*!|>'\"%@`-?=.^/\\\t\n \x01\xc3\xff~<";

static void change_run(const char *text, size_t *accepted) {
  Front f = front_open();
  Study *study = study_read(&f, text);
  bool errors = diag_errors(f.diag) > 0;
  const char *said = front_messages(&f);
  ck_assert_msg(!study == errors, "%s\n%s", text, said);
  ck_assert_msg(study || strstr(said, "error: "), "%s", text);
  *accepted += study != NULL;
  front_close(&f);
}

/* Every character in turn deleted, every other one made another, the file cut at some. The base is
 * one that compiles at once. */
START_TEST(changed) {
  static const char text[] =
      "study: s\nbase: bandit.yaml\nseeds: [1, 2]\nsteps: 10\n"
      "grid: {entropy_weight: [0, 2.5], constants.K: [2]}\n"
      "variants:\n  a: {spec: bandit.yaml, constants.trials: 3}\n"
      "options: {quiet: true}\nscore: {metric: field, last: 3, failed: 1}\n"
      "normalize: {'-': [0, 1]}\nreport: {curves: field, ci: 0.9, compare: a}\n";
  folder_open();
  char other[sizeof text + 1];
  size_t accepted = 0;
  change_run(text, &accepted);
  ck_assert_uint_eq(accepted, 1);
  for (size_t i = 0; i + 1 < sizeof text; i++) {
    memcpy(other, text, i);
    strcpy(other + i, text + i + 1);
    change_run(other, &accepted);
    if (i % 2) continue;
    strcpy(other, text);
    other[i] = odd[i / 2 % (sizeof odd - 1)];
    change_run(other, &accepted);
    if (i % 4) continue;
    other[i] = 0;
    change_run(other, &accepted);
  }
  printf("%zu changed studies are accepted\n", accepted);
  ck_assert_uint_gt(accepted, 10);
  folder_close();
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("study");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, data_files_count_by_what_they_hold);
  tcase_add_test(tcase, refused_files);
  tcase_add_test(tcase, with);
  tcase_add_test(tcase, plain);
  tcase_add_test(tcase, environments_as_they_are_run);
  tcase_add_test(tcase, everything_said);
  tcase_add_test(tcase, crossed);
  tcase_add_test(tcase, folders_lead_nowhere_else);
  tcase_add_test(tcase, no_two_runs_share_a_folder);
  tcase_add_test(tcase, labels);
  tcase_add_test(tcase, points_know_their_values);
  tcase_add_test(tcase, numbers_are_columns);
  tcase_add_test(tcase, comparisons);
  tcase_add_test(tcase, the_base_is_compared_with_where_it_stands);
  tcase_add_test(tcase, own_environments);
  tcase_add_test(tcase, sweep);
  tcase_add_test(tcase, hash);
  tcase_add_test(tcase, changed);
  tcase_set_timeout(tcase, 600);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
