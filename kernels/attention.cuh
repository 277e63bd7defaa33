/* attention.cuh - what the attention kernels share (attention.cu chooses among them): the call, where a block's
 * sequence lies, and the pieces of the bf16 kernels: tiles in shared memory, products of tiles, dropout of fragments.
 *
 * A warp of the bf16 kernels owns 16 rows. Names of fragments as in intrinsics.cuh: g = lane / 4, t = lane % 4. */
#ifndef FR_ATTENTION_CUH
#define FR_ATTENTION_CUH

#include "intrinsics.cuh"
#include "philox.h"

static const float LOG2_E = 1.44269504088896341f, LN_2 = 0.693147180559945309f;

/* What forward and backward are both told. */
template <class T> struct attention_call {
    const T *qkv;      /* (N, 3, H, D) */
    const int32_t *cu; /* (B+1) */
    int H, D;
    float scale;
    uint64_t seed, stream,
        first; /* dropout: probability (n, h, key) has the counter ((first + n) H + h) << 16 | key/4 */
    uint32_t threshold;
    float factor; /* of a probability that is kept */
};

/* The sequence and head of a block: blockIdx.x counts pairs (b, h). */
struct attention_pair {
    int64_t n; /* first token */
    int T, h;
};

template <class T> static __device__ inline attention_pair pair_of(const attention_call<T> &call)
{
    int b = static_cast<int>(blockIdx.x) / call.H, h = static_cast<int>(blockIdx.x) % call.H;
    return {call.cu[b], call.cu[b + 1] - call.cu[b], h};
}

/* First row of q (0), k (1) or v (2) of a pair in qkv, and in dqkv alike; rows are 3 H D elements apart. */
template <class T> static __device__ inline int64_t qkv_at(const attention_call<T> &call, attention_pair at, int which)
{
    return ((at.n * 3 + which) * call.H + at.h) * call.D;
}

/* The same in out and dout, whose rows are H D apart; divided by D in lse and delta. */
template <class T> static __device__ inline int64_t out_at(const attention_call<T> &call, attention_pair at)
{
    return (at.n * call.H + at.h) * call.D;
}

/* Counter of dropout of query row i of a pair, key 0. */
template <class T>
static __device__ inline uint64_t dropout_counter(const attention_call<T> &call, attention_pair at, int i)
{
    return ((call.first + static_cast<uint64_t>(at.n + i)) * static_cast<uint64_t>(call.H) +
            static_cast<uint64_t>(at.h))
           << 16;
}

/* Bit i: whether key 4 group + i is kept. */
template <class T>
static __device__ inline uint32_t keep_four(const attention_call<T> &call, uint64_t counter, int group)
{
    uint32_t w0, w1, w2, w3;
    philox4(&w0, &w1, &w2, &w3, call.seed, call.stream, counter | static_cast<uint64_t>(group));
    return (w0 >= call.threshold ? 1u : 0u) | (w1 >= call.threshold ? 2u : 0u) | (w2 >= call.threshold ? 4u : 0u) |
           (w3 >= call.threshold ? 8u : 0u);
}

/* ---- bf16: tiles --------------------------------------------------------------------------------------------------
 */

static const int WARP_ROWS = 16, CHUNK = 32; /* columns of scores computed at a time */

static __device__ inline int lane_of_warp()
{
    return static_cast<int>(threadIdx.x % FR_WARP); /* unsigned: shifts and masks */
}

static __device__ inline int warp_row()
{
    return static_cast<int>(threadIdx.x / FR_WARP) * WARP_ROWS;
}

/* Element 8 part of a row of a tile. A tile has rows of D elements, whose 16-byte parts change places so that the eight
 * rows that fr_ldmatrix4 reads at once lie in different banks. */
template <int D> static __device__ inline int tile_at(int row, int part)
{
    static_assert(D == 32 || D == 64, "a row is 64 or 128 bytes");
    return row * D + (part ^ (D == 64 ? row % 8 : row / 2 % 4)) * 8;
}

