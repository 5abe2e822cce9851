/* Prints the tables of the RlcModule: slots, programs, sources, loop, and the module itself. */
#include "codegen/emit_c.h"

/* A C string literal, in pieces of a line; "" for NULL. */
static void emit_string(const char *text, FILE *out) {
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

static void emit_slots(const Code *code, FILE *out) {
  const RlcModule *m = &code->module->shell;
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

static void emit_programs(const Code *code, FILE *out) {
  const RlcModule *m = &code->module->shell;
  fputs("static const RlcProgram programs[] = {\n", out);
  for (uint32_t i = 0; i < m->program_count; i++) {
    const RlcProgram *p = &m->programs[i];
    fputs("  {.name = ", out);
    emit_string(p->name, out);
    fprintf(out,
            ", .run = program_%u, .work_bytes = %llu, .flops = %.17g, .minimal_flops = %.17g},\n",
            i, (unsigned long long)p->work_bytes, p->flops, p->minimal_flops);
  }
  fputs(m->program_count ? "};\n\n" : "  {0}};\n\n", out);
}

static void emit_columns(const RlcSource *source, uint32_t number, FILE *out) {
  if (!source->column_count) return;
  fprintf(out, "static const RlcColumn columns_%u[] = {\n", number);
  for (uint32_t i = 0; i < source->column_count; i++) {
    const RlcColumn *c = &source->columns[i];
    fputs("  {", out);
    emit_string(c->name, out);
    fprintf(out, ", %u, %u, %uu, %uu},\n", c->kind, c->width, c->slot, c->from_slot);
  }
  fputs("};\n\n", out);
}

static void emit_sources(const Code *code, FILE *out) {
  const RlcModule *m = &code->module->shell;
  for (uint32_t i = 0; i < m->source_count; i++) emit_columns(&m->sources[i], i, out);
  if (!m->source_count) return;
  fputs("static const RlcSource sources[] = {\n", out);
  for (uint32_t i = 0; i < m->source_count; i++) {
    const RlcSource *s = &m->sources[i];
    fputs("  {", out);
    emit_string(s->name, out);
    fprintf(out, ", %lluu, %u, %u, ", (unsigned long long)s->capacity, s->batch, s->column_count);
    fprintf(out, s->column_count ? "columns_%u},\n" : "0},\n", i);
  }
  fputs("};\n\n", out);
}

static void emit_steps(const Code *code, FILE *out) {
  const RlcModule *m = &code->module->shell;
  if (!m->step_count) return;
  fputs("static const RlcStep steps[] = {\n", out);
  for (uint32_t i = 0; i < m->step_count; i++) {
    const RlcStep *s = &m->steps[i];
    fprintf(out, "  {%u, %u, %u, %uu, %uu, %llu, %u},\n", s->op, s->flags, s->counter, s->index,
            s->slot, (unsigned long long)s->count, s->body);
  }
  fputs("};\n\n", out);
}

static void emit_cpu(const Code *code, FILE *out) {
  fputs("static const char *const cpu[] = {", out);
  for (const char *const *c = code->module->shell.cpu; c && *c; c++) {
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
  fprintf(out, "  .%s = {%u, %uu, %uu, %uu, %uu},\n", field, a->count, a->obs, a->program,
          a->action, a->send);
}

static void emit_numbers(const RlcModule *m, FILE *out) {
  fprintf(out, "  .obs_dim = %u,\n  .act_dim = %u,\n", m->obs_dim, m->act_dim);
  fprintf(out, "  .act_low = %.17g,\n  .act_high = %.17g,\n  .rescale = %u,\n", m->act_low,
          m->act_high, m->rescale);
  fprintf(out, "  .slot_count = %u,\n  .slots = slots,\n  .memory_bytes = %llu,\n", m->slot_count,
          (unsigned long long)m->memory_bytes);
  fprintf(out, "  .program_count = %u,\n  .programs = programs,\n", m->program_count);
  fprintf(out, "  .source_count = %u,\n  .sources = %s,\n", m->source_count,
          m->source_count ? "sources" : "0");
  fputs("  .counters = {", out);
  for (int i = 0; i < RLC_COUNTERS; i++) fprintf(out, "%s%uu", i ? ", " : "", m->counters[i]);
  fprintf(out, "},\n  .init = %uu,\n", m->init);
}

void emit_module(const Code *code, FILE *out) {
  const RlcModule *m = &code->module->shell;
  emit_slots(code, out);
  emit_programs(code, out);
  emit_sources(code, out);
  emit_steps(code, out);
  emit_cpu(code, out);
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
  fprintf(out, "  .step_count = %u,\n  .steps = %s,\n};\n", m->step_count,
          m->step_count ? "steps" : "0");
}
