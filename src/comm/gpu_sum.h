/* gpu_sum.h - sums of GPU memory, by NCCL, on the device's own stream.
 *
 * The library is loaded when it is first needed (libnccl.so.2), so that neither build nor CPU needs it; what is used of
 * it has not changed since its version 2.4. */
#ifndef FR_COMM_GPU_SUM_H
#define FR_COMM_GPU_SUM_H

#include "device/device.h"

const char *fr_nccl_load(void); /* NULL, or why it cannot be loaded */

/* Together, on all ranks that have loaded it, each with its GPU current. NULL, or what NCCL says. */
const char *fr_nccl_start(int rank, int ranks);

/* In place, F32 or F64, in the stream's order; returns at once. NULL, or what NCCL says. */
const char *fr_nccl_sum(void *data, int64_t count, fr_dtype dtype, void *stream);

const char *fr_nccl_broken(void); /* from any thread: NULL, or why what was begun will not end */
void fr_nccl_close(void);

#endif
