/* The folder of a study, which is the only state: what lies in it, how it is read and written, and
 * what it says of runs. The rooms plan, run and report stand on this one.
 *
 *   DIR/study.yaml, study.json        the study's file, and what it came to
 *   DIR/study.lock                    held while a command compares, writes and compiles
 *   DIR/trainers/HASH-BUILD           one executable for each distinct program and build of rlc
 *   DIR/runs/POINT/ENV/seed-N/        the trainer's own run directory
 *   DIR/runs/POINT/ENV/seed-N.json    what it was begun with, and how it failed
 *   DIR/runs/POINT/ENV/seed-N.log     what the trainer said
 *   DIR/runs/POINT/ENV/seed-N.lock    held by whoever makes the run, and by its trainer
 *
 * Any number of commands, on any number of machines, may work on one folder: who holds a run's lock
 * makes it. A lock goes with its holder, so nothing that was killed has to be cleaned up. */
#ifndef RLC_COMPILER_STUDY_FOLDER_FOLDER_H
#define RLC_COMPILER_STUDY_FOLDER_FOLDER_H

#include "compiler/study/study.h"

/* A study and its folder: what every part of this room and of run/ works on. */
typedef struct Runner {
  Session *session;
  Study *study;
  Arena *arena;
  const char *folder; /* of the study */
} Runner;

/* ---- folder.c ---- */

/* The folder of a study: --output, else studies/NAME. */
const char *folder_path(Session *session, const Study *study);
/* Makes a directory and those above it. False after a message. */
bool folder_make(const char *path);
/* Writes study.yaml and study.json, each as a whole or not at all. False after a message. */
bool folder_write(const Runner *runner);
/* Removes a directory with all that is in it, or a file; of a link the link alone, wherever it
 * leads. Others may remove it too meanwhile. False after a message. */
bool folder_remove(const char *path);
/* The path of a trainer by its file's name. */
const char *trainer_path(const Runner *runner, const char *name);

/* ---- record.c: what a run was begun with, and how it failed ---- */

typedef struct StudyRecord {
  bool found;
  const char *hash;     /* of its job */
  const char *options;  /* that decide its results, as on a command line */
  const char *trainer;  /* its file's name: what was begun by one build of rlc stays with it */
  const char *compiler; /* that made the trainer, with its version; NULL: not known */
  const char *failure;  /* what it said last; NULL: it has not failed */
  int status;           /* that it failed with; a signal counts 128 more */
} StudyRecord;

/* The options that every run of the study is made with, as a record has them. */
const char *record_options(const Runner *runner);
/* Reads the record of a run; one that cannot be read is an error, none is not. */
bool record_read(const Runner *runner, const StudyRun *run, StudyRecord *record);
bool record_write(const Runner *runner, const StudyRun *run, const StudyRecord *record);

/* ---- state.c ---- */

/* Sets state and failure of every run to what the folder says. False after a message: something
 * cannot be read. */
bool study_states(const Runner *runner);
/* The same of one run. `claimed`: the caller holds its lock. */
bool study_state(const Runner *runner, StudyRun *run, bool claimed);
/* Whether all that is there was made with the programs and options of this study; says of each
 * point for which it was not what to do. */
bool study_matches(const Runner *runner);
/* A number of a run's result.json; NAN when it is not there. */
double run_result(const Runner *runner, const StudyRun *run, const char *key);

/* ---- identity.c ---- */

/* How the directory of a run is another run than its record says, by its provenance.json: it was
 * moved there or edited by hand. NULL: it is not, or there is none. */
const char *run_foreign(const Runner *runner, const StudyRun *run, const StudyRecord *record);
/* False after a message: the folder is another study's, by its name. */
bool study_is_here(const Runner *runner);
/* Whether the study asks for the runs that study.json has, of the same programs with the same
 * options: workers may begin long after their study was prepared. False after a message. */
bool study_prepared(const Runner *runner);
/* Finds the runs in the folder that the study does not ask for, in order. */
void study_dropped(const Runner *runner);
/* Says them, on standard output. */
void study_dropped_say(const Runner *runner);

/* ---- claim.c ---- */

enum { CLAIM_TAKEN = -1, CLAIM_FAULT = -2 };
/* Takes the lock at `path` and returns its descriptor, closed on exec; CLAIM_TAKEN when someone
 * else has it and `wait` is false; CLAIM_FAULT after a message. */
int claim_take(const char *path, bool wait);
/* The path of a run's lock. */
const char *claim_path(const Runner *runner, const StudyRun *run);

#endif
