/* attention_short.cuh - bf16 attention of sequences of up to 128 tokens: one block per sequence and head, everything on
 * chip. ROWS: of a tile, a multiple of 32 up to 128, no sequence longer; a block has 2 ROWS threads, 16 rows for a
 * warp. */
#ifndef FR_ATTENTION_SHORT_CUH
#define FR_ATTENTION_SHORT_CUH

#include "attention.cuh"

static const int SHORT_LONGEST = 128;

template <int D, int ROWS> static __device__ __host__ inline int short_forward_bytes()
{
    return 3 * ROWS * D * static_cast<int>(sizeof(fr_bf16)); /* q, k, v */
}

/* Scores of 16 queries stay in registers: softmax in one pass. */
template <int D, int ROWS, bool DROP>
static __global__ void __launch_bounds__(2 * ROWS, 256 / ROWS)
    short_forward(fr_bf16 *out, float *lse, attention_call<fr_bf16> call)
{
    FR_DYNAMIC_SHARED(fr_bf16, q);
    int row = warp_row(), lane = lane_of_warp(), g = lane / 4, t = lane % 4;
    fr_bf16 *k = q + ROWS * D, *v = k + ROWS * D;
    attention_pair at = pair_of(call);
    int64_t stride = static_cast<int64_t>(3) * call.H * D;
    if (at.T == 0)
        return;
    tile_load<D, ROWS>(q, call.qkv + qkv_at(call, at, 0), stride, at.T);
    tile_load<D, ROWS>(k, call.qkv + qkv_at(call, at, 1), stride, at.T);
    fr_copy_commit();
    tile_load<D, ROWS>(v, call.qkv + qkv_at(call, at, 2), stride, at.T);
    fr_copy_commit();
    uint32_t keep[ROWS / CHUNK] = {};
#pragma unroll
    for (int c = 0; DROP && c < ROWS; c += CHUNK) /* while the copies are under way */
        if (row < at.T && c < at.T)
            keep[c / CHUNK] = keep_of_queries(call, dropout_counter(call, at, row), c);
    fr_copy_wait<1>();
    __syncthreads();

    float s[ROWS / 8][4], most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}, scale = call.scale * LOG2_E;
    if (row < at.T) {
#pragma unroll
        for (int c = 0; c < ROWS; c += CHUNK) {
            if (c >= at.T)
                break;
            float(*sc)[4] = s + c / 8;
            clear<CHUNK / 8>(sc);
#pragma unroll
            for (int i = 0; i < D / 16; i++) {
                uint32_t a[4];
                fragment_a<D>(a, q + row * D, i);
                multiply_transposed<D, CHUNK>(sc, a, k + c * D, i);
            }
            scale_scores<CHUNK>(sc, scale, at.T - c);
#pragma unroll
            for (int j = 0; j < CHUNK / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    most[e / 2] = fmaxf(most[e / 2], sc[j][e]);
        }
        most[0] = row_max(most[0]);
        most[1] = row_max(most[1]);
    }
    fr_copy_wait<0>();
    __syncthreads();
    if (row >= at.T)
        return;

    float o[D / 8][4];
    clear<D / 8>(o);
#pragma unroll
    for (int c = 0; c < ROWS; c += CHUNK) {
        if (c >= at.T)
            break;
        float(*sc)[4] = s + c / 8;
#pragma unroll
        for (int j = 0; j < CHUNK / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                float p = exp2f(sc[j][e] - most[e / 2]);
                sum[e / 2] += p;
                sc[j][e] = DROP && !kept(keep[c / CHUNK], j, e) ? 0 : p;
            }
#pragma unroll
        for (int i = 0; i < CHUNK / 16; i++) {
            uint32_t a[4];
            pack_fragment(a, sc + 2 * i);
            multiply<D>(o, a, v + (c + 16 * i) * D);
        }
    }
    sum[0] = row_sum(sum[0]);
    sum[1] = row_sum(sum[1]);
    for (int i = 0; i < 2; i++)
        if (t == 0 && row + g + 8 * i < at.T)
            lse[out_at(call, at) / D + static_cast<int64_t>(row + g + 8 * i) * call.H] =
                (most[i] + log2f(sum[i])) * LN_2;
    tile_store<D>(out + out_at(call, at), static_cast<int64_t>(call.H) * D, q, row, at.T, o, call.factor / sum[0],
                  call.factor / sum[1]);
}

