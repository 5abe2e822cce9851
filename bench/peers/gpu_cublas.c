/* The matrix products of an update alone, through cuBLAS: what they cost on the card when
 * everything but them is free. They are those of exact differentiation without dead gradients, as
 * in openblas_gemm.py, one after the other in one stream, recorded as a graph where the driver can.
 *
 *   gpu_cublas CASE SECONDS            sac, remac (M=16), reppo (minibatches of 2,048)
 *
 * The driver and cuBLAS are found at run time: RLC_CUDA_DRIVER and RLC_CUBLAS, else the system's.
 * Prints one line for tools/gpu_bench.sh. Exit status: 2 where a library or a card is missing. */
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MISSING = 2 };

static void fail(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(status);
}

/* ---- libraries ---- */

typedef uint64_t Place; /* an address on the card */

/* The functions that are called, by their names in the driver's interface and in cuBLAS's. */
typedef struct Api {
  int (*cuInit)(unsigned);
  int (*cuDeviceGet)(int *, int);
  int (*cuDeviceGetName)(char *, int, int);
  int (*cuDevicePrimaryCtxRetain)(void **, int);
  int (*cuCtxSetCurrent)(void *);
  int (*cuMemAlloc_v2)(Place *, size_t);
  int (*cuMemcpyHtoDAsync_v2)(Place, const void *, size_t, void *);
  int (*cuMemcpyDtoHAsync_v2)(void *, Place, size_t, void *);
  int (*cuStreamCreate)(void **, unsigned);
  int (*cuStreamSynchronize)(void *);
  int (*cuStreamBeginCapture_v2)(void *, int); /* these four may be NULL */
  int (*cuStreamEndCapture)(void *, void **);
  int (*cuGraphInstantiateWithFlags)(void **, void *, unsigned long long);
  int (*cuGraphLaunch)(void *, void *);
  int (*cublasCreate_v2)(void **);
  int (*cublasGetVersion_v2)(void *, int *);
  int (*cublasSetStream_v2)(void *, void *);
  int (*cublasSetWorkspace_v2)(void *, void *, size_t);
  int (*cublasSgemm_v2)(void *, int, int, int, int, int, const float *, const float *, int,
                        const float *, int, const float *, float *, int);
} Api;

static void *library_open(const char *variable, const char *const *names) {
  const char *given = getenv(variable);
  void *library = given ? dlopen(given, RTLD_NOW | RTLD_GLOBAL) : NULL;
  for (; !given && !library && *names; names++) library = dlopen(*names, RTLD_NOW | RTLD_GLOBAL);
  if (!library) fail(MISSING, "not found: %s", given ? given : names[-1]);
  return library;
}

static void function_find(void *library, const char *name, void *at, bool needed) {
  void *found = dlsym(library, name);
  if (!found && needed) fail(MISSING, "not found: %s", name);
  memcpy(at, &found, sizeof found);
}
#define FIND(library, api, name, needed) function_find(library, #name, &(api)->name, needed)

static Api api_open(void) {
  static const char *const drivers[] = {"libcuda.so.1", "libcuda.so", NULL};
  static const char *const blases[] = {"libcublas.so.13", "libcublas.so.12", "libcublas.so", NULL};
  Api api;
  void *cuda = library_open("RLC_CUDA_DRIVER", drivers);
  void *blas = library_open("RLC_CUBLAS", blases);
  FIND(cuda, &api, cuInit, true);
  FIND(cuda, &api, cuDeviceGet, true);
  FIND(cuda, &api, cuDeviceGetName, true);
  FIND(cuda, &api, cuDevicePrimaryCtxRetain, true);
  FIND(cuda, &api, cuCtxSetCurrent, true);
  FIND(cuda, &api, cuMemAlloc_v2, true);
  FIND(cuda, &api, cuMemcpyHtoDAsync_v2, true);
  FIND(cuda, &api, cuMemcpyDtoHAsync_v2, true);
  FIND(cuda, &api, cuStreamCreate, true);
  FIND(cuda, &api, cuStreamSynchronize, true);
  FIND(cuda, &api, cuStreamBeginCapture_v2, false);
  FIND(cuda, &api, cuStreamEndCapture, false);
  FIND(cuda, &api, cuGraphInstantiateWithFlags, false);
  FIND(cuda, &api, cuGraphLaunch, false);
  FIND(blas, &api, cublasCreate_v2, true);
  FIND(blas, &api, cublasGetVersion_v2, true);
  FIND(blas, &api, cublasSetStream_v2, true);
  FIND(blas, &api, cublasSetWorkspace_v2, true);
  FIND(blas, &api, cublasSgemm_v2, true);
  return api;
}

