/* Self attention inside packed sequences: for one sequence and head, with q, k, v, out (T,D),
 *
 *     s = scale q k^T;  lse[i] = log sum_j e^s[i,j];  P = e^(s - lse);  Z = P * keep / (1 - p);  out = Z v
 *
 * One (sequence, head) pair is one piece of work for one thread; its query rows go in blocks, so that a block's scores
 * stay in cache and never reach memory. The backward pass makes P again from lse. */
#include "common.h"
#include "philox.h"
#include "realmath.h"
#include "tile.h"

enum { BLOCK_SCORES = 8192, BLOCK_ROWS = 252 }; /* most scores and most query rows of a block */

typedef struct shape {
    int64_t T, D;    /* of this sequence */
    int64_t Tp, Dp;  /* padded to whole panels */
    int64_t row;     /* elements from one token to the next in qkv */
    int64_t out_row; /* the same in out */
    real scale;
} shape;

typedef struct dropping {
    double p;
    uint64_t seed, stream;
    uint32_t threshold;
    real factor;
} dropping;

static dropping dropping_of(double p, uint64_t seed, uint64_t stream)
{
    return (dropping){p, seed, stream, philox_threshold(p), (real)(p < 1 ? 1 / (1 - p) : 0)};
}

/* Query rows per block: a multiple of the tile's rows. */
static int64_t block_rows(int64_t Tp)
{
    int64_t rows = BLOCK_SCORES / Tp / TILE_ROWS * TILE_ROWS;
    return rows < TILE_ROWS ? TILE_ROWS : smaller(rows, BLOCK_ROWS);
}

/* Enough for block_rows(Tp) * Tp at any Tp up to the longest. */
static int64_t block_scores(int64_t Tp)
{
    return BLOCK_SCORES > TILE_ROWS * Tp ? BLOCK_SCORES : TILE_ROWS * Tp;
}

/* words[j], j < T: one for each key position of query row `row` (over tokens and heads) */
static void draw(uint32_t *words, const dropping *drop, int64_t row, int64_t T)
{
    philox_words(words, drop->seed, drop->stream, (uint64_t)row << 16, (T + 3) / 4);
}

/* Softmax numerators of one row in place; returns their sum, the maximum of the scaled scores in max. */
static real exponentials(real *s, const shape *sh, real *max)
{
    real largest = -INFINITY, sum = 0, scale = sh->scale;
    for (int64_t j = sh->T; j < sh->Tp; j++)
        s[j] = scale < 0 ? INFINITY : -INFINITY; /* padding: its exponential is 0 */
#pragma omp simd reduction(max : largest)
    for (int64_t j = 0; j < sh->Tp; j++) {
        real scaled = scale * s[j];
        largest = scaled > largest ? scaled : largest;
    }
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < sh->Tp; j++) {
        real e = real_exp(scale * s[j] - largest);
        s[j] = e;
        sum += e;
    }
    *max = largest;
    return sum;
}

/* s[j] times keep / (1 - p) */
static void mask_row(real *s, const uint32_t *words, int64_t T, uint32_t threshold, real factor)
{
#pragma omp simd
    for (int64_t j = 0; j < T; j++) {
        real keep = words[j] >= threshold ? factor : 0;
        s[j] *= keep;
    }
}

/* Rows of one block: out and lse from k^T and v packed. */
static void forward_block(real *out, real *lse, int64_t lse_row, const real *q, const real *kt, const real *v, real *s,
                          real *o, uint32_t *words, const shape *sh, const dropping *drop, int64_t key, int64_t key_row,
                          int64_t rows)
{
    real sums[BLOCK_ROWS];
    tile_gemm(s, sh->Tp, q, sh->row, 1, kt, rows, sh->T, sh->D, false);
    for (int64_t i = 0; i < rows; i++) {
        real *si = s + i * sh->Tp, max;
        sums[i] = exponentials(si, sh, &max);
        lse[i * lse_row] = max + real_log(sums[i]);
        if (drop->p > 0) {
            draw(words, drop, key + i * key_row, sh->T);
            mask_row(si, words, sh->T, drop->threshold, drop->factor);
        }
    }
    tile_gemm(o, sh->Dp, s, sh->Tp, 1, v, rows, sh->D, sh->T, false);
    for (int64_t i = 0; i < rows; i++)
#pragma omp simd
        for (int64_t d = 0; d < sh->D; d++)
            out[i * sh->out_row + d] = o[i * sh->Dp + d] / sums[i];
}

