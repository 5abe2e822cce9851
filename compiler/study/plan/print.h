/* A study's plan for readers. */
#ifndef RLC_COMPILER_STUDY_PLAN_PRINT_H
#define RLC_COMPILER_STUDY_PLAN_PRINT_H

#include "compiler/study/plan/estimate.h"

/* To standard output: points by variant with their differences to the base, crossed-out keys,
 * merged points, jobs, runs and the time they may take. */
void study_print(const Study *study, const StudyEstimate *estimate);
/* The same as one JSON object, with nothing cut: docs/commands.md. */
void study_print_json(const Study *study, const StudyEstimate *estimate);

#endif
