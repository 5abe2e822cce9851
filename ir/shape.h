/* What a node of each operation must look like: the rules that the verifier asserts and the reader
 * of the text form checks. Written apart from the builder on purpose, so that each can find the
 * other's mistakes. */
#ifndef RLC_IR_SHAPE_H
#define RLC_IR_SHAPE_H

#include "ir/ir.h"

/* The fields of Attr that an operation uses; the others are zero. */
enum { ATTR_VALUE = 1, ATTR_KEY = 2, ATTR_AXES = 4, ATTR_AXIS = 8, ATTR_TO = 16, ATTR_WORD = 32 };
unsigned attr_fields(OpCode op);

/* What is wrong with the operation, attributes and arguments of `node` (its own axes and type are
 * not looked at), or NULL with the axes and the type that it must have in *axes and *integer. */
const char *shape_check(const Graph *graph, Arena *arena, const Node *node, Axes *axes,
                        bool *integer);

#endif
