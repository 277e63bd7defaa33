/* Activations of small networks by kind. NaN stays NaN. */
#include "flat.cuh"

/*   relu(x) = max(x, 0);   softplus(x) = log(1 + e^x) = max(x, 0) + log(1 + e^-|x|) */
template <int KIND> static __device__ inline float activation(float x)
{
    if (KIND == FR_RELU)
        return x <= 0 ? 0.0f : x;
    return (x > 0 ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}

/*   relu: dx = dy where x > 0;   softplus: dx = dy sigmoid(x) */
template <int KIND> static __device__ inline float activation_gradient(float dy, float x)
{
    if (KIND == FR_RELU)
        return x <= 0 ? 0.0f : dy;
    float e = expf(-fabsf(x));
    return dy * ((x >= 0 ? 1 : e) / (1 + e));
}

/* dy NULL: y = activation, else its gradient */
template <int KIND> struct activated {
    float *y;
    const float *dy, *x;

    template <int N> __device__ void run(int64_t i) const
    {
        float v[N], d[N] = {};
        fr_read<N>(v, x + i);
        if (dy)
            fr_read<N>(d, dy + i);
#pragma unroll
        for (int k = 0; k < N; k++)
            v[k] = dy ? activation_gradient<KIND>(d[k], v[k]) : activation<KIND>(v[k]);
        fr_write<N>(y + i, v);
    }
};

static void activate(fr_queue *q, void *y_, const void *dy_, const void *x_, int64_t n, int kind)
{
    float *y = static_cast<float *>(y_);
    const float *dy = static_cast<const float *>(dy_), *x = static_cast<const float *>(x_);
    bool aligned = fr_aligned<float>(y, 0) && fr_aligned<float>(dy, 0) && fr_aligned<float>(x, 0);
    if (kind == FR_RELU)
        fr_flat<4>(q, n, aligned, activated<FR_RELU>{y, dy, x});
    else
        fr_flat<4>(q, n, aligned, activated<FR_SOFTPLUS>{y, dy, x});
}

static void activate_forward(fr_queue *q, void *y, const void *x, int64_t n, int kind)
{
    activate(q, y, nullptr, x, n, kind);
}
FR_WIDE(activate_forward)

static void activate_backward(fr_queue *q, void *dx, const void *dy, const void *x, int64_t n, int kind)
{
    activate(q, dx, dy, x, n, kind);
}
FR_WIDE(activate_backward)
