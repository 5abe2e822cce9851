/* The sums of a product by matrix instructions where there are many tiles: by the warps of a block
 * together, which have a panel of columns and 16 or 32 rows each.
 *
 * What all of them multiply by, the panel's columns, each element is loaded and rounded by one of
 * them, and put into shared memory in the order in which lanes take it: element q of lane l of what
 * an instruction takes of B lies at 4 l + q. So what a lane puts and takes there is side by side
 * and no two lanes meet in a bank. Columns are loaded a chunk of steps ahead, while the warps
 * multiply by those in the other half of the array; rows by the warp that has them, 16 of them a
 * step ahead. Warps meet once a chunk.
 *
 * Where rows do not fill the last block, its warps take the last row in the place of those that do
 * not exist, and have no epilogue for them: all of them come to every meeting. */
#include "codegen/lower/fragments.h"

enum { CHUNK = 2 }; /* steps */

typedef struct Team {
  Fragments f;
  Side share; /* the columns that a warp loads for all, of one step of each chunk */
  Term *warp, *share_step;
  int64_t chunks, half, own; /* in all; numbers of a half of the array, of a lane in a fragment */
  bool ahead; /* are rows loaded a step ahead? For 32 of them registers are too few */
} Team;

static int64_t columns_of(const Product *p) { return p->nest.panel / GROUPS; }

bool team_serves(const Product *p) {
  return p->kernel->matrix && p->tile >= 0 && CHUNK * columns_of(p) % BLOCK_WARPS == 0;
}

/* ---- the columns, shared ---- */

/* Row i of what a warp loads is fragment `share_of` warp + i of a chunk. */
static int64_t share_of(const Product *p) { return CHUNK * columns_of(p) / BLOCK_WARPS; }

static void share_begin(Team *team, Block *block) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  int64_t warps = BLOCK_WARPS / CHUNK; /* that load the columns of a step */
  team->share = f->b;
  team->share.count = share_of(p);
  team->share_step = term_div(arena, team->warp, warps);
  columns_begin(f, block, &team->share,
                term_mul(arena, term_mod(arena, team->warp, warps), share_of(p) * GROUPS));
  side_declare(f, block, &team->share, "y");
}

/* Loads what a side needs of a step; of the last step where there are fewer. */
static void load(Team *team, Block *block, Side *side, Term *step) {
  Product *p = team->f.p;
  Arena *arena = p->nest.arena;
  Term *unused, *first;
  step = term_min(arena, step, term_int(arena, p->sequence.all - 1));
  block = unrolled(p, block, "once", 1, &unused); /* a scope */
  sequence_at(p, block, &p->sequence, step, &first);
  sides_load(&team->f, block, &side, 1, first);
}

static void share_load(Team *team, Block *block, Term *chunk) {
  Arena *arena = team->f.p->nest.arena;
  load(team, block, &team->share, term_add(arena, term_mul(arena, chunk, CHUNK), team->share_step));
}

/* Where a chunk's half begins. */
static Term *half_of(const Team *team, Term *chunk) {
  Arena *arena = team->f.p->nest.arena;
  return term_mul(arena, term_mod(arena, chunk, 2), team->half);
}

static void share_put(Team *team, Block *block, Term *chunk) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *i, *q;
  side_round(f, block, &team->share, "d");
  const Var *to = var_make(arena, "to", VALUE_INDEX, 1);
  Term *fragment = term_mul(arena, team->warp, share_of(p) * WARP_LANES);
  Term *at = term_mul(arena, term_add(arena, fragment, f->lane), team->own);
  let_add(arena, block, to, term_add(arena, half_of(team, chunk), at));
  block = unrolled(p, unrolled(p, block, "i", share_of(p), &i), "q", team->own, &q);
  Term *place = term_add(arena, term_mul(arena, i, WARP_LANES * team->own), q);
  set_add(arena, block, p->stage, term_add(arena, term_var(arena, to), place), NULL,
          term_read(arena, team->share.rounded, i, q));
}

/* ---- steps ---- */

/* Step `s` of a chunk, whose fragments begin at `from`. */
static void multiply(Team *team, Block *block, const Var *from, Term *s) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *i, *j, *q, *e, *zero = term_int(arena, 0);
  int64_t columns = columns_of(p);
  block = unrolled(p, block, "j", columns, &j);
  const Registers *b = tile_of(p, block, "b", fragment_type(p), 1, team->own);
  Term *fragment = term_add(arena, term_mul(arena, s, columns), j);
  Block *take = unrolled(p, block, "q", team->own, &q);
  Term *place = term_add(arena, term_mul(arena, fragment, WARP_LANES * team->own), q);
  set_add(arena, take, b, zero, q,
          term_read(arena, p->stage, term_add(arena, term_var(arena, from), place), NULL));
  block = unrolled(p, block, "e", fragment_instructions(p), &e);
  block = unrolled(p, block, "i", f->a.count / 2, &i);
  fragments_multiply(f, block, e, i, j, b, zero);
}

