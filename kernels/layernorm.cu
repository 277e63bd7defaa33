/* Layer normalisation (Ba et al. 2016) with the residual addition in front of it: a warp per row. */
#include "cuda.cuh"

enum { WARPS = 8, THREADS = WARPS * FR_WARP };

/* Each lane's share of a row of C elements, as vectors of V elements (1 or fr_vector<T>::N): f(first element). */
template <int V, class F> static __device__ inline void for_row(int64_t C, F f)
{
    for (int64_t j = threadIdx.x % FR_WARP * V; j < C; j += FR_WARP * V)
        f(j);
}

template <int V, class T> static __device__ inline void load(float x[V], const T *from)
{
    if constexpr (V == 1) {
        x[0] = fr_float(*from);
    } else {
        fr_vector<T> vector = *reinterpret_cast<const fr_vector<T> *>(from);
#pragma unroll
        for (int i = 0; i < V; i++)
            x[i] = fr_float(vector.x[i]);
    }
}

template <int V, class T> static __device__ inline void store(T *to, const float x[V])
{
    if constexpr (V == 1) {
        *to = fr_round<T>(x[0]);
    } else {
        fr_vector<T> vector;
#pragma unroll
        for (int i = 0; i < V; i++)
            vector.x[i] = fr_round<T>(x[i]);
        *reinterpret_cast<fr_vector<T> *>(to) = vector;
    }
}

/* The statistics are those of s as it is stored, which backward reads. */
template <int V, class T>
static __global__ void __launch_bounds__(THREADS)
    layernorm_forward_kernel(T *y, T *s, float *mean, float *rstd, const T *x, const T *r, const T *w, const T *b,
                             int64_t N, int64_t C, float epsilon)
{
    int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / FR_WARP;
    if (row >= N)
        return;
    y += row * C;
    s += row * C;
    x += row * C;
    float sum = 0, squares = 0;
    for_row<V>(C, [&](int64_t j) {
        float in[V];
        load<V>(in, x + j);
        if (r) {
            float add[V];
            load<V>(add, r + row * C + j);
#pragma unroll
            for (int i = 0; i < V; i++)
                in[i] = fr_float(fr_round<T>(in[i] + add[i]));
        }
        store<V>(s + j, in);
#pragma unroll
        for (int i = 0; i < V; i++)
            sum += in[i];
    });
    float centre = fr_warp_sum(sum) / static_cast<float>(C);
    for_row<V>(C, [&](int64_t j) { /* each lane reads what it wrote */
                                   float in[V];
                                   load<V>(in, s + j);
#pragma unroll
                                   for (int i = 0; i < V; i++)
                                       squares += (in[i] - centre) * (in[i] - centre);
    });
    float factor = 1.0f / sqrtf(fr_warp_sum(squares) / static_cast<float>(C) + epsilon);
    for_row<V>(C, [&](int64_t j) {
        float in[V], scale[V], shift[V];
        load<V>(in, s + j);
        load<V>(scale, w + j);
        load<V>(shift, b + j);
#pragma unroll
        for (int i = 0; i < V; i++)
            in[i] = (in[i] - centre) * factor * scale[i] + shift[i];
        store<V>(y + j, in);
    });
    if (threadIdx.x % FR_WARP == 0) {
        mean[row] = centre;
        rstd[row] = factor;
    }
}

template <class T>
static void layernorm_forward(fr_queue *q, void *y, void *s, void *mean, void *rstd, const void *x, const void *r,
                              const void *w, const void *b, int64_t N, int64_t C, double epsilon)
{
    bool vectors = fr_aligned<T>(y, C) && fr_aligned<T>(s, C) && fr_aligned<T>(x, C) && fr_aligned<T>(r, C) &&
                   fr_aligned<T>(w, C) && fr_aligned<T>(b, C);
    auto kernel = vectors ? layernorm_forward_kernel<fr_vector<T>::N, T> : layernorm_forward_kernel<1, T>;
    fr_launch(q, kernel, static_cast<unsigned>(fr_ceil_div(N, WARPS)), THREADS, 0, static_cast<T *>(y),
              static_cast<T *>(s), static_cast<float *>(mean), static_cast<float *>(rstd), static_cast<const T *>(x),
              static_cast<const T *>(r), static_cast<const T *>(w), static_cast<const T *>(b), N, C,
              static_cast<float>(epsilon));
}
FR_TRUNK(layernorm_forward)

