/* Other programs that a report is drawn by. */
#ifndef RLC_COMPILER_STUDY_REPORT_PROGRAM_H
#define RLC_COMPILER_STUDY_REPORT_PROGRAM_H

/* Runs a program, found as a shell finds it, in a folder (NULL: this one), with nothing to read;
 * what it says on either output replaces the file `said`. Its status as waitpid has it, or -errno
 * where it could not be run. */
int program_run(char *const arguments[], const char *folder, const char *said);

#endif
