/* Runs a list of matrix products through OpenBLAS, one call after the other: what an update costs
 * when everything but its contractions is free. Loaded by openblas_gemm.py. */
#include <cblas.h>

/* c = a b, row-major, each operand perhaps stored transposed. Columns beyond n of a wider c (and of
 * a wider a or b, by the leading dimensions) are left alone. */
typedef struct Gemm {
  const float *a, *b;
  float *c;
  int m, n, k;
  int a_transposed, b_transposed;
  int lda, ldb, ldc;
} Gemm;

void gemms_run(const Gemm *list, int count);

void gemms_run(const Gemm *list, int count) {
  for (const Gemm *g = list; g < list + count; g++)
    scipy_cblas_sgemm(CblasRowMajor, g->a_transposed ? CblasTrans : CblasNoTrans,
                      g->b_transposed ? CblasTrans : CblasNoTrans, g->m, g->n, g->k, 1, g->a,
                      g->lda, g->b, g->ldb, 0, g->c, g->ldc);
}
