/* AdamW: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019. */
#include "flat.cuh"

struct adamw_elements {
    float *w, *m, *v;
    fr_bf16 *copy;
    const float *g;
    const double *factor_; /* or NULL */
    float keep1, take1, keep2, take2, factor, rate, root, shrink, epsilon;

    template <int N> __device__ void run(int64_t i) const
    {
        float more = factor_ ? static_cast<float>(*factor_) : 1.0f;
        if (more != more)
            return;
        float wi[N], mi[N], vi[N], gi[N];
        fr_read<N>(gi, g + i);
        fr_read<N>(mi, m + i);
        fr_read<N>(vi, v + i);
        fr_read<N>(wi, w + i);
#pragma unroll
        for (int k = 0; k < N; k++) {
            float gradient = factor * more * gi[k];
            mi[k] = keep1 * mi[k] + take1 * gradient;
            vi[k] = keep2 * vi[k] + take2 * gradient * gradient;
            wi[k] -= rate * mi[k] / (sqrtf(vi[k]) * root + epsilon) + shrink * wi[k];
        }
        fr_write<N>(m + i, mi);
        fr_write<N>(v + i, vi);
        fr_write<N>(w + i, wi);
        if (copy)
            fr_write<N>(copy + i, wi);
    }
};

static void adamw(fr_queue *q, void *w, void *m, void *v, void *copy, const void *g, int64_t n, double lr, double b1,
                  double b2, double epsilon, double decay, int64_t step, double grad_scale, const double *factor)
{
    adamw_elements work;
    work.w = static_cast<float *>(w);
    work.m = static_cast<float *>(m);
    work.v = static_cast<float *>(v);
    work.copy = static_cast<fr_bf16 *>(copy);
    work.g = static_cast<const float *>(g);
    work.factor_ = factor;
    work.keep1 = static_cast<float>(b1);
    work.take1 = static_cast<float>(1 - b1);
    work.keep2 = static_cast<float>(b2);
    work.take2 = static_cast<float>(1 - b2);
    work.factor = static_cast<float>(grad_scale);
    /* lr (m / c1) / (sqrt(v / c2) + epsilon) = rate m / (sqrt(v) root + epsilon) */
    work.rate = static_cast<float>(lr / (1 - pow(b1, static_cast<double>(step))));
    work.root = static_cast<float>(1 / sqrt(1 - pow(b2, static_cast<double>(step))));
    work.shrink = static_cast<float>(lr * decay);
    work.epsilon = static_cast<float>(epsilon);
    bool aligned = fr_aligned<float>(w, 0) && fr_aligned<float>(m, 0) && fr_aligned<float>(v, 0) &&
                   fr_aligned<float>(g, 0) && reinterpret_cast<uintptr_t>(copy) % 8 == 0;
    fr_flat<4>(q, n, aligned, work);
}
FR_WIDE(adamw)

/* One warp: there are few squares. */
__global__ static void clip_factor_kernel(double *factor, const double *squares, const double *losses, int64_t n, double clip)
{
    bool finite = true;
    for (int64_t i = threadIdx.x; i < n; i += FR_WARP)
        finite = finite && isfinite(squares[i]) && (!losses || isfinite(losses[i]));
    finite = __all_sync(FR_ALL_LANES, finite);
    if (threadIdx.x == 0) {
        double norm = sqrt(squares[n - 1]);
        *factor = !finite ? static_cast<double>(NAN) : clip > 0 && norm > clip ? clip / norm : 1.0;
    }
}

static void clip_factor(fr_queue *q, double *factor, const double *squares, const double *losses, int64_t n,
                        double clip)
{
    fr_launch(q, clip_factor_kernel, 1, FR_WARP, 0, factor, squares, losses, n, clip);
}
FR_WIDE(clip_factor)
