/* Rows to unit length, a warp for each. */
#include "flat.cuh"

static const float SHORTEST = 1e-12f;

struct l2norm_forward_rows {
    float *y, *norm;
    const float *x;
    int64_t C;

    template <int N> __device__ void run(int64_t row, int lane) const
    {
        float sum = 0, v[N];
        fr_each_group<N>(lane, C, [&](int64_t j) {
            fr_read<N>(v, x + row * C + j);
#pragma unroll
            for (int k = 0; k < N; k++)
                sum += v[k] * v[k];
        });
        float length = sqrtf(fr_warp_sum(sum)), factor = 1 / (length < SHORTEST ? SHORTEST : length);
        if (lane == 0)
            norm[row] = length;
        fr_each_group<N>(lane, C, [&](int64_t j) {
            fr_read<N>(v, x + row * C + j);
#pragma unroll
            for (int k = 0; k < N; k++)
                v[k] *= factor;
            fr_write<N>(y + row * C + j, v);
        });
    }
};

static void l2norm_forward(fr_queue *q, void *y, void *norm, const void *x, int64_t B, int64_t C)
{
    l2norm_forward_rows work = {static_cast<float *>(y), static_cast<float *>(norm), static_cast<const float *>(x), C};
    fr_rows<4>(q, B, fr_aligned<float>(y, C) && fr_aligned<float>(x, C), work);
}
FR_WIDE(l2norm_forward)

/* dx = (dy - y (y . dy)) / |x|;  where |x| was replaced by the floor, y is linear in x: dx = dy / floor */
struct l2norm_backward_rows {
    float *dx;
    const float *dy, *y, *norm;
    int64_t C;

    template <int N> __device__ void run(int64_t row, int lane) const
    {
        float sum = 0, d[N], v[N];
        fr_each_group<N>(lane, C, [&](int64_t j) {
            fr_read<N>(d, dy + row * C + j);
            fr_read<N>(v, y + row * C + j);
#pragma unroll
            for (int k = 0; k < N; k++)
                sum += d[k] * v[k];
        });
        bool floored = norm[row] < SHORTEST;
        float along = fr_warp_sum(sum), factor = 1 / (floored ? SHORTEST : norm[row]);
        along = floored ? 0 : along;
        fr_each_group<N>(lane, C, [&](int64_t j) {
            fr_read<N>(d, dy + row * C + j);
            fr_read<N>(v, y + row * C + j);
#pragma unroll
            for (int k = 0; k < N; k++)
                d[k] = (d[k] - v[k] * along) * factor;
            fr_write<N>(dx + row * C + j, d);
        });
    }
};

static void l2norm_backward(fr_queue *q, void *dx, const void *dy, const void *y, const void *norm, int64_t B,
                            int64_t C)
{
    l2norm_backward_rows work = {static_cast<float *>(dx), static_cast<const float *>(dy),
                                 static_cast<const float *>(y), static_cast<const float *>(norm), C};
    fr_rows<4>(q, B, fr_aligned<float>(dx, C) && fr_aligned<float>(dy, C) && fr_aligned<float>(y, C), work);
}
FR_WIDE(l2norm_backward)
