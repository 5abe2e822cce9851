/* study.json: all that a report needs of a study, so that its folder can be moved away from the
 * specs that it was made from. One table of fields writes the file and reads it. */
#ifndef RLC_COMPILER_STUDY_FOLDER_STORED_H
#define RLC_COMPILER_STUDY_FOLDER_STORED_H

#include "compiler/study/study.h"
#include "runtime/output.h"

/* What the fields of study.json mean: goes up with every change that an older rlc would read
 * wrongly. A file without a version is of an rlc that wrote none. */
#define STUDY_VERSION 1

/* Writes a study's file as a whole or not at all. */
bool study_store(Arena *arena, const Study *study, const char *path, RunError *error);

/* The study that a folder holds, as its study.json says. NULL after a message. Nothing else than
 * the folder is read: it may lie far from the files it was made from. */
Study *study_open(Session *session, const char *folder);

/* older.c: what a file of version 0 does not tell, from what it does and from what runs logged. */
void older_complete(Arena *arena, Study *study, const char *folder);

#endif
