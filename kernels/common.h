/* common.h - what every kernel file needs: real, scratch memory, and the rules for loops.
 *
 * Loops over independent elements carry `omp simd` (no -ffast-math here: a reduction is vectorised only where the
 * pragma names it). Small work stays on one thread: waking the others costs more. Sums over rows run in chunks whose
 * size depends on the number of rows alone, and the chunks are added in order, so that the result does not depend on
 * the number of threads. */
#ifndef FR_KERNELS_COMMON_H
#define FR_KERNELS_COMMON_H

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__ /* the f64 loops call libm: clang would warn for each that it cannot vectorise them */
#pragma clang diagnostic ignored "-Wpass-failed"
#endif

/* Elements of cheap work from which a loop goes parallel. */
#define PARALLEL_FROM 16384

/* 64-byte aligned, uninitialised; free() it. */
static inline void *scratch_new(int64_t count, size_t bytes_each)
{
    size_t bytes = ((size_t)count * bytes_each + 127) / 64 * 64;
    void *memory = aligned_alloc(64, bytes);
    if (!memory) {
        fprintf(stderr, "finerouter: out of memory: %zu bytes of kernel scratch\n", bytes);
        abort();
    }
    return memory;
}

/* Rows per chunk: at least 16, at most 64 chunks. */
static inline int64_t chunk_rows(int64_t rows)
{
    int64_t each = (rows + 63) / 64;
    return each < 16 ? 16 : each;
}

static inline int64_t chunk_count(int64_t rows)
{
    int64_t each = chunk_rows(rows);
    return (rows + each - 1) / each;
}

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* to += from, for one row */
static inline void add_row(real *to, const real *from, int64_t n)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        to[j] += from[j];
}

#endif
