/* Plans a program once (what to evaluate, where values lie, when they die) and runs the plan.
 *
 * A plan is constant after it is made: a run reads slots in `memory`, keeps values in `work`, and
 * writes slots only at the end, so that every input is the value from before the program. */
#include "compiler/oracle/interp.h"
#include "compiler/oracle/interp_nodes.h"
#include "compiler/oracle/interp_walk.h"

#include <math.h>
#include <string.h>

typedef enum PlaceKind { PLACE_NONE, PLACE_WORK, PLACE_SLOT } PlaceKind;

/* Where a node's value lies: doubles from the start of work, or bytes from the start of memory. */
typedef struct Place {
  PlaceKind kind;
  bool lasting; /* not reused by a later value */
  size_t at;
} Place;

typedef struct Plan {
  const Graph *graph;
  const Program *program;
  const RlcSlot *slots;
  uint64_t memory_bytes;
  Node **steps; /* nodes with a place, in order */
  size_t step_count;
  Place *places;    /* by node id */
  size_t scratch;   /* where the scratch of sums of products begins */
  size_t work_size; /* doubles */
} Plan;

/* ---- slots ---- */

static RlcSlot slot_layout(const Graph *graph, const Slot *slot, uint64_t offset) {
  RlcSlot out = {.name = slot->name, .kind = (uint8_t)slot->kind, .offset = offset};
  out.type = slot->type == RLC_I32 ? RLC_I32 : RLC_F64;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, slot->axes, order);
  if (rank > RLC_MAX_RANK) bug("slot %s has more than %d axes", slot->name, RLC_MAX_RANK);
  out.rank = (uint8_t)rank;
  for (int i = 0; i < rank; i++)
    out.dims[i] = (RlcDim){graph->axes[order[i]].label, graph->axes[order[i]].extent};
  out.bytes = axes_extent(graph, slot->axes) * (out.type == RLC_I32 ? 4 : 8);
  return out;
}

static const RlcSlot *slots_layout(Arena *arena, const Graph *graph, uint64_t *bytes) {
  RlcSlot *slots = NEW_ARRAY(arena, RlcSlot, graph->slot_count + 1);
  *bytes = 0;
  for (size_t i = 0; i < graph->slot_count; i++) {
    slots[i] = slot_layout(graph, &graph->slots[i], *bytes);
    *bytes += bytes_in_lines(slots[i].bytes);
  }
  return slots;
}

static double slot_read(const RlcSlot *slot, const char *memory, size_t i) {
  const char *base = memory + slot->offset;
  return slot->type == RLC_I32 ? ((const int32_t *)base)[i] : ((const double *)base)[i];
}

static void slot_write(const RlcSlot *slot, char *memory, size_t i, double value) {
  char *base = memory + slot->offset;
  if (slot->type == RLC_I32)
    ((int32_t *)base)[i] = (int32_t)(floor(value) + (value - floor(value) >= 0.5));
  else
    ((double *)base)[i] = value;
}

/* ---- planning ---- */

/* Work memory while planning: holes left by dead values, sorted by offset. */
typedef struct Hole {
  size_t at, size;
} Hole;
typedef struct Holes {
  Hole *items;
  size_t count, capacity, end;
} Holes;

static size_t hole_take(Holes *holes, size_t size) {
  for (size_t i = 0; i < holes->count; i++) {
    Hole *hole = &holes->items[i];
    if (hole->size < size) continue;
    size_t at = hole->at;
    hole->at += size;
    hole->size -= size;
    return at;
  }
  holes->end += size;
  return holes->end - size;
}

static void hole_give(Arena *arena, Holes *holes, size_t at, size_t size) {
  size_t i = 0;
  while (i < holes->count && holes->items[i].at < at) i++;
  PUSH(arena, holes->items, holes->count, holes->capacity, ((Hole){0, 0}));
  memmove(&holes->items[i + 1], &holes->items[i], (holes->count - 1 - i) * sizeof(Hole));
  holes->items[i] = (Hole){at, size};
  size_t kept = 0;
  for (size_t k = 1; k < holes->count; k++) {
    Hole *last = &holes->items[kept];
    if (last->at + last->size == holes->items[k].at)
      last->size += holes->items[k].size;
    else
      holes->items[++kept] = holes->items[k];
  }
  holes->count = kept + 1;
}

/* The nodes that evaluating `node` reads: its arguments, or the factors of the product that it
 * sums. */
static int node_reads(const Node *node, const Node *reads[3]) {
  Product product;
  if (product_of(node, &product)) {
    reads[0] = product.x, reads[1] = product.y;
    return 2;
  }
  int count = 0;
  for (int k = 0; k < 3; k++)
    if (node->src[k]) reads[count++] = node->src[k];
  return count;
}

/* Marks what must be evaluated by itself and the last step that reads it; lists it in plan->steps.
 */
