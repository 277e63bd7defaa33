/* Losses and their gradients in one pass. Loss terms are added in f64. */
#include "flat.cuh"

/* With z = -l for the positive and l for the others, and weight 1 for these:
 *   loss = weight (max(z, 0) + log(1 + e^-|z|)),  gradient = +-weight sigmoid(z), - for the positive. */
struct bce_rows {
    float *dlogits;
    const float *logits;
    const int32_t *label;
    const float *pos_weight;
    int64_t T;
    float scale;

    template <int N> __device__ double run(int64_t row, int lane) const
    {
        double sum = 0;
        int64_t positive = label[row];
        fr_each_group<N>(lane, T, [&](int64_t j) {
            float l[N];
            fr_read<N>(l, logits + row * T + j);
#pragma unroll
            for (int k = 0; k < N; k++) {
                float sign = j + k == positive ? -1.0f : 1.0f, weight = j + k == positive ? pos_weight[j + k] : 1.0f;
                float z = sign * l[k], e = expf(-fabsf(z));
                sum += static_cast<double>(weight * (fmaxf(z, 0.0f) + log1pf(e)));
                l[k] = sign * weight * scale * ((z >= 0 ? 1 : e) / (1 + e));
            }
            if (dlogits)
                fr_write<N>(dlogits + row * T + j, l);
        });
        return sum;
    }
};

static void bce(fr_queue *q, double *loss, void *dlogits, const void *logits, const int32_t *label,
                const float *pos_weight, int64_t B, int64_t T, double scale)
{
    bce_rows work = {static_cast<float *>(dlogits), static_cast<const float *>(logits), label, pos_weight, T,
                     static_cast<float>(scale)};
    fr_rows_sum<4>(q, loss, B, fr_aligned<float>(dlogits, T) && fr_aligned<float>(logits, T), scale, work);
}
FR_WIDE(bce)

struct mse_elements {
    float *dy;
    const float *y, *target;
    float scale;

    template <int N> __device__ double run(int64_t i) const
    {
        float v[N], t[N];
        double sum = 0;
        fr_read<N>(v, y + i);
        fr_read<N>(t, target + i);
#pragma unroll
        for (int k = 0; k < N; k++) {
            float difference = t[k] == t[k] ? v[k] - t[k] : 0.0f; /* NaN: not observed */
            sum += static_cast<double>(difference) * static_cast<double>(difference);
            v[k] = 2 * scale * difference;
        }
        if (dy)
            fr_write<N>(dy + i, v);
        return sum;
    }
};

static void mse(fr_queue *q, double *loss, void *dy, const void *y, const float *target, int64_t n, double scale)
{
    mse_elements work = {static_cast<float *>(dy), static_cast<const float *>(y), target, static_cast<float>(scale)};
    fr_flat_sum<4>(q, loss, n, fr_aligned<float>(dy, 0) && fr_aligned<float>(y, 0) && fr_aligned<float>(target, 0),
                   scale, work);
}
FR_WIDE(mse)
