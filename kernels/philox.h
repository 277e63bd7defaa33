/* philox.h - Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), inline so that
 * kernels can vectorise it. src/base/rng.h is built on the same function. */
#ifndef FR_KERNELS_PHILOX_H
#define FR_KERNELS_PHILOX_H

#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define FR_PHILOX static __host__ __device__ inline
#else
#define FR_PHILOX static inline __attribute__((always_inline))
#endif

/* Four 32-bit words for counter (index, stream) under key seed. */
FR_PHILOX void philox4(uint32_t *w0, uint32_t *w1, uint32_t *w2, uint32_t *w3, uint64_t seed, uint64_t stream,
                       uint64_t index)
{
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    *w0 = c0;
    *w1 = c1;
    *w2 = c2;
    *w3 = c3;
}

/* An element is kept when its word is at least this: P(drop) = p up to 2^-32. */
FR_PHILOX uint32_t philox_threshold(double p)
{
    double t = p * 4294967296.0;
    return t >= 4294967295.0 ? 0xFFFFFFFFu : (uint32_t)t;
}

#ifndef __cplusplus
#if defined(__AVX512F__)
#define PHILOX_LANES 8
#define PHILOX_MULTIPLY(a, b) ((philox_lanes)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define PHILOX_ORDER                                                                                                   \
    {                                                                                                                  \
        0, 4, 1, 5, 2, 6, 3, 7                                                                                         \
    }
#define PHILOX_EVEN(a, b) __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define PHILOX_ODD(a, b) __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#elif defined(__AVX2__)
#define PHILOX_LANES 4
#define PHILOX_MULTIPLY(a, b) ((philox_lanes)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#define PHILOX_ORDER                                                                                                   \
    {                                                                                                                  \
        0, 2, 1, 3                                                                                                     \
    }
#define PHILOX_EVEN(a, b) __builtin_shufflevector(a, b, 0, 4, 2, 6)
#define PHILOX_ODD(a, b) __builtin_shufflevector(a, b, 1, 5, 3, 7)
#elif defined(__SSE2__)
#define PHILOX_LANES 2
#define PHILOX_MULTIPLY(a, b) ((philox_lanes)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#define PHILOX_ORDER                                                                                                   \
    {                                                                                                                  \
        0, 1                                                                                                           \
    }
#define PHILOX_EVEN(a, b) __builtin_shufflevector(a, b, 0, 2)
#define PHILOX_ODD(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

#ifdef PHILOX_LANES
#include <immintrin.h>

enum { PHILOX_VECTORS = 2 }; /* at once: a round waits for its products, a second vector fills the time */

typedef uint64_t philox_lanes __attribute__((vector_size(8 * PHILOX_LANES)));

/* PHILOX_LANES counters at once, one in each 64-bit lane: the instruction that multiplies 32 x 32 -> 64 bits reads only
 * the low halves, so what piles up in the high halves is of no matter. Even lanes hold the first half of the counters,
 * odd ones the second, which makes the results come out in order. */
static inline void philox_vectors(uint32_t *words, uint64_t seed, uint64_t stream, uint64_t first)
{
    const philox_lanes order = PHILOX_ORDER, low = (philox_lanes){0} + 0xFFFFFFFFu;
    const philox_lanes m0 = (philox_lanes){0} + 0xD2511F53u, m1 = (philox_lanes){0} + 0xCD9E8D57u;
    philox_lanes c0[PHILOX_VECTORS], c1[PHILOX_VECTORS], c2[PHILOX_VECTORS], c3[PHILOX_VECTORS];
    for (int v = 0; v < PHILOX_VECTORS; v++) {
        c0[v] = order + (first + (uint64_t)(v * PHILOX_LANES));
        c1[v] = c0[v] >> 32;
        c2[v] = (philox_lanes){0} + stream;
        c3[v] = c2[v] >> 32;
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        for (int v = 0; v < PHILOX_VECTORS; v++) {
            philox_lanes p0 = PHILOX_MULTIPLY(c0[v], m0), p1 = PHILOX_MULTIPLY(c2[v], m1);
            c0[v] = (p1 >> 32) ^ (c1[v] ^ k0);
            c2[v] = (p0 >> 32) ^ (c3[v] ^ k1);
            c1[v] = p1;
            c3[v] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int v = 0; v < PHILOX_VECTORS; v++) {
        philox_lanes w01 = (c0[v] & low) | (c1[v] << 32), w23 = (c2[v] & low) | (c3[v] << 32);
        philox_lanes front = PHILOX_EVEN(w01, w23), back = PHILOX_ODD(w01, w23);
        memcpy(words + 4 * PHILOX_LANES * v, &front, sizeof front);
        memcpy(words + 4 * PHILOX_LANES * v + 2 * PHILOX_LANES, &back, sizeof back);
    }
}
#endif

/* words[4 i + j] = word j of counter first + i, for i in 0 .. groups-1 */
static inline void philox_words(uint32_t *words, uint64_t seed, uint64_t stream, uint64_t first, int64_t groups)
{
    int64_t i = 0;
#ifdef PHILOX_LANES
    for (; i + PHILOX_VECTORS * PHILOX_LANES <= groups; i += PHILOX_VECTORS * PHILOX_LANES)
        philox_vectors(words + 4 * i, seed, stream, first + (uint64_t)i);
#endif
    for (; i < groups; i++) {
        uint32_t *w = words + 4 * i;
        philox4(w, w + 1, w + 2, w + 3, seed, stream, first + (uint64_t)i);
    }
}
#endif

#endif