static void check(int result, const char *doing) {
  if (result) fail(1, "error: %s: %d", doing, result);
}

/* ---- the list ---- */

typedef struct Matrix {
  int rows, columns;
  Place place;
} Matrix;

/* c = a b, row-major; each operand may be taken transposed. */
typedef struct Product {
  Matrix a, b, c;
  bool a_turned, b_turned;
} Product;

enum { MOST_PRODUCTS = 128, MOST_LAYERS = 8 };

typedef struct Card {
  Api api;
  void *stream, *blas, *graph;
  char name[128];
  Product list[MOST_PRODUCTS];
  size_t count;
  double flops;
} Card;

/* A matrix of small numbers, so that products of products stay finite and nothing is zero. */
static Matrix matrix(Card *card, int rows, int columns) {
  static uint32_t state = 1;
  size_t count = (size_t)rows * (size_t)columns;
  float *values = malloc(count * sizeof *values);
  Matrix made = {rows, columns, 0};
  if (!values) fail(1, "error: out of memory");
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    values[i] = ((float)(state >> 8) / 0x1p23f - 1) / sqrtf((float)rows);
  }
  check(card->api.cuMemAlloc_v2(&made.place, count * sizeof *values), "memory on the card");
  check(card->api.cuMemcpyHtoDAsync_v2(made.place, values, count * sizeof *values, card->stream),
        "copying to the card");
  check(card->api.cuStreamSynchronize(card->stream), "copying to the card");
  free(values);
  return made;
}

static void product(Card *card, Matrix a, Matrix b, Matrix c, bool a_turned, bool b_turned) {
  if (card->count == MOST_PRODUCTS) fail(1, "error: too many products");
  card->list[card->count++] = (Product){a, b, c, a_turned, b_turned};
  card->flops += 2.0 * c.rows * c.columns * (a_turned ? a.rows : a.columns);
}

/* Layers one behind the other: their weights, and for one use what lies between them. */
typedef struct Chain {
  size_t layers;
  Matrix weights[MOST_LAYERS];                    /* [in, out] */
  Matrix x[MOST_LAYERS + 1], dx[MOST_LAYERS + 1]; /* [rows, wide[i]] */
} Chain;

static Chain chain(Card *card, int rows, size_t layers, const int *wide) {
  Chain made = {.layers = layers};
  for (size_t i = 0; i <= layers; i++) {
    made.x[i] = matrix(card, rows, wide[i]);
    made.dx[i] = matrix(card, rows, wide[i]);
    if (i < layers) made.weights[i] = matrix(card, wide[i], wide[i + 1]);
  }
  return made;
}

static void forward(Card *card, const Chain *chain) {
  for (size_t i = 0; i < chain->layers; i++)
    product(card, chain->x[i], chain->weights[i], chain->x[i + 1], false, false);
}

/* Gradients of the weights, if asked for, and of what lies before them down to the input, of which
 * only so many columns are wanted. */