/* q, k, v, dout; then rows of dS^T in the place where out was; lse, delta. A row of dS^T is an odd number of 16-byte
 * parts, so that rows lie in different banks. */
template <int D, int ROWS> static __device__ __host__ inline int short_backward_bytes()
{
    int last = ROWS + 8 > D ? ROWS + 8 : D;
    return ROWS * (4 * D + last) * static_cast<int>(sizeof(fr_bf16)) + 2 * ROWS * static_cast<int>(sizeof(float));
}

/* Each warp has 16 keys and goes over the queries for dk and dv; it leaves dS for dq, of which it then has 16 rows. */
template <int D, int ROWS, bool DROP>
static __global__ void __launch_bounds__(2 * ROWS, D == 64 && ROWS == 32 ? 6 : 256 / ROWS) /* 168 registers; 128 */
    short_backward(fr_bf16 *dqkv, const fr_bf16 *dout, const fr_bf16 *out, const float *lse,
                   attention_call<fr_bf16> call)
{
    FR_DYNAMIC_SHARED(float, shared);
    const int ds_stride = ROWS + 8;
    int row = warp_row(), lane = lane_of_warp(), g = lane / 4, t = lane % 4;
    float *l = shared, *delta = l + ROWS;
    fr_bf16 *q = reinterpret_cast<fr_bf16 *>(delta + ROWS), *k = q + ROWS * D, *v = k + ROWS * D, *go = v + ROWS * D;
    fr_bf16 *ds = go + ROWS * D; /* first out */
    attention_pair at = pair_of(call);
    int64_t stride = static_cast<int64_t>(3) * call.H * D, out_stride = static_cast<int64_t>(call.H) * D;
    if (at.T == 0)
        return;
    tile_load<D, ROWS>(go, dout + out_at(call, at), out_stride, at.T);
    tile_load<D, ROWS>(ds, out + out_at(call, at), out_stride, at.T);
    fr_copy_commit();
    for (int which = 0; which < 3; which++)
        tile_load<D, ROWS>(q + which * ROWS * D, call.qkv + qkv_at(call, at, which), stride, at.T);
    fr_copy_commit();
    for (int i = static_cast<int>(threadIdx.x); i < ROWS; i += 2 * ROWS)
        l[i] = i < at.T ? lse[out_at(call, at) / D + static_cast<int64_t>(i) * call.H] * LOG2_E : INFINITY;
    fr_copy_wait<1>();
    __syncthreads();
    tile_delta<D, ROWS>(delta, go, ds);
    fr_copy_wait<0>();
    __syncthreads();

    float dk[D / 8][4], dv[D / 8][4];
    clear<D / 8>(dk);
    clear<D / 8>(dv);
#pragma unroll 1
    for (int query = 0; row < at.T && query < at.T; query += 16) {
        uint32_t packed[4];
        uint32_t keep = 0;
        if (DROP)
            keep = keep_of_keys(call, dropout_counter(call, at, query), row);
        backward_of_keys<D, DROP>(dk, dv, packed, k + row * D, v + row * D, q + query * D, go + query * D, l + query,
                                  delta + query, call.scale * LOG2_E, row + g < at.T, row + g + 8 < at.T, keep,
                                  call.factor);
#pragma unroll
        for (int e = 0; e < 4; e++)
            *reinterpret_cast<uint32_t *>(ds + (row + g + e % 2 * 8) * ds_stride + query + e / 2 * 8 + 2 * t) =
                packed[e];
    }
    __syncthreads();
    if (row >= at.T)
        return;
    tile_store<D>(dqkv + qkv_at(call, at, 2), stride, v, row, at.T, dv, call.factor, call.factor);
    tile_store<D>(dqkv + qkv_at(call, at, 1), stride, go, row, at.T, dk, call.scale, call.scale);
    float dq[D / 8][4];
    clear<D / 8>(dq);
#pragma unroll 1
    for (int key = 0; key < at.T; key += WARP_ROWS) {
        uint32_t a[4];
        fr_ldmatrix4_transposed(a, ds + (key + lane % 8 + lane / 16 * 8) * ds_stride + row + lane / 8 % 2 * 8);
        multiply<D>(dq, a, k + key * D);
    }
    tile_store<D>(dqkv + qkv_at(call, at, 0), stride, q, row, at.T, dq, call.scale, call.scale);
}

#endif
