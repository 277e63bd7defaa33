#include "tables.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FR_ROW(kernel, arguments) void fr_##kernel##_f64 arguments;
FR_KERNELS(FR_ROW)
#undef FR_ROW
#define FR_ROW(kernel, arguments) .kernel = fr_##kernel##_f64,
static const fr_kernels f64 = {.name = "f64", FR_KERNELS(FR_ROW)};
#undef FR_ROW

#define FR_ROW(kernel, arguments) void fr_##kernel##_f32 arguments;
FR_KERNELS(FR_ROW)
#undef FR_ROW
#define FR_ROW(kernel, arguments) .kernel = fr_##kernel##_f32,
static const fr_kernels f32 = {.name = "f32", FR_KERNELS(FR_ROW)};
#undef FR_ROW

#ifdef FR_X86
#define FR_ROW(kernel, arguments) void fr_##kernel##_f32_v3 arguments;
FR_KERNELS(FR_ROW)
#undef FR_ROW
#define FR_ROW(kernel, arguments) .kernel = fr_##kernel##_f32_v3,
static const fr_kernels f32_v3 = {.name = "f32 AVX2", FR_KERNELS(FR_ROW)};
#undef FR_ROW

#define FR_ROW(kernel, arguments) void fr_##kernel##_f32_v4 arguments;
FR_KERNELS(FR_ROW)
#undef FR_ROW
#define FR_ROW(kernel, arguments) .kernel = fr_##kernel##_f32_v4,
static const fr_kernels f32_v4 = {.name = "f32 AVX-512", FR_KERNELS(FR_ROW)};
#undef FR_ROW

/* The levels x86-64-v3 and x86-64-v4 of the psABI, which CMakeLists.txt compiles for. */
static bool runs_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool runs_v4(void)
{
    return runs_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

const fr_kernels *fr_kernels_isa(const char *isa)
{
    if (strcmp(isa, "ref") == 0)
        return &f64;
    if (strcmp(isa, "base") == 0)
        return &f32;
#ifdef FR_X86
    if (strcmp(isa, "avx2") == 0 && runs_v3())
        return &f32_v3;
    if (strcmp(isa, "avx512") == 0 && runs_v4())
        return &f32_v4;
#endif
    return NULL;
}

fr_knn_screened *fr_knn_screened_for(const fr_kernels *table)
{
#ifdef FR_X86
    if (table->knn == f32_v3.knn)
        return fr_knn_screened_f32_v3;
    if (table->knn == f32_v4.knn)
        return fr_knn_screened_f32_v4;
#endif
    (void)table;
    return NULL;
}

const fr_rbo_parts *fr_rbo_parts_for(const fr_kernels *table)
{
#ifdef FR_X86
    if (table->rbo == f32_v3.rbo)
        return &fr_rbo_parts_f32_v3;
    if (table->rbo == f32_v4.rbo)
        return &fr_rbo_parts_f32_v4;
#endif
    return table->rbo == f32.rbo ? &fr_rbo_parts_f32 : NULL;
}

const fr_kernels *fr_kernels_ref(void)
{
    return &f64;
}

static fr_kernels cpu;

static void choose_cpu(void)
{
    const char *forced = getenv("FINEROUTER_ISA"), *order[] = {forced, "avx512", "avx2", "base"};
    const fr_kernels *best = NULL;
    for (int i = 0; i < 4 && !best; i++)
        if (order[i] && strcmp(order[i], "ref") != 0)
            best = fr_kernels_isa(order[i]);
    cpu = *best;
    fr_onednn_install(&cpu, best, forced);
}

const fr_kernels *fr_kernels_cpu(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_cpu);
    return &cpu;
}
