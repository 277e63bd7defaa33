/* Rank-biased overlap of edges (rbo.c has the definition). A tie group is known by its first rank, so only top is read.
 *
 * Complete lists without ties: sum_m W[max(rank, rank')] as in rbo_untied.h, W in fixed point, so that sums are exact.
 * Others by definition: a lane closes up the ranks of its models, then sums the contributions of all models at its
 * depths. Up to 64 models half a warp or a warp does an edge, more take a block. */
#include "cuda.cuh"

static const int THREADS = 256;
static const unsigned ONE = 1u << 30; /* of W */

/* power[d] = p^d and W[r] for 1..M. The roundings go to W[1], so that identical lists give exactly 1. */
static __global__ void tables_kernel(double *power, unsigned *W, int64_t M, double p)
{
    power[0] = 1;
    for (int64_t d = 1; d <= M; d++)
        power[d] = power[d - 1] * p;
    double tail = 0;
    unsigned rest = ONE;
    for (int64_t r = M; r > 1; r--) {
        tail += power[r] / static_cast<double>(r);
        double w = (1 - p) / p * tail + power[M] / static_cast<double>(M);
        W[r] = static_cast<unsigned>(w * ONE + 0.5);
        rest -= W[r];
    }
    W[1] = rest;
}

static __device__ inline float in_unit_range(double x)
{
    return x < 0 ? 0.0f : x > 1 ? 1.0f : static_cast<float>(x);
}

static __device__ inline float from_fixed(unsigned sum)
{
    return sum < ONE ? static_cast<float>(sum) * (1.0f / ONE) : 1.0f;
}

/* A model that both lists hold: contribution c_d = clamp((d - first) inverse, 0, 1) in each; inverse 0 where it is not
 * in both. */
struct alignas(16) common_model {
    float first, inverse, other_first, other_inverse;
};

/* How many common models stand before one of rank `rank`, and how many with it. */
struct standing {
    int before, equal;
    __device__ void count(int rank, int other, bool common)
    {
        before += common && other < rank;
        equal += common && other == rank;
    }
};

static __device__ inline common_model close_up(standing a, standing b, bool common)
{
    common_model none = {0, 0, 0, 0}, closed = {static_cast<float>(a.before), 1.0f / static_cast<float>(a.equal),
                                                static_cast<float>(b.before), 1.0f / static_cast<float>(b.equal)};
    return common ? closed : none;
}

/* A_d times its weight in RBO, which for the deepest depth n holds the extrapolation. */
static __device__ inline double depth_term(const common_model *model, int M, int depth, int n, const double *power,
                                           double p, bool corrected)
{
    if (depth > n)
        return 0;
    float d = static_cast<float>(depth), cross = 0, squares = 0, other_squares = 0;
    for (int m = 0; m < M; m++) {
        common_model c = model[m];
        float x = fminf(fmaxf((d - c.first) * c.inverse, 0.0f), 1.0f);
        float y = fminf(fmaxf((d - c.other_first) * c.other_inverse, 0.0f), 1.0f);
        cross += x * y;
        squares += x * x;
        other_squares += y * y;
    }
    float agreement = corrected ? cross / sqrtf(squares * other_squares) : cross / d;
    return static_cast<double>(agreement) * ((1 - p) / p * power[depth] + (depth == n ? power[n] : 0));
}

/* ---- up to 64 models -------------------------------------------------------------------------------------------- */

