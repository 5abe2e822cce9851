/* Making the runs of a study in its folder: by trainers of this machine, or by those of a cluster.
 */
#ifndef RLC_COMPILER_STUDY_RUN_RUN_H
#define RLC_COMPILER_STUDY_RUN_RUN_H

#include "compiler/study/folder/folder.h"

/* Makes every run of the study that is not done, by the session's --launcher, and shows how they
 * go. Returns the exit status: 0 when every run is done or has failed, which is said; 1 when
 * something stood in the way or runs are left; 128 + the signal that ended it. */
int study_run(Session *session, Study *study);

/* What `study_run` would say of the study's folder, if it is there, before it writes anything;
 * finds the runs that are dropped. False after messages: it would refuse. `say`: those too. */
bool study_check(Session *session, Study *study, bool say);

#endif
