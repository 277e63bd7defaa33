/* rng.h - counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
 * 2011).
 *
 * A number depends only on (seed, stream, index), never on what was drawn before: a resumed run, another number of
 * threads or another number of ranks draw the same. A stream names a use: FR_STREAM("dropout", step, layer). */
#ifndef FR_BASE_RNG_H
#define FR_BASE_RNG_H

#include <stdint.h>

/* Four 32-bit words for counter (index, stream) under key seed. */
void fr_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index);

/* A stream number out of a name and two numbers (FNV-1a, mixed). */
uint64_t fr_stream(const char *name, uint64_t a, uint64_t b);

uint64_t fr_rng_u64(uint64_t seed, uint64_t stream, uint64_t index);
double fr_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index);           /* [0, 1), 53 bits */
double fr_rng_normal(uint64_t seed, uint64_t stream, uint64_t index);            /* N(0, 1), Box-Muller */
int64_t fr_rng_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n); /* 0 .. n-1, n > 0 */

/* A seeded Fisher-Yates permutation of 0 .. n-1 into order. */
void fr_rng_permutation(int64_t *order, int64_t n, uint64_t seed, uint64_t stream);

#endif
