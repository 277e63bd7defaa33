/* The ends of the estimator and of the classifier: per-model biases, per-model output units, logit scale and bias. */
#include "columns.cuh"

/* ---- logits = s x + b ------------------------------------------------------------------------------------------- */

struct scale_bias_rows {
    float *logits;
    const float *x, *s, *b;
    int64_t T;

    template <int N> __device__ void run(int64_t row, int lane) const
    {
        float scale = *s, v[N], bias[N];
        fr_each_group<N>(lane, T, [&](int64_t t) {
            fr_read<N>(v, x + row * T + t);
            fr_read<N>(bias, b + t);
#pragma unroll
            for (int k = 0; k < N; k++)
                v[k] = scale * v[k] + bias[k];
            fr_write<N>(logits + row * T + t, v);
        });
    }
};

static void scale_bias_forward(fr_queue *q, void *logits, const void *x, const void *s, const void *b, int64_t B,
                               int64_t T)
{
    scale_bias_rows work = {static_cast<float *>(logits), static_cast<const float *>(x), static_cast<const float *>(s),
                            static_cast<const float *>(b), T};
    fr_rows<4>(q, B, fr_aligned<float>(logits, T) && fr_aligned<float>(x, T) && fr_aligned<float>(b, T), work);
}
FR_WIDE(scale_bias_forward)

struct scale_bias_back {
    float *dx;
    const float *dlogits, *x, *s;

    template <int N> __device__ double run(int64_t i) const
    {
        float d[N], v[N], scale = *s;
        double sum = 0;
        fr_read<N>(d, dlogits + i);
        fr_read<N>(v, x + i);
#pragma unroll
        for (int k = 0; k < N; k++) {
            sum += static_cast<double>(d[k]) * static_cast<double>(v[k]);
            d[k] *= scale;
        }
        fr_write<N>(dx + i, d);
        return sum;
    }
};

/* dx = s dlogits;  ds += sum dlogits x;  db[t] += sum_i dlogits[i,t] */
static void scale_bias_backward(fr_queue *q, void *dx, void *ds, void *db, const void *dlogits, const void *x,
                                const void *s, int64_t B, int64_t T)
{
    scale_bias_back work = {static_cast<float *>(dx), static_cast<const float *>(dlogits),
                            static_cast<const float *>(x), static_cast<const float *>(s)};
    bool aligned = fr_aligned<float>(dx, 0) && fr_aligned<float>(dlogits, 0) && fr_aligned<float>(x, 0);
    fr_column_sum(q, static_cast<float *>(db), work.dlogits, B, T); /* first: dx may overwrite dlogits */
    fr_flat_sum<4>(q, static_cast<float *>(ds), B * T, aligned, 1.0, work);
}
FR_WIDE(scale_bias_backward)

/* ---- dot products of rows with a bias --------------------------------------------------------------------------- */

/* Lane 0 adds `bias` and stores. */
template <int N>
static __device__ inline void store_dot(float *out, const float *bias, const float *a, const float *b, int64_t n,
                                        int lane)
{
    float sum = 0, x[N], y[N];
#pragma unroll 4
    for (int64_t j = lane * N; j < n; j += FR_WARP * N) {
        fr_read<N>(x, a + j);
        fr_read<N>(y, b + j);
#pragma unroll
        for (int k = 0; k < N; k++)
            sum += x[k] * y[k];
    }
    sum = fr_warp_sum(sum);
    if (lane == 0)
        *out = *bias + sum;
}

struct head_bias_rows {
    float *beta;
    const float *u, *wu, *b1;
    int64_t H, U;

    template <int N> __device__ void run(int64_t row, int lane) const
    {
        store_dot<N>(beta + row, b1 + row, wu + row * U, u + row / H * U, U, lane);
    }
};

static void head_bias_forward(fr_queue *q, void *beta, const void *u, const void *wu, const void *b1, int64_t M,
                              int64_t H, int64_t U)
{
    head_bias_rows work = {static_cast<float *>(beta),
                           static_cast<const float *>(u),
                           static_cast<const float *>(wu),
                           static_cast<const float *>(b1),
                           H,
                           U};
    fr_rows<4>(q, M * H, fr_aligned<float>(u, U) && fr_aligned<float>(wu, U), work);
}
FR_WIDE(head_bias_forward)

struct head_out_rows {
    float *y;
    const float *a, *w2, *b2;
    int64_t M, H;

    template <int N> __device__ void run(int64_t row, int lane) const
    {
        int64_t m = row % M;
        store_dot<N>(y + row, b2 + m, a + row * H, w2 + m * H, H, lane);
    }
};

