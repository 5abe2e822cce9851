/* Files as the runtime writes them: plain write(2) from a buffer of the caller, the first failure
 * remembered, and whole files put in place by rename. Nothing here allocates memory. */
#ifndef RLC_RUNTIME_OUTPUT_H
#define RLC_RUNTIME_OUTPUT_H

#include "runtime/trainer.h"

#define OUTPUT_PATH 4096 /* bytes of the longest path, with its end */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "file formats are written as they lie");

/* A file being written. After a failure `reason` is set and every further call does nothing, so
 * that formatting code needs no checks: whoever flushes looks once. */
typedef struct FileOutput {
  int fd;           /* -1: nothing is written, bytes are only counted */
  int reason;       /* errno of the first failure, else 0 */
  uint32_t crc;     /* CRC32C of everything put since the caller last set it to 0 */
  uint64_t bytes;   /* length of the file including what waits in the buffer */
  uint64_t written; /* length of the file that holds whole flushes only */
  size_t used, capacity;
  char *buffer;
  char path[OUTPUT_PATH]; /* the final name */
} FileOutput;

/* A path made like printf; false with a message when it is too long. */
bool path_make(char path[OUTPUT_PATH], RunError *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* An output that counts: bytes and crc of what is put, no file. */
void output_count(FileOutput *out, char *buffer, size_t capacity);

/* Opens `path` for writing from `length` on: an existing file is cut there, length 0 creates it.
 * A file shorter than `length` is an error. */
bool output_open(FileOutput *out, const char *path, uint64_t length, char *buffer, size_t capacity,
                 RunError *error);

void output_put(FileOutput *out, const void *data, size_t bytes);
void output_text(FileOutput *out, const char *text);
void output_u64(FileOutput *out, uint64_t value);

/* A decimal number that reads back as `value`, short where it can be; infinities as inf and -inf.
 */
void output_double(FileOutput *out, double value);

/* Hands everything to the kernel. On failure the file is cut back to its last whole flush. */
bool output_flush(FileOutput *out, RunError *error);

/* output_flush, then the file is on the disk. */
bool output_sync(FileOutput *out, RunError *error);

/* Closes without flushing; harmless on a closed output. */
void output_drop(FileOutput *out);

/* A file that replaces `path` as a whole: output_begin opens "path.tmp", output_seal brings that
 * to the disk and closes it, output_publish renames it. When any of them fails the temporary
 * file is gone and `path` as it was. */
bool output_begin(FileOutput *out, const char *path, char *buffer, size_t capacity,
                  RunError *error);
bool output_seal(FileOutput *out, RunError *error);
bool output_publish(FileOutput *out, RunError *error);
void output_abandon(FileOutput *out); /* removes the temporary file */
/* The two together. */
bool output_finish(FileOutput *out, RunError *error);

/* Makes the directories above the last name of a path, where they are not there. */
bool directories_above(const char *path, RunError *error);
/* The same with the last name: afterwards `path` is a directory. */
bool directories_make(const char *path, RunError *error);

/* Makes renames and removals in a directory durable. */
bool directory_sync(const char *directory, RunError *error);

#endif
