/* table.h - the kernels of the .cu files that run here, with the memory and the queue they take. */
#ifndef FR_SIMT_TABLE_H
#define FR_SIMT_TABLE_H

#include "kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The f32 rows, or the bf16 rows of FR_TRUNK_KERNELS with the f32 rows of FR_WIDE_KERNELS. NULL where no .cu has the
 * row (fr_simt_missing names them). */
const fr_kernels *fr_simt_kernels(bool bf16);
/* The i-th row, in the order of kernels.h, that no .cu has in both types where it needs them; NULL after the last. */
const char *fr_simt_missing(int i);

/* Memory of exactly this size, zeroed, in which accesses out of bounds and races are found. */
void *fr_simt_allocate(size_t bytes);
void fr_simt_release(void *memory);

/* Its scratch memory is taken anew at every call that asks, in exactly the size asked for. */
fr_queue *fr_simt_queue(void);

/* The last block, warp and lane first: a right kernel gives the same bits. */
void fr_simt_backwards(bool backwards);

#ifdef __cplusplus
}
#endif
#endif
