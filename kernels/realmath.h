/* realmath.h - exp, erf and log1p of a `real`. For double they are libm's. For float they are polynomials without
 * branches, which the compiler vectorises; tests/test_kernels_math.c holds them against libm. NaN stays NaN. */
#ifndef FR_KERNELS_REALMATH_H
#define FR_KERNELS_REALMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; e^r by its Taylor polynomial, fitted in the last terms (error <
 * 2 ulp). Below -87.3 the result is 0 (no denormals), above 88.3 infinity. */
static inline float exp_f32(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits */
    float clamped = x < -87.3f ? -87.3f : x;
    clamped = clamped > 88.3f ? 88.3f : clamped;
    float t = clamped * 1.44269504f + magic;
    float n = t - magic;
    float r = clamped - n * 0.693145752f; /* ln 2 in two parts: the first has few bits, so that n times it is exact */
    r = r - n * 1.42860677e-6f;
    float p = 1.98412698e-4f;
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * (r * r) + r;
    p = p + 1.0f;
    int32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (int32_t)((uint32_t)bits << 23) + 0x3F800000; /* 2^n */
    float power;
    memcpy(&power, &bits, sizeof power);
    p = p * power;
    p = x < -87.3f ? 0.0f : p;
    return x > 88.3f ? INFINITY : p;
}

/* erf: near 0 an odd polynomial, outside 1 - e^q(|x|) with a polynomial q (minimax coefficients; error about 1 ulp). */
static inline float erf_f32(float x)
{
    float t = fabsf(x), s = x * x;
    float q = -1.72853470e-5f * t + 3.83197126e-4f;
    float u = -3.88396438e-3f * t + 2.42546219e-2f;
    q = q * s + u;
    q = q * t - 1.06777877e-1f;
    q = q * t - 6.34846687e-1f;
    q = q * t - 1.28717512e-1f;
    q = q * t - t;
    float outer = copysignf(1.0f - exp_f32(q), x);
    float p = -5.96761703e-4f;
    p = p * s + 4.99119423e-3f;
    p = p * s - 2.67681349e-2f;
    p = p * s + 1.12819925e-1f;
    p = p * s - 3.76125336e-1f;
    p = p * s + 1.28379166e-1f;
    float inner = p * x + x;
    return t > 0.927734375f ? outer : inner;
}

/* log(1 + x) for x in [0, 1] = 2 artanh z, z = x / (2 + x) <= 1/3: eight terms of the series reach 2^-26. */
static inline float log1p_f32(float x)
{
    float z = x / (2.0f + x), s = z * z;
    float p = 1.0f / 15;
    p = p * s + 1.0f / 13;
    p = p * s + 1.0f / 11;
    p = p * s + 1.0f / 9;
    p = p * s + 1.0f / 7;
    p = p * s + 1.0f / 5;
    p = p * s + 1.0f / 3;
    return 2 * (z * s * p + z);
}

#ifdef FR_REAL_IS_float
#define real_exp exp_f32
#define real_erf erf_f32
#define real_log1p log1p_f32
#define real_log logf
#define real_sqrt sqrtf
#define real_abs fabsf
#else
#define real_exp exp
#define real_erf erf
#define real_log1p log1p
#define real_log log
#define real_sqrt sqrt
#define real_abs fabs
#endif

#endif