/* Begins copying: rows 0 .. there-1 from memory, zeros up to ROWS. All 2 ROWS threads of the block call it. */
template <int D, int ROWS>
static __device__ inline void tile_load(fr_bf16 *tile, const fr_bf16 *from, int64_t stride, int there)
{
    const int parts = D / 8, step = 2 * ROWS / parts; /* a multiple of 8: parts keep their places */
    int first = static_cast<int>(threadIdx.x / parts), part = static_cast<int>(threadIdx.x % parts);
    tile += tile_at<D>(first, part);
    from += first * stride + part * 8;
#pragma unroll
    for (int row = 0; row < ROWS; row += step) {
        fr_copy_async(tile, from, first + row < there);
        tile += step * D;
        from += step * stride;
    }
}

/* Rows row .. row+15 of the result (those below there) from a warp's acc, the upper eight and the lower eight times a
 * factor each, by way of rows of a tile that no other warp uses. */
template <int D>
static __device__ inline void tile_store(fr_bf16 *to, int64_t stride, fr_bf16 *tile, int row, int there,
                                         const float acc[D / 8][4], float upper, float lower)
{
    const int parts = D / 8;
    int lane = lane_of_warp(), g = lane / 4, t = lane % 4;
    __syncwarp(); /* the last use of these rows is over */
#pragma unroll
    for (int j = 0; j < parts; j++) {
        *reinterpret_cast<uint32_t *>(tile + tile_at<D>(row + g, j) + 2 * t) =
            fr_pack(acc[j][0] * upper, acc[j][1] * upper);
        *reinterpret_cast<uint32_t *>(tile + tile_at<D>(row + g + 8, j) + 2 * t) =
            fr_pack(acc[j][2] * lower, acc[j][3] * lower);
    }
    __syncwarp();
#pragma unroll
    for (int i = lane; i < WARP_ROWS * parts; i += FR_WARP) {
        int r = row + i / parts, part = i % parts;
        if (r < there)
            *reinterpret_cast<uint4 *>(to + r * stride + part * 8) =
                *reinterpret_cast<const uint4 *>(tile + tile_at<D>(r, part));
    }
}

/* delta[i] = sum_d dout[i,d] out[i,d] of two tiles, by 2 ROWS threads. */
template <int D, int ROWS>
static __device__ inline void tile_delta(float *delta, const fr_bf16 *dout, const fr_bf16 *out)
{
    const int parts = D / 8;
    for (int i = static_cast<int>(threadIdx.x); i < ROWS * parts; i += 2 * ROWS) {
        int row = i / parts, part = i % parts;
        fr_vector<fr_bf16> a = *reinterpret_cast<const fr_vector<fr_bf16> *>(dout + tile_at<D>(row, part));
        fr_vector<fr_bf16> b = *reinterpret_cast<const fr_vector<fr_bf16> *>(out + tile_at<D>(row, part));
        float sum = 0;
#pragma unroll
        for (int j = 0; j < 8; j++)
            sum += fr_float(a.x[j]) * fr_float(b.x[j]);
#pragma unroll
        for (int step = parts / 2; step > 0; step /= 2)
            sum += __shfl_xor_sync(FR_ALL_LANES, sum, step);
        if (part == 0)
            delta[row] = sum;
    }
}

/* ---- bf16: products -----------------------------------------------------------------------------------------------
 */

/* Where a lane's row of an fr_ldmatrix4 begins, in a tile from a row on that is a multiple of 8, in column 0. By rows:
 * 16 rows, lanes 16 .. 31 in the next part. By halves: rows 0 .. 7 in two parts, then rows 8 .. 15. Part 2 k further on
 * is the same element with bits of 16 k changed. */
template <int D> static __device__ inline int lane_by_rows()
{
    int lane = lane_of_warp();
    return tile_at<D>(lane % 16, lane / 16);
}

template <int D> static __device__ inline int lane_by_halves()
{
    int lane = lane_of_warp();
    return tile_at<D>(lane % 8 + lane / 16 * 8, lane / 8 % 2);
}

