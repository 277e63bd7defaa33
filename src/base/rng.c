#include "rng.h"

#include <math.h>

void fr_philox(uint32_t out[4], uint64_t seed, uint64_t stream, uint64_t index)
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
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
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