static size_t *plan_lifetimes(Arena *arena, const Module *module, Plan *plan) {
  Node **nodes;
  size_t count = module_reach(module, plan->program, arena, &nodes);
  size_t *last = NEW_ARRAY(arena, size_t, plan->graph->node_count);
  bool *needed = NEW_ARRAY(arena, bool, plan->graph->node_count);
  for (size_t i = 0; i < plan->program->output_count; i++) {
    const Node *node = plan->program->outputs[i].node;
    needed[node->id] = true;
    last[node->id] = SIZE_MAX;
  }
  for (size_t i = count; i-- > 0;) {
    const Node *reads[3];
    if (!needed[nodes[i]->id]) continue;
    for (int k = node_reads(nodes[i], reads); k-- > 0;) {
      needed[reads[k]->id] = true;
      if (last[reads[k]->id] < nodes[i]->id) last[reads[k]->id] = nodes[i]->id;
    }
  }
  plan->steps = NEW_ARRAY(arena, Node *, count);
  for (size_t i = 0; i < count; i++)
    if (needed[nodes[i]->id]) plan->steps[plan->step_count++] = nodes[i];
  return last;
}

/* A double slot is read where it lies, unless the program also hands it on as an output. */
static bool reads_slot_in_place(const Plan *plan, const Node *node, size_t last) {
  return node->op == OP_input && last != SIZE_MAX && plan->slots[node->attr.key].type == RLC_F64;
}

static void plan_places(Arena *arena, Plan *plan, const size_t *last, bool keep) {
  const Graph *graph = plan->graph;
  Holes holes = {0};
  size_t most = 0;
  for (size_t i = 0; i < plan->step_count; i++) {
    const Node *node = plan->steps[i];
    Place *place = &plan->places[node->id];
    place->lasting = keep || last[node->id] == SIZE_MAX;
    if (reads_slot_in_place(plan, node, last[node->id])) {
      *place = (Place){PLACE_SLOT, true, plan->slots[node->attr.key].offset};
      continue;
    }
    place->kind = PLACE_WORK;
    place->at = hole_take(&holes, axes_extent(graph, node->axes));
    Product product;
    if (product_of(node, &product)) {
      size_t scratch = product_scratch(graph, node, product);
      if (scratch > most) most = scratch;
    }
    const Node *reads[3];
    int count = node_reads(node, reads);
    for (int k = 0; k < count; k++) {
      bool again = (k > 0 && reads[k] == reads[0]) || (k > 1 && reads[k] == reads[1]);
      const Place *dead = &plan->places[reads[k]->id];
      if (!again && last[reads[k]->id] == node->id && dead->kind == PLACE_WORK && !dead->lasting)
        hole_give(arena, &holes, dead->at, axes_extent(graph, reads[k]->axes));
    }
  }
  plan->scratch = holes.end;
  plan->work_size = holes.end + most;
}

static Plan *plan_make(Arena *arena, const Module *module, size_t program, const RlcSlot *slots,
                       uint64_t memory_bytes, bool keep) {
  Plan *plan = NEW(arena, Plan);
  plan->graph = module->graph;
  plan->program = &module->programs[program];
  plan->slots = slots;
  plan->memory_bytes = memory_bytes;
  plan->places = NEW_ARRAY(arena, Place, module->graph->node_count);
  Arena *own = arena_make();
  plan_places(own, plan, plan_lifetimes(arena, module, plan), keep);
  arena_free(own);
  return plan;
}

/* ---- running ---- */

/* A node's place in the caller's memory and work. */
static double *place_in(const Plan *plan, const Node *node, const char *memory, double *work) {
  Place place = plan->places[node->id];
  if (place.kind == PLACE_SLOT) return (double *)(void *)(memory + place.at);
  return place.kind == PLACE_WORK ? work + place.at : NULL;
}

static void read_input(const Plan *plan, const Node *node, const char *memory, double *out) {
  uint64_t count = axes_extent(plan->graph, node->axes);
  for (uint64_t i = 0; i < count; i++) out[i] = slot_read(&plan->slots[node->attr.key], memory, i);
}

static void run_step(const Plan *plan, const Node *node, const RlcCall *call) {
  if (plan->places[node->id].kind != PLACE_WORK) return;
  double *work = (double *)(void *)call->work;
  double *out = place_in(plan, node, call->memory, work);
  Product product;
  const double *src[3] = {NULL, NULL, NULL};
  if (node->op == OP_input) {
    read_input(plan, node, call->memory, out);
  } else if (product_of(node, &product)) {
    product_sum(plan->graph, node, product, out, place_in(plan, product.x, call->memory, work),
                place_in(plan, product.y, call->memory, work), work + plan->scratch);
  } else {
    for (int k = 0; k < 3; k++)
      if (node->src[k]) src[k] = place_in(plan, node->src[k], call->memory, work);
    interp_node(plan->graph, node, (Draws){call->seed, call->step}, out, src);
  }
}