/* A fragment of 16 rows of a tile, columns 16 k .. 16 k + 15. */
template <int D> static __device__ inline void fragment_a(uint32_t a[4], const fr_bf16 *tile, int k)
{
    fr_ldmatrix4(a, tile + (lane_by_rows<D>() ^ 16 * k));
}

/* s (16, COUNT) += a b^T in the columns 16 k .. of a and b; b: COUNT rows of a tile. */
template <int D, int COUNT>
static __device__ inline void multiply_transposed(float s[COUNT / 8][4], const uint32_t a[4], const fr_bf16 *b, int k)
{
#pragma unroll
    for (int j = 0; j < COUNT / 16; j++) {
        uint32_t f[4];
        fr_ldmatrix4(f, b + 16 * D * j + (lane_by_halves<D>() ^ 16 * k));
        fr_mma(s[2 * j], a, f, s[2 * j]);
        fr_mma(s[2 * j + 1], a, f + 2, s[2 * j + 1]);
    }
}

/* o (16, D) += a (16, 16) b; b: 16 rows of a tile. */
template <int D> static __device__ inline void multiply(float o[D / 8][4], const uint32_t a[4], const fr_bf16 *b)
{
#pragma unroll
    for (int j = 0; j < D / 16; j++) {
        uint32_t f[4];
        fr_ldmatrix4_transposed(f, b + (lane_by_rows<D>() ^ 16 * j));
        fr_mma(o[2 * j], a, f, o[2 * j]);
        fr_mma(o[2 * j + 1], a, f + 2, o[2 * j + 1]);
    }
}

/* Results (16, 16) as the A fragment of the next product. */
static __device__ inline void pack_fragment(uint32_t a[4], const float s[2][4])
{
    a[0] = fr_pack(s[0][0], s[0][1]);
    a[1] = fr_pack(s[0][2], s[0][3]);
    a[2] = fr_pack(s[1][0], s[1][1]);
    a[3] = fr_pack(s[1][2], s[1][3]);
}

template <int COUNT> static __device__ inline void clear(float x[COUNT][4])
{
#pragma unroll
    for (int j = 0; j < COUNT; j++)
        x[j][0] = x[j][1] = x[j][2] = x[j][3] = 0;
}

