/* Files that can be made again, kept under a name that is the hash of what they are made from.
 *
 * They lie in $RLC_CACHE, else $XDG_CACHE_HOME/rlc, else ~/.cache/rlc; RLC_CACHE=off keeps none. A
 * cache that cannot be read or written is no error: the file is made again. */
#ifndef RLC_CODEGEN_CACHE_H
#define RLC_CODEGEN_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* The kept file's bytes, to be freed, or NULL. */
char *cache_read(const char *name, size_t *size);
/* Keeps a file, whole or not at all. */
void cache_write(const char *name, const char *data, size_t size);
/* Lets the files go that were used longest ago when there are more than CACHE_FILES: a quarter. */
void cache_trim(void);

enum { CACHE_FILES = 8192 };

#endif
