/* rbo_untied.h - rank-biased overlap of complete lists without ties, for rbo.c alone:
 *
 *   a model of ranks r, r' counts at the depths from max(r, r') on, so RBO = sum_m W[max(r, r')],
 *   W[r] = (1-p)/p sum_{d=r..M} p^d / d + p^M / M */
#ifndef FR_KERNELS_RBO_UNTIED_H
#define FR_KERNELS_RBO_UNTIED_H

#include "common.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

enum { LANES = 16 }; /* models in a row of byte ranks */

static void rank_weights(double *W, int64_t M, double p)
{
    double tail = 0;
    for (int64_t r = M; r >= 1; r--) {
        tail += pow(p, (double)r) / (double)r;
        W[r] = (1 - p) / p * tail + pow(p, (double)M) / (double)M;
    }
}

#ifdef __AVX2__

/* W in fixed point, 30 bits behind the point, cut into four bytes: plane k holds byte k of W for ranks 1..16. A lookup
 * is a byte shuffle, the sum over models psadbw; both are exact. The rounding goes to W[1], so that the sum of W is 1.
 */
static void weight_planes(__m256i plane[4], const double *W, int64_t M)
{
    uint32_t fixed[LANES] = {0}, rest = UINT32_C(1) << 30;
    for (int64_t r = M; r >= 2; r--) {
        fixed[r - 1] = (uint32_t)lrint(W[r] * 0x1p30);
        rest -= fixed[r - 1];
    }
    fixed[0] = rest;
    for (int k = 0; k < 4; k++) {
        uint8_t bytes[LANES];
        for (int i = 0; i < LANES; i++)
            bytes[i] = (uint8_t)(fixed[i] >> 8 * k);
        plane[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
    }
}

/* Two edges; 64-bit lanes (edge 0, edge 0, edge 1, edge 1), whose pairs add up to RBO * 2^30. */
static inline __m256i two_edges(const uint8_t *rank, const int32_t *edge, const __m256i plane[4])
{
    const __m128i *row = (const __m128i *)rank;
    __m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(row + edge[0])),
                                        _mm_loadu_si128(row + edge[2]), 1);
    __m256i b = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(row + edge[1])),
                                        _mm_loadu_si128(row + edge[3]), 1);
    __m256i deeper = _mm256_max_epu8(a, b), zero = _mm256_setzero_si256();
    __m256i s0 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[0], deeper), zero);
    __m256i s1 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[1], deeper), zero);
    __m256i s2 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[2], deeper), zero);
    __m256i s3 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[3], deeper), zero);
    __m256i low = _mm256_add_epi64(s0, _mm256_slli_epi64(s1, 8));
    __m256i high = _mm256_add_epi64(s2, _mm256_slli_epi64(s3, 8));
    return _mm256_add_epi64(low, _mm256_slli_epi64(high, 16));
}

static inline void eight_edges(float *rbo, const uint8_t *rank, const int32_t *edge, const __m256i plane[4])
{
    __m256i e01 = two_edges(rank, edge, plane), e23 = two_edges(rank, edge + 4, plane);
    __m256i e45 = two_edges(rank, edge + 8, plane), e67 = two_edges(rank, edge + 12, plane);
    /* 64-bit lanes (0, 2, 1, 3) and (4, 6, 5, 7); their values are 31 bits wide */
    __m256i x = _mm256_add_epi64(_mm256_unpacklo_epi64(e01, e23), _mm256_unpackhi_epi64(e01, e23));
    __m256i y = _mm256_add_epi64(_mm256_unpacklo_epi64(e45, e67), _mm256_unpackhi_epi64(e45, e67));
    /* 32-bit lanes (0, 4, 2, 6, 1, 5, 3, 7), then in order */
    __m256i mixed = _mm256_or_si256(x, _mm256_slli_epi64(y, 32));
    __m256i order = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7));
    _mm256_storeu_ps(rbo, _mm256_mul_ps(_mm256_cvtepi32_ps(order), _mm256_set1_ps(0x1p-30f)));
}

static void untied_by_bytes(float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes, int64_t M,
                            const double *W)
{
    uint8_t *rank = scratch_new(nodes, LANES); /* rank - 1; lanes past M have the high bit, which shuffles in 0 */
    memset(rank, 0x80, (size_t)nodes * LANES);
#pragma omp parallel for schedule(static) if (nodes * M > PARALLEL_FROM)
    for (int64_t i = 0; i < nodes; i++)
        for (int64_t m = 0; m < M; m++)
            rank[i * LANES + m] = (uint8_t)(top[i * M + m] - 1);
    __m256i plane[4];
    weight_planes(plane, W, M);
#pragma omp parallel for schedule(static) if (E > PARALLEL_FROM)
    for (int64_t block = 0; block < E / 8; block++)
        eight_edges(rbo + 8 * block, rank, edges + 16 * block, plane);
    int64_t done = E / 8 * 8;
    if (done < E) {
        int32_t edge[16] = {0};
        float last[8];
        memcpy(edge, edges + 2 * done, (size_t)(E - done) * 2 * sizeof *edge);
        eight_edges(last, rank, edge, plane);
        memcpy(rbo + done, last, (size_t)(E - done) * sizeof *last);
    }
    free(rank);
}

#endif

static inline float untied_edge(const int16_t *a, const int16_t *b, int64_t M, const float *W)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t m = 0; m < M; m++)
        sum += W[a[m] > b[m] ? a[m] : b[m]];
    return sum > 1 ? 1 : sum;
}

static void untied(float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes, int64_t M, double p)
{
    double *W = scratch_new(M + 1, sizeof *W);
    rank_weights(W, M, p);
#ifdef __AVX2__
    if (M <= LANES) {
        untied_by_bytes(rbo, edges, top, E, nodes, M, W);
        free(W);
        return;
    }
#endif
    (void)nodes;
    float *narrow = scratch_new(M + 1, sizeof *narrow);
    for (int64_t r = 1; r <= M; r++)
        narrow[r] = (float)W[r];
#pragma omp parallel for schedule(static) if (E * M > PARALLEL_FROM)
    for (int64_t e = 0; e < E; e++)
        rbo[e] = untied_edge(top + edges[2 * e] * M, top + edges[2 * e + 1] * M, M, narrow);
    free(narrow);
    free(W);
}

#endif