static void head_out_forward(fr_queue *q, void *y, const void *a, const void *w2, const void *b2, int64_t B, int64_t M,
                             int64_t H)
{
    head_out_rows work = {static_cast<float *>(y),
                          static_cast<const float *>(a),
                          static_cast<const float *>(w2),
                          static_cast<const float *>(b2),
                          M,
                          H};
    fr_rows<4>(q, B * M, fr_aligned<float>(a, H) && fr_aligned<float>(w2, H), work);
}
FR_WIDE(head_out_forward)

/* ---- their gradients -------------------------------------------------------------------------------------------- */

/* Columns (m, k), rows h: the sum is du; dwu and db1 on the way. */
struct head_bias_back {
    float *dwu, *db1;
    const float *dbeta, *u, *wu;
    int64_t H, U;

    template <int V> struct column {
        float *dwu, *db1;
        const float *dbeta, *wu;
        int64_t U;
        float u[V];
        __device__ column(const head_bias_back &f, int64_t j) : U(f.U)
        {
            int64_t m = j / U, at = m * f.H * U + j % U;
            dwu = f.dwu + at;
            wu = f.wu ? f.wu + at : nullptr;
            dbeta = f.dbeta + m * f.H;
            db1 = j % U == 0 ? f.db1 + m * f.H : nullptr;
            fr_read<V>(u, f.u + j);
        }
        __device__ void add(float (&sum)[V], int64_t h) const
        {
            float d = dbeta[h], gradient[V], w[V] = {};
            fr_read<V>(gradient, dwu + h * U);
            if (wu)
                fr_read<V>(w, wu + h * U);
#pragma unroll
            for (int k = 0; k < V; k++) {
                sum[k] += w[k] * d;
                gradient[k] += u[k] * d;
            }
            fr_write<V>(dwu + h * U, gradient);
            if (db1)
                db1[h] += d;
        }
    };
};

static void head_bias_backward(fr_queue *q, void *du, void *dwu, void *db1, const void *dbeta, const void *u,
                               const void *wu, int64_t M, int64_t H, int64_t U)
{
    head_bias_back work = {static_cast<float *>(dwu),
                           static_cast<float *>(db1),
                           static_cast<const float *>(dbeta),
                           static_cast<const float *>(u),
                           du ? static_cast<const float *>(wu) : nullptr,
                           H,
                           U};
    bool aligned =
        fr_aligned<float>(du, U) && fr_aligned<float>(dwu, U) && fr_aligned<float>(u, U) && fr_aligned<float>(wu, U);
    fr_columns<4>(q, static_cast<float *>(du), H, M * U, aligned, work);
}
FR_WIDE(head_bias_backward)

/* Columns (m, h), rows i: the sum is dw2; da on the way. */
struct head_out_back {
    float *da;
    const float *dy, *a, *w2;
    int64_t M, H;

    template <int V> struct column {
        float *da;
        const float *dy, *a;
        int64_t M, n;
        float w2[V];
        __device__ column(const head_out_back &f, int64_t j)
            : da(f.da + j), dy(f.dy + j / f.H), a(f.a + j), M(f.M), n(f.M * f.H)
        {
            fr_read<V>(w2, f.w2 + j);
        }
        __device__ void add(float (&sum)[V], int64_t i) const
        {
            float d = dy[i * M], v[V];
            fr_read<V>(v, a + i * n);
#pragma unroll
            for (int k = 0; k < V; k++) {
                sum[k] += d * v[k];
                v[k] = d * w2[k];
            }
            fr_write<V>(da + i * n, v);
        }
    };
};

/* da = dy w2;  dw2[m] += sum_i dy a;  db2[m] += sum_i dy */
static void head_out_backward(fr_queue *q, void *da, void *dw2, void *db2, const void *dy, const void *a,
                              const void *w2, int64_t B, int64_t M, int64_t H)
{
    head_out_back work = {static_cast<float *>(da),
                          static_cast<const float *>(dy),
                          static_cast<const float *>(a),
                          static_cast<const float *>(w2),
                          M,
                          H};
    bool aligned =
        fr_aligned<float>(da, H) && fr_aligned<float>(dw2, H) && fr_aligned<float>(a, H) && fr_aligned<float>(w2, H);
    fr_columns<4>(q, static_cast<float *>(dw2), B, M * H, aligned, work);
    fr_column_sum(q, static_cast<float *>(db2), work.dy, B, M);
}
FR_WIDE(head_out_backward)
