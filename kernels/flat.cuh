/* flat.cuh - loops that most rows of the kernel table are: over the elements of flat arrays, or over rows with one warp
 * each, both with 16-byte accesses where the pointers allow them, and both with a sum over everything.
 *
 * The work is a struct F, passed by value, with one of
 *     template <int N> __device__ void run(int64_t i) const;              elements i .. i+N-1
 *     template <int N> __device__ void run(int64_t row, int lane) const;  columns N lane .. N lane + N-1, and 32 N on
 * N is the group size asked for, or 1: the rest of an array, or pointers that are not aligned. For the sums run returns
 * a double, the thread's share. Sums are added in an order that depends on sizes and alignment alone. */
#ifndef FR_FLAT_CUH
#define FR_FLAT_CUH

#include "cuda.cuh"

enum {
    FR_FLAT_THREADS = 256,
    FR_FLAT_WARPS = FR_FLAT_THREADS / FR_WARP,
    FR_BLOCKS_AT_ONCE = 4, /* on a multiprocessor: leaves 64 registers, which ptxas then uses for loads in flight */
    FR_SUM_BLOCKS = 1024   /* most partial sums; enough blocks to fill the device */
};

/* N elements, accessed 16 bytes at a time, or all at once when they are fewer. */
template <class T, int N> struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) fr_group {
    T x[N];
};

template <int N, class T> static __device__ inline void fr_read(float (&to)[N], const T *from)
{
    fr_group<T, N> group = *reinterpret_cast<const fr_group<T, N> *>(from);
#pragma unroll
    for (int k = 0; k < N; k++)
        to[k] = fr_float(group.x[k]);
}

template <int N, class T> static __device__ inline void fr_write(T *to, const float (&from)[N])
{
    fr_group<T, N> group;
#pragma unroll
    for (int k = 0; k < N; k++)
        group.x[k] = fr_round<T>(from[k]);
    *reinterpret_cast<fr_group<T, N> *>(to) = group;
}

/* ---- elements --------------------------------------------------------------------------------------------------- */

template <int N, class F>
static __global__ void __launch_bounds__(FR_FLAT_THREADS, FR_BLOCKS_AT_ONCE)
    fr_flat_kernel(F f, int64_t n, int64_t groups)
{
    for (int64_t i = fr_thread_index(); i < groups; i += fr_thread_count())
        f.template run<N>(i * N);
    for (int64_t i = groups * N + fr_thread_index(); i < n; i += fr_thread_count())
        f.template run<1>(i);
}

