/* Prints the tables of the RlcModule: slots, programs, sources, loop, and the module itself. */
#include "codegen/c/emit_c.h"

void emit_string(const char *text, FILE *out) {
  fputc('"', out);
  for (const unsigned char *c = (const unsigned char *)(text ? text : ""); *c; c++) {
    if (*c == '\n')
      fputs(c[1] ? "\\n\"\n    \"" : "\\n", out);
    else if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c < 32 || *c > 126 || *c == '?')
      fprintf(out, "\\%03o", *c);
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

static void emit_slots(const RlcModule *m, FILE *out) {
  fputs("static const RlcSlot slots[] = {\n", out);
  for (uint32_t i = 0; i < m->slot_count; i++) {
    const RlcSlot *s = &m->slots[i];
    fputs("  {", out);
    emit_string(s->name, out);
    fprintf(out, ", %u, %u, %u, %u, %u, {", s->kind, s->type, s->rank, s->lead, s->panel);
    for (int d = 0; d < s->rank; d++) {
      fprintf(out, "%s{", d ? ", " : "");
      emit_string(s->dims[d].axis, out);
      fprintf(out, ", %u}", s->dims[d].extent);
    }
    fprintf(out, "%s}, %llu, %llu},\n", s->rank ? "" : "{0, 0}", (unsigned long long)s->offset,
            (unsigned long long)s->bytes);
  }
  fputs(m->slot_count ? "};\n\n" : "  {0}};\n\n", out);
}

static void emit_programs(const RlcModule *m, FILE *out) {
  fputs("static const RlcProgram programs[] = {\n", out);
  for (uint32_t i = 0; i < m->program_count; i++) {
    const RlcProgram *p = &m->programs[i];
    fputs("  {.name = ", out);
    emit_string(p->name, out);
    if (!m->gpu) fprintf(out, ", .run = program_%u", i);
    fprintf(
        out,
        ", .work_bytes = %llu, .thread_bytes = %llu, .flops = %.17g, .minimal_flops = %.17g},\n",
        (unsigned long long)p->work_bytes, (unsigned long long)p->thread_bytes, p->flops,
        p->minimal_flops);
  }
  fputs(m->program_count ? "};\n\n" : "  {0}};\n\n", out);
}

static void emit_columns(const RlcColumn *columns, uint32_t count, const char *name, FILE *out) {
  if (!count) return;
  fprintf(out, "static const RlcColumn %s[] = {\n", name);
  for (uint32_t i = 0; i < count; i++) {
    const RlcColumn *c = &columns[i];
    fputs("  {", out);
    emit_string(c->name, out);
    fprintf(out, ", %u, %u, %uu, %uu},\n", c->kind, c->width, c->slot, c->from_slot);
  }
  fputs("};\n\n", out);
}

static void emit_source(const RlcSource *s, uint32_t number, FILE *out) {
  fputs("  {.name = ", out);
  emit_string(s->name, out);
  fprintf(out, ", .capacity = %lluu, .batch = %u, .column_count = %u",
          (unsigned long long)s->capacity, s->batch, s->column_count);
  if (s->column_count) fprintf(out, ", .columns = columns_%u", number);
  fprintf(out, ",\n   .window = %u, .valid = %uu, .prioritized = %u, .exponent = %.17g", s->window,
          s->valid, s->prioritized, s->exponent);
  fprintf(out, ", .weight_exponent = %.17g, .weight = %uu", s->weight_exponent, s->weight);
  if (s->file) {
    fputs(", .file = ", out);
    emit_string(s->file, out);
  }
  fputs("},\n", out);
}

static void emit_sources(const RlcModule *m, FILE *out) {
  for (uint32_t i = 0; i < m->source_count; i++) {
    char name[32];
    snprintf(name, sizeof name, "columns_%u", i);
    emit_columns(m->sources[i].columns, m->sources[i].column_count, name, out);
  }
  if (!m->source_count) return;
  fputs("static const RlcSource sources[] = {\n", out);
  for (uint32_t i = 0; i < m->source_count; i++) emit_source(&m->sources[i], i, out);
  fputs("};\n\n", out);
}

static void emit_view_columns(const RlcView *view, uint32_t number, FILE *out) {
  if (!view->column_count) return;
  fprintf(out, "static const RlcPair view_%u[] = {\n", number);
  for (uint32_t i = 0; i < view->column_count; i++)
    fprintf(out, "  {%uu, %uu},\n", view->columns[i].from, view->columns[i].to);
  fputs("};\n\n", out);
}

/* The rollout's columns and the shuffled parts of it. */
static void emit_rollout(const RlcModule *m, FILE *out) {
  emit_columns(m->rollout.columns, m->rollout.column_count, "rollout_columns", out);
  for (uint32_t i = 0; i < m->view_count; i++) emit_view_columns(&m->views[i], i, out);
  if (!m->view_count) return;
  fputs("static const RlcView views[] = {\n", out);
  for (uint32_t i = 0; i < m->view_count; i++) {
    const RlcView *view = &m->views[i];
    fputs("  {", out);
    emit_string(view->name, out);
    fprintf(out, ", %u, %u, ", view->rows, view->column_count);
    fprintf(out, view->column_count ? "view_%u},\n" : "0},\n", i);
  }
  fputs("};\n\n", out);
}

static void emit_terms(const RlcStep *step, uint32_t number, FILE *out) {
  Emit emit = {.out = out};
  if (!step->term_count) return;
  fprintf(out, "static const RlcTerm terms_%u[] = {\n", number);
  for (uint32_t i = 0; i < step->term_count; i++) {
    const RlcTerm *t = &step->terms[i];
    fprintf(out, "  {%u, %u, {%u, %u, %u}, ", t->op, t->counter, t->src[0], t->src[1], t->src[2]);
    emit_real(&emit, VALUE_F64, t->value);
    fputs("},\n", out);
  }
  fputs("};\n\n", out);
}

static void emit_steps(const RlcModule *m, FILE *out) {
  for (uint32_t i = 0; i < m->step_count; i++) emit_terms(&m->steps[i], i, out);
  if (!m->step_count) return;
  fputs("static const RlcStep steps[] = {\n", out);
  for (uint32_t i = 0; i < m->step_count; i++) {
    const RlcStep *s = &m->steps[i];
    fprintf(out, "  {%u, %u, %u, %uu, %uu, %lluu, %u, %u, ", s->op, s->flags, s->counter, s->index,
            s->slot, (unsigned long long)s->count, s->body, s->term_count);
    fprintf(out, s->term_count ? "terms_%u},\n" : "0},\n", i);
  }
  fputs("};\n\n", out);
}

static void emit_numbers_of(const char *name, const uint32_t *numbers, uint32_t count, FILE *out) {
  if (!count) return;
  fprintf(out, "static const uint32_t %s[] = {", name);
  for (uint32_t i = 0; i < count; i++) fprintf(out, "%s%u", i ? ", " : "", numbers[i]);
  fputs("};\n\n", out);
}

static void emit_cpu(const RlcModule *m, FILE *out) {
  fputs("static const char *const cpu[] = {", out);
  for (const char *const *c = m->cpu; c && *c; c++) {
    emit_string(*c, out);
    fputs(", ", out);
  }
  fputs("0};\n\n", out);
}

static void emit_text_field(const char *field, const char *text, FILE *out) {
  fprintf(out, "  .%s = ", field);
  emit_string(text, out);
  fputs(",\n", out);
}

static void emit_acting(const char *field, const RlcActing *a, FILE *out) {
  fprintf(out, "  .%s = {%u, %uu, %uu, %uu, %uu, %uu, %uu, %uu, %uu, %uu, %uu, %uu, %uu, %uu},\n",
          field, a->count, a->obs, a->program, a->action, a->send, a->first, a->reward, a->next_obs,
          a->terminated, a->truncated, a->store, a->start, a->advance, a->fresh);
}

static void emit_numbers(const RlcModule *m, FILE *out) {
  fprintf(out, "  .obs_dim = %u,\n  .act_dim = %u,\n  .choices = %u,\n  .limit = %u,\n", m->obs_dim,
          m->act_dim, m->choices, m->limit);
  fprintf(out, "  .act_low = %.17g,\n  .act_high = %.17g,\n  .rescale = %u,\n", m->act_low,
          m->act_high, m->rescale);
  fprintf(out, "  .slot_count = %u,\n  .slots = slots,\n  .memory_bytes = %llu,\n", m->slot_count,
          (unsigned long long)m->memory_bytes);
  fprintf(out, "  .program_count = %u,\n  .programs = programs,\n", m->program_count);
  fprintf(out, "  .source_count = %u,\n  .sources = %s,\n", m->source_count,
          m->source_count ? "sources" : "0");
  fprintf(out, "  .rollout = {%u, %u, %s},\n", m->rollout.steps, m->rollout.column_count,
          m->rollout.column_count ? "rollout_columns" : "0");
  fprintf(out, "  .view_count = %u,\n  .views = %s,\n", m->view_count,
          m->view_count ? "views" : "0");
  fprintf(out, "  .eval_every = %lluu,\n  .eval_episodes = %u,\n",
          (unsigned long long)m->eval_every, m->eval_episodes);
  fputs("  .counters = {", out);
  for (int i = 0; i < RLC_COUNTERS; i++) fprintf(out, "%s%uu", i ? ", " : "", m->counters[i]);
  fprintf(out, "},\n  .init = %uu,\n", m->init);
}

void module_print(const RlcModule *m, FILE *out) {
  emit_slots(m, out);
  emit_programs(m, out);
  emit_sources(m, out);
  emit_rollout(m, out);
  emit_steps(m, out);
  emit_numbers_of("aside_in", m->aside.in, m->aside.in_count, out);
  emit_numbers_of("aside_out", m->aside.out, m->aside.out_count, out);
  emit_cpu(m, out);
  fputs("extern const RlcModule rlc_module;\nconst RlcModule rlc_module = {\n  .abi = RLC_ABI,\n",
        out);
  emit_text_field("name", m->name, out);
  emit_text_field("spec", m->spec, out);
  fprintf(out, "  .spec_hash = 0x%llxu,\n", (unsigned long long)m->spec_hash);
  emit_text_field("compiler", m->compiler, out);
  emit_text_field("target", m->target, out);
  fputs("  .cpu = cpu,\n", out);
  if (m->env_id) emit_text_field("env_id", m->env_id, out);
  emit_numbers(m, out);
  emit_acting("explore", &m->explore, out);
  emit_acting("evaluate", &m->evaluate, out);
  emit_acting("sample", &m->sample, out);
  fprintf(out, "  .step_count = %u,\n  .steps = %s,\n", m->step_count,
          m->step_count ? "steps" : "0");
  if (m->gpu) fputs("  .gpu = &gpu,\n", out);
  fprintf(out, "  .aside = {%u, %s, %u, %s},\n};\n", m->aside.in_count,
          m->aside.in_count ? "aside_in" : "0", m->aside.out_count,
          m->aside.out_count ? "aside_out" : "0");
}
