/* What the files that fill figures share. */
#ifndef RLC_COMPILER_STUDY_REPORT_FIGURES_PARTS_H
#define RLC_COMPILER_STUDY_REPORT_FIGURES_PARTS_H

#include "compiler/study/report/figures.h"

/* Told apart without red and green (Okabe and Ito). */
enum { FIGURE_COLOURS = 6 };
extern const char *const figure_colours[FIGURE_COLOURS];
#define BASE_COLOUR  "#555555" /* of what others are compared with */
#define FAINT_COLOUR "#cccccc"

Figure *figure_add(const Results *results, ReportFigures *figures, Figure figure);
/* The next panel of a figure, which has `most` in the end. */
Panel *panel_add(const Results *results, Figure *figure, size_t most);
/* Its axis ends where those runs end that are not far out. */
void panel_end(Panel *panel, const Reach *reach);
/* The name of a figure's files: `begin` and what it is of. */
const char *figure_file(const Results *results, const char *begin, const char *of);
/* What lies beyond the ends of axes, as a last sentence of the caption; "" where nothing does. */
const char *outside_words(const Results *results, const Figure *figure);
/* "A-v1", "" for none, "all environments" for ALL_ENVS. */
const char *env_words(const Results *results, size_t env);

/* ---- figures_bars.c ---- */

/* Each column of estimates of a table. */
void intervals_figure(const Results *results, ReportFigures *figures, const ReportTable *table,
                      const char *title);
void comparisons_figure(const Results *results, ReportFigures *figures, const ReportTable *table);

/* ---- figures_field.c ---- */

/* Scores over an axis of the study. */
void sweep_figure(const Results *results, ReportFigures *figures, size_t axis);
void arrows_figure(const Results *results, ReportFigures *figures, const StudyArrows *arrows);

#endif
