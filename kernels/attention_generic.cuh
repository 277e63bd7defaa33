/* attention_generic.cuh - attention in f32 arithmetic, for f32 and for head widths without tensor core kernels: a block
 * has 32 rows and goes over the sequence in tiles of 32. D <= WIDTH. Thread (x, y) of 16 x 16 has rows y and y + 16,
 * columns x and x + 16 of scores, columns 4 x + 64 w .. + 3 of rows of width D. */
#ifndef FR_ATTENTION_GENERIC_CUH
#define FR_ATTENTION_GENERIC_CUH

#include "attention.cuh"

static const int PLAIN = 32, PLAIN_THREADS = 256, SCORES_STRIDE = PLAIN + 1;

/* Floats from one row of a tile to the next: D rounded up to an odd number of float4, so that rows lie in different
 * banks. */
static __device__ __host__ inline int plain_stride(int D)
{
    return ((D + 3) / 4 | 1) * 4;
}

static __device__ __host__ inline int plain_bytes(int D, int tiles, int scores)
{
    int floats = tiles * PLAIN * plain_stride(D) + scores * PLAIN * SCORES_STRIDE;
    return floats * static_cast<int>(sizeof(float)) + PLAIN * PLAIN / 4; /* keep: a byte for four keys */
}

struct plain_thread {
    int x, y;
};

static __device__ inline plain_thread thread_of_plain()
{
    return {static_cast<int>(threadIdx.x % 16), static_cast<int>(threadIdx.x / 16)};
}

/* Rows first .. first + 31 of an array as f32; zeros beyond T and beyond D. Between barriers. */
template <class T>
static __device__ inline void plain_load(float *tile, const T *from, int64_t stride, int first, int rows, int D,
                                         bool vectors)
{
    const int N = fr_vector<T>::N;
    int to = plain_stride(D);
    from += first * stride;
    if (vectors) { /* D is a multiple of N, the rest of a row is never read */
        int parts = D / N;
        for (int i = static_cast<int>(threadIdx.x); i < PLAIN * parts; i += PLAIN_THREADS) {
            int row = i / parts, at = i % parts * N;
            fr_vector<T> x = {};
            if (first + row < rows)
                x = *reinterpret_cast<const fr_vector<T> *>(from + row * stride + at);
#pragma unroll
            for (int j = 0; j < N; j += 4)
                *reinterpret_cast<float4 *>(tile + row * to + at + j) =
                    make_float4(fr_float(x.x[j]), fr_float(x.x[j + 1]), fr_float(x.x[j + 2]), fr_float(x.x[j + 3]));
        }
        return;
    }
    for (int i = static_cast<int>(threadIdx.x); i < PLAIN * to; i += PLAIN_THREADS) {
        int row = i / to, d = i % to;
        tile[i] = d < D && first + row < rows ? fr_float(from[row * stride + d]) : 0.0f;
    }
}

/* s[r][c] = sum_d a[y + 16 r, d] b[x + 16 c, d] */
static __device__ inline void plain_scores(float s[2][2], const float *a, const float *b, int D)
{
    plain_thread me = thread_of_plain();
    int stride = plain_stride(D);
    a += me.y * stride;
    b += me.x * stride;
    s[0][0] = s[0][1] = s[1][0] = s[1][1] = 0;
    for (int d = 0; d < D; d += 4) {
        float4 u[2], w[2];
        for (int i = 0; i < 2; i++) {
            u[i] = *reinterpret_cast<const float4 *>(a + 16 * i * stride + d);
            w[i] = *reinterpret_cast<const float4 *>(b + 16 * i * stride + d);
        }
#pragma unroll
        for (int r = 0; r < 2; r++)
#pragma unroll
            for (int c = 0; c < 2; c++)
                s[r][c] += u[r].x * w[c].x + u[r].y * w[c].y + u[r].z * w[c].z + u[r].w * w[c].w;
    }
}

