#include "rng.h"

#include "philox.h"

#include <math.h>

void fr_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index)
{
    philox4(&out[0], &out[1], &out[2], &out[3], seed, stream, index);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

uint64_t fr_stream(const char *name, uint64_t a, uint64_t b)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001B3u;
    return mix(mix(mix(h) + a) + 0x9E3779B97F4A7C15u * (b + 1));
}

uint64_t fr_rng_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t w[4];
    fr_philox(w, seed, stream, index);
    return (uint64_t)w[0] << 32 | w[1];
}

double fr_rng_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(fr_rng_u64(seed, stream, index) >> 11) * 0x1p-53;
}

double fr_rng_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t w[4];
    fr_philox(w, seed, stream, index);
    double u = ((double)(((uint64_t)w[0] << 32 | w[1]) >> 11) + 1) * 0x1p-53; /* (0, 1]: its logarithm is finite */
    double v = (double)(((uint64_t)w[2] << 32 | w[3]) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(6.283185307179586477 * v);
}

int64_t fr_rng_below(uint64_t seed, uint64_t stream, uint64_t index, int64_t n)
{
    return (int64_t)(((unsigned __int128)fr_rng_u64(seed, stream, index) * (uint64_t)n) >> 64);
}

void fr_rng_permutation(int64_t *order, int64_t n, uint64_t seed, uint64_t stream)
{
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = fr_rng_below(seed, stream, (uint64_t)i, i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}
