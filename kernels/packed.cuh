/* packed.cuh - packed sequences on the device. */
#ifndef FR_PACKED_CUH
#define FR_PACKED_CUH

#include "cuda.cuh"

/* The sequence of token n: cu[b] <= n < cu[b+1]. cu (B+1) ascends from 0; sequences may be empty. */
static __device__ inline int64_t fr_sequence_of(const int32_t *cu, int64_t B, int64_t n)
{
    int64_t low = 0, high = B; /* cu[low] <= n < cu[high] */
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (cu[middle] <= n)
            low = middle;
        else
            high = middle;
    }
    return low;
}

#endif
