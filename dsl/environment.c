/* Environments declared as specs: from their files to programs and to functions of a spec. */
#include "dsl/scope.h"

bool environment_read(Elab *elab, const Tree *id) {
  (void)elab, (void)id;
  return false;
}

bool environment_programs(Elab *elab, const char *prefix, uint32_t count, RlcActing *acting) {
  (void)elab, (void)prefix, (void)count, (void)acting;
  return true;
}

bool environment_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  (void)elab, (void)frame, (void)expr, (void)result;
  return false;
}
