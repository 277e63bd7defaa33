/* tile.h - small matrix products that stay in cache, for attention: c (m,n) = a b, in register tiles of TILE_ROWS rows
 * and two vectors of columns. b is packed once into panels of TILE_COLUMNS columns, zero-padded, so the inner loop
 * reads it contiguously: panel p holds b[l, p * TILE_COLUMNS + c] at (p * k + l) * TILE_COLUMNS + c. */
#ifndef FR_KERNELS_TILE_H
#define FR_KERNELS_TILE_H

#include "common.h"

#if defined(__AVX512F__)
#define TILE_BYTES 64
#elif defined(__AVX__)
#define TILE_BYTES 32
#else
#define TILE_BYTES 16
#endif

enum { TILE_LANES = TILE_BYTES / sizeof(real), TILE_COLUMNS = 2 * TILE_LANES, TILE_ROWS = 6 };

typedef real vector __attribute__((vector_size(TILE_BYTES), may_alias));

/* n rounded up to whole panels */
static inline int64_t tile_padded(int64_t n)
{
    return (n + TILE_COLUMNS - 1) / TILE_COLUMNS * TILE_COLUMNS;
}

/* Packs b (k,n), row stride ldb. */
static inline void tile_pack(real *packed, const real *b, int64_t k, int64_t n, int64_t ldb)
{
    for (int64_t j0 = 0; j0 < n; j0 += TILE_COLUMNS) {
        int64_t count = smaller(TILE_COLUMNS, n - j0);
        for (int64_t l = 0; l < k; l++, packed += TILE_COLUMNS) {
            const real *from = b + l * ldb + j0;
            if (count == TILE_COLUMNS) {
                memcpy(packed, from, TILE_COLUMNS * sizeof(real)); /* a constant size: two vector moves */
                continue;
            }
            for (int64_t c = 0; c < TILE_COLUMNS; c++)
                packed[c] = c < count ? from[c] : 0;
        }
    }
}

/* Four rows of four become four columns: to[l * TILE_COLUMNS + c] = from[c * ldb + l]. */
static inline void transpose4(real *to, const real *from, int64_t ldb)
{
#ifdef FR_REAL_IS_float
    typedef float four __attribute__((vector_size(16)));
    four r0, r1, r2, r3;
    memcpy(&r0, from, sizeof r0);
    memcpy(&r1, from + ldb, sizeof r1);
    memcpy(&r2, from + 2 * ldb, sizeof r2);
    memcpy(&r3, from + 3 * ldb, sizeof r3);
    four low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    four low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *(four *)to = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    *(four *)(to + TILE_COLUMNS) = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    *(four *)(to + 2 * TILE_COLUMNS) = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    *(four *)(to + 3 * TILE_COLUMNS) = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
#else
    for (int c = 0; c < 4; c++)
        for (int l = 0; l < 4; l++)
            to[l * TILE_COLUMNS + c] = from[c * ldb + l];
#endif
}

/* Packs the transpose of b (n,k), row stride ldb. */
static inline void tile_pack_transposed(real *packed, const real *b, int64_t k, int64_t n, int64_t ldb)
{
    for (int64_t j0 = 0; j0 < n; j0 += TILE_COLUMNS, packed += k * TILE_COLUMNS)
        for (int64_t c = 0; c < TILE_COLUMNS; c += 4) {
            const real *from = b + (j0 + c) * ldb;
            int64_t l = 0;
            for (; l + 4 <= k && j0 + c + 4 <= n; l += 4)
                transpose4(packed + l * TILE_COLUMNS + c, from + l, ldb);
            for (; l < k; l++)
                for (int64_t i = 0; i < 4; i++)
                    packed[l * TILE_COLUMNS + c + i] = j0 + c + i < n ? from[i * ldb + l] : 0;
        }
}

/* rows (a constant where this is inlined) x TILE_COLUMNS of c; a[i,l] stands at i * row + l * step */
static inline __attribute__((always_inline)) void tile_rows(int rows, real *c, int64_t ldc, const real *a, int64_t row,
                                                            int64_t step, const real *panel, int64_t k, bool add)
{
    vector sum[TILE_ROWS][2];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 2; v++)
            sum[i][v] = add ? *(const vector *)(c + i * ldc + v * TILE_LANES) : (vector){0};
    for (int64_t l = 0; l < k; l++) {
        vector b0 = *(const vector *)(panel + l * TILE_COLUMNS);
        vector b1 = *(const vector *)(panel + l * TILE_COLUMNS + TILE_LANES);
        for (int i = 0; i < rows; i++) {
            real factor = a[i * row + l * step];
            sum[i][0] += factor * b0;
            sum[i][1] += factor * b1;
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < 2; v++)
            *(vector *)(c + i * ldc + v * TILE_LANES) = sum[i][v];
}

/* c (m, n padded) = a packed, or += with add. c has room for the padded columns of each row. */
static inline void tile_gemm(real *c, int64_t ldc, const real *a, int64_t row, int64_t step, const real *packed,
                             int64_t m, int64_t n, int64_t k, bool add)
{
    for (int64_t j0 = 0; j0 < n; j0 += TILE_COLUMNS, packed += k * TILE_COLUMNS) {
        int64_t i = 0;
        for (; i + TILE_ROWS <= m; i += TILE_ROWS)
            tile_rows(TILE_ROWS, c + i * ldc + j0, ldc, a + i * row, row, step, packed, k, add);
        real *ci = c + i * ldc + j0;
        const real *ai = a + i * row;
        switch (m - i) {
        case 5:
            tile_rows(5, ci, ldc, ai, row, step, packed, k, add);
            break;
        case 4:
            tile_rows(4, ci, ldc, ai, row, step, packed, k, add);
            break;
        case 3:
            tile_rows(3, ci, ldc, ai, row, step, packed, k, add);
            break;
        case 2:
            tile_rows(2, ci, ldc, ai, row, step, packed, k, add);
            break;
        case 1:
            tile_rows(1, ci, ldc, ai, row, step, packed, k, add);
            break;
        default:
            break;
        }
    }
}

#endif
