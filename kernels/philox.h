/* philox.h - Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), inline so that
 * kernels can vectorise it. src/base/rng.h is built on the same function. */
#ifndef FR_KERNELS_PHILOX_H
#define FR_KERNELS_PHILOX_H

#include <stdint.h>

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

#ifndef __CUDACC__
/* words[4 i + j] = word j of counter first + i, for i in 0 .. groups-1 */
static inline void philox_words(uint32_t *restrict words, uint64_t seed, uint64_t stream, uint64_t first,
                                int64_t groups)
{
#pragma omp simd
    for (int64_t i = 0; i < groups; i++) {
        uint32_t w0, w1, w2, w3;
        philox4(&w0, &w1, &w2, &w3, seed, stream, first + (uint64_t)i);
        words[4 * i] = w0;
        words[4 * i + 1] = w1;
        words[4 * i + 2] = w2;
        words[4 * i + 3] = w3;
    }
}
#endif

#endif
