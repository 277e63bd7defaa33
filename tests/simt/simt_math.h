/* simt_math.h - the device functions of CUDA that kernels use and math.h lacks. */
#ifndef FR_SIMT_MATH_H
#define FR_SIMT_MATH_H

#include <cmath>

#include <math.h>
#include <stdint.h>
#include <string.h>

using std::isfinite;
using std::isinf;
using std::isnan;

/* glibc declares functions of some of these names. */
#define __expf(x) expf(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __powf(x, y) powf(x, y)

static inline float rsqrtf(float x)
{
    return 1.0f / sqrtf(x);
}

static inline double rsqrt(double x)
{
    return 1.0 / sqrt(x);
}

static inline float __frsqrt_rn(float x)
{
    return 1.0f / sqrtf(x);
}

static inline float __fdividef(float x, float y)
{
    return x / y;
}

static inline float __fdiv_rn(float x, float y)
{
    return x / y;
}

static inline float __frcp_rn(float x)
{
    return 1.0f / x;
}

static inline float __fsqrt_rn(float x)
{
    return sqrtf(x);
}

static inline float __saturatef(float x)
{
    return x > 0 ? (x < 1 ? x : 1) : 0;
}

/* Never fused with another operation: on the host that needs a value the compiler cannot see through. */
static inline float __fadd_rn(float x, float y)
{
    volatile float sum = x + y;
    return sum;
}

static inline float __fsub_rn(float x, float y)
{
    volatile float difference = x - y;
    return difference;
}

static inline float __fmul_rn(float x, float y)
{
    volatile float product = x * y;
    return product;
}

static inline double __dadd_rn(double x, double y)
{
    volatile double sum = x + y;
    return sum;
}

static inline double __dmul_rn(double x, double y)
{
    volatile double product = x * y;
    return product;
}

static inline float __fmaf_rn(float x, float y, float z)
{
    return fmaf(x, y, z);
}

#define SIMT_BITS(name, to, from)                                                                                      \
    static inline to name(from x)                                                                                      \
    {                                                                                                                  \
        static_assert(sizeof(to) == sizeof(from), "same size");                                                        \
        to y;                                                                                                          \
        memcpy(&y, &x, sizeof y);                                                                                      \
        return y;                                                                                                      \
    }
SIMT_BITS(__float_as_uint, unsigned, float)
SIMT_BITS(__float_as_int, int, float)
SIMT_BITS(__uint_as_float, float, unsigned)
SIMT_BITS(__int_as_float, float, int)
SIMT_BITS(__double_as_longlong, long long, double)
SIMT_BITS(__longlong_as_double, double, long long)

static inline float __double2float_rn(double x)
{
    return static_cast<float>(x);
}

static inline int __float2int_rn(float x)
{
    return static_cast<int>(nearbyintf(x));
}

static inline int __float2int_rd(float x)
{
    return static_cast<int>(floorf(x));
}

static inline float __int2float_rn(int x)
{
    return static_cast<float>(x);
}

static inline float __uint2float_rn(unsigned x)
{
    return static_cast<float>(x);
}

static inline int __popc(unsigned x)
{
    return __builtin_popcount(x);
}

static inline int __popcll(unsigned long long x)
{
    return __builtin_popcountll(x);
}

static inline int __ffs(int x)
{
    return __builtin_ffs(x);
}

static inline int __ffsll(long long x)
{
    return __builtin_ffsll(x);
}

static inline int __clz(int x)
{
    return x ? __builtin_clz(static_cast<unsigned>(x)) : 32;
}

static inline int __clzll(long long x)
{
    return x ? __builtin_clzll(static_cast<unsigned long long>(x)) : 64;
}

static inline unsigned __brev(unsigned x)
{
    unsigned y = 0;
    for (int i = 0; i < 32; i++)
        y |= (x >> i & 1) << (31 - i);
    return y;
}

static inline unsigned __umulhi(unsigned x, unsigned y)
{
    return static_cast<unsigned>(static_cast<uint64_t>(x) * y >> 32);
}

static inline int __mulhi(int x, int y)
{
    return static_cast<int>(static_cast<int64_t>(x) * y >> 32);
}

static inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y)
{
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(x) * y >> 64);
}

/* Hints about caches. */
#define SIMT_LOAD(name)                                                                                                \
    template <class T> static inline T name(const T *memory)                                                           \
    {                                                                                                                  \
        return *memory;                                                                                                \
    }
#define SIMT_STORE(name)                                                                                               \
    template <class T> static inline void name(T *memory, T value)                                                     \
    {                                                                                                                  \
        *memory = value;                                                                                               \
    }
SIMT_LOAD(__ldg)
SIMT_LOAD(__ldca)
SIMT_LOAD(__ldcg)
SIMT_LOAD(__ldcs)
SIMT_STORE(__stcg)
SIMT_STORE(__stcs)
SIMT_STORE(__stwb)

/* CUDA's min and max at global scope: of one type, or of two that its overloads take to the wider. */
template <class A, class B> static inline typename std::common_type<A, B>::type min(A a, B b)
{
    return b < a ? b : a;
}

template <class A, class B> static inline typename std::common_type<A, B>::type max(A a, B b)
{
    return a < b ? b : a;
}

#endif
