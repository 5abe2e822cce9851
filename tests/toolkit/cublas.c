/* Stands in for cuBLAS where there is no card, beside driver.c: one plain product, done at once. */
#include <stddef.h>

int cublasCreate_v2(void **handle) { return *handle = (void *)1, 0; }
int cublasGetVersion_v2(void *handle, int *version) { return (void)handle, *version = 0, 0; }
int cublasSetStream_v2(void *handle, void *stream) { return (void)handle, (void)stream, 0; }
int cublasSetWorkspace_v2(void *handle, void *workspace, size_t bytes) {
  return (void)handle, (void)workspace, (void)bytes, 0;
}

/* Matrices are stored by columns; operands are taken transposed if asked. Refuses leading
 * dimensions that the library would refuse. */
int cublasSgemm_v2(void *handle, int a_turned, int b_turned, int m, int n, int k,
                   const float *alpha, const float *a, int lda, const float *b, int ldb,
                   const float *beta, float *c, int ldc) {
  enum { INVALID = 7 };
  (void)handle;
  if (lda < (a_turned ? k : m) || ldb < (b_turned ? n : k) || ldc < m) return INVALID;
  for (int j = 0; j < n; j++)
    for (int i = 0; i < m; i++) {
      float sum = 0;
      for (int p = 0; p < k; p++)
        sum += a[a_turned ? i * lda + p : p * lda + i] * b[b_turned ? p * ldb + j : j * ldb + p];
      float *at = &c[j * ldc + i];
      *at = *alpha * sum + (*beta != 0 ? *beta * *at : 0);
    }
  return 0;
}
