/* The page of a report, and what stands on it besides tables and figures. */
#ifndef RLC_COMPILER_STUDY_REPORT_PAGE_H
#define RLC_COMPILER_STUDY_REPORT_PAGE_H

#include "compiler/study/report/figures.h"

/* ---- facts.c ---- */

typedef struct Words {
  const char **text;
  size_t count, capacity;
} Words;

/* What the provenance files of the runs that count say; each once. */
typedef struct Facts {
  Words compilers, targets, cpus, gpus, gpu_codes, kernels, simulators;
  const char *first, *latest; /* when runs were begun or gone on with; NULL: none was */
  const char *date;           /* the latest in 14 digits */
} Facts;

Facts page_facts(const Results *results);

/* ---- pictures.c ---- */

typedef struct Picture {
  const char *caption, *data; /* of a JPEG, in base64 */
} Picture;

/* What trained policies do. */
typedef struct Pictures {
  Picture *picture;
  size_t count, capacity;
  const char *missing; /* NULL; or which environments could not be drawn, and why */
} Pictures;

/* Those that are there; `make`: draws what is not there yet. */
Pictures pictures_make(const Results *results, bool make);

/* ---- page.c, asked.c ---- */

typedef struct Page {
  Session *session;
  const Results *results;
  const Tables *tables;
  const ReportFigures *figures;
  Facts facts;
  Pictures pictures;
} Page;

/* A text with its signs escaped; and with what stands before and behind it. */
void page_text(const char *text, FILE *out);
void page_put(FILE *out, const char *before, const char *text, const char *behind);

void page_write(const Page *page, FILE *out);

/* What was asked: all that the study's file says, resolved, and each variant. */
void asked_write(const Page *page, FILE *out);

#endif
