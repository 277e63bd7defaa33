/* realmath.h - exp, erf and log1p of a `real`. For double they are libm's. For float they are polynomials without
 * branches, which the compiler vectorises; tests/test_kernels_math.c holds them against libm. NaN stays NaN. */
#ifndef FR_KERNELS_REALMATH_H
#define FR_KERNELS_REALMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2; e^r by its Taylor polynomial (error < 2 ulp), in pairs of terms,
 * since the loops that use this wait for results more than for units. For x up to 88.3 (no caller has a positive one);
 * below -87.3, where 2^n would not be a normal number, x counts as -87.3: the result is never 0. */
static inline float exp_f32(float x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer and leaves that in the low bits */
    x = -87.3f > x ? -87.3f : x;
    float t = x * 1.44269504f + magic;
    float n = t - magic;
    float r = x - n * 0.693145752f; /* ln 2 in two parts: the first has few bits, so that n times it is exact */
    r = r - n * 1.42860677e-6f;
    float s = r * r;
    float low = 0.5f + r * 1.66666667e-1f;
    float middle = 4.16666667e-2f + r * 8.33333333e-3f;
    float high = 1.38888889e-3f + r * 1.98412698e-4f;
    float p = 1.0f + (r + s * (low + s * (middle + s * high)));
    int32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (int32_t)((uint32_t)bits << 23) + 0x3F800000; /* 2^n */
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* erf as a rational function of x on [-4, 4] (the one of Eigen and XLA); 1 - erf(4) is below half an ulp of 1. Error <
 * 8 ulp, under 5e-7 everywhere. */
static inline float erf_f32(float x)
{
    float size = fabsf(x);
    x = copysignf(4.0f < size ? 4.0f : size, x);
    float s = x * x;
    float p = -2.72614225801306e-10f * s + 2.77068142495902e-08f;
    p = p * s - 2.10102402082508e-06f;
    p = p * s - 5.69250639462346e-05f;
    p = p * s - 7.34990630326855e-04f;
    p = p * s - 2.95459980854025e-03f;
    p = p * s - 1.60960333262415e-02f;
    float q = -1.45660718464996e-05f * s - 2.13374055278905e-04f;
    q = q * s - 1.68282697438203e-03f;
    q = q * s - 7.37332916720468e-03f;
    q = q * s - 1.42647390514189e-02f;
    return x * p / q;
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
