/* The report of a study: what its folder holds, as statistics, tables, figures and a page.
 *
 *   DIR --study_open--> study --results_read--> runs, series, scores
 *       --tables.c, figures.c--> tables and figures --page.c--> DIR/report/report.html
 *
 * The folder is all that is read; the same runs give the same bytes. */
#ifndef RLC_COMPILER_STUDY_REPORT_REPORT_H
#define RLC_COMPILER_STUDY_REPORT_REPORT_H

#include "compiler/study/folder/stored.h"

/* Makes DIR/report anew from what is in the study's folder. asked: by a person, for whom thumbnails
 * of what policies do are drawn where they are missing, and who is told where figures cannot be;
 * else it has the thumbnails that are there. False after a message. */
bool report_make(Session *session, const char *folder, bool asked);

#endif