/* o[r][w] += sum_j m[(y + 16 r) row + j column] tile[j, 4 x + 64 w ..] */
template <int WIDTH>
static __device__ inline void plain_multiply(float4 o[2][WIDTH / 64], const float *m, int row, int column,
                                             const float *tile, int D)
{
    plain_thread me = thread_of_plain();
    int stride = plain_stride(D);
    for (int j = 0; j < PLAIN; j++) {
        float m0 = m[me.y * row + j * column], m1 = m[(me.y + 16) * row + j * column];
#pragma unroll
        for (int w = 0; w < WIDTH / 64; w++)
            if (4 * me.x + 64 * w < D) {
                float4 b = *reinterpret_cast<const float4 *>(tile + j * stride + 4 * me.x + 64 * w);
                o[0][w].x += m0 * b.x, o[0][w].y += m0 * b.y, o[0][w].z += m0 * b.z, o[0][w].w += m0 * b.w;
                o[1][w].x += m1 * b.x, o[1][w].y += m1 * b.y, o[1][w].z += m1 * b.z, o[1][w].w += m1 * b.w;
            }
    }
}

template <int WIDTH> static __device__ inline void plain_scale(float4 o[WIDTH / 64], float factor)
{
#pragma unroll
    for (int w = 0; w < WIDTH / 64; w++)
        o[w].x *= factor, o[w].y *= factor, o[w].z *= factor, o[w].w *= factor;
}

template <int WIDTH, class T>
static __device__ inline void plain_store(T *to, int64_t stride, int first, int rows, int D,
                                          const float4 o[2][WIDTH / 64])
{
    plain_thread me = thread_of_plain();
#pragma unroll
    for (int r = 0; r < 2; r++)
#pragma unroll
        for (int w = 0; w < WIDTH / 64; w++) {
            int row = first + me.y + 16 * r, d = 4 * me.x + 64 * w;
            const float x[4] = {o[r][w].x, o[r][w].y, o[r][w].z, o[r][w].w};
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (row < rows && d + i < D)
                    to[row * stride + d + i] = fr_round<T>(x[i]);
        }
}

/* Over the 16 threads of a row. */
static __device__ inline float plain_row_max(float x)
{
    for (int step = 8; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(FR_ALL_LANES, x, step));
    return x;
}

static __device__ inline float plain_row_sum(float x)
{
    for (int step = 8; step > 0; step /= 2)
        x += __shfl_xor_sync(FR_ALL_LANES, x, step);
    return x;
}

/* keep[i * 8 + j / 4] bit j % 4: query first_query + i, key first_key + j; a draw for each thread. Between barriers. */
template <class T>
static __device__ inline void plain_draw(uint8_t *keep, const attention_call<T> &call, attention_pair at,
                                         int first_query, int first_key)
{
    int i = static_cast<int>(threadIdx.x);
    keep[i] =
        static_cast<uint8_t>(keep_four(call, dropout_counter(call, at, first_query + i / 8), first_key / 4 + i % 8));
}

static __device__ inline bool plain_kept(const uint8_t *keep, int row, int column)
{
    return keep[row * 8 + column / 4] >> column % 4 & 1;
}

