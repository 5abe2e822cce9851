/* Rows by bucket: the order in which a contraction with a weight chosen by row takes its rows.
 *
 * Rows are sorted stably by the positions that choose, and each bucket is filled up to whole tiles
 * by repeating its last row. Afterwards the buffer holds the bucket of every tile, which is the
 * number of buckets for tiles that are not needed, and then the rows of every tile that is. Copies
 * of a row lie in one tile, so no two threads write the same element. Where rows go chunk by chunk,
 * each chunk has its own order. */
#include "codegen/lower/lower.h"

typedef struct Bucket {
  Lower lower;
  Nest nest;
  Node *positions;
  Buffer *buffer;
  int64_t buckets, tiles, height;
  const Registers *count, *next; /* by bucket: rows; where the next one goes */
  const Registers *total;        /* tiles so far */
} Bucket;

uint32_t bucket_height(const Code *code) {
  return code->options.lanes * value_type_size(code->real) >= 64 ? 8 : 4;
}

uint64_t bucket_tiles(const Code *code, uint64_t rows, AxisId picked) {
  uint32_t height = bucket_height(code);
  return (rows + code->module->graph->axes[picked].extent * (height - 1)) / height;
}

uint64_t kernel_rows(const Code *code, const Kernel *kernel, Axes rows) {
  uint64_t all = axes_extent(code->module->graph, rows);
  return kernel->chunks ? all / kernel->chunks->count : all;
}

uint64_t bucket_elements(const Code *code, const Kernel *kernel) {
  uint64_t rows = kernel_rows(code, kernel, kernel->iteration);
  return bucket_tiles(code, rows, kernel->picked) * (1 + bucket_height(code));
}

Buffer *bucket_buffer(Schedule *s, const Kernel *kernel) {
  Layout layout = {.elements = bucket_elements(s->code, kernel)};
  const char *name =
      arena_printf(s->arena, "t%u_rows%llu", kernel->roots[0].node->id,
                   (unsigned long long)kernel_rows(s->code, kernel, kernel->iteration));
  return buffer_make(s, layout, VALUE_I32, name, NULL);
}

uint64_t bucket_groups(const Code *code, uint64_t tiles, uint64_t row_bytes) {
  uint64_t cache = cache_bytes(code), bytes = tiles * bucket_height(code) * row_bytes;
  return (4 * bytes + cache - 1) / cache; /* a quarter of it for the rows of a group */
}

static Term *read(Bucket *b, const Registers *array, Term *at) {
  return term_cast(b->lower.arena, term_read(b->lower.arena, array, at, NULL), VALUE_INDEX);
}

static void set(Bucket *b, Block *block, const Registers *array, Term *at, Term *value) {
  set_add(b->lower.arena, block, array, at, NULL, term_cast(b->lower.arena, value, VALUE_I32));
}

static Term *let(Bucket *b, Block *block, const char *name, Term *value) {
  const Var *var = var_make(b->lower.arena, name, VALUE_INDEX, 1);
  let_add(b->lower.arena, block, var, value);
  return term_var(b->lower.arena, var);
}

static Block *loop(Bucket *b, const char *name, Term *lo, Term *hi, Term **at) {
  const Var *var = var_make(b->lower.arena, name, VALUE_INDEX, 1);
  *at = term_var(b->lower.arena, var);
  return loop_add(b->lower.arena, b->lower.blocks[0], LOOP_SERIAL, var, lo, hi);
}

static void store(Bucket *b, Block *block, Term *at, Term *value) {
  store_add(b->lower.arena, block, b->buffer, at, term_cast(b->lower.arena, value, VALUE_I32));
}

/* Where row number `at` of the sorted rows stands. */
static Term *place_of(const Bucket *b, Term *at) {
  return term_add(b->lower.arena, at, term_int(b->lower.arena, b->tiles));
}

/* Rounds up to whole tiles. */
static Term *whole_tiles(const Bucket *b, Term *rows) {
  Arena *arena = b->lower.arena;
  return term_div(arena, term_add(arena, rows, term_int(arena, b->height - 1)), b->height);
}

/* A loop over all rows; *bucket is that of the row. */
static Block *row_loop(Bucket *b, Term **row, Term **bucket) {
  Lower *lower = &b->lower;
  Block *block = lower->blocks[0];
  NestLoop *rows = &b->nest.loops[b->nest.loop_count - 1];
  lower_restart(lower, 2);
  lower->blocks[0] = block;
  rows->level = 1;
  Term *value = lower_value(lower, b->positions).term;
  Block *body = lower->blocks[1];
  loop_link(lower->arena, block, LOOP_SERIAL, rows->var, term_int(lower->arena, 0),
            term_int(lower->arena, (int64_t)rows->extent), body);
  *row = term_var(lower->arena, rows->var);
  *bucket = let(b, body, "bucket", term_cast(lower->arena, value, VALUE_INDEX));
  return body;
}

