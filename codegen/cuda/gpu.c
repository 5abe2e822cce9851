/* A module whose programs run on a GPU: images made by NVRTC and the tables that say how they are
 * launched, for this process or as a C file for a trainer. */
#include "codegen/cuda/emit_cuda.h"
#include "codegen/cuda/gpu.h"
#include "codegen/load.h"

#include <stdlib.h>
#include <string.h>

size_t gpu_archs(const GpuArch **archs) {
  static const GpuArch all[] = {
#define ARCH(name, cards) {name, cards},
#include "runtime/device/archs.def"
#undef ARCH
  };
  *archs = all;
  return COUNTOF(all);
}

/* ---- tables ---- */

static bool slot_used(const ProgramCode *program, const Buffer *slot, bool written) {
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k];
    for (size_t i = 0; i < kernel->place_count; i++) {
      const Place *place = &kernel->places[i];
      if (place->buffer == slot && (written ? place->writes : place->reads)) return true;
    }
  }
  return false;
}

static uint32_t *slots_used(const Code *code, Arena *arena, const ProgramCode *program,
                            bool written, uint32_t *count) {
  size_t all = code->module->graph->slot_count;
  uint32_t *slots = NEW_ARRAY(arena, uint32_t, all + 1);
  *count = 0;
  for (size_t i = 0; i < all; i++)
    if (slot_used(program, code->slots[i], written)) slots[(*count)++] = (uint32_t)i;
  return slots;
}

/* "k12_contract_critic_w (sac.yaml:34)"; a place in the specification tells more than one in the
 * prelude. */
static const char *kernel_words(Arena *arena, const Kernel *kernel) {
  Span best = {0};
  for (size_t i = 0; i < kernel->root_count; i++) {
    Span span = kernel->roots[i].node->span;
    if (!span.source || !span.line) continue;
    if (!best.source || best.source->name[0] == '<') best = span;
  }
  if (!best.source) return kernel->name;
  return arena_printf(arena, "%s (%s:%u)", kernel->name, best.source->name, best.line);
}

static const char **kernels_words(Arena *arena, const ProgramCode *program) {
  const char **words = NEW_ARRAY(arena, const char *, program->kernel_count + 1);
  for (size_t k = 0; k < program->kernel_count; k++)
    words[k] = kernel_words(arena, program->kernels[k]);
  return words;
}

static RlcGpu *tables_make(const Code *code, Arena *arena, const CudaImage *image) {
  RlcLaunch *launches = NEW_ARRAY(arena, RlcLaunch, code->program_count + 1);
  RlcImage *images = NEW_ARRAY(arena, RlcImage, 2);
  for (size_t i = 0; i < code->program_count; i++) {
    RlcLaunch *launch = &launches[i];
    const ProgramCode *program = &code->programs[i];
    launch->kernel = arena_printf(arena, CUDA_PROGRAM "%zu", i);
    launch->reads = slots_used(code, arena, program, false, &launch->read_count);
    launch->writes = slots_used(code, arena, program, true, &launch->write_count);
    launch->parts = kernels_words(arena, program);
    launch->part_count = (uint32_t)program->kernel_count;
  }
  images[0] = (RlcImage){code->options.arch, image->cubin, image->cubin_bytes};
  images[1] = (RlcImage){"ptx", image->ptx, image->ptx_bytes};
  RlcGpu *gpu = NEW(arena, RlcGpu);
  *gpu = (RlcGpu){.image_count = 2,
                  .images = images,
                  .launches = launches,
                  .threads = BLOCK_WARPS * WARP_LANES,
                  .shared_bytes = CUDA_SHARED,
                  .toolkit = image->toolkit};
  return gpu;
}

/* ---- as text ---- */

static void print_image(const RlcImage *image, uint32_t number, FILE *out) {
  fprintf(out, "static const uint64_t image_%u[] = {", number);
  for (uint64_t at = 0; at <= image->size; at += sizeof(uint64_t)) {
    uint64_t word = 0, left = image->size - at;
    memcpy(&word, (const char *)image->bytes + at, left < sizeof word ? left : sizeof word);
    fprintf(out, "%s0x%llxu,", at % 64 ? "" : "\n", (unsigned long long)word);
  }
  fputs("};\n\n", out);
}

static void print_slots(const char *name, size_t program, const uint32_t *slots, uint32_t count,
                        FILE *out) {
  fprintf(out, "static const uint32_t %s_%zu[] = {", name, program);
  for (uint32_t i = 0; i < count; i++) fprintf(out, "%u, ", slots[i]);
  fputs("0};\n", out);
}

static void print_parts(size_t program, const RlcLaunch *launch, FILE *out) {
  fprintf(out, "static const char *const parts_%zu[] = {\n", program);
  for (uint32_t i = 0; i < launch->part_count; i++) {
    fputs("  ", out);
    emit_string(launch->parts[i], out);
    fputs(",\n", out);
  }
  fputs("  0};\n", out);
}

static void print_tables(const RlcGpu *gpu, size_t programs, FILE *out) {
  for (uint32_t i = 0; i < gpu->image_count; i++) print_image(&gpu->images[i], i, out);
  for (size_t i = 0; i < programs; i++) {
    print_slots("reads", i, gpu->launches[i].reads, gpu->launches[i].read_count, out);
    print_slots("writes", i, gpu->launches[i].writes, gpu->launches[i].write_count, out);
    print_parts(i, &gpu->launches[i], out);
  }
  fputs("static const RlcImage images[] = {\n", out);
  for (uint32_t i = 0; i < gpu->image_count; i++)
    fprintf(out, "  {\"%s\", image_%u, %llu},\n", gpu->images[i].arch, i,
            (unsigned long long)gpu->images[i].size);
  fputs("};\nstatic const RlcLaunch launches[] = {\n", out);
  for (size_t i = 0; i < programs; i++)
    fprintf(out, "  {\"%s\", reads_%zu, writes_%zu, %u, %u, parts_%zu, %u},\n",
            gpu->launches[i].kernel, i, i, gpu->launches[i].read_count,
            gpu->launches[i].write_count, i, gpu->launches[i].part_count);
  fprintf(out, "  {0}};\nstatic const RlcGpu gpu = {%u, images, launches, %u, %u, %u};\n\n",
          gpu->image_count, gpu->threads, gpu->shared_bytes, gpu->toolkit);
}

bool gpu_trainer(const Code *code, FILE *out, char *error, size_t size) {
  CudaImage image;
  if (!nvrtc_compile(code, code->options.arch, &image, error, size)) return false;
  Arena *arena = arena_make();
  RlcModule module = code->module->shell;
  module.gpu = tables_make(code, arena, &image);
  fputs("#include <runtime/rlc.h>\n\n", out);
  print_tables(module.gpu, code->program_count, out);
  module_print(&module, out);
  arena_free(arena);
  cuda_image_free(&image);
  return true;
}

/* ---- in this process ---- */

typedef struct Held {
  Arena *arena;
  CudaImage image;
  RlcModule module;
} Held;

static void let_go(void *at) {
  Held *held = at;
  cuda_image_free(&held->image);
  arena_free(held->arena);
  free(held);
}

Loaded *load_gpu(const Code *code, char *error, size_t size) {
  Held *held = malloc(sizeof *held);
  if (!held) return snprintf(error, size, "out of memory"), NULL;
  *held = (Held){.arena = arena_make(), .module = code->module->shell};
  if (!nvrtc_compile(code, code->options.arch, &held->image, error, size))
    return let_go(held), NULL;
  held->module.gpu = tables_make(code, held->arena, &held->image);
  return loaded_make(&held->module, held, let_go);
}
