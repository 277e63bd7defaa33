/* attention_tiled.cuh - bf16 attention of sequences of any length: a block has 64 rows (16 for each of four warps) and
 * goes over the sequence in tiles of 64, the next of which arrives while it works on one. */
#ifndef FR_ATTENTION_TILED_CUH
#define FR_ATTENTION_TILED_CUH

#include "attention.cuh"

static const int TILE = 64, TILED_THREADS = 128;

static __device__ inline int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Two tiles from row `first` of two arrays, of a sequence of T tokens. */
template <int D>
static __device__ inline void load_two(fr_bf16 *a, fr_bf16 *b, const fr_bf16 *from_a, const fr_bf16 *from_b,
                                       int64_t stride_a, int64_t stride_b, int first, int T)
{
    tile_load<D, TILE>(a, from_a + first * stride_a, stride_a, T - first);
    tile_load<D, TILE>(b, from_b + first * stride_b, stride_b, T - first);
}

/* q, and k, v twice */
template <int D> static __device__ __host__ inline int tiled_forward_bytes()
{
    return 5 * TILE * D * static_cast<int>(sizeof(fr_bf16));
}

/* One tile of keys: s (16, TILE) scaled, then p = e^(s - max) with max the largest so far; o and sum follow it. */
template <int D, bool DROP>
static __device__ inline void tiled_step(float o[D / 8][4], float most[2], float sum[2], const fr_bf16 *q,
                                         const fr_bf16 *k, const fr_bf16 *v, int key, int T, uint64_t counter,
                                         const attention_call<fr_bf16> &call)
{
    float s[TILE / 8][4], old[2] = {most[0], most[1]}, scale = call.scale * LOG2_E;
    clear<TILE / 8>(s);
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
        uint32_t a[4];
        fragment_a<D>(a, q, i);
#pragma unroll
        for (int c = 0; c < TILE; c += CHUNK)
            multiply_transposed<D, CHUNK>(s + c / 8, a, k + c * D, i);
    }
    scale_scores<TILE>(s, scale, T - key);
#pragma unroll
    for (int j = 0; j < TILE / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            most[e / 2] = fmaxf(most[e / 2], s[j][e]);
    for (int i = 0; i < 2; i++) {
        most[i] = row_max(most[i]);
        old[i] = exp2f(old[i] - most[i]);
        sum[i] *= old[i];
    }
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            o[j][e] *= old[e / 2];
#pragma unroll
    for (int c = 0; c < TILE; c += CHUNK) {
        float(*sc)[4] = s + c / 8;
        uint32_t keep = 0;
        if (DROP)
            keep = keep_of_queries(call, counter, key + c);
#pragma unroll
        for (int j = 0; j < CHUNK / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                float p = exp2f(sc[j][e] - most[e / 2]);
                sum[e / 2] += p;
                sc[j][e] = DROP && !kept(keep, j, e) ? 0 : p;
            }
#pragma unroll
        for (int i = 0; i < CHUNK / 16; i++) {
            uint32_t a[4];
            pack_fragment(a, sc + 2 * i);
            multiply<D>(o, a, v + (c + 16 * i) * D);
        }
    }
}

template <int D, bool DROP>
static __global__ void __launch_bounds__(TILED_THREADS, D == 64 ? 3 : 4)
    tiled_forward(fr_bf16 *out, float *lse, attention_call<fr_bf16> call)
{
    FR_DYNAMIC_SHARED(fr_bf16, q);
    fr_bf16 *kv = q + TILE * D; /* k, v of even tiles; of odd tiles */
    attention_pair at = pair_of(call);
    int64_t stride = static_cast<int64_t>(3) * call.H * D;
    int first = static_cast<int>(blockIdx.y) * TILE, row = first + warp_row(), g = lane_of_warp() / 4;
    if (first >= at.T)
        return;
    const fr_bf16 *k = call.qkv + qkv_at(call, at, 1), *v = call.qkv + qkv_at(call, at, 2);
    tile_load<D, TILE>(q, call.qkv + qkv_at(call, at, 0) + first * stride, stride, at.T - first);
    load_two<D>(kv, kv + TILE * D, k, v, stride, stride, 0, at.T);
    fr_copy_commit();

    float o[D / 8][4], most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};
    clear<D / 8>(o);
    for (int key = 0; key < at.T; key += TILE) {
        fr_bf16 *now = kv + key / TILE % 2 * 2 * TILE * D, *next = kv + (key / TILE + 1) % 2 * 2 * TILE * D;
        if (key + TILE < at.T)
            load_two<D>(next, next + TILE * D, k, v, stride, stride, key + TILE, at.T);
        fr_copy_commit();
        fr_copy_wait<1>();
        __syncthreads();
        if (row < at.T)
            tiled_step<D, DROP>(o, most, sum, q + warp_row() * D, now, now + TILE * D, key, at.T,
                                dropout_counter(call, at, row), call);
        __syncthreads();
    }
    for (int i = 0; i < 2; i++) {
        sum[i] = row_sum(sum[i]);
        if (lane_of_warp() % 4 == 0 && row + g + 8 * i < at.T)
            lse[out_at(call, at) / D + static_cast<int64_t>(row + g + 8 * i) * call.H] =
                (most[i] + log2f(sum[i])) * LN_2;
    }
    int64_t out_stride = static_cast<int64_t>(call.H) * D;
    tile_store<D>(out + out_at(call, at) + first * out_stride, out_stride, q, warp_row(), at.T - first, o,
                  call.factor / sum[0], call.factor / sum[1]);
}

