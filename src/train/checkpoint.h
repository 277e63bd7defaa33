/* checkpoint.h - the state of an unfinished training in one file: named blocks of fixed size, raw, in host byte order,
 * written atomically with a checksum.
 *
 *   "FRCKPT01"  key (32)  blocks (i64)  then per block: name (24, NUL padded), bytes (i64), data;  last: 32 hex digits
 * over all before */
#ifndef FR_TRAIN_CHECKPOINT_H
#define FR_TRAIN_CHECKPOINT_H

#include "nn/params.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct fr_block {
    const char *name; /* under 24 characters */
    void *data;
    size_t bytes;
} fr_block;

/* key: 32 hex digits that name what is trained. */
FR_NODISCARD fr_status fr_checkpoint_write(const char *path, const char *key, const fr_block *block, int64_t count);

/* Fills the blocks, or sets *found = false when there is no such file. Errors: another key; a damaged, truncated or
 * foreign file (the line says to delete it). Nothing is filled in on an error. */
FR_NODISCARD fr_status fr_checkpoint_read(const char *path, const char *key, const fr_block *block, int64_t count,
                                          bool *found);
void fr_checkpoint_remove(const char *path); /* NULL and a missing file are fine */

/* The trainable parameters' values or moments as one host block of the device's own type (bitwise, also on ref). */
typedef enum fr_part { FR_PART_VALUE, FR_PART_M, FR_PART_V } fr_part;
size_t fr_part_bytes(const fr_params *params); /* of one part */
void fr_part_get(const fr_params *params, fr_part part, void *host);
void fr_part_set(const fr_params *params, fr_part part, const void *host);

#endif