void FR_KERNEL(attention_forward)(fr_queue *queue, void *out_, void *lse_, const void *qkv_, const int32_t *cu,
                                  int64_t B, int64_t N, int64_t H, int64_t D, double scale, int64_t longest, double p,
                                  uint64_t seed, uint64_t stream, int64_t first)
{
    (void)queue;
    real *out = out_, *lse = lse_;
    const real *qkv = qkv_;
    int64_t Dp = tile_padded(D);
    longest = tile_padded(longest);
    dropping drop = dropping_of(p, seed, stream);
#pragma omp parallel if (N * H * D > PARALLEL_FROM / 8)
    {
        real *kt = scratch_new(longest * D, sizeof(real)), *v = scratch_new(longest * Dp, sizeof(real));
        real *s = scratch_new(block_scores(longest), sizeof(real)), *o = scratch_new(BLOCK_ROWS * Dp, sizeof(real));
        uint32_t *words = scratch_new(longest + 4, sizeof(uint32_t));
#pragma omp for schedule(dynamic)
        for (int64_t pair = 0; pair < B * H; pair++) {
            int64_t b = pair / H, h = pair % H, n0 = cu[b], T = cu[b + 1] - n0;
            shape sh = {T, D, tile_padded(T), Dp, 3 * H * D, H * D, (real)scale};
            const real *q = qkv + n0 * sh.row + h * D;
            if (T == 0)
                continue;
            tile_pack_transposed(kt, q + H * D, D, T, sh.row);
            tile_pack(v, q + 2 * H * D, T, D, sh.row);
            int64_t step = block_rows(sh.Tp);
            for (int64_t i = 0; i < T; i += step)
                forward_block(out + ((n0 + i) * H + h) * D, lse + (n0 + i) * H + h, H, q + i * sh.row, kt, v, s, o,
                              words, &sh, &drop, (first + n0 + i) * H + h, H, smaller(step, T - i));
        }
        free(kt);
        free(v);
        free(s);
        free(o);
        free(words);
    }
}

/* What one (sequence, head) pair needs on its way back: packed operands and sums, all in one scratch block. */
typedef struct backward_scratch {
    real *memory;
    real *kt, *vt, *k; /* packed: k^T (D,T), v^T (D,T), k (T,D) */
    real *qb, *gb;     /* packed rows of this block: q, dout (rows,D) */
    real *s, *ds;      /* (rows,Tp) */
    real *dq;          /* (rows,Dp) */
    real *dk, *dv;     /* (T,Dp) */
    uint32_t *words;
} backward_scratch;

static backward_scratch backward_scratch_new(int64_t longest, int64_t D, int64_t Dp)
{
    int64_t rows = BLOCK_ROWS, scores = block_scores(longest);
    backward_scratch w;
    real *at = w.memory = scratch_new(2 * longest * D + 3 * longest * Dp + 3 * rows * Dp + 2 * scores, sizeof(real));
    w.kt = at, at += longest * D;
    w.vt = at, at += longest * D;
    w.k = at, at += longest * Dp;
    w.dk = at, at += longest * Dp;
    w.dv = at, at += longest * Dp;
    w.qb = at, at += rows * Dp;
    w.gb = at, at += rows * Dp;
    w.dq = at, at += rows * Dp;
    w.s = at, at += scores;
    w.ds = at;
    w.words = scratch_new(longest + 4, sizeof(uint32_t));
    return w;
}

/* One row: s becomes Z = P keep / (1 - p), dz = dout v^T becomes ds = scale P (dz keep / (1 - p) - delta). */
static void backward_row(real *s, real *dz, const uint32_t *words, int64_t T, real scale, const dropping *drop,
                         real lse, real delta)
{
    uint32_t threshold = drop->threshold;
    real factor = drop->factor;
    if (drop->p > 0) {
#pragma omp simd
        for (int64_t j = 0; j < T; j++) {
            real P = real_exp(scale * s[j] - lse), keep = words[j] >= threshold ? factor : 0;
            s[j] = P * keep;
            dz[j] = scale * P * (dz[j] * keep - delta);
        }
        return;
    }
#pragma omp simd
    for (int64_t j = 0; j < T; j++) {
        real P = real_exp(scale * s[j] - lse);
        s[j] = P;
        dz[j] = scale * P * (dz[j] - delta);
    }
}

