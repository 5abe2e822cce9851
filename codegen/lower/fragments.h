/* What the lanes of a warp hold of a product by matrix instructions. Internal to product_matrix.c
 * and product_team.c.
 *
 * Lane l, with g = l / 4 and t = l % 4, has four of the 16 summed elements of a step, from 4 t on;
 * two rows of every 16, from 2 g on; and of the panel's columns as many as the panel has
 * instructions, four of every 32, from 4 g on, or two of every 16. So what a lane loads is side by
 * side in memory whichever axis is innermost there, and what the lanes load together fills lines.
 * Which of the summed elements an instruction calls the first is all the same as long as both
 * operands agree, and columns go back to their places when the sums are handed over. */
#ifndef RLC_CODEGEN_LOWER_FRAGMENTS_H
#define RLC_CODEGEN_LOWER_FRAGMENTS_H

#include "codegen/lower/product.h"

enum { GROUPS = 8, PARTS = 4, OWN = 4 /* summed elements of a lane at a step */ };
enum { ROWS_BESIDE = 2 };

/* Rows or columns of an operand: where a lane's begin, all of them, or where they are not evenly
 * apart each; what it loaded, and that rounded. */
typedef struct Side {
  const char *name;
  const Buffer *buffer;
  const Form *from;
  int64_t count, beside; /* of a lane; so many of them side by side */
  const Registers *base;
  int64_t step; /* from one to the next beside it; 0: `base` has each */
  const Registers *loaded, *rounded;
} Side;

/* What the lanes hold; made for one tile. */
typedef struct Fragments {
  Product *p;
  Term *lane, *group, *part;
  Side a, b;
  const Registers *sums; /* a tile, or an array of which each lane has its own */
} Fragments;

/* The sides of a tile of so many rows and a panel of columns, `beside` of which a lane has side by
 * side. */
Fragments fragments_make(Product *product, int64_t rows, int64_t beside);
/* A loop over the lanes; returns its body. */
Block *lanes_begin(Fragments *f, Block *block);
/* `count` iterations behind each other. */
Block *unrolled(Product *product, Block *block, const char *name, int64_t count, Term **at);
const Registers *tile_of(Product *product, Block *block, const char *name, ValueType type,
                         int64_t rows, int64_t columns);

/* Where rows begin. `last`: the last one that exists, which stands for those below it; NULL: all
 * exist. */
void rows_begin(Fragments *f, Block *block, Term *last);
/* Where the columns of a side of B begin, `skipped` behind the first that the lane has of the
 * panel; columns beyond the last are in the padding, or that one again. */
void columns_begin(Fragments *f, Block *block, Side *side, Term *skipped);
/* Declares what loads go to; zero. */
void side_declare(Fragments *f, Block *block, Side *side, const char *name);
/* Loads what the lanes have of the sides at a step from the element `first` on; 0 where there is no
 * such element. */
void sides_load(Fragments *f, Block *block, Side *const *sides, int count, Term *first);
/* Declares and sets what was loaded, rounded. */
void side_round(Fragments *f, Block *block, Side *side, const char *name);
/* Elements or pairs that a lane has of a row or column at a step. */
int64_t fragment_elements(const Product *product);
ValueType fragment_type(const Product *product);
/* How many instructions follow each other along the sum at a step. */
int64_t fragment_instructions(const Product *product);
/* The sums of the i-th 16 rows and the columns of instruction j, which row `column` of `b` has, by
 * instruction e along the sum. */
void fragments_multiply(Fragments *f, Block *block, Term *e, Term *i, Term *j, const Registers *b,
                        Term *column);
/* The sums of the i-th 16 rows go to the rows and columns that they are of. */
void sums_hand_over(Fragments *f, Block *block, Term *i, const Registers *array, Term *offset);

#endif