template <int WIDTH, class T>
static __global__ void __launch_bounds__(PLAIN_THREADS)
    plain_forward(T *out, float *lse, attention_call<T> call, bool drop, bool vectors)
{
    FR_DYNAMIC_SHARED(float, q);
    const int D = call.D;
    float *kv = q + PLAIN * plain_stride(D), *scores = kv + PLAIN * plain_stride(D);
    uint8_t *keep = reinterpret_cast<uint8_t *>(scores + PLAIN * SCORES_STRIDE);
    attention_pair at = pair_of(call);
    plain_thread me = thread_of_plain();
    int64_t stride = static_cast<int64_t>(3) * call.H * D;
    int first = static_cast<int>(blockIdx.y) * PLAIN;
    if (first >= at.T)
        return;
    float4 o[2][WIDTH / 64] = {};
    float most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
    plain_load(q, call.qkv + qkv_at(call, at, 0), stride, first, at.T, D, vectors);
    for (int key = 0; key < at.T; key += PLAIN) {
        plain_load(kv, call.qkv + qkv_at(call, at, 1), stride, key, at.T, D, vectors);
        if (drop)
            plain_draw(keep, call, at, first, key);
        __syncthreads();
        float s[2][2];
        plain_scores(s, q, kv, D);
        for (int r = 0; r < 2; r++) {
            for (int c = 0; c < 2; c++)
                s[r][c] = key + me.x + 16 * c < at.T ? call.scale * s[r][c] : -INFINITY;
            float before = most[r];
            most[r] = plain_row_max(fmaxf(before, fmaxf(s[r][0], s[r][1])));
            before = expf(before - most[r]);
            sum[r] *= before;
            plain_scale<WIDTH>(o[r], before);
            for (int c = 0; c < 2; c++) {
                float p = expf(s[r][c] - most[r]);
                sum[r] += p;
                scores[(me.y + 16 * r) * SCORES_STRIDE + me.x + 16 * c] =
                    drop && !plain_kept(keep, me.y + 16 * r, me.x + 16 * c) ? 0 : p;
            }
        }
        __syncthreads();
        plain_load(kv, call.qkv + qkv_at(call, at, 2), stride, key, at.T, D, vectors);
        __syncthreads();
        plain_multiply<WIDTH>(o, scores, SCORES_STRIDE, 1, kv, D);
        __syncthreads();
    }
    for (int r = 0; r < 2; r++) {
        int row = first + me.y + 16 * r;
        sum[r] = plain_row_sum(sum[r]);
        plain_scale<WIDTH>(o[r], call.factor / sum[r]);
        if (me.x == 0 && row < at.T)
            lse[out_at(call, at) / D + static_cast<int64_t>(row) * call.H] = most[r] + logf(sum[r]);
    }
    plain_store<WIDTH>(out + out_at(call, at), static_cast<int64_t>(call.H) * D, first, at.T, D, o);
}

/* ---- backward -----------------------------------------------------------------------------------------------------
 */

/* From tiles of 32 queries (q, dout) and 32 keys (k, v): dS without the scale and, where `z` is not NULL, P keep, both
 * [query][key]. lse, delta: of the thread's rows; infinite lse where there is no query. */
static __device__ inline void plain_gradients(float *ds, float *z, const float *q, const float *dout, const float *k,
                                              const float *v, int D, const float lse[2], const float delta[2],
                                              float scale, int keys, const uint8_t *keep, float factor)
{
    plain_thread me = thread_of_plain();
    float s[2][2], dz[2][2];
    plain_scores(s, q, k, D);
    plain_scores(dz, dout, v, D);
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < 2; c++) {
            int row = me.y + 16 * r, column = me.x + 16 * c;
            bool stays = !keep || plain_kept(keep, row, column);
            float P = column < keys ? expf(scale * s[r][c] - lse[r]) : 0;
            ds[row * SCORES_STRIDE + column] = P * ((stays ? dz[r][c] * factor : 0) - delta[r]);
            if (z)
                z[row * SCORES_STRIDE + column] = stays ? P : 0;
        }
}

/* dq of 32 queries; leaves delta[n,h] = sum_d dout out for plain_keys. */
template <int WIDTH, class T>
static __global__ void __launch_bounds__(PLAIN_THREADS)
    plain_queries(T *dqkv, float *delta, const T *dout, const T *out, const float *lse, attention_call<T> call,
                  bool drop, bool vectors)
{
    FR_DYNAMIC_SHARED(float, q);
    const int D = call.D, tile = PLAIN * plain_stride(D);
    float *go = q + tile, *k = go + tile, *v = k + tile, *ds = v + tile;
    uint8_t *keep = reinterpret_cast<uint8_t *>(ds + PLAIN * SCORES_STRIDE);
    attention_pair at = pair_of(call);
    plain_thread me = thread_of_plain();
    int64_t stride = static_cast<int64_t>(3) * call.H * D, out_stride = static_cast<int64_t>(call.H) * D;
    int first = static_cast<int>(blockIdx.y) * PLAIN;
    if (first >= at.T)
        return;
    plain_load(q, call.qkv + qkv_at(call, at, 0), stride, first, at.T, D, vectors);
    plain_load(go, dout + out_at(call, at), out_stride, first, at.T, D, vectors);
    __syncthreads();
    float l[2], d[2];
    for (int r = 0; r < 2; r++) {
        int row = first + me.y + 16 * r;
        bool there = row < at.T;
        int64_t index = out_at(call, at) / D + static_cast<int64_t>(row) * call.H;
        d[r] = 0;
        for (int i = me.x; there && i < D; i += 16)
            d[r] += go[(me.y + 16 * r) * plain_stride(D) + i] * fr_float(out[index * D + i]);
        d[r] = plain_row_sum(d[r]);
        l[r] = there ? lse[index] : INFINITY;
        if (there && me.x == 0)
            delta[index] = d[r];
    }
    float4 dq[2][WIDTH / 64] = {};
    for (int key = 0; key < at.T; key += PLAIN) {
        plain_load(k, call.qkv + qkv_at(call, at, 1), stride, key, at.T, D, vectors);
        plain_load(v, call.qkv + qkv_at(call, at, 2), stride, key, at.T, D, vectors);
        if (drop)
            plain_draw(keep, call, at, first, key);
        __syncthreads();
        plain_gradients(ds, nullptr, q, go, k, v, D, l, d, call.scale, at.T - key, drop ? keep : nullptr, call.factor);
        __syncthreads();
        plain_multiply<WIDTH>(dq, ds, SCORES_STRIDE, 1, k, D);
        __syncthreads();
    }
    plain_scale<WIDTH>(dq[0], call.scale);
    plain_scale<WIDTH>(dq[1], call.scale);
    plain_store<WIDTH>(dqkv + qkv_at(call, at, 0), stride, first, at.T, D, dq);
}

