/* Functions of single precision that generated code computes in line instead of calling a library:
 * where that was measured to be faster and is as good for training. Both emitters read the same
 * text. */
#ifndef RLC_CODEGEN_APPROXIMATION_H
#define RLC_CODEGEN_APPROXIMATION_H

/* One assignment, in the text of ops.def over x, y and z; x begins as the argument. Numbers end in
 * "f", products and sums may be fused. */
typedef struct Assignment {
  char to;
  const char *text; /* NULL: behind the last one, whose value is the function's */
} Assignment;

typedef struct Approximation {
  const char *name; /* as in ops.def */
  const Assignment *steps;
} Approximation;

/* Of that function, or NULL. */
const Approximation *approximation_find(const char *name);

extern const Approximation approximations[];
enum { APPROXIMATIONS = 1 };

#endif