/* ---- backward: dq -------------------------------------------------------------------------------------------------
 */

/* q, dout, and k, v twice (out in place of the second k at first); delta */
template <int D> static __device__ __host__ inline int tiled_queries_bytes()
{
    return 6 * TILE * D * static_cast<int>(sizeof(fr_bf16)) + TILE * static_cast<int>(sizeof(float));
}

/* 16 queries (rows of q, dout; lse times log2 e, delta of rows g and g + 8) against CHUNK keys (rows of k, v), of which
 * `there` are there: dq += dS k without the scale. */
template <int D, bool DROP>
static __device__ inline void backward_of_queries(float dq[D / 8][4], const fr_bf16 *q, const fr_bf16 *dout,
                                                  const fr_bf16 *k, const fr_bf16 *v, int there, const float lse[2],
                                                  const float delta[2], float scale, uint32_t keep, float factor)
{
    int t = lane_of_warp() % 4;
    float s[CHUNK / 8][4], dp[CHUNK / 8][4];
    clear<CHUNK / 8>(s);
    clear<CHUNK / 8>(dp);
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
        uint32_t a[4];
        fragment_a<D>(a, q, i);
        multiply_transposed<D, CHUNK>(s, a, k, i);
        fragment_a<D>(a, dout, i);
        multiply_transposed<D, CHUNK>(dp, a, v, i);
    }
#pragma unroll
    for (int j = 0; j < CHUNK / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float P = 8 * j + 2 * t + e % 2 < there ? exp2f(scale * s[j][e] - lse[e / 2]) : 0, dZ = dp[j][e];
            if (DROP)
                dZ = kept(keep, j, e) ? dZ * factor : 0;
            dp[j][e] = P * (dZ - delta[e / 2]);
        }
#pragma unroll
    for (int i = 0; i < CHUNK / 16; i++) {
        uint32_t a[4];
        pack_fragment(a, dp + 2 * i);
        multiply<D>(dq, a, k + 16 * i * D);
    }
}

/* dq of 64 queries; leaves delta for tiled_keys. */
template <int D, bool DROP>
static __global__ void __launch_bounds__(TILED_THREADS, 4)
    tiled_queries(fr_bf16 *dqkv, float *delta, const fr_bf16 *dout, const fr_bf16 *out, const float *lse,
                  attention_call<fr_bf16> call)
{
    FR_DYNAMIC_SHARED(float, tile_deltas);
    fr_bf16 *q = reinterpret_cast<fr_bf16 *>(tile_deltas + TILE), *go = q + TILE * D, *kv = go + TILE * D;
    attention_pair at = pair_of(call);
    int64_t stride = static_cast<int64_t>(3) * call.H * D, out_stride = static_cast<int64_t>(call.H) * D;
    int first = static_cast<int>(blockIdx.y) * TILE, row = warp_row(), g = lane_of_warp() / 4;
    if (first >= at.T)
        return;
    const fr_bf16 *k = call.qkv + qkv_at(call, at, 1), *v = call.qkv + qkv_at(call, at, 2);
    tile_load<D, TILE>(q, call.qkv + qkv_at(call, at, 0) + first * stride, stride, at.T - first);
    load_two<D>(go, kv + 2 * TILE * D, dout + out_at(call, at), out + out_at(call, at), out_stride, out_stride, first,
                at.T);
    load_two<D>(kv, kv + TILE * D, k, v, stride, stride, 0, at.T);
    fr_copy_commit();
    fr_copy_wait<0>();
    __syncthreads();
    tile_delta<D, TILE>(tile_deltas, go, kv + 2 * TILE * D);
    __syncthreads();

    float dq[D / 8][4], l[2], d[2];
    clear<D / 8>(dq);
    for (int i = 0; i < 2; i++) {
        int mine = row + g + 8 * i;
        int64_t index = out_at(call, at) / D + static_cast<int64_t>(first + mine) * call.H;
        l[i] = first + mine < at.T ? lse[index] * LOG2_E : INFINITY;
        d[i] = tile_deltas[mine];
        if (lane_of_warp() % 4 == 0 && first + mine < at.T)
            delta[index] = d[i];
    }
    for (int key = 0; key < at.T; key += TILE) {
        fr_bf16 *now = kv + key / TILE % 2 * 2 * TILE * D, *next = kv + (key / TILE + 1) % 2 * 2 * TILE * D;
        if (key + TILE < at.T)
            load_two<D>(next, next + TILE * D, k, v, stride, stride, key + TILE, at.T);
        fr_copy_commit();
        fr_copy_wait<1>();
        __syncthreads();
#pragma unroll 1
        for (int c = 0; first + row < at.T && c < smaller(TILE, at.T - key); c += CHUNK) {
            uint32_t keep = 0;
            if (DROP)
                keep = keep_of_queries(call, dropout_counter(call, at, first + row), key + c);
            backward_of_queries<D, DROP>(dq, q + row * D, go + row * D, now + c * D, now + (TILE + c) * D,
                                         at.T - key - c, l, d, call.scale * LOG2_E, keep, call.factor);
        }
        __syncthreads();
    }
    tile_store<D>(dqkv + qkv_at(call, at, 0) + first * stride, stride, q, row, at.T - first, dq, call.scale,
                  call.scale);
}