static void count_rows(Bucket *b) {
  Arena *arena = b->lower.arena;
  Term *row, *bucket;
  Block *body = row_loop(b, &row, &bucket);
  set(b, body, b->count, bucket, term_add(arena, read(b, b->count, bucket), term_int(arena, 1)));
}

/* Tiles of every bucket, one bucket after the other; those at the end are not needed. */
static void number_tiles(Bucket *b) {
  Arena *arena = b->lower.arena;
  Term *zero = term_int(arena, 0), *all = term_int(arena, b->buckets), *bucket, *spare;
  Block *body = loop(b, "filled", zero, all, &bucket);
  Term *first = let(b, body, "first", read(b, b->total, zero));
  set(b, body, b->next, bucket, term_mul(arena, first, b->height));
  Term *tiles = let(b, body, "tiles", whole_tiles(b, read(b, b->count, bucket)));
  const Var *tile = var_make(arena, "tile", VALUE_INDEX, 1);
  Block *each = loop_add(arena, body, LOOP_SERIAL, tile, zero, tiles);
  store(b, each, term_add(arena, first, term_var(arena, tile)), bucket);
  set(b, body, b->total, zero, term_add(arena, first, tiles));
  Term *used = let(b, b->lower.blocks[0], "used", read(b, b->total, zero));
  body = loop(b, "spare", used, term_int(arena, b->tiles), &spare);
  store(b, body, spare, all);
}

static void place_rows(Bucket *b) {
  Arena *arena = b->lower.arena;
  Term *row, *bucket;
  Block *body = row_loop(b, &row, &bucket);
  Term *at = let(b, body, "at", read(b, b->next, bucket));
  store(b, body, place_of(b, at), row);
  set(b, body, b->next, bucket, term_add(arena, at, term_int(arena, 1)));
}

static void repeat_last_rows(Bucket *b) {
  Arena *arena = b->lower.arena;
  Term *bucket;
  Block *body = loop(b, "padded", term_int(arena, 0), term_int(arena, b->buckets), &bucket);
  Term *at = let(b, body, "at", read(b, b->next, bucket));
  Term *end = let(b, body, "end", term_mul(arena, whole_tiles(b, at), b->height));
  const Var *var = var_make(arena, "again", VALUE_INDEX, 1);
  Block *each = loop_add(arena, body, LOOP_SERIAL, var, at, end);
  Term *last = place_of(b, term_add(arena, at, term_int(arena, -1)));
  store(b, each, place_of(b, term_var(arena, var)),
        term_load(arena, b->buffer, VALUE_I32, last, 1));
}

static void declare(Bucket *b, const Registers **array, const char *name, int64_t count) {
  *array = registers_array(b->lower.arena, name, VALUE_I32, (uint32_t)count);
  declare_add(b->lower.arena, b->lower.blocks[0], *array, NULL);
}

void lower_bucket(const Schedule *s, Kernel *kernel) {
  const Root *root = &kernel->roots[0];
  const Graph *graph = s->code->module->graph;
  Bucket *b = NEW(s->arena, Bucket);
  AxisId order[MAX_AXES];
  nest_start(&b->nest, s->arena, graph, kernel->chunks);
  int rank = axes_order(graph, kernel->iteration, order);
  for (int i = 0; i < rank; i++) nest_dim(&b->nest, order[i], nest_extent(&b->nest, order[i]), 1);
  nest_merge(&b->nest, 0, b->nest.dim_count);
  b->lower = lower_start(s, kernel, &b->nest);
  b->positions = root->node;
  b->buffer = root->buffer;
  b->height = bucket_height(s->code);
  b->buckets = graph->axes[kernel->picked].extent;
  uint64_t rows = kernel_rows(s->code, kernel, kernel->iteration);
  b->tiles = (int64_t)bucket_tiles(s->code, rows, kernel->picked);
  place_add(&b->lower, b->buffer, true);
  shape_items(&b->lower, b->nest.loop_count - 1, 1);
  declare(b, &b->count, "count", b->buckets);
  declare(b, &b->next, "next", b->buckets);
  declare(b, &b->total, "total", 1);
  count_rows(b);
  number_tiles(b);
  place_rows(b);
  repeat_last_rows(b);
  kernel->body = b->lower.blocks[0];
}