/* Scores (16, COUNT) times scale; minus infinity from column `there` on. */
template <int COUNT> static __device__ inline void scale_scores(float s[COUNT / 8][4], float scale, int there)
{
    int t = lane_of_warp() % 4;
#pragma unroll
    for (int j = 0; j < COUNT / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            s[j][e] *= scale;
    if (there >= COUNT)
        return;
#pragma unroll
    for (int j = 0; j < COUNT / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (8 * j + 2 * t + e % 2 >= there)
                s[j][e] = -INFINITY;
}

/* Over the four lanes that hold a row. */
static __device__ inline float row_max(float x)
{
    x = fmaxf(x, __shfl_xor_sync(FR_ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(FR_ALL_LANES, x, 2));
}

static __device__ inline float row_sum(float x)
{
    x += __shfl_xor_sync(FR_ALL_LANES, x, 1);
    return x + __shfl_xor_sync(FR_ALL_LANES, x, 2);
}

/* ---- bf16: dropout of fragments -----------------------------------------------------------------------------------
 */

/* Whether s[j][e] is kept. */
static __device__ inline bool kept(uint32_t keep, int j, int e)
{
    return keep >> (4 * j + e) & 1;
}

/* s has queries as rows (counter: of query row 0 of the warp) and CHUNK keys from `key` on as columns. One draw serves
 * four keys, which two lanes share: of the four draws that (rows g, g+8; keys 8 j .. 8 j + 7) take, lane t makes that
 * of row g + 8 (t % 2), keys 8 j + 4 (t / 2) .. + 3, and hands the half it does not need to its neighbour. */
template <class T>
static __device__ inline uint32_t keep_of_queries(const attention_call<T> &call, uint64_t counter, int key)
{
    int lane = lane_of_warp(), g = lane / 4, t = lane % 4, odd = t % 2;
    uint32_t mine = 0;
    counter += static_cast<uint64_t>((g + 8 * odd) * call.H) << 16;
#pragma unroll 1 /* registers are scarce where this is called */
    for (int j = 0; j < CHUNK / 8; j++)
        mine |= keep_four(call, counter, (key + 8 * j) / 4 + t / 2) << (4 * j);
    uint32_t other = __shfl_xor_sync(FR_ALL_LANES, mine, 1);
    uint32_t upper = (odd ? other : mine) >> (2 * odd), lower = (odd ? mine : other) >> (2 * odd);
    return (upper & 0x33333333u) | (lower & 0x33333333u) << 2;
}

/* s has 16 keys from `key` on as rows and 16 queries as columns (counter: of the first). The draw of keys 4 i .. 4 i +
 * 3 for one query serves the four lanes g / 4 = i: of the four draws they need together (keys g and g + 8, queries 2 t
 * and 2 t + 1), lane g makes number g % 4. */
template <class T>
static __device__ inline uint32_t keep_of_keys(const attention_call<T> &call, uint64_t counter, int key)
{
    int lane = lane_of_warp(), g = lane / 4, t = lane % 4, number = g % 4;
    uint32_t mine = 0, keep = 0;
#pragma unroll 1
    for (int j = 0; j < 2; j++) {
        uint64_t query = counter + (static_cast<uint64_t>((8 * j + 2 * t + number % 2) * call.H) << 16);
        mine |= keep_four(call, query, key / 4 + g / 4 + number / 2 * 2) << (4 * j);
    }
#pragma unroll
    for (int e = 0; e < 4; e++)
        keep |= (__shfl_sync(FR_ALL_LANES, mine, t + g / 4 * 16 + 4 * e) >> number & 0x11u) << e;
    return keep;
}

/* ---- bf16: backward of dk and dv -----------------------------------------------------------------------------------
 */

/* 16 keys (rows of k, v) against 16 queries (rows of q, dout; lse times log2 e, infinite where there is no query, and
 * delta). With everything transposed,
 *
 *     P^T = e^(scale k q^T - lse);  dv += (P keep)^T dout;  dS^T = P^T (keep factor v dout^T - delta);  dk += dS^T q
 *
 * dv wants the factor of dropout, dk and dS the scale. upper, lower: keys g, g + 8 are there. ds: dS^T packed. */
template <int D, bool DROP>
static __device__ inline void backward_of_keys(float dk[D / 8][4], float dv[D / 8][4], uint32_t ds[4], const fr_bf16 *k,
                                               const fr_bf16 *v, const fr_bf16 *q, const fr_bf16 *dout,
                                               const float *lse, const float *delta, float scale, bool upper,
                                               bool lower, uint32_t keep, float factor)
{
    int t = lane_of_warp() % 4;
    float p[2][4], dp[2][4];
    uint32_t a[4];
    clear<2>(p);
    clear<2>(dp);
#pragma unroll
    for (int i = 0; i < D / 16; i++) {
        fragment_a<D>(a, k, i);
        multiply_transposed<D, 16>(p, a, q, i);
        fragment_a<D>(a, v, i);
        multiply_transposed<D, 16>(dp, a, dout, i);
    }
#pragma unroll
    for (int j = 0; j < 2; j++) {
        float2 l = *reinterpret_cast<const float2 *>(lse + 8 * j + 2 * t);
        float2 d = *reinterpret_cast<const float2 *>(delta + 8 * j + 2 * t);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            bool stays = !DROP || kept(keep, j, e);
            float P = exp2f(scale * p[j][e] - (e % 2 ? l.y : l.x)), dZ = dp[j][e];
            if (!(e < 2 ? upper : lower))
                P = 0;
            if (DROP)
                dZ = stays ? dZ * factor : 0;
            dp[j][e] = P * (dZ - (e % 2 ? d.y : d.x));
            p[j][e] = stays ? P : 0;
        }
    }
    pack_fragment(a, p);
    multiply<D>(dv, a, dout);
    pack_fragment(ds, dp);
    multiply<D>(dk, ds, q);
}

#endif
