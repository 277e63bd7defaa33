/* columns.cuh - sums down the columns of a tall matrix, one or two stages in a fixed order: out[j] += sum_i F(i, j).
 *
 * A block takes a tile of columns, `width` groups of V, and a chunk of rows; 256 / width rows are walked at a time.
 * What the chunks give lies in scratch memory as a matrix of few rows, whose columns are summed the same way.
 *
 * The work is a struct F with a member
 *     template <int V> struct column {
 *         __device__ column(const F &f, int64_t j);                  columns j .. j+V-1
 *         __device__ void add(float (&sum)[V], int64_t i) const;     adds row i, and may do more with it
 *     }; */
#ifndef FR_COLUMNS_CUH
#define FR_COLUMNS_CUH

#include "flat.cuh"

enum { FR_COLUMN_THREADS = 256, FR_COLUMN_CHUNKS = 128 };

/* Threads of equal threadIdx.x % width add up their sums; those with threadIdx.x < width get the result. All threads of
 * the block call it. */
template <int V> static __device__ inline void fr_add_row_lanes(float (&sum)[V], int width)
{
    __shared__ float part[V][FR_COLUMN_THREADS];
    int t = static_cast<int>(threadIdx.x);
    __syncthreads(); /* the last use of part is over */
#pragma unroll
    for (int k = 0; k < V; k++)
        part[k][t] = sum[k];
    for (int half = FR_COLUMN_THREADS / 2; half >= width; half /= 2) {
        __syncthreads();
        if (t < half)
#pragma unroll
            for (int k = 0; k < V; k++)
                part[k][t] += part[k][t + half];
    }
#pragma unroll
    for (int k = 0; k < V; k++)
        sum[k] = part[k][t];
}

/* The smallest power of two that covers n columns by groups of V, at most a warp. */
static inline int fr_column_width(int64_t n, int V)
{
    int width = FR_WARP;
    while (width > 1 && width / 2 * V >= n)
        width /= 2;
    return width;
}

/* add: out (n) has the sum of all rows added; else out (gridDim.y, n) is set to the sums of chunks of `each` rows. out
 * NULL: the sums are not wanted. */
template <int V, class F>
static __global__ void __launch_bounds__(FR_COLUMN_THREADS, FR_BLOCKS_AT_ONCE)
    fr_columns_kernel(float *out, F f, int64_t m, int64_t n, int64_t each, int width, bool add)
{
    int t = static_cast<int>(threadIdx.x), lane = t & (width - 1);
    int64_t j = (static_cast<int64_t>(blockIdx.x) * width + lane) * V;
    int64_t begin = blockIdx.y * each, end = begin + each < m ? begin + each : m;
    float sum[V] = {};
    if (j < n) {
        typename F::template column<V> column(f, j);
#pragma unroll 4
        for (int64_t i = begin + t / width; i < end; i += FR_COLUMN_THREADS / width)
            column.add(sum, i);
    }
    if (!out)
        return;
    fr_add_row_lanes<V>(sum, width);
    if (t >= width || j >= n)
        return;
    float *to = out + blockIdx.y * n + j, old[V] = {};
    if (add)
        fr_read<V>(old, to);
#pragma unroll
    for (int k = 0; k < V; k++)
        sum[k] += old[k];
    fr_write<V>(to, sum);
}

/* The matrix itself: x (., n) */
template <class T> struct fr_plain {
    const T *x;
    int64_t n;

    template <int V> struct column {
        const T *x;
        int64_t n;
        __device__ column(const fr_plain &f, int64_t j) : x(f.x + j), n(f.n)
        {
        }
        __device__ void add(float (&sum)[V], int64_t i) const
        {
            float term[V];
            fr_read<V>(term, x + i * n);
#pragma unroll
            for (int k = 0; k < V; k++)
                sum[k] += term[k];
        }
    };
};

template <int V, class F> static void fr_columns_of(fr_queue *q, float *out, int64_t m, int64_t n, F f)
{
    int width = fr_column_width(n, V);
    int64_t tiles = fr_ceil_div(n, width * V), chunks = fr_ceil_div(m, 4 * (FR_COLUMN_THREADS / width));
    int64_t most = tiles > 0 && tiles < 1024 ? 1024 / tiles : 1; /* blocks beyond that only make more partial sums */
    most = most < FR_COLUMN_CHUNKS ? most : static_cast<int64_t>(FR_COLUMN_CHUNKS);
    chunks = chunks < most ? chunks : most;
    if (chunks == 0 || n == 0)
        return;
    int64_t each = fr_ceil_div(m, chunks);
    chunks = fr_ceil_div(m, each);
    bool direct = !out || chunks == 1;
    float *part = direct ? out : fr_scratch<float>(q, chunks * n);
    dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(chunks));
    fr_launch(q, (fr_columns_kernel<V, F>), grid, FR_COLUMN_THREADS, 0, part, f, m, n, each, width, direct);
    if (direct)
        return;
    fr_plain<float> parts = {part, n};
    width = fr_column_width(n, 1); /* single columns: more blocks for a short walk */
    fr_launch(q, (fr_columns_kernel<1, fr_plain<float>>), static_cast<unsigned>(fr_ceil_div(n, width)),
              FR_COLUMN_THREADS, 0, out, parts, chunks, n, chunks, width, true);
}

/* V columns at a time where `aligned`: n is a multiple of V, and so are all rows 16-byte aligned, out too. */
template <int V, class F> static void fr_columns(fr_queue *q, float *out, int64_t m, int64_t n, bool aligned, F f)
{
    if (aligned)
        fr_columns_of<V>(q, out, m, n, f);
    else
        fr_columns_of<1>(q, out, m, n, f);
}

/* out[j] += sum_i x[i,j] */
template <class T> static void fr_column_sum(fr_queue *q, float *out, const T *x, int64_t m, int64_t n)
{
    fr_plain<T> plain = {x, n};
    fr_columns<fr_vector<T>::N>(q, out, m, n, fr_aligned<T>(x, n) && fr_aligned<float>(out, n), plain);
}

#endif
