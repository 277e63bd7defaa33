/* GELU in its exact (erf) form: Hendrycks & Gimpel 2016. */
#include "cuda.cuh"

static const int THREADS = 256;

/* f(x) on N elements at a time where all pointers allow it (vectors: n / N), then on the rest. */
template <class T, class F>
static __device__ inline void map_elements(T *y, const T *dy, const T *x, int64_t n, int64_t vectors, F f)
{
    enum { N = fr_vector<T>::N };
    for (int64_t i = fr_thread_index(); i < vectors; i += fr_thread_count()) {
        fr_vector<T> in = reinterpret_cast<const fr_vector<T> *>(x)[i], out, gradient = in;
        if (dy)
            gradient = reinterpret_cast<const fr_vector<T> *>(dy)[i];
#pragma unroll
        for (int j = 0; j < N; j++)
            out.x[j] = fr_round<T>(f(fr_float(gradient.x[j]), fr_float(in.x[j])));
        reinterpret_cast<fr_vector<T> *>(y)[i] = out;
    }
    for (int64_t i = vectors * N + fr_thread_index(); i < n; i += fr_thread_count())
        y[i] = fr_round<T>(f(dy ? fr_float(dy[i]) : 0.0f, fr_float(x[i])));
}

template <class T> static int64_t vector_count(const void *y, const void *dy, const void *x, int64_t n)
{
    bool aligned = fr_aligned<T>(y, 0) && fr_aligned<T>(dy, 0) && fr_aligned<T>(x, 0);
    return aligned ? n / fr_vector<T>::N : 0;
}

static __device__ inline float normal_cdf(float x)
{
    return 0.5f * erff(x * 0.707106781186547524f) + 0.5f;
}

template <class T>
static __global__ void __launch_bounds__(THREADS) gelu_forward_kernel(T *y, const T *x, int64_t n, int64_t vectors)
{
    map_elements(y, static_cast<const T *>(nullptr), x, n, vectors, [](float, float v) { return v * normal_cdf(v); });
}

template <class T> static void gelu_forward(fr_queue *q, void *y, const void *x, int64_t n)
{
    int64_t vectors = vector_count<T>(y, nullptr, x, n);
    unsigned blocks = fr_blocks(q, vectors > 0 ? fr_ceil_div(n, fr_vector<T>::N) : n, THREADS);
    fr_launch(q, gelu_forward_kernel<T>, blocks, THREADS, 0, static_cast<T *>(y), static_cast<const T *>(x), n,
              vectors);
}
FR_TRUNK(gelu_forward)

/* dx = dy (Phi(x) + x phi(x)), Phi and phi of the normal distribution */
template <class T>
static __global__ void __launch_bounds__(THREADS)
    gelu_backward_kernel(T *dx, const T *dy, const T *x, int64_t n, int64_t vectors)
{
    map_elements(dx, dy, x, n, vectors, [](float d, float v) {
        return d * (normal_cdf(v) + v * 0.398942280401432677f * expf(-0.5f * v * v));
    });
}

template <class T> static void gelu_backward(fr_queue *q, void *dx, const void *dy, const void *x, int64_t n)
{
    int64_t vectors = vector_count<T>(dx, dy, x, n);
    unsigned blocks = fr_blocks(q, vectors > 0 ? fr_ceil_div(n, fr_vector<T>::N) : n, THREADS);
    fr_launch(q, gelu_backward_kernel<T>, blocks, THREADS, 0, static_cast<T *>(dx), static_cast<const T *>(dy),
              static_cast<const T *>(x), n, vectors);
}
FR_TRUNK(gelu_backward)