/* delta[i] = sum_d dout out = sum_j Z dz of a block's rows: all at once, so that the rows' cache misses overlap. */
static void backward_delta(real *delta, const real *dout, const real *out, const shape *sh, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        const real *g = dout + i * sh->out_row, *o = out + i * sh->out_row;
        real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t d = 0; d < sh->D; d++)
            sum += g[d] * o[d];
        delta[i] = sum;
    }
}

/* to[i, d] = from[i, d]; one row may be wider than D */
static void copy_rows(real *to, int64_t to_row, const real *from, int64_t from_row, int64_t rows, int64_t D)
{
    for (int64_t i = 0; i < rows; i++)
#pragma omp simd
        for (int64_t d = 0; d < D; d++)
            to[i * to_row + d] = from[i * from_row + d];
}

/* Adds a block of query rows to dk, dv; sets dq of its rows. */
static void backward_block(real *dq, backward_scratch *w, const real *q, const real *dout, const real *out,
                           const real *lse, int64_t lse_row, const shape *sh, const dropping *drop, int64_t key,
                           int64_t rows, bool add)
{
    real delta[BLOCK_ROWS];
    tile_gemm(w->s, sh->Tp, q, sh->row, 1, w->kt, rows, sh->T, sh->D, false);
    tile_gemm(w->ds, sh->Tp, dout, sh->out_row, 1, w->vt, rows, sh->T, sh->D, false);
    backward_delta(delta, dout, out, sh, rows);
    for (int64_t i = 0; i < rows; i++) {
        if (drop->p > 0)
            draw(w->words, drop, key + i * lse_row, sh->T);
        backward_row(w->s + i * sh->Tp, w->ds + i * sh->Tp, w->words, sh->T, sh->scale, drop, lse[i * lse_row],
                     delta[i]);
    }
    tile_pack(w->qb, q, rows, sh->D, sh->row);
    tile_pack(w->gb, dout, rows, sh->D, sh->out_row);
    tile_gemm(w->dv, sh->Dp, w->s, 1, sh->Tp, w->gb, sh->T, sh->D, rows, add);
    tile_gemm(w->dk, sh->Dp, w->ds, 1, sh->Tp, w->qb, sh->T, sh->D, rows, add);
    tile_gemm(w->dq, sh->Dp, w->ds, sh->Tp, 1, w->k, rows, sh->D, sh->T, false);
    copy_rows(dq, sh->row, w->dq, sh->Dp, rows, sh->D);
}

void FR_KERNEL(attention_backward)(fr_queue *queue, void *dqkv_, const void *dout_, const void *out_, const void *lse_,
                                   const void *qkv_, const int32_t *cu, int64_t B, int64_t N, int64_t H, int64_t D,
                                   double scale, int64_t longest, double p, uint64_t seed, uint64_t stream,
                                   int64_t first)
{
    (void)queue;
    real *dqkv = dqkv_;
    const real *dout = dout_, *out = out_, *lse = lse_, *qkv = qkv_;
    int64_t Dp = tile_padded(D);
    longest = tile_padded(longest);
    dropping drop = dropping_of(p, seed, stream);
#pragma omp parallel if (N * H * D > PARALLEL_FROM / 8)
    {
        backward_scratch w = backward_scratch_new(longest, D, Dp);
#pragma omp for schedule(dynamic)
        for (int64_t pair = 0; pair < B * H; pair++) {
            int64_t b = pair / H, h = pair % H, n0 = cu[b], T = cu[b + 1] - n0;
            shape sh = {T, D, tile_padded(T), Dp, 3 * H * D, H * D, (real)scale};
            const real *q = qkv + n0 * sh.row + h * D;
            real *dq = dqkv + n0 * sh.row + h * D;
            if (T == 0)
                continue;
            tile_pack_transposed(w.kt, q + H * D, D, T, sh.row);
            tile_pack_transposed(w.vt, q + 2 * H * D, D, T, sh.row);
            tile_pack(w.k, q + H * D, T, D, sh.row);
            int64_t step = block_rows(sh.Tp);
            for (int64_t i = 0; i < T; i += step) {
                int64_t at = ((n0 + i) * H + h) * D, key = (n0 + i) * H + h;
                backward_block(dq + i * sh.row, &w, q + i * sh.row, dout + at, out + at, lse + key, H, &sh, &drop,
                               first * H + key, smaller(step, T - i), i > 0);
            }
            copy_rows(dq + H * D, sh.row, w.dk, Dp, T, D);
            copy_rows(dq + 2 * H * D, sh.row, w.dv, Dp, T, D);
        }
        free(w.memory);
        free(w.words);
    }
}
