/* topk.cuh - a running top-k in global memory, held by one warp: sorted by value descending, equal values by smaller
 * index, unfilled entries (-infinity, -1) last. Shared by topk.cu and knn.cu. */
#ifndef FR_TOPK_CUH
#define FR_TOPK_CUH

#include "cuda.cuh"

/* Higher score; equal: smaller index; an unfilled entry loses to everything. */
static __device__ inline bool topk_better(float score, int32_t candidate, float value, int32_t index)
{
    return index < 0 || score > value || (score == value && candidate < index);
}

static __device__ inline void topk_clear(float *value, int32_t *index, int64_t k)
{
    for (int64_t i = threadIdx.x % FR_WARP; i < k; i += FR_WARP) {
        value[i] = -INFINITY;
        index[i] = -1;
    }
    __syncwarp();
}

/* Moves what is worse than the candidate one place down, the last 32 entries first, and puts it into the gap. The
 * candidate beats entry k - 1. */
static __device__ inline void topk_insert(float *value, int32_t *index, int64_t k, float score, int32_t candidate)
{
    int lane = threadIdx.x % FR_WARP;
    int64_t place = 0;
    for (int64_t first = (k - 1) / FR_WARP * FR_WARP; first >= 0; first -= FR_WARP) {
        int64_t at = first + lane;
        bool there = at < k;
        float v = there ? value[at] : -INFINITY;
        int32_t i = there ? index[at] : -1;
        bool worse = !there || topk_better(score, candidate, v, i);
        unsigned all = __ballot_sync(FR_ALL_LANES, worse);
        __syncwarp();
        if (worse && at < k - 1) {
            value[at + 1] = v;
            index[at + 1] = i;
        }
        __syncwarp();
        place = first + (all ? __ffs(static_cast<int>(all)) - 1 : FR_WARP);
        if (all != FR_ALL_LANES)
            break;
    }
    if (lane == 0) {
        value[place] = score;
        index[place] = candidate;
    }
    __syncwarp();
}

/* Each lane offers one candidate where `there`. NaN is never taken. */
static __device__ inline void topk_offer(float *value, int32_t *index, int64_t k, float score, int32_t candidate,
                                         bool there)
{
    bool passes = there && score == score && topk_better(score, candidate, value[k - 1], index[k - 1]);
    unsigned left = __ballot_sync(FR_ALL_LANES, passes);
    for (; left; left &= left - 1) {
        int from = __ffs(static_cast<int>(left)) - 1;
        float s = __shfl_sync(FR_ALL_LANES, score, from);
        int32_t c = __shfl_sync(FR_ALL_LANES, candidate, from);
        if (topk_better(s, c, value[k - 1], index[k - 1]))
            topk_insert(value, index, k, s, c);
    }
}

#endif