/* dk, dv of 32 keys. */
template <int WIDTH, class T>
static __global__ void __launch_bounds__(PLAIN_THREADS)
    plain_keys(T *dqkv, const float *delta, const T *dout, const float *lse, attention_call<T> call, bool drop,
               bool vectors)
{
    FR_DYNAMIC_SHARED(float, k);
    const int D = call.D, tile = PLAIN * plain_stride(D);
    float *v = k + tile, *q = v + tile, *go = q + tile, *ds = go + tile, *z = ds + PLAIN * SCORES_STRIDE;
    uint8_t *keep = reinterpret_cast<uint8_t *>(z + PLAIN * SCORES_STRIDE);
    attention_pair at = pair_of(call);
    plain_thread me = thread_of_plain();
    int64_t stride = static_cast<int64_t>(3) * call.H * D, out_stride = static_cast<int64_t>(call.H) * D;
    int first = static_cast<int>(blockIdx.y) * PLAIN;
    if (first >= at.T)
        return;
    plain_load(k, call.qkv + qkv_at(call, at, 1), stride, first, at.T, D, vectors);
    plain_load(v, call.qkv + qkv_at(call, at, 2), stride, first, at.T, D, vectors);
    float4 dk[2][WIDTH / 64] = {}, dv[2][WIDTH / 64] = {};
    for (int query = 0; query < at.T; query += PLAIN) {
        float l[2], d[2];
        for (int r = 0; r < 2; r++) {
            int row = query + me.y + 16 * r;
            int64_t index = out_at(call, at) / D + static_cast<int64_t>(row) * call.H;
            l[r] = row < at.T ? lse[index] : INFINITY;
            d[r] = row < at.T ? delta[index] : 0;
        }
        plain_load(q, call.qkv + qkv_at(call, at, 0), stride, query, at.T, D, vectors);
        plain_load(go, dout + out_at(call, at), out_stride, query, at.T, D, vectors);
        if (drop)
            plain_draw(keep, call, at, query, first);
        __syncthreads();
        plain_gradients(ds, z, q, go, k, v, D, l, d, call.scale, at.T - first, drop ? keep : nullptr, call.factor);
        __syncthreads();
        plain_multiply<WIDTH>(dk, ds, 1, SCORES_STRIDE, q, D);
        plain_multiply<WIDTH>(dv, z, 1, SCORES_STRIDE, go, D);
        __syncthreads();
    }
    for (int r = 0; r < 2; r++) {
        plain_scale<WIDTH>(dk[r], call.scale);
        plain_scale<WIDTH>(dv[r], call.factor);
    }
    plain_store<WIDTH>(dqkv + qkv_at(call, at, 1), stride, first, at.T, D, dk);
    plain_store<WIDTH>(dqkv + qkv_at(call, at, 2), stride, first, at.T, D, dv);
}

#endif