static void chunk_steps(Team *team, Block *block, Term *chunk) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Var *from = var_make(arena, "from", VALUE_INDEX, 1);
  let_add(arena, block, from,
          term_add(arena, half_of(team, chunk), term_mul(arena, f->lane, team->own)));
  Term *s;
  block = unrolled(p, block, "s", CHUNK, &s);
  Term *step = term_add(arena, term_mul(arena, chunk, CHUNK), s);
  if (p->sequence.all % CHUNK)
    block = if_add(arena, block, step, term_int(arena, p->sequence.all))->body;
  if (!team->ahead) load(team, block, &f->a, step);
  side_round(f, block, &f->a, "a");
  if (team->ahead) load(team, block, &f->a, term_add(arena, step, term_int(arena, 1)));
  multiply(team, block, from, s);
}

static void team_sums(Team *team, Block *block) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *zero = term_int(arena, 0);
  side_declare(f, block, &f->a, "x");
  share_begin(team, block);
  f->sums = tile_of(p, block, "c", VALUE_F32, f->a.count / 2 * f->b.count, 4);
  share_load(team, block, zero);
  if (team->ahead) load(team, block, &f->a, zero);
  share_put(team, block, zero);
  meet_add(arena, block);
  const Var *chunk = var_make(arena, "chunk", VALUE_INDEX, 1);
  Term *now = term_var(arena, chunk), *next = term_add(arena, now, term_int(arena, 1));
  block = loop_add(arena, block, LOOP_SERIAL, chunk, zero, term_int(arena, team->chunks));
  share_load(team, block, next);
  chunk_steps(team, block, now);
  share_put(team, block, next);
  meet_add(arena, block);
}

/* ---- the tile ---- */

/* The last row that exists, where the last block has more; else NULL. */
static Term *last_row(const Product *p) {
  int64_t rows = (int64_t)p->nest.loops[p->tile].extent;
  bool whole = rows % (p->segments[0].height * BLOCK_WARPS) == 0;
  return whole ? NULL : term_int(p->nest.arena, rows - 1);
}

/* Each lane keeps its sums, for the loops over lanes that come. */
static const Registers *sums_keep(Team *team, Block *block, const Registers *kept) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *i, *e;
  block = unrolled(p, unrolled(p, block, "i", f->sums->rows, &i), "e", 4, &e);
  Term *own = term_mul(arena, term_add(arena, term_mul(arena, i, 4), e), WARP_LANES);
  set_add(arena, block, kept, term_add(arena, own, f->lane), NULL, term_read(arena, f->sums, i, e));
  return kept;
}

/* The epilogue of 16 rows at a time, for which the warp has room. */
static void team_epilogue(Team *team, Block *block, int64_t height, Term *tile) {
  Fragments *f = &team->f;
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *i, *zero = term_int(arena, 0), *rows = term_int(arena, MATRIX_ROWS);
  uint32_t size = MATRIX_ROWS * p->nest.panel;
  const Registers *result = registers_raw(arena, "result", p->lower.s->code->real, size);
  declare_add(arena, block, result, NULL);
  block = unrolled(p, block, "i", height / MATRIX_ROWS, &i);
  sums_hand_over(f, lanes_begin(f, block), i, result, zero);
  Term *skipped = term_mul(arena, i, MATRIX_ROWS), *last = last_row(p);
  if (last) {
    const NestLoop *loop = &p->nest.loops[p->tile];
    Term *before = term_add(arena, term_var(arena, loop->var), skipped);
    Term *left =
        term_add(arena, term_int(arena, (int64_t)loop->extent), term_mul(arena, before, -1));
    rows = term_min(arena, left, rows);
  }
  p->lower.blocks[0] = block;
  product_epilogue(p, result, size, &(Rows){skipped, rows}, tile);
}

void product_team_declare(Product *p, Block *block) {
  int64_t half = CHUNK * columns_of(p) * WARP_LANES * fragment_elements(p);
  p->stage = registers_raw(p->nest.arena, "stage", fragment_type(p), (uint32_t)(2 * half));
  declare_add(p->nest.arena, block, p->stage, NULL);
}

void product_team(Product *p, Block *block, int64_t height, Term *tile) {
  Arena *arena = p->nest.arena;
  Team team = {.f = fragments_make(p, height, share_of(p)),
               .warp = p->warp,
               .chunks = (p->sequence.all + CHUNK - 1) / CHUNK,
               .half = p->stage->rows / 2,
               .own = fragment_elements(p),
               .ahead = height == MATRIX_ROWS};
  int64_t sums = height / GROUPS / 2 * columns_of(p) * 4;
  const Registers *kept = registers_raw(arena, "sums", VALUE_F32, (uint32_t)(sums * WARP_LANES));
  declare_add(arena, block, kept, NULL);
  Block *lanes = lanes_begin(&team.f, block);
  rows_begin(&team.f, lanes, last_row(p));
  team_sums(&team, lanes);
  team.f.sums = sums_keep(&team, lanes, kept);
  team_epilogue(&team, block, height, tile);
}