/* ---- backward: dk, dv ---------------------------------------------------------------------------------------------
 */

/* k, v, and q, dout, lse, delta twice */
template <int D> static __device__ __host__ inline int tiled_keys_bytes()
{
    return 6 * TILE * D * static_cast<int>(sizeof(fr_bf16)) + 4 * TILE * static_cast<int>(sizeof(float));
}

/* lse (times log2 e, infinite beyond the sequence) and delta of queries first .. first + 63 */
static __device__ inline void load_rows(float *to_lse, float *to_delta, const float *lse, const float *delta, int H,
                                        int first, int T)
{
    int i = static_cast<int>(threadIdx.x) % TILE;
    bool there = first + i < T;
    int64_t from = static_cast<int64_t>(first + i) * H;
    if (static_cast<int>(threadIdx.x) < TILE)
        to_lse[i] = there ? lse[from] * LOG2_E : INFINITY;
    else
        to_delta[i] = there ? delta[from] : 0;
}

/* dk, dv of 64 keys. */
template <int D, bool DROP>
static __global__ void __launch_bounds__(TILED_THREADS, D == 64 ? 3 : 4)
    tiled_keys(fr_bf16 *dqkv, const float *delta, const fr_bf16 *dout, const float *lse, attention_call<fr_bf16> call)
{
    FR_DYNAMIC_SHARED(float, rows); /* lse and delta of even tiles; of odd tiles */
    fr_bf16 *k = reinterpret_cast<fr_bf16 *>(rows + 4 * TILE), *v = k + TILE * D, *qg = v + TILE * D;
    attention_pair at = pair_of(call);
    int64_t stride = static_cast<int64_t>(3) * call.H * D, out_stride = static_cast<int64_t>(call.H) * D;
    int first = static_cast<int>(blockIdx.y) * TILE, row = warp_row(), g = lane_of_warp() / 4;
    if (first >= at.T)
        return;
    const fr_bf16 *q = call.qkv + qkv_at(call, at, 0), *go = dout + out_at(call, at);
    lse += out_at(call, at) / D;
    delta += out_at(call, at) / D;
    load_two<D>(k, v, call.qkv + qkv_at(call, at, 1), call.qkv + qkv_at(call, at, 2), stride, stride, first, at.T);
    load_two<D>(qg, qg + TILE * D, q, go, stride, out_stride, 0, at.T);
    fr_copy_commit();
    load_rows(rows, rows + TILE, lse, delta, call.H, 0, at.T);

    float dk[D / 8][4], dv[D / 8][4];
    clear<D / 8>(dk);
    clear<D / 8>(dv);
    for (int query = 0; query < at.T; query += TILE) {
        int odd = query / TILE % 2;
        fr_bf16 *now = qg + odd * 2 * TILE * D, *next = qg + (1 - odd) * 2 * TILE * D;
        float *l = rows + odd * 2 * TILE, *next_rows = rows + (1 - odd) * 2 * TILE;
        if (query + TILE < at.T) {
            load_two<D>(next, next + TILE * D, q, go, stride, out_stride, query + TILE, at.T);
            load_rows(next_rows, next_rows + TILE, lse, delta, call.H, query + TILE, at.T);
        }
        fr_copy_commit();
        fr_copy_wait<1>();
        __syncthreads();
#pragma unroll 1
        for (int c = 0; first + row < at.T && c < smaller(TILE, at.T - query); c += 16) {
            uint32_t packed[4];
            uint32_t keep = 0;
            if (DROP)
                keep = keep_of_keys(call, dropout_counter(call, at, query + c), first + row);
            backward_of_keys<D, DROP>(dk, dv, packed, k + row * D, v + row * D, now + c * D, now + (TILE + c) * D,
                                      l + c, l + TILE + c, call.scale * LOG2_E, first + row + g < at.T,
                                      first + row + g + 8 < at.T, keep, call.factor);
        }
        __syncthreads();
    }
    fr_bf16 *dkv = dqkv + first * stride;
    tile_store<D>(dkv + qkv_at(call, at, 1), stride, k, row, at.T - first, dk, call.scale, call.scale);
    tile_store<D>(dkv + qkv_at(call, at, 2), stride, v, row, at.T - first, dv, call.factor, call.factor);
}

#endif
