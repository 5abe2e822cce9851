/* rlc bench: how fast the compiled algorithm is here, against what the machine can do. */
#include "compiler/commands/session.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/measure/bench.h"
#include "compiler/build.h"
#include "compiler/study/study.h"

static const double PEAK_SECONDS = 0.1;

/* ---- compiling ---- */

static Loaded *compile(Session *session, Figures *figures) {
  double start = run_clock();
  if (!build_target(session, false) || !build_march(session, true) || !build_tools(session, true) ||
      !session_elaborate(session))
    return NULL;
  pipeline_run(session->elaborated->module, &session->pipeline);
  Code *code = build_code(session);
  if (!code) return NULL;
  double lowered = run_clock();
  Loaded *loaded = build_load(session->arena, code);
  if (!loaded) return NULL;
  figures->compile_seconds = run_clock() - start;
  figures->compile_front_seconds = lowered - start;
  figures->compile_code_seconds = figures->compile_seconds - figures->compile_front_seconds;
  return loaded;
}

/* ---- measuring ---- */

/* What a GPU's programs run on and as; empty where they run on CPUs. */
typedef struct Card {
  const char *name, *code;
} Card;

/* The limits of a CPU say nothing of programs that run on a GPU, whose own are not known. */
static void machine_measure(const RlcModule *module, Figures *figures) {
  double load;
  if (getloadavg(&load, 1) == 1) figures->load_average = load;
  if (module->gpu) return;
  Peak peak = peak_measure(PEAK_SECONDS);
  figures->lanes = peak.lanes;
  figures->core_gflops = peak.flops / 1e9;
  if (peak.clock == 0) return;
  figures->clock_ghz = peak.clock / 1e9;
  figures->fma_per_cycle = peak.per_cycle;
  figures->ports = peak.ports;
  figures->limit_gflops = peak.limit / 1e9;
}

static Card card_of(Arena *arena, const Trainer *trainer) {
  if (!trainer->device) return (Card){NULL, NULL};
  return (Card){arena_printf(arena, "%s", device_name(trainer->device)),
                arena_printf(arena, "%s", device_code(trainer->device))};
}

static bool module_measure(Session *session, const RlcModule *module, Figures *figures,
                           Card *card) {
  Trainer *trainer = bench_trainer(module, session->threads);
  if (!trainer) return false;
  *card = card_of(session->arena, trainer);
  bool good = bench_rounds(trainer, BENCH_ALL, session->seconds, figures);
  if (!good) bench_complain(trainer);
  bench_trainer_free(trainer);
  return good;
}

/* ---- printing ---- */

static const struct FigureRow {
  const char *name, *format, *unit, *doc;
  size_t offset;
} rows[] = {
#define FIGURE(name, format, unit, doc) {#name, format, unit, doc, offsetof(Figures, name)},
#include "compiler/measure/bench.def"
};

static double figure(const Figures *figures, size_t row) {
  return *(const double *)((const char *)figures + rows[row].offset);
}

static const char *env_name(const RlcModule *module, const char *none) {
  return module->env_id && *module->env_id ? module->env_id : none;
}

static void print_text(const RlcModule *module, const Session *session, int core, const Card *card,
                       const Figures *figures) {
  printf("%s on %s, %u thread%s", module->name, env_name(module, "no environment"),
         session->threads, session->threads == 1 ? "" : "s");
  if (core >= 0) printf(" pinned to core %d", core);
  printf(", %g s each\n", session->seconds);
  if (card->name) printf("%s; code of %s\n", card->name, card->code);
  for (size_t i = 0; i < COUNTOF(rows); i++) {
    char number[32];
    if (isnan(figure(figures, i))) continue;
    snprintf(number, sizeof number, rows[i].format, figure(figures, i));
    printf("%-32s %12s %-8s %s\n", rows[i].name, number, rows[i].unit, rows[i].doc);
  }
}

static void print_quoted(const char *name, const char *text) {
  printf(",\"%s\":", name);
  if (text)
    text_quote(text, stdout);
  else
    printf("null");
}

static void print_json(const RlcModule *module, const Session *session, int core, const Card *card,
                       const Figures *figures) {
  printf("{\"name\":\"%s\",\"env\":\"%s\",\"spec_hash\":\"%016lx\",\"threads\":%u,\"core\":%d,"
         "\"seconds\":%g",
         module->name, env_name(module, "none"), module->spec_hash, session->threads, core,
         session->seconds);
  print_quoted("gpu", card->name);
  print_quoted("gpu_code", card->code);
  for (size_t i = 0; i < COUNTOF(rows); i++) {
    double value = figure(figures, i);
    if (isfinite(value))
      printf(",\"%s\":%.9g", rows[i].name, value);
    else
      printf(",\"%s\":null", rows[i].name);
  }
  printf("}\n");
}

int command_bench(Session *session) {
  Figures figures = {
#define FIGURE(name, ...) .name = NAN,
#include "compiler/measure/bench.def"
  };
  Loaded *loaded = compile(session, &figures);
  if (!loaded) return EXIT_USER;
  const RlcModule *module = load_module(loaded);
  Pinning pinning = pinning_take(session->threads);
  Card card = {NULL, NULL};
  machine_measure(module, &figures);
  bool good = module_measure(session, module, &figures, &card);
  const char *doubt = bench_doubt(session->arena, &figures, session->threads);
  const char *crowd = bench_crowd(session->arena, &figures, sysconf(_SC_NPROCESSORS_ONLN));
  if (good && doubt) fprintf(stderr, "warning: %s: shares of peak say little\n", doubt);
  if (good && crowd) fprintf(stderr, "warning: %s: rates are of what was left\n", crowd);
  if (good)
    (session->json ? print_json : print_text)(module, session, pinning.core, &card, &figures);
  pinning_leave(&pinning);
  load_close(loaded);
  return good ? 0 : EXIT_USER;
}
