/* One vector for each packed sequence: the mean of its tokens, or its first token. An empty sequence gives zeros. */
#include "columns.cuh"
#include "packed.cuh"

/* A block for a sequence and a tile of columns; the order of its sum does not depend on other sequences. */
template <int V, class Y, class T>
static __global__ void __launch_bounds__(FR_COLUMN_THREADS, FR_BLOCKS_AT_ONCE)
    pool_forward_kernel(Y *y, const T *x, const int32_t *cu, int64_t C, int width, bool cls)
{
    int t = static_cast<int>(threadIdx.x), lane = t & (width - 1);
    int64_t b = blockIdx.x, j = (static_cast<int64_t>(blockIdx.y) * width + lane) * V;
    int64_t begin = cu[b], end = cls && cu[b + 1] > begin ? begin + 1 : cu[b + 1];
    float sum[V] = {};
    if (j < C) {
        typename fr_plain<T>::template column<V> column(fr_plain<T>{x, C}, j);
#pragma unroll 4
        for (int64_t n = begin + t / width; n < end; n += FR_COLUMN_THREADS / width)
            column.add(sum, n);
    }
    fr_add_row_lanes<V>(sum, width);
    if (t >= width || j >= C)
        return;
    float factor = end > begin ? 1 / static_cast<float>(end - begin) : 0.0f;
#pragma unroll
    for (int k = 0; k < V; k++)
        sum[k] *= factor;
    fr_write<V>(y + b * C + j, sum);
}

template <int V, class Y, class T>
static void pool_sequences(fr_queue *q, Y *y, const T *x, const int32_t *cu, int64_t B, int64_t C, bool cls)
{
    int width = fr_column_width(C, V);
    dim3 grid(static_cast<unsigned>(B), static_cast<unsigned>(fr_ceil_div(C, width * V)));
    fr_launch(q, (pool_forward_kernel<V, Y, T>), grid, FR_COLUMN_THREADS, 0, y, x, cu, C, width, cls);
}

template <class Y, class T>
static void pool_to(fr_queue *q, void *y, const T *x, const int32_t *cu, int64_t B, int64_t C, bool cls)
{
    if (fr_aligned<T>(x, C) && fr_aligned<Y>(y, C))
        pool_sequences<fr_vector<T>::N>(q, static_cast<Y *>(y), x, cu, B, C, cls);
    else
        pool_sequences<1>(q, static_cast<Y *>(y), x, cu, B, C, cls);
}

template <class T>
static void pool_forward(fr_queue *q, void *y, const void *x, const int32_t *cu, int64_t B, int64_t, int64_t C,
                         bool cls, bool wide)
{
    if (wide)
        pool_to<float>(q, y, static_cast<const T *>(x), cu, B, C, cls);
    else
        pool_to<T>(q, y, static_cast<const T *>(x), cu, B, C, cls);
}
FR_TRUNK(pool_forward)

template <class Y, class T> struct pool_backward_rows {
    T *dx;
    const Y *dy;
    const int32_t *cu;
    int64_t B, C;
    bool cls;

    template <int V> __device__ void run(int64_t n, int lane) const
    {
        int64_t b = fr_sequence_of(cu, B, n);
        float factor = cls ? (n == cu[b] ? 1.0f : 0.0f) : 1 / static_cast<float>(cu[b + 1] - cu[b]);
        fr_each_group<V>(lane, C, [&](int64_t j) {
            float d[V];
            fr_read<V>(d, dy + b * C + j);
#pragma unroll
            for (int k = 0; k < V; k++)
                d[k] *= factor;
            fr_write<V>(dx + n * C + j, d);
        });
    }
};

template <class Y, class T>
static void pool_back(fr_queue *q, T *dx, const void *dy, const int32_t *cu, int64_t B, int64_t N, int64_t C, bool cls)
{
    pool_backward_rows<Y, T> work = {dx, static_cast<const Y *>(dy), cu, B, C, cls};
    fr_rows<fr_vector<T>::N>(q, N, fr_aligned<T>(dx, C) && fr_aligned<Y>(dy, C), work);
}

template <class T>
static void pool_backward(fr_queue *q, void *dx, const void *dy, const int32_t *cu, int64_t B, int64_t N, int64_t C,
                          bool cls, bool wide)
{
    if (wide)
        pool_back<float>(q, static_cast<T *>(dx), dy, cu, B, N, C, cls);
    else
        pool_back<T>(q, static_cast<T *>(dx), dy, cu, B, N, C, cls);
}
FR_TRUNK(pool_backward)
