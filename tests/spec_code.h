/* Modules that run: generated code or the oracle, with memory of their own, their slots by name and
 * their programs called on the calling thread; and the distance between two of them. */
#ifndef RLC_TESTS_SPEC_CODE_H
#define RLC_TESTS_SPEC_CODE_H

#include "compiler/build.h"
#include "tests/codegen_fixture.h"
#include "tests/spec_fixture.h"

/* The module as `rlc` would run it here, after every pass; load_close closes it. */
static inline Loaded *spec_load(Spec *spec) {
  char error[4096] = "";
  spec->session.target = test_target();
  Loaded *loaded = test_load(build_code(&spec->session), error);
  ck_assert_msg(loaded != NULL, "%s", error);
  return loaded;
}

typedef struct Runner {
  Spec spec;
  Built built; /* of generated code */
  const RlcModule *rlc;
  char *memory, *work;
  bool generated;
} Runner;

static inline void built_call(const RlcModule *rlc, char *memory, char *work, uint32_t program,
                              uint64_t seed, uint64_t step) {
  uint64_t done = 0;
  RlcCall call = {.memory = memory,
                  .work = work,
                  .seed = seed,
                  .step = step,
                  .threads = 1,
                  .done = &done,
                  .context = rlc->programs[program].context};
  rlc->programs[program].run(&call);
}

/* The oracle of a module as it stands. */
static inline Runner runner_oracle(Spec spec) {
  Runner runner = {.spec = spec, .rlc = oracle_module(spec.arena, spec.module)};
  runner.memory = guarded_alloc(runner.rlc->memory_bytes, 0);
  runner.work = guarded_alloc(work_size(runner.rlc), 0xff);
  return runner;
}

/* Generated code, in double or single precision, of a module that went through every pass. */
static inline Runner runner_code(Spec spec, RlcType real) {
  Runner runner = {.spec = spec, .generated = true};
  runner.built = build_module(spec.arena, spec.module, real, real == RLC_F64 ? 8 : 16);
  runner.rlc = runner.built.rlc;
  runner.memory = runner.built.memory;
  runner.work = runner.built.work;
  memset(runner.memory, 0, runner.rlc->memory_bytes);
  return runner;
}

static inline void runner_close(Runner *runner) {
  if (runner->generated) {
    built_free(&runner->built);
  } else {
    free(runner->memory);
    free(runner->work);
  }
  spec_close(&runner->spec);
}

static inline void runner_run(const Runner *runner, const char *program, uint64_t seed,
                              uint64_t step) {
  built_call(runner->rlc, runner->memory, runner->work,
             (uint32_t)spec_program(&runner->spec, program), seed, step);
}

static inline void runner_set(const Runner *runner, uint32_t slot, const double *values) {
  rlc_slot_import(&runner->rlc->slots[slot], runner->memory, values);
}

/* All elements of a slot, row-major; free the array. */
static inline double *runner_get(const Runner *runner, uint32_t slot) {
  const RlcSlot *row = &runner->rlc->slots[slot];
  double *values = calloc(rlc_slot_elements(row) + 1, sizeof *values);
  ck_assert_ptr_nonnull(values);
  rlc_slot_export(row, runner->memory, values);
  return values;
}

/* Gives `to` the values of `from` in every slot. */
static inline void runner_copy(const Runner *to, const Runner *from) {
  for (uint32_t s = 0; s < from->rlc->slot_count; s++) {
    double *values = runner_get(from, s);
    runner_set(to, s, values);
    free(values);
  }
}

/* norm(a - b) / norm(b) of a slot; infinite when one is not finite. */
static inline double runner_distance(const Runner *a, const Runner *b, uint32_t slot) {
  double *x = runner_get(a, slot), *y = runner_get(b, slot), gap = 0, norm = 0;
  for (uint64_t i = 0; i < rlc_slot_elements(&b->rlc->slots[slot]); i++) {
    gap += (x[i] - y[i]) * (x[i] - y[i]);
    norm += y[i] * y[i];
  }
  free(x);
  free(y);
  if (!isfinite(gap) || !isfinite(norm)) return INFINITY;
  return gap == 0 ? 0 : sqrt(gap / norm);
}

/* The largest distance over the slots that the program writes, with or without those of one
 * element; `where` gets the name of the slot. */
static inline double runner_disagreement(const Runner *a, const Runner *b, const char *program,
                                         bool single, const char **where) {
  const Program *p = &b->spec.module->programs[spec_program(&b->spec, program)];
  double worst = 0;
  *where = "";
  for (size_t i = 0; i < p->output_count; i++) {
    if (!single && rlc_slot_elements(&b->rlc->slots[p->outputs[i].slot]) == 1) continue;
    double distance = runner_distance(a, b, p->outputs[i].slot);
    if (distance <= worst) continue;
    worst = distance;
    *where = b->spec.graph->slots[p->outputs[i].slot].name;
  }
  return worst;
}

#endif
