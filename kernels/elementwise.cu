/* Copies, sums and scans over flat arrays. */
#include "columns.cuh"

struct gathered_rows {
    float *y;
    const float *x;
    const int64_t *rows;
    int64_t C;

    template <int N> __device__ void run(int64_t row, int lane) const
    {
        const float *from = x + rows[row] * C;
        fr_each_group<N>(lane, C, [&](int64_t j) {
            float v[N];
            fr_read<N>(v, from + j);
            fr_write<N>(y + row * C + j, v);
        });
    }
};

static void gather_rows(fr_queue *q, void *y, const void *x, const int64_t *rows, int64_t n, int64_t C)
{
    gathered_rows work = {static_cast<float *>(y), static_cast<const float *>(x), rows, C};
    fr_rows<4>(q, n, fr_aligned<float>(y, C) && fr_aligned<float>(x, C), work);
}
FR_WIDE(gather_rows)

/* y += factor (x - x0); x0 NULL: factor x */
struct added {
    float *y;
    const float *x, *x0;
    float factor;

    template <int N> __device__ void run(int64_t i) const
    {
        float to[N], from[N], less[N] = {};
        fr_read<N>(to, y + i);
        fr_read<N>(from, x + i);
        if (x0)
            fr_read<N>(less, x0 + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            to[k] += factor * (from[k] - less[k]);
        fr_write<N>(y + i, to);
    }
};

static void pull(fr_queue *q, void *g, const void *w, const void *w0, int64_t n, double c)
{
    added work = {static_cast<float *>(g), static_cast<const float *>(w), static_cast<const float *>(w0),
                  static_cast<float>(c)};
    fr_flat<4>(q, n, fr_aligned<float>(g, 0) && fr_aligned<float>(w, 0) && fr_aligned<float>(w0, 0), work);
}
FR_WIDE(pull)

static void axpy(fr_queue *q, void *y, const void *x, int64_t n, double alpha)
{
    pull(q, y, x, nullptr, n, alpha);
}
FR_WIDE(axpy)

struct squares {
    const float *x;

    template <int N> __device__ double run(int64_t i) const
    {
        float v[N];
        double sum = 0;
        fr_read<N>(v, x + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            sum += static_cast<double>(v[k]) * static_cast<double>(v[k]);
        return sum;
    }
};

static void sum_squares(fr_queue *q, double *out, const void *x, int64_t n)
{
    squares work = {static_cast<const float *>(x)};
    fr_flat_sum<4>(q, out, n, fr_aligned<float>(x, 0), 1.0, work);
}
FR_WIDE(sum_squares)

/* All bits set: -1 as a signed number, and the largest of all as an unsigned one. */
static __global__ void find_none_kernel(unsigned long long *index)
{
    *index = ~0ull;
}

/* A thread walks up, so its first is its smallest. */
template <int N, class T> static __device__ inline int64_t first_nonfinite(const T *x, int64_t n)
{
    for (int64_t i = fr_thread_index(); i < n; i += fr_thread_count()) {
        float v[N];
        fr_read<N>(v, x + i * N);
#pragma unroll
        for (int k = 0; k < N; k++)
            if (!isfinite(v[k]))
                return i * N + k;
    }
    return -1;
}

template <class T>
static __global__ void __launch_bounds__(FR_FLAT_THREADS)
    find_nonfinite_kernel(unsigned long long *index, const T *x, int64_t n, int64_t groups)
{
    enum { N = fr_vector<T>::N };
    int64_t at = first_nonfinite<N>(x, groups);
    if (at < 0) {
        at = first_nonfinite<1>(x + groups * N, n - groups * N);
        at = at < 0 ? at : at + groups * N;
    }
    if (at >= 0)
        atomicMin(index, static_cast<unsigned long long>(at));
}

template <class T> static void find_nonfinite(fr_queue *q, int64_t *index, const void *x, int64_t n)
{
    unsigned long long *found = reinterpret_cast<unsigned long long *>(index);
    int64_t groups = fr_aligned<T>(x, 0) ? n / fr_vector<T>::N : 0;
    fr_launch(q, find_none_kernel, 1, 1, 0, found);
    fr_launch(q, find_nonfinite_kernel<T>, fr_blocks(q, n, FR_FLAT_THREADS), FR_FLAT_THREADS, 0, found,
              static_cast<const T *>(x), n, groups);
}
FR_TRUNK(find_nonfinite)

template <class To, class From> struct converted {
    To *y;
    const From *x;

    template <int N> __device__ void run(int64_t i) const
    {
        float v[N];
        fr_read<N>(v, x + i);
        fr_write<N>(y + i, v);
    }
};

template <class T> static void from_f32(fr_queue *q, void *y, const float *x, int64_t n)
{
    converted<T, float> work = {static_cast<T *>(y), x};
    fr_flat<fr_vector<T>::N>(q, n, fr_aligned<T>(y, 0) && fr_aligned<float>(x, 0), work);
}
FR_TRUNK(from_f32)

template <class T> static void to_f32(fr_queue *q, float *y, const void *x, int64_t n)
{
    converted<float, T> work = {y, static_cast<const T *>(x)};
    fr_flat<fr_vector<T>::N>(q, n, fr_aligned<float>(y, 0) && fr_aligned<T>(x, 0), work);
}
FR_TRUNK(to_f32)

template <class T> static void column_sum(fr_queue *q, void *dbias, const void *dy, int64_t m, int64_t n)
{
    fr_column_sum(q, static_cast<float *>(dbias), static_cast<const T *>(dy), m, n);
}
FR_TRUNK(column_sum)