static void backward(Card *card, const Chain *chain, bool weights, int input) {
  for (size_t i = chain->layers; i-- > 0;) {
    Matrix w = chain->weights[i];
    if (weights)
      product(card, chain->x[i], chain->dx[i + 1], matrix(card, w.rows, w.columns), true, false);
    if (i > 0)
      product(card, chain->dx[i + 1], w, chain->dx[i], false, true);
    else if (input)
      product(card, chain->dx[1], matrix(card, input, w.columns),
              matrix(card, chain->x[0].rows, input), false, true);
  }
}

/* ---- cases ---- */

typedef struct Sizes {
  const char *name;
  int obs, act, hidden, batch, draws; /* draws: actions per state in the actor's loss */
  int bins;                           /* 0: twin critics with one value each, else a histogram */
} Sizes;

static const Sizes cases[] = {
    {"sac", 17, 6, 256, 256, 1, 0},      {"remac", 17, 6, 256, 256, 16, 0},
    {"reppo", 17, 6, 512, 2048, 1, 151}, {"tiny", 3, 1, 16, 8, 4, 0},
    {"tiny_reppo", 3, 1, 8, 8, 1, 11},
};

static void actor_critic(Card *card, const Sizes *s) {
  const int actor[] = {s->obs, s->hidden, s->hidden, 2 * s->act};
  const int critic[] = {s->obs + s->act, s->hidden, s->hidden, 1};
  Chain next = chain(card, s->batch, 3, actor), now = chain(card, s->batch, 3, actor);
  forward(card, &next);
  for (int twin = 0; twin < 2; twin++) {
    Chain slow = chain(card, s->batch, 3, critic);
    forward(card, &slow);
  }
  for (int twin = 0; twin < 2; twin++) {
    Chain fit = chain(card, s->batch, 3, critic);
    forward(card, &fit);
    backward(card, &fit, true, 0);
  }
  forward(card, &now);
  for (int twin = 0; twin < 2; twin++) {
    Chain tries = chain(card, s->batch * s->draws, 3, critic);
    forward(card, &tries);
    backward(card, &tries, false, s->act);
  }
  backward(card, &now, true, 0);
}

/* A critic with one trunk and two heads: its histogram, and what it predicts of its own features.
 * Then the actor against the histogram, beside the policy that it is bound to. */
static void one_critic(Card *card, const Sizes *s) {
  int h = s->hidden, n = s->batch;
  const int trunk[] = {s->obs + s->act, h, h}, logits[] = {h, h, s->bins}, after[] = {h, h, h};
  const int actor[] = {s->obs, h, h, 2 * s->act};
  const Chain fit[] = {chain(card, n, 2, trunk), chain(card, n, 2, logits),
                       chain(card, n, 2, after)};
  for (int i = 0; i < 3; i++) forward(card, &fit[i]);
  for (int i = 3; i-- > 0;) backward(card, &fit[i], true, i ? h : 0);
  Chain now = chain(card, n, 3, actor), before = chain(card, n, 3, actor);
  const Chain value[] = {chain(card, n, 2, trunk), chain(card, n, 2, logits)};
  forward(card, &now);
  forward(card, &before);
  for (int i = 0; i < 2; i++) forward(card, &value[i]);
  for (int i = 2; i-- > 0;) backward(card, &value[i], false, i ? h : s->act);
  backward(card, &now, true, 0);
}

/* ---- running ---- */

/* cuBLAS stores by columns, so a row-major product is that of the turned operands in turn. */
static void products_run(Card *card) {
  static const float one = 1, zero = 0;
  for (const Product *p = card->list; p < card->list + card->count; p++) {
    int k = p->a_turned ? p->a.rows : p->a.columns;
    check(card->api.cublasSgemm_v2(card->blas, p->b_turned, p->a_turned, p->c.columns, p->c.rows, k,
                                   &one, (const float *)(uintptr_t)p->b.place, p->b.columns,
                                   (const float *)(uintptr_t)p->a.place, p->a.columns, &zero,
                                   (float *)(uintptr_t)p->c.place, p->c.columns),
          "a product");
  }
}

