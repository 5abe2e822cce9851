/* Formats of numbers, and rounding to them: what every target does is defined here. */
#include "ir/ir.h"

#include <float.h>
#include <math.h>
#include <string.h>

const FormatInfo format_table[FORMAT_COUNT] = {
    [FORMAT_float32] = {"float32", OP_COUNT, FLT_MANT_DIG, TIES_TO_EVEN, 1},
#define FORMAT(name, bits, ties, together)                                                         \
  [FORMAT_##name] = {#name, OP_##name, bits, ties, together},
#include "ir/formats.def"
};

NumberFormat format_of(OpCode op) {
  int format = FORMAT_COUNT - 1;
  while (format > FORMAT_float32 && format_table[format].op != op) format--;
  return (NumberFormat)format;
}

double format_limit(const FormatInfo *format) { return ldexp(2 - ldexp(1, -format->bits), 127); }

/* What is dropped of a double's 53 bits carries upwards. */
double format_round(NumberFormat format, double x) {
  const FormatInfo *info = &format_table[format];
  int dropped = DBL_MANT_DIG - info->bits;
  uint64_t bits;
  if (!(x >= -DBL_MAX && x <= DBL_MAX)) return x; /* infinite or not a number */
  memcpy(&bits, &x, sizeof bits);
  uint64_t unit = UINT64_C(1) << dropped, odd = bits >> dropped & 1;
  bits += info->ties == TIES_AWAY ? unit / 2 : unit / 2 - 1 + odd;
  bits &= ~(unit - 1);
  double near;
  memcpy(&near, &bits, sizeof near);
  if (fabs(x) < FLT_MIN) return copysign(0, x);
  return fabs(near) > FLT_MAX ? copysign(INFINITY, x) : near;
}
