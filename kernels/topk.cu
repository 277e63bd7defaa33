/* Running top-k per row, a warp each. */
#include "topk.cuh"

static const int THREADS = 128;

static __global__ void __launch_bounds__(THREADS, 8)
    topk_merge_kernel(float *value, int32_t *index, const float *scores, int64_t rows, int64_t n, int64_t stride,
                      int64_t first, int64_t k, const int32_t *skip)
{
    int lane = threadIdx.x % FR_WARP;
    for (int64_t row = fr_thread_index() / FR_WARP; row < rows; row += fr_thread_count() / FR_WARP) {
        int64_t skipped = skip ? skip[row] : -1;
        for (int64_t j = lane; j - lane < n; j += FR_WARP) {
            bool there = j < n && first + j != skipped;
            topk_offer(value + row * k, index + row * k, k, there ? scores[row * stride + j] : 0,
                       static_cast<int32_t>(first + j), there);
        }
    }
}

static void topk_merge(fr_queue *q, float *value, int32_t *index, const float *scores, int64_t rows, int64_t n,
                       int64_t stride, int64_t first, int64_t k, const int32_t *skip)
{
    fr_launch(q, topk_merge_kernel, fr_blocks(q, rows * FR_WARP, THREADS), THREADS, 0, value, index, scores, rows, n,
              stride, first, k, skip);
}
FR_WIDE(topk_merge)