static void products_record(Card *card) {
  const Api *api = &card->api;
  enum { THREAD_LOCAL = 1 };
  void *graph = NULL;
  products_run(card); /* what cuBLAS loads on first use is loaded outside of the record */
  check(api->cuStreamSynchronize(card->stream), "the products");
  if (!api->cuStreamBeginCapture_v2 || !api->cuStreamEndCapture ||
      !api->cuGraphInstantiateWithFlags || !api->cuGraphLaunch)
    return;
  check(api->cuStreamBeginCapture_v2(card->stream, THREAD_LOCAL), "recording a graph");
  products_run(card);
  check(api->cuStreamEndCapture(card->stream, &graph), "recording a graph");
  check(api->cuGraphInstantiateWithFlags(&card->graph, graph, 0), "making a graph");
}

static void card_open(Card *card) {
  enum { STREAM_APART = 1, WORKSPACE = 32 << 20 };
  void *context = NULL;
  Place workspace = 0;
  int device = 0;
  card->api = api_open();
  const Api *api = &card->api;
  if (api->cuInit(0) || api->cuDeviceGet(&device, 0)) fail(MISSING, "no card");
  check(api->cuDevicePrimaryCtxRetain(&context, device), "the card");
  check(api->cuCtxSetCurrent(context), "the card");
  api->cuDeviceGetName(card->name, sizeof card->name, device);
  check(api->cuStreamCreate(&card->stream, STREAM_APART), "a stream");
  check(api->cublasCreate_v2(&card->blas), "cuBLAS");
  check(api->cublasSetStream_v2(card->blas, card->stream), "cuBLAS's stream");
  check(api->cuMemAlloc_v2(&workspace, WORKSPACE), "memory on the card");
  check(api->cublasSetWorkspace_v2(card->blas, (void *)(uintptr_t)workspace, WORKSPACE),
        "cuBLAS's workspace");
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds that so many updates take, with one wait at their end. */
static double round_run(Card *card, int updates) {
  double start = now();
  for (int i = 0; i < updates; i++)
    if (card->graph)
      check(card->api.cuGraphLaunch(card->graph, card->stream), "a graph");
    else
      products_run(card);
  check(card->api.cuStreamSynchronize(card->stream), "the products");
  return now() - start;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(Card *card, const char *name, double seconds) {
  enum { MOST_ROUNDS = 10000 };
  static double rate[MOST_ROUNDS];
  static const double round_seconds = 5e-2;
  int updates = 4, rounds = 0, version = 0;
  while (round_run(card, updates) < round_seconds && updates < 1 << 20) updates *= 2;
  for (double start = now(); rounds == 0 || (now() - start < seconds && rounds < MOST_ROUNDS);)
    rate[rounds++] = updates / round_run(card, updates);
  qsort(rate, (size_t)rounds, sizeof *rate, compare);
  card->api.cublasGetVersion_v2(card->blas, &version);
  double median = (rate[(rounds - 1) / 2] + rate[rounds / 2]) / 2;
  printf("cublas\t%s\t%.6g\t%.0f\t%d\t%.6g\t%s, cuBLAS %d, %s of %zu products\n", name, median,
         (double)updates * rounds, rounds, card->flops / 1e6, card->name, version,
         card->graph ? "a graph" : "a stream", card->count);
}

int main(int argc, char **argv) {
  static Card card;
  double seconds = argc == 3 ? atof(argv[2]) : 0;
  const Sizes *sizes = NULL;
  for (size_t i = 0; argc == 3 && i < sizeof cases / sizeof *cases; i++)
    if (strcmp(argv[1], cases[i].name) == 0) sizes = &cases[i];
  if (!sizes || !(seconds > 0))
    fail(1, "usage: %s sac|remac|reppo|tiny|tiny_reppo SECONDS", argv[0]);
  card_open(&card);
  (sizes->bins ? one_critic : actor_critic)(&card, sizes);
  products_record(&card);
  measure(&card, sizes->name, seconds);
  return 0;
}
