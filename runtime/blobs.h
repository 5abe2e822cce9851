/* The file of a checkpoint's bytes that are not tensors (replay, environments, accumulators):
 *   "rlcblobs", u32 version, u32 count, count rows of BlobRow, then the blobs one after the other.
 */
#ifndef RLC_RUNTIME_BLOBS_H
#define RLC_RUNTIME_BLOBS_H

#include "runtime/output.h"

#define BLOBS_NAME 48  /* bytes of the longest blob name, with its end */
#define BLOBS_MOST 256 /* blobs in a file */

typedef struct BlobHead {
  char magic[8];
  uint32_t version, count;
} BlobHead;

typedef struct BlobRow {
  char name[BLOBS_NAME]; /* zeros behind the end */
  uint64_t bytes;
  uint32_t crc; /* CRC32C of the blob */
  uint32_t zero;
} BlobRow;

/* Writes head and rows, which takes a pass over all blobs for their checksums; then the blobs,
 * straight from the caller's memory. */
bool blobs_put_header(FileOutput *out, const Blob *blobs, size_t count, RunError *error);
void blobs_put_data(FileOutput *out, const Blob *blobs, size_t count);

/* An open blob file whose rows have been read. */
typedef struct BlobFile {
  int fd; /* the caller's */
  uint32_t count;
  BlobRow rows[BLOBS_MOST];
} BlobFile;

/* Reads head and rows of a file of `bytes` bytes and compares them with their checksum. */
bool blobs_read_header(BlobFile *file, int fd, uint64_t bytes, uint32_t crc, RunError *error);
/* Whether the file holds what is wanted, with the right sizes; with `all` also nothing else. */
bool blobs_match(const BlobFile *file, const Blob *blobs, size_t count, bool all, RunError *error);
/* Reads every blob through a small buffer and compares checksums; nothing is kept. */
bool blobs_verify(const BlobFile *file, RunError *error);
/* Reads the wanted blobs into the caller's memory. False only when the file changed meanwhile. */
bool blobs_load(const BlobFile *file, const Blob *blobs, size_t count, RunError *error);

/* Reads `bytes` bytes at `offset`; false with a reason at the file's end or on a failure. */
bool read_exactly(int fd, uint64_t offset, void *data, uint64_t bytes, RunError *error);

#endif
