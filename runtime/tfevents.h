/* TensorBoard event files: records of (length, checksum, message, checksum), each message an Event
 * in protocol buffer encoding. Scalars only. */
#ifndef RLC_RUNTIME_TFEVENTS_H
#define RLC_RUNTIME_TFEVENTS_H

#include "runtime/output.h"

#define TFEVENTS_TAG 256 /* bytes of the longest tag, with its end */

/* The record that must open a file. `seconds`: since 1970. */
void tfevents_version(FileOutput *out, double seconds);

/* A value under a tag, as float32. Tags of TFEVENTS_TAG bytes and more are cut. */
void tfevents_scalar(FileOutput *out, double seconds, uint64_t step, const char *tag, double value);

#endif