/* With n = (s - mean) rstd and g = dy w:  ds = rstd (g - avg(g) - n avg(g n)) */
template <int V, class T>
static __global__ void __launch_bounds__(THREADS, 4) /* 64 registers: without the 4 it gets 48 and spills */
    layernorm_backward_rows(T *ds, const T *dy, const T *s, const float *mean, const float *rstd, const T *w, int64_t N,
                            int64_t C)
{
    int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / FR_WARP;
    if (row >= N)
        return;
    ds += row * C;
    dy += row * C;
    s += row * C;
    float centre = mean[row], factor = rstd[row], g_sum = 0, gn_sum = 0;
    for_row<V>(C, [&](int64_t j) {
        float d[V], in[V], scale[V];
        load<V>(d, dy + j);
        load<V>(in, s + j);
        load<V>(scale, w + j);
#pragma unroll
        for (int i = 0; i < V; i++) {
            float g = d[i] * scale[i];
            g_sum += g;
            gn_sum += g * (in[i] - centre) * factor;
        }
    });
    float g_average = fr_warp_sum(g_sum) / static_cast<float>(C);
    float gn_average = fr_warp_sum(gn_sum) / static_cast<float>(C);
    for_row<V>(C, [&](int64_t j) {
        float d[V], in[V], scale[V];
        load<V>(d, dy + j);
        load<V>(in, s + j);
        load<V>(scale, w + j);
#pragma unroll
        for (int i = 0; i < V; i++)
            d[i] = factor * (d[i] * scale[i] - g_average - (in[i] - centre) * factor * gn_average);
        store<V>(ds + j, d);
    });
}

/* part (chunks, 2, C): the sums of dy n and of dy over the chunk's rows. A block has 32 columns and WARPS rows at a
 * time; whose sum is whose does not depend on the device. */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    layernorm_backward_sums(float *part, const T *dy, const T *s, const float *mean, const float *rstd, int64_t N,
                            int64_t C, int64_t chunk)
{
    __shared__ float sums[2][WARPS][FR_WARP];
    int lane = threadIdx.x % FR_WARP, warp = threadIdx.x / FR_WARP;
    int64_t column = static_cast<int64_t>(blockIdx.x) * FR_WARP + lane;
    int64_t first = blockIdx.y * chunk, end = first + chunk < N ? first + chunk : N;
    float dw = 0, db = 0;
    for (int64_t row = first + warp; row < end && column < C; row += WARPS) {
        float d = fr_float(dy[row * C + column]);
        dw += d * (fr_float(s[row * C + column]) - mean[row]) * rstd[row];
        db += d;
    }
    sums[0][warp][lane] = dw;
    sums[1][warp][lane] = db;
    __syncthreads();
    if (warp < 2 && column < C) {
        float sum = 0;
        for (int i = 0; i < WARPS; i++)
            sum += sums[warp][i][lane];
        part[(blockIdx.y * 2 + warp) * C + column] = sum;
    }
}

/* dw += the first rows of part, db += the second */
static __global__ void __launch_bounds__(THREADS)
    layernorm_backward_total(float *dw, float *db, const float *part, int64_t C, int64_t chunks)
{
    for (int64_t j = fr_thread_index(); j < 2 * C; j += fr_thread_count()) {
        float sum = 0;
        for (int64_t i = 0; i < chunks; i++)
            sum += part[i * 2 * C + j];
        if (j < C)
            dw[j] += sum;
        else
            db[j - C] += sum;
    }
}

/* Rows per chunk: at least 64, at most 128 chunks. */
static int64_t chunk_rows(int64_t N)
{
    int64_t rows = fr_ceil_div(N, 128);
    return rows > 64 ? rows : 64;
}

template <class T>
static void layernorm_backward(fr_queue *q, void *ds, void *dw, void *db, const void *dy, const void *s,
                               const void *mean, const void *rstd, const void *w, int64_t N, int64_t C)
{
    if (N == 0)
        return;
    const T *dy_ = static_cast<const T *>(dy), *s_ = static_cast<const T *>(s);
    const float *mean_ = static_cast<const float *>(mean), *rstd_ = static_cast<const float *>(rstd);
    bool vectors = fr_aligned<T>(ds, C) && fr_aligned<T>(dy, C) && fr_aligned<T>(s, C) && fr_aligned<T>(w, C);
    auto kernel = vectors ? layernorm_backward_rows<fr_vector<T>::N, T> : layernorm_backward_rows<1, T>;
    fr_launch(q, kernel, static_cast<unsigned>(fr_ceil_div(N, WARPS)), THREADS, 0, static_cast<T *>(ds), dy_, s_, mean_,
              rstd_, static_cast<const T *>(w), N, C);
    int64_t each = chunk_rows(N), chunks = fr_ceil_div(N, each);
    float *part = fr_scratch<float>(q, chunks * 2 * C);
    fr_launch(q, layernorm_backward_sums<T>,
              dim3(static_cast<unsigned>(fr_ceil_div(C, FR_WARP)), static_cast<unsigned>(chunks)), THREADS, 0, part,
              dy_, s_, mean_, rstd_, N, C, each);
    fr_launch(q, layernorm_backward_total, fr_blocks(q, 2 * C, THREADS), THREADS, 0, static_cast<float *>(dw),
              static_cast<float *>(db), part, C, chunks);
}
FR_TRUNK(layernorm_backward)