/* LANES lanes do an edge, EACH models a lane. */
template <int LANES, int EACH> struct edge_group {
    int lane;      /* in the group */
    unsigned mask; /* of its lanes */
    int M;
    int a[EACH], b[EACH]; /* ranks of models lane, lane + LANES .. */

    /* Every rank 1..M is taken in both lists: neither ties nor missing models. */
    __device__ bool plain() const
    {
        bool all = true;
#pragma unroll
        for (int w = 0; w < EACH; w++) {
            unsigned in_a = 0, in_b = 0;
#pragma unroll
            for (int i = 0; i < EACH; i++) {
                in_a |= a[i] > 0 && (a[i] - 1) / 32 == w ? 1u << (a[i] - 1) % 32 : 0;
                in_b |= b[i] > 0 && (b[i] - 1) / 32 == w ? 1u << (b[i] - 1) % 32 : 0;
            }
            int ranks = M - 32 * w;
            unsigned want = ranks >= 32 ? ~0u : (1u << ranks) - 1;
            all = all && __reduce_or_sync(mask, in_a) == want && __reduce_or_sync(mask, in_b) == want;
        }
        return all;
    }

    __device__ float by_table(const unsigned *W) const
    {
        unsigned sum = 0;
#pragma unroll
        for (int i = 0; i < EACH; i++)
            sum += lane + LANES * i < M ? W[a[i] > b[i] ? a[i] : b[i]] : 0;
        return from_fixed(__reduce_add_sync(mask, sum));
    }

    /* By all groups of a warp together. model: of the group. */
    __device__ float by_definition(common_model *model, const double *power, double p, bool corrected) const
    {
        standing in_a[EACH] = {}, in_b[EACH] = {};
        int n = 0;
#pragma unroll
        for (int from = 0; from < EACH; from++) {
            for (int j = 0; j < LANES && from * LANES + j < M; j++) {
                int other_a = __shfl_sync(FR_ALL_LANES, a[from], j, LANES);
                int other_b = __shfl_sync(FR_ALL_LANES, b[from], j, LANES);
                bool common = other_a && other_b;
                n += common;
#pragma unroll
                for (int i = 0; i < EACH; i++) {
                    in_a[i].count(a[i], other_a, common);
                    in_b[i].count(b[i], other_b, common);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < EACH; i++)
            model[lane + LANES * i] = close_up(in_a[i], in_b[i], a[i] && b[i]);
        __syncwarp();
        double sum = 0;
#pragma unroll
        for (int i = 0; i < EACH; i++)
            sum += depth_term(model, M, lane + LANES * i + 1, n, power, p, corrected);
        __syncwarp();
        for (int step = LANES / 2; step > 0; step /= 2)
            sum += __shfl_xor_sync(FR_ALL_LANES, sum, step);
        return in_unit_range(sum);
    }
};

template <int LANES, int EACH>
static __global__ void __launch_bounds__(THREADS)
    rbo_kernel(float *rbo, const int32_t *edges, const int16_t *top, const double *powers, const unsigned *table,
               int64_t E, int M, double p, bool corrected)
{
    const int most = LANES * EACH, groups = FR_WARP / LANES; /* of a warp */
    __shared__ common_model model[THREADS * EACH];
    __shared__ double power[most + 1];
    __shared__ unsigned W[most + 1];
    for (int i = threadIdx.x; i <= M; i += THREADS) {
        power[i] = powers[i];
        W[i] = i > 0 ? table[i] : 0;
    }
    __syncthreads();
    edge_group<LANES, EACH> g;
    g.lane = threadIdx.x % LANES;
    g.mask = LANES == FR_WARP ? FR_ALL_LANES : ((1u << LANES % 32) - 1) << (threadIdx.x % FR_WARP / LANES * LANES);
    g.M = M;
    for (int64_t first = fr_thread_index() / FR_WARP * groups; first < E;
         first += fr_thread_count() / FR_WARP * groups) {
        int64_t e = first + threadIdx.x % FR_WARP / LANES;
        bool there = e < E;
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int m = g.lane + LANES * i;
            g.a[i] = there && m < M ? top[edges[2 * e] * static_cast<int64_t>(M) + m] : 0;
            g.b[i] = there && m < M ? top[edges[2 * e + 1] * static_cast<int64_t>(M) + m] : 0;
        }
        bool plain = g.plain();
        float value = g.by_table(W);
        if (__any_sync(FR_ALL_LANES, there && !plain)) {
            float defined = g.by_definition(model + threadIdx.x / LANES * most, power, p, corrected);
            value = plain ? value : defined;
        }
        if (there && g.lane == 0)
            rbo[e] = value;
    }
}

/* ---- more ------------------------------------------------------------------------------------------------------- */

/* Dynamic shared memory: M models, then the ranks of both lists, then a bit for every rank of both. */
static size_t block_bytes(int64_t M)
{
    return static_cast<size_t>(M) * (sizeof(common_model) + 2 * sizeof(int)) +
           static_cast<size_t>(2 * fr_ceil_div(M, 32)) * sizeof(unsigned);
}

static __global__ void __launch_bounds__(THREADS)
    rbo_block_kernel(float *rbo, const int32_t *edges, const int16_t *top, const double *power, const unsigned *W,
                     int64_t E, int M, double p, bool corrected)
{
    FR_DYNAMIC_SHARED(common_model, model);
    int *a = reinterpret_cast<int *>(model + M), *b = a + M;
    unsigned *taken = reinterpret_cast<unsigned *>(b + M);
    const int words = (M + 31) / 32;
    for (int64_t e = blockIdx.x; e < E; e += gridDim.x) {
        for (int w = threadIdx.x; w < 2 * words; w += THREADS)
            taken[w] = 0;
        for (int m = threadIdx.x; m < M; m += THREADS) {
            a[m] = top[edges[2 * e] * static_cast<int64_t>(M) + m];
            b[m] = top[edges[2 * e + 1] * static_cast<int64_t>(M) + m];
        }
        __syncthreads();
        unsigned sum = 0;
        int n = 0;
        for (int m = threadIdx.x; m < M; m += THREADS) {
            if (a[m] > 0)
                atomicOr(&taken[(a[m] - 1) / 32], 1u << (a[m] - 1) % 32);
            if (b[m] > 0)
                atomicOr(&taken[words + (b[m] - 1) / 32], 1u << (b[m] - 1) % 32);
            n += a[m] > 0 && b[m] > 0;
            sum += a[m] > 0 && b[m] > 0 ? W[a[m] > b[m] ? a[m] : b[m]] : 0;
        }
        __syncthreads();
        bool full = true;
        for (int w = threadIdx.x; w < 2 * words; w += THREADS)
            full = full && taken[w] == (w % words < words - 1 || M % 32 == 0 ? ~0u : (1u << M % 32) - 1);
        float value;
        if (__syncthreads_and(full)) {
            value = from_fixed(fr_block_sum<THREADS>(sum));
        } else {
            for (int m = threadIdx.x; m < M; m += THREADS) {
                standing in_a = {0, 0}, in_b = {0, 0};
                for (int j = 0; j < M; j++) {
                    bool common = a[j] && b[j];
                    in_a.count(a[m], a[j], common);
                    in_b.count(b[m], b[j], common);
                }
                model[m] = close_up(in_a, in_b, a[m] && b[m]);
            }
            n = fr_block_sum<THREADS>(n); /* with a barrier: models are there */
            double terms = 0;
            for (int d = threadIdx.x + 1; d <= n; d += THREADS)
                terms += depth_term(model, M, d, n, power, p, corrected);
            value = in_unit_range(fr_block_sum<THREADS>(terms));
        }
        if (threadIdx.x == 0)
            rbo[e] = value;
    }
}

/* ---- the row ---------------------------------------------------------------------------------------------------- */

template <int LANES, int EACH>
static void by_groups(fr_queue *q, float *rbo, const int32_t *edges, const int16_t *top, const double *power,
                      const unsigned *W, int64_t E, int64_t M, double p, bool corrected)
{
    fr_launch(q, (rbo_kernel<LANES, EACH>), fr_blocks(q, E * LANES, THREADS), THREADS, 0, rbo, edges, top, power, W, E,
              M, p, corrected);
}

static void rbo(fr_queue *q, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom, int64_t E,
                int64_t M, double p, bool corrected)
{
    (void)bottom;
    double *power = reinterpret_cast<double *>(
        fr_scratch<char>(q, (M + 1) * static_cast<int64_t>(sizeof(double) + sizeof(unsigned))));
    unsigned *W = reinterpret_cast<unsigned *>(power + M + 1);
    fr_launch(q, tables_kernel, 1, 1, 0, power, W, M, p);
    if (M <= 16)
        by_groups<16, 1>(q, rbo, edges, top, power, W, E, M, p, corrected);
    else if (M <= 32)
        by_groups<32, 1>(q, rbo, edges, top, power, W, E, M, p, corrected);
    else if (M <= 64)
        by_groups<32, 2>(q, rbo, edges, top, power, W, E, M, p, corrected);
    else
        fr_launch(q, rbo_block_kernel, fr_blocks(q, E * THREADS, THREADS), THREADS, block_bytes(M), rbo, edges, top,
                  power, W, E, M, p, corrected);
}
FR_WIDE(rbo)