template <int N, class F> static void fr_flat(fr_queue *q, int64_t n, bool aligned, F f)
{
    int64_t groups = aligned ? n / N : 0;
    fr_launch(q, (fr_flat_kernel<N, F>), fr_blocks(q, aligned ? fr_ceil_div(n, N) : n, FR_FLAT_THREADS),
              FR_FLAT_THREADS, 0, f, n, groups);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* f(j) for the lane's groups of a row of C elements. Not unrolled: nvcc 13.0 takes the stores of an unrolled body apart
 * into single elements. */
template <int N, class G> static __device__ inline void fr_each_group(int lane, int64_t C, G f)
{
#pragma unroll 1
    for (int64_t j = lane * N; j < C; j += FR_WARP * N)
        f(j);
}

template <int N, class F>
static __global__ void __launch_bounds__(FR_FLAT_THREADS, FR_BLOCKS_AT_ONCE) fr_rows_kernel(F f, int64_t rows)
{
    for (int64_t row = fr_thread_index() / FR_WARP; row < rows; row += fr_thread_count() / FR_WARP)
        f.template run<N>(row, static_cast<int>(threadIdx.x % FR_WARP));
}

template <int N, class F> static void fr_rows(fr_queue *q, int64_t rows, bool aligned, F f)
{
    unsigned blocks = fr_blocks(q, rows * FR_WARP, FR_FLAT_THREADS);
    if (aligned)
        fr_launch(q, (fr_rows_kernel<N, F>), blocks, FR_FLAT_THREADS, 0, f, rows);
    else
        fr_launch(q, (fr_rows_kernel<1, F>), blocks, FR_FLAT_THREADS, 0, f, rows);
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

template <class Out>
static __global__ void __launch_bounds__(FR_FLAT_THREADS, FR_BLOCKS_AT_ONCE)
    fr_sum_parts_kernel(Out *out, const double *part, int64_t count, double scale)
{
    double sum = 0;
    for (int64_t i = threadIdx.x; i < count; i += FR_FLAT_THREADS)
        sum += part[i];
    sum = fr_block_sum<FR_FLAT_THREADS>(sum);
    if (threadIdx.x == 0)
        *out += static_cast<Out>(scale * sum);
}

template <int N, class F>
static __global__ void __launch_bounds__(FR_FLAT_THREADS, FR_BLOCKS_AT_ONCE)
    fr_flat_sum_kernel(double *part, F f, int64_t n, int64_t groups)
{
    double sum = 0;
    for (int64_t i = fr_thread_index(); i < groups; i += fr_thread_count())
        sum += f.template run<N>(i * N);
    for (int64_t i = groups * N + fr_thread_index(); i < n; i += fr_thread_count())
        sum += f.template run<1>(i);
    sum = fr_block_sum<FR_FLAT_THREADS>(sum);
    if (threadIdx.x == 0)
        part[blockIdx.x] = sum;
}

template <int N, class F>
static __global__ void __launch_bounds__(FR_FLAT_THREADS, FR_BLOCKS_AT_ONCE)
    fr_rows_sum_kernel(double *part, F f, int64_t rows)
{
    double sum = 0;
    for (int64_t row = fr_thread_index() / FR_WARP; row < rows; row += fr_thread_count() / FR_WARP)
        sum += f.template run<N>(row, static_cast<int>(threadIdx.x % FR_WARP));
    sum = fr_block_sum<FR_FLAT_THREADS>(sum);
    if (threadIdx.x == 0)
        part[blockIdx.x] = sum;
}

/* out += scale * sum */
template <class Out> static void fr_sum_parts(fr_queue *q, Out *out, const double *part, unsigned count, double scale)
{
    fr_launch(q, fr_sum_parts_kernel<Out>, 1, FR_FLAT_THREADS, 0, out, part, count, scale);
}

static inline unsigned fr_sum_blocks(int64_t threads)
{
    int64_t blocks = fr_ceil_div(threads, FR_FLAT_THREADS), most = FR_SUM_BLOCKS;
    return static_cast<unsigned>(blocks < most ? blocks : most);
}

template <int N, class F, class Out>
static void fr_flat_sum(fr_queue *q, Out *out, int64_t n, bool aligned, double scale, F f)
{
    unsigned blocks = fr_sum_blocks(fr_ceil_div(n, N));
    double *part = fr_scratch<double>(q, FR_SUM_BLOCKS);
    int64_t groups = aligned ? n / N : 0;
    fr_launch(q, (fr_flat_sum_kernel<N, F>), blocks, FR_FLAT_THREADS, 0, part, f, n, groups);
    fr_sum_parts(q, out, part, blocks, scale);
}

template <int N, class F, class Out>
static void fr_rows_sum(fr_queue *q, Out *out, int64_t rows, bool aligned, double scale, F f)
{
    unsigned blocks = fr_sum_blocks(rows * FR_WARP);
    double *part = fr_scratch<double>(q, FR_SUM_BLOCKS);
    if (aligned)
        fr_launch(q, (fr_rows_sum_kernel<N, F>), blocks, FR_FLAT_THREADS, 0, part, f, rows);
    else
        fr_launch(q, (fr_rows_sum_kernel<1, F>), blocks, FR_FLAT_THREADS, 0, part, f, rows);
    fr_sum_parts(q, out, part, blocks, scale);
}

#endif