/* An output may lack axes of its slot: then its value repeats. */
static void store_outputs(const Plan *plan, const RlcCall *call) {
  for (size_t i = 0; i < plan->program->output_count; i++) {
    Output output = plan->program->outputs[i];
    const double *value = place_in(plan, output.node, call->memory, (double *)(void *)call->work);
    AxisId order[MAX_AXES];
    Axes axes = plan->graph->slots[output.slot].axes;
    int count = axes_order(plan->graph, axes, order);
    View views[2] = {view_dense(plan->graph, axes), view_dense(plan->graph, output.node->axes)};
    Walk walk = walk_make(plan->graph, order, count, views, 2);
    do {
      for (size_t n = 0; n < walk.inner; n++)
        slot_write(&plan->slots[output.slot], call->memory,
                   (size_t)walk.at[0] + n * (size_t)walk.step[0],
                   value[walk.at[1] + (ptrdiff_t)n * walk.step[1]]);
    } while (walk_next(&walk));
  }
}

struct Interp {
  const Plan *plan;
  RlcCall call;
  const double **held; /* by node id */
  bool *stale;         /* by node id, for interp_rerun */
};

Interp *interp_make(Arena *arena, const Module *module, size_t program, bool keep) {
  uint64_t bytes;
  const RlcSlot *slots = slots_layout(arena, module->graph, &bytes);
  Interp *interp = NEW(arena, Interp);
  interp->plan = plan_make(arena, module, program, slots, bytes, keep);
  interp->call = (RlcCall){.memory = arena_alloc(arena, bytes + 1), .threads = 1};
  interp->call.work = arena_alloc(arena, (interp->plan->work_size + 1) * sizeof(double));
  interp->held = NEW_ARRAY(arena, const double *, module->graph->node_count);
  interp->stale = NEW_ARRAY(arena, bool, module->graph->node_count);
  return interp;
}

void interp_set(Interp *interp, uint32_t slot, const double *values) {
  uint64_t count = axes_extent(interp->plan->graph, interp->plan->graph->slots[slot].axes);
  for (uint64_t i = 0; i < count; i++)
    slot_write(&interp->plan->slots[slot], interp->call.memory, i, values[i]);
}

void interp_get(const Interp *interp, uint32_t slot, double *values) {
  uint64_t count = axes_extent(interp->plan->graph, interp->plan->graph->slots[slot].axes);
  for (uint64_t i = 0; i < count; i++)
    values[i] = slot_read(&interp->plan->slots[slot], interp->call.memory, i);
}

void interp_draws(Interp *interp, uint64_t seed, uint64_t step) {
  interp->call.seed = seed;
  interp->call.step = step;
}

void interp_hold(Interp *interp, const Node *node, const double *values) {
  if (values && interp->plan->places[node->id].kind == PLACE_SLOT)
    bug("an input is set through its slot, not held");
  interp->held[node->id] = values;
}

static void interp_step(Interp *interp, const Node *node) {
  const double *held = interp->held[node->id];
  if (!held) {
    run_step(interp->plan, node, &interp->call);
    return;
  }
  double *out =
      place_in(interp->plan, node, interp->call.memory, (double *)(void *)interp->call.work);
  memcpy(out, held, axes_extent(interp->plan->graph, node->axes) * sizeof *out);
}

void interp_run(Interp *interp) {
  for (size_t i = 0; i < interp->plan->step_count; i++) interp_step(interp, interp->plan->steps[i]);
}

void interp_rerun(Interp *interp, const Node *changed) {
  for (size_t i = 0; i < interp->plan->step_count; i++) {
    const Node *node = interp->plan->steps[i], *reads[3];
    bool stale = node == changed;
    for (int k = node_reads(node, reads); k-- > 0 && !interp->held[node->id];)
      stale = stale || interp->stale[reads[k]->id];
    interp->stale[node->id] = stale;
    if (stale) interp_step(interp, node);
  }
}

const double *interp_value(const Interp *interp, const Node *node) {
  if (!interp->plan->places[node->id].lasting) return NULL;
  return place_in(interp->plan, node, interp->call.memory, (double *)(void *)interp->call.work);
}

void interp_store(Interp *interp) { store_outputs(interp->plan, &interp->call); }

/* ---- as a target ---- */

static void oracle_run(const RlcCall *call) {
  const Plan *plan = call->context;
  if (call->thread != 0) return;
  for (size_t i = 0; i < plan->step_count; i++) run_step(plan, plan->steps[i], call);
  store_outputs(plan, call);
  if (call->done) call->done[0] += plan->step_count;
}

const RlcModule *oracle_module(Arena *arena, const Module *module) {
  RlcModule *shell = NEW(arena, RlcModule);
  *shell = module->shell;
  shell->abi = RLC_ABI;
  shell->target = "oracle";
  shell->slot_count = (uint32_t)module->graph->slot_count;
  shell->slots = slots_layout(arena, module->graph, &shell->memory_bytes);
  RlcProgram *programs = NEW_ARRAY(arena, RlcProgram, module->program_count + 1);
  for (size_t i = 0; i < module->program_count; i++) {
    Plan *plan = plan_make(arena, module, i, shell->slots, shell->memory_bytes, false);
    programs[i] = (RlcProgram){.name = module->programs[i].name,
                               .run = oracle_run,
                               .work_bytes = plan->work_size * sizeof(double),
                               .flops = module->programs[i].minimal_flops,
                               .minimal_flops = module->programs[i].minimal_flops,
                               .context = plan};
  }
  shell->program_count = (uint32_t)module->program_count;
  shell->programs = programs;
  return shell;
}
