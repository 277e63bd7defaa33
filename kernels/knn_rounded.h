/* knn_rounded.h - rows rounded to small integers, as two operands of the integer product, with what bounds the error.
 *
 *     x = a p + r,  p integer, |p| <= LEVELS
 *     <x,y> = a b <p,w> + <a p, t> + <r, y>  <=  a b <p,w> + |a p| |t| + |r| |y|        (y = b w + t)
 *
 * An f32 score exceeds its true value by at most (d / 8 + 3) 2^-24 |x| |y|; knn_screened.c adds more than that and the
 * rounding of the bound itself. The product multiplies unsigned by signed bytes and adds DEPTH pairs in 16 bits:
 * unsigned is p + OFFSET, and (2 LEVELS + 1) LEVELS 2 DEPTH = 32,760 fits. */
#ifndef FR_KERNELS_KNN_ROUNDED_H
#define FR_KERNELS_KNN_ROUNDED_H

#include "common.h"

enum { LEVELS = 45, OFFSET = LEVELS + 1, DEPTH = 4, LANES = 16 }; /* LANES: columns of a panel */
enum { BLOCK_STEP = 48, MOST_ROWS = 480 }; /* a block has room for a multiple of BLOCK_STEP rows */

/* A block of rows. Column c, values 4 g .. 4 g + 3 stand in panel c / 16 at g * 64 + c % 16 * 4. */
typedef struct rounded {
    int64_t room;        /* rows */
    uint8_t *rows;       /* (room, width), p + OFFSET */
    int8_t *panels;      /* (room / 16, width / 4, 16, 4), p */
    float *scale;        /* (room) a */
    float *kept, *lost;  /* (room) |a p|, |r| */
    float *norm;         /* (room) |x|; NaN behind the last row, so that no bound reaches anything */
    int32_t *correction; /* (room) -OFFSET sum p: what the offset of the other operand adds */
    bool plain;          /* holds a row that cannot be rounded: not finite, too large, too small */
} rounded;

static inline int64_t rounded_width(int64_t d)
{
    return (d + 4 * DEPTH - 1) / (4 * DEPTH) * (4 * DEPTH);
}

/* |x|^2 of what can be rounded without leaving f32's range */
static const double LEAST_SQUARES = 1e-30, MOST_SQUARES = 1e30;

static inline void rounded_open(rounded *block, int64_t room, int64_t d)
{
    int64_t width = rounded_width(d);
    *block = (rounded){.room = room, .rows = scratch_new(room * width, 1), .panels = scratch_new(room * width, 1)};
    float *numbers = scratch_new(5 * room, sizeof(float));
    block->scale = numbers;
    block->kept = numbers + room;
    block->lost = numbers + 2 * room;
    block->norm = numbers + 3 * room;
    block->correction = (int32_t *)(numbers + 4 * room);
}

static inline void rounded_close(rounded *block)
{
    free(block->rows);
    free(block->panels);
    free(block->scale);
}

/* Row c of the block from x (d); false: it cannot be rounded. */
static inline bool round_row(rounded *to, int64_t c, const float *x, int64_t d, int64_t width)
{
    float most = 0;
    double squares = 0;
#pragma omp simd reduction(max : most) reduction(+ : squares)
    for (int64_t l = 0; l < d; l++) {
        most = fabsf(x[l]) > most ? fabsf(x[l]) : most;
        squares += (double)x[l] * (double)x[l];
    }
    if (!(squares == 0 || (squares >= LEAST_SQUARES && squares <= MOST_SQUARES)))
        return false;
    float scale = most > 0 ? most / LEVELS : 1, inverse = most > 0 ? LEVELS / most : 0;
    uint8_t *row = to->rows + c * width;
    int sum = 0, kept = 0;
    double lost = 0;
#pragma omp simd reduction(+ : sum, kept, lost)
    for (int64_t l = 0; l < d; l++) {
        float nearest = rintf(x[l] * inverse);
        nearest = nearest > LEVELS ? LEVELS : nearest < -LEVELS ? -LEVELS : nearest;
        int p = (int)nearest;
        double r = (double)x[l] - (double)scale * (double)nearest;
        row[l] = (uint8_t)(p + OFFSET);
        sum += p;
        kept += p * p;
        lost += r * r;
    }
    memset(row + d, OFFSET, (size_t)(width - d));
    const double up = 1 + 1e-6; /* more than the roundings to f32 below take away */
    to->scale[c] = scale;
    to->kept[c] = (float)(up * (double)scale * sqrt((double)kept));
    to->lost[c] = (float)(up * sqrt(lost));
    to->norm[c] = (float)(up * sqrt(squares));
    to->correction[c] = -OFFSET * sum;
    return true;
}

/* panels from rows, for row c */
static inline void round_column(rounded *to, int64_t c, int64_t width)
{
    const uint8_t *row = to->rows + c * width;
    int8_t *column = to->panels + c / LANES * width * LANES + c % LANES * 4;
    for (int64_t l = 0; l < width; l += 4) {
        int8_t four[4];
        for (int64_t i = 0; i < 4; i++)
            four[i] = (int8_t)(row[l + i] - OFFSET);
        memcpy(column + l * LANES, four, 4);
    }
}

/* Rows x (count,d), count <= room. */
static inline void round_block(rounded *to, const float *x, int64_t count, int64_t d)
{
    int64_t width = rounded_width(d);
    to->plain = false;
    for (int64_t c = 0; c < to->room; c++) {
        if (c >= count || !round_row(to, c, x + c * d, d, width)) {
            to->plain |= c < count;
            memset(to->rows + c * width, OFFSET, (size_t)width);
            to->scale[c] = to->kept[c] = to->lost[c] = 0;
            to->norm[c] = NAN;
            to->correction[c] = 0;
        }
        round_column(to, c, width);
    }
}

#endif
