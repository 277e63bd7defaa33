/* Exact nearest neighbours, screened (knn_screened.h). Blocks of rows against blocks of the corpus, a strip of rows at
 * a time: the integer products of the strip give a bound for every pair, kept in registers; pairs whose bound reaches
 * the worst of the row's (or, mirrored, the column's) top-k are scored. Where too many do, the strip is scored whole.
 */
#include "knn_screened.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(FR_REAL_IS_float)

#include "knn_rounded.h"
#include "topk_insert.h"

#include <immintrin.h>
#include <omp.h>

enum { STRIP = 12, SCREEN_ROWS = 3, SCORE_ROWS = 4, SCORE_COLUMNS = 3, CHUNK = 16 }; /* CHUNK: corpus blocks a step */
enum { DENSE = 4 }; /* a strip is scored whole when more than 1 / DENSE of its pairs reach */

typedef struct search {
    fr_knn_job job;
    float slack;  /* times |x| |y|: what rounding in f32 may add to a score, or take from a bound */
    __m256i tail; /* the lanes of a row's last d % 8 values */
} search;

/* Rows first .. first+count-1 against the rows of another block. */
typedef struct side {
    const rounded *of;
    const float *x; /* (count,d) */
    int64_t first, count;
} side;

/* The order of every score's sum: eight sums of every eighth product, then ((0+1)+(2+3)) + ((4+5)+(6+7)). */
static inline __m128 sum_lanes(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

/* to[i * stride + j] = <a[i], b[j]> for rows x columns (constants where this is inlined); writes four values a row. */
static inline __attribute__((always_inline)) void scores(const search *s, int rows, int columns, float *to,
                                                         int64_t stride, const float *const *a, const float *const *b)
{
    __m256 sum[4][8] = {0};
    int64_t d = s->job.d, whole = d / 8 * 8;
    for (int64_t l = 0; l < whole; l += 8) {
        __m256 y[8];
#pragma GCC unroll 8
        for (int j = 0; j < columns; j++)
            y[j] = _mm256_loadu_ps(b[j] + l);
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++) {
            __m256 x = _mm256_loadu_ps(a[i] + l);
#pragma GCC unroll 8
            for (int j = 0; j < columns; j++)
                sum[i][j] = _mm256_fmadd_ps(x, y[j], sum[i][j]);
        }
    }
    if (whole < d)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                sum[i][j] = _mm256_fmadd_ps(_mm256_maskload_ps(a[i] + whole, s->tail),
                                            _mm256_maskload_ps(b[j] + whole, s->tail), sum[i][j]);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j += 4)
            _mm_storeu_ps(to + i * stride + j,
                          sum_lanes(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3 < columns ? j + 3 : j + 2]));
}

/* to (rows, columns), row stride `stride` with room for one column more */
static void score_all(const search *s, float *to, int64_t stride, const float *a, int64_t rows, const float *b,
                      int64_t columns)
{
    int64_t d = s->job.d;
    for (int64_t i = 0; i < rows; i += SCORE_ROWS) {
        const float *x[SCORE_ROWS], *y[SCORE_COLUMNS]; /* beyond the last row, the last once more */
        for (int64_t r = 0; r < SCORE_ROWS; r++)
            x[r] = a + smaller(i + r, rows - 1) * d;
        for (int64_t j = 0; j < columns; j += SCORE_COLUMNS) {
            for (int64_t c = 0; c < SCORE_COLUMNS; c++)
                y[c] = b + smaller(j + c, columns - 1) * d;
            scores(s, SCORE_ROWS, SCORE_COLUMNS, to + i * stride + j, stride, x, y);
        }
    }
}

static inline void offer(const search *s, int64_t row, int64_t candidate, float score)
{
    const fr_knn_job *job = &s->job;
    if (score >= job->value[row * job->k + job->k - 1] && !(job->skip && job->skip[row] == candidate))
        topk_insert(job->value + row * job->k, job->index + row * job->k, job->k, score, (int32_t)candidate);
}

/* thresholds: of the columns, NULL unless mirrored */
static inline void offer_pair(const search *s, int64_t row, const side *columns, int64_t c, float score,
                              float *thresholds)
{
    offer(s, row, columns->first + c, score);
    if (thresholds && score >= thresholds[c]) {
        offer(s, columns->first + c, row, score);
        thresholds[c] = s->job.value[(columns->first + c) * s->job.k + s->job.k - 1];
    }
}

/* Columns of a row of `block` whose bits are set: their places, in order. */
static inline int64_t set_columns(int16_t *to, const uint16_t *reach, int64_t panels)
{
    int64_t n = 0;
    for (int64_t p = 0; p < panels; p++)
        for (unsigned bits = reach[p]; bits; bits &= bits - 1)
            to[n++] = (int16_t)(p * LANES + __builtin_ctz(bits));
    return n;
}

static void score_reaching(const search *s, const side *rows, int64_t r, const side *columns, const uint16_t *reach,
                           int64_t panels, float *thresholds)
{
    int16_t at[MOST_ROWS];
    int64_t n = set_columns(at, reach, panels), d = s->job.d;
    const float *x = rows->x + r * d, *y[8];
    for (int64_t h = 0; h < n; h += 8) {
        float score[8];
        for (int64_t i = 0; i < 8; i++)
            y[i] = columns->x + at[smaller(h + i, n - 1)] * d;
        if (n - h > 4)
            scores(s, 1, 8, score, 8, &x, y);
        else
            scores(s, 1, 4, score, 8, &x, y);
        for (int64_t i = 0; i < 8 && h + i < n; i++)
            offer_pair(s, rows->first + r, columns, at[h + i], score[i], thresholds);
    }
}

/* Rows r .. of a strip scored whole. */
static void strip_whole(const search *s, const side *rows, int64_t r, const side *columns, float *thresholds)
{
    float score[STRIP * (MOST_ROWS + 8)];
    const int64_t stride = MOST_ROWS + 8, count = smaller(STRIP, rows->count - r), k = s->job.k;
    score_all(s, score, stride, rows->x + r * s->job.d, count, columns->x, columns->count);
    for (int64_t i = 0; i < count; i++) {
        float *row = score + i * stride, *least = s->job.value + (rows->first + r + i) * k + k - 1;
        for (int64_t c = columns->count; c % 8; c++)
            row[c] = NAN;
        for (int64_t c = 0; c < columns->count; c += 8) {
            __m256 v = _mm256_loadu_ps(row + c), reach = _mm256_cmp_ps(v, _mm256_set1_ps(*least), _CMP_GE_OQ);
            if (thresholds)
                reach = _mm256_or_ps(reach, _mm256_cmp_ps(v, _mm256_loadu_ps(thresholds + c), _CMP_GE_OQ));
            for (unsigned bits = (unsigned)_mm256_movemask_ps(reach); bits; bits &= bits - 1) {
                int64_t at = c + __builtin_ctz(bits);
                offer_pair(s, rows->first + r + i, columns, at, row[at], thresholds);
            }
        }
    }
}

/* Keeps a sum where it is: the compilers would add in another order, with more registers than there are. */
#define KEEP(x) __asm__("" : "+x"(x))

/* total (3 rows x 16 columns) += integer products */
static inline __attribute__((always_inline)) void products(__m256i total[SCREEN_ROWS][2], const uint8_t *rows,
                                                           const int8_t *panel, int64_t width)
{
    const __m256i one = _mm256_set1_epi16(1);
    const uint8_t *end = rows + width;
    for (; rows < end; rows += 4 * DEPTH, panel += 4 * DEPTH * LANES) {
        __m256i part[SCREEN_ROWS][2];
#pragma GCC unroll 4
        for (int t = 0; t < DEPTH; t++) {
            __m256i b0 = _mm256_load_si256((const __m256i *)(panel + t * 4 * LANES));
            __m256i b1 = _mm256_load_si256((const __m256i *)(panel + t * 4 * LANES + 32));
#pragma GCC unroll 3
            for (int i = 0; i < SCREEN_ROWS; i++) {
                int32_t four;
                memcpy(&four, rows + i * width + t * 4, 4);
                __m256i a = _mm256_set1_epi32(four);
                __m256i m0 = _mm256_maddubs_epi16(a, b0), m1 = _mm256_maddubs_epi16(a, b1);
                part[i][0] = t == 0 ? m0 : _mm256_add_epi16(part[i][0], m0);
                part[i][1] = t == 0 ? m1 : _mm256_add_epi16(part[i][1], m1);
                KEEP(part[i][0]);
                KEEP(part[i][1]);
            }
        }
#pragma GCC unroll 3
        for (int i = 0; i < SCREEN_ROWS; i++)
            for (int v = 0; v < 2; v++)
                total[i][v] = _mm256_add_epi32(total[i][v], _mm256_madd_epi16(part[i][v], one));
    }
}

/* What the bound of a row takes, in units of its scale a. */
typedef struct row_bound {
    float kept, lost; /* |a p| / a, (|r| + slack |x|) / a */
    float least, scale;
} row_bound;

/* reach[i * stride]: the columns of panel p that may reach, for rows r .. r+2.
 * bound / a = b <p,w> + kept |t| + lost |y| */
static void screen(const search *s, uint16_t *reach, int64_t stride, const rounded *rows, int64_t r,
                   const row_bound *of, const rounded *columns, int64_t p, const float *thresholds)
{
    int64_t width = rounded_width(s->job.d), c = p * LANES;
    __m256i total[SCREEN_ROWS][2];
    for (int i = 0; i < SCREEN_ROWS; i++)
        for (int v = 0; v < 2; v++)
            total[i][v] = _mm256_loadu_si256((const __m256i *)(columns->correction + c + v * 8));
    products(total, rows->rows + r * width, columns->panels + c * width, width);
    for (int i = 0; i < SCREEN_ROWS; i++) {
        unsigned bits = 0;
        for (int v = 0; v < 2; v++) {
            int64_t at = c + v * 8;
            __m256 bound = _mm256_mul_ps(_mm256_set1_ps(of[i].kept), _mm256_loadu_ps(columns->lost + at));
            bound = _mm256_fmadd_ps(_mm256_set1_ps(of[i].lost), _mm256_loadu_ps(columns->norm + at), bound);
            bound = _mm256_fmadd_ps(_mm256_cvtepi32_ps(total[i][v]), _mm256_loadu_ps(columns->scale + at), bound);
            __m256 yes = _mm256_cmp_ps(bound, _mm256_set1_ps(of[i].least), _CMP_GE_OQ);
            if (thresholds)
                yes = _mm256_or_ps(yes, _mm256_cmp_ps(_mm256_mul_ps(bound, _mm256_set1_ps(of[i].scale)),
                                                      _mm256_loadu_ps(thresholds + at), _CMP_GE_OQ));
            bits |= (unsigned)_mm256_movemask_ps(yes) << (8 * v);
        }
        reach[i * stride] = (uint16_t)bits;
    }
}

/* False: too many reach, the strip is to be scored whole. */
static bool strip_screened(const search *s, const side *rows, int64_t r, const side *columns, float *thresholds)
{
    enum { STRIDE = MOST_ROWS / LANES };
    uint16_t reach[STRIP * STRIDE];
    row_bound of[STRIP] = {0};
    int64_t count = smaller(STRIP, rows->count - r), panels = (columns->count + LANES - 1) / LANES, k = s->job.k;
    for (int64_t i = 0; i < count; i++) {
        const rounded *b = rows->of;
        float scale = b->scale[r + i];
        of[i] = (row_bound){b->kept[r + i] / scale, (b->lost[r + i] + s->slack * b->norm[r + i]) / scale,
                            s->job.value[(rows->first + r + i) * k + k - 1] / scale, scale};
    }
    for (int64_t p = 0; p < panels; p++)
        for (int64_t i = 0; i < count; i += SCREEN_ROWS)
            screen(s, reach + i * STRIDE + p, STRIDE, rows->of, r + i, of + i, columns->of, p, thresholds);
    int64_t reaching = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t p = 0; p < panels; p++)
            reaching += __builtin_popcount(reach[i * STRIDE + p]);
    if (reaching * DENSE > count * columns->count)
        return false;
    for (int64_t i = 0; i < count; i++)
        score_reaching(s, rows, r + i, columns, reach + i * STRIDE, panels, thresholds);
    return true;
}

/* One block against another. Mirrored: the columns are queries too, and get the rows as candidates. */
static void visit(const search *s, const side *rows, const side *columns, bool mirrored)
{
    float thresholds[MOST_ROWS + 8];
    for (int64_t c = 0; c < columns->of->room; c++)
        thresholds[c] =
            mirrored && c < columns->count ? s->job.value[(columns->first + c) * s->job.k + s->job.k - 1] : INFINITY;
    bool whole = rows->of->plain || columns->of->plain; /* once too many reach, they do for the next rows too */
    for (int64_t r = 0; r < rows->count; r += STRIP) {
        whole = whole || !strip_screened(s, rows, r, columns, mirrored ? thresholds : NULL);
        if (whole)
            strip_whole(s, rows, r, columns, mirrored ? thresholds : NULL);
    }
}

/* Rows first .. first+n-1 of the queries, or of the corpus, in blocks. */
typedef struct blocks {
    rounded *block;
    const float *x;
    int64_t first, n, room, count;
} blocks;

/* In blocks that leave each of the threads several, up to MOST_ROWS rows: of a larger block more of a row's pairs are
 * scored together, and more of what they read is used again. */
static blocks blocks_new(const search *s, int64_t n, int64_t shares)
{
    int64_t room = smaller(MOST_ROWS, (n / shares / BLOCK_STEP + 1) * BLOCK_STEP);
    blocks b = {.room = room, .count = (n + room - 1) / room};
    b.block = scratch_new(b.count, sizeof(rounded));
    for (int64_t i = 0; i < b.count; i++)
        rounded_open(b.block + i, room, s->job.d);
    return b;
}

static void blocks_free(blocks *b)
{
    for (int64_t i = 0; i < b->count; i++)
        rounded_close(b->block + i);
    free(b->block);
}

static side nth_side(const search *s, const blocks *b, int64_t i)
{
    int64_t at = i * b->room;
    return (side){b->block + i, b->x + at * s->job.d, b->first + at, smaller(b->room, b->n - at)};
}

static void blocks_set(const search *s, blocks *b, const float *x, int64_t first, int64_t n)
{
    b->x = x + first * s->job.d;
    b->first = first;
    b->n = n;
    b->count = (n + b->room - 1) / b->room;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < b->count; i++) {
        side rows = nth_side(s, b, i);
        round_block(b->block + i, rows.x, rows.count, s->job.d);
    }
}

static bool report(const search *s, double share)
{
    return !s->job.progress || s->job.progress(s->job.context, (int64_t)(share * (double)s->job.nq));
}

/* This part's meetings of a round of a tournament, in which each block meets one other, so that no two threads have the
 * same rows. Round -1: each itself. The parts take turns at being first, so that all have as much to do. */
static void play(const search *s, const blocks *b, int64_t round)
{
    int64_t even = (b->count + 1) / 2 * 2, others = even - 1, parts = s->job.parts;
#pragma omp parallel for schedule(dynamic)
    for (int64_t t = (s->job.part + round + 1) % parts; t < (round < 0 ? b->count : even / 2); t += parts) {
        int64_t one = round < 0 ? t : (round + t) % others;
        int64_t other = round < 0 ? t : t == 0 ? others : (round - t + others) % others;
        if (one >= b->count || other >= b->count) /* of an odd count, one rests */
            continue;
        side rows = nth_side(s, b, one), columns = nth_side(s, b, other);
        visit(s, &rows, &columns, one != other);
    }
}

/* Every block of the first n queries against every other. `share` of all the work. Parts exchange after rounds 0, 1, 2,
 * 4, 8 ...: most candidates come early. One whose progress has stopped waits for that. */
static bool search_mirrored(const search *s, int64_t n, double share)
{
    blocks b = blocks_new(s, n, 8 * s->job.threads * s->job.parts);
    blocks_set(s, &b, s->job.queries, 0, n);
    int64_t rounds = (b.count + 1) / 2 * 2;
    bool more = true, together = true;
    for (int64_t round = 0; round < rounds && together; round++) {
        if (more) {
            play(s, &b, round - 1);
            more = report(s, share * (double)(round + 1) / (double)rounds);
        }
        if (!s->job.exchange)
            together = more;
        else if ((round & (round - 1)) == 0)
            together = s->job.exchange(s->job.exchange_context, more);
    }
    blocks_free(&b);
    return more && together;
}

/* This part's range of the queries from `first` on against the corpus, CHUNK blocks of it at a time. */
static bool search_rest(const search *s, int64_t first, double done)
{
    const fr_knn_job *job = &s->job;
    int64_t rest = job->nq - first, end = first + rest * (job->part + 1) / job->parts;
    first += rest * job->part / job->parts;
    int64_t step = smaller(job->nc, CHUNK * MOST_ROWS);
    blocks queries = blocks_new(s, end - first, 4 * job->threads);
    blocks corpus = blocks_new(s, step, 1);
    int64_t room = corpus.count;
    blocks_set(s, &queries, job->queries, first, end - first);
    bool more = true;
    for (int64_t from = 0; from < job->nc && more; from += step) {
        int64_t here = smaller(step, job->nc - from);
        blocks_set(s, &corpus, job->corpus, from, here);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < queries.count; i++) {
            side rows = nth_side(s, &queries, i);
            for (int64_t j = 0; j < corpus.count; j++) {
                side columns = nth_side(s, &corpus, j);
                visit(s, &rows, &columns, false);
            }
        }
        more = report(s, done + (1 - done) * (double)(from + here) / (double)job->nc);
    }
    corpus.count = room;
    blocks_free(&queries);
    blocks_free(&corpus);
    return more;
}

bool FR_KERNEL(knn_screened)(const fr_knn_job *job)
{
    bool mirrored = job->queries == job->corpus && job->nq >= job->nc;
    int64_t own = mirrored ? job->nc : 0, rest = job->nq - own;
    search s = {.job = *job, .slack = ((float)job->d / 8 + 64) * 0x1p-24f};
    int32_t lanes[8];
    for (int i = 0; i < 8; i++)
        lanes[i] = i < job->d % 8 ? -1 : 0;
    s.tail = _mm256_loadu_si256((const __m256i *)lanes);
    for (int64_t i = 0; i < job->nq * job->k; i++) {
        job->value[i] = -INFINITY;
        job->index[i] = -1;
    }
    double half = 0.5 * (double)own, all = half + (double)rest, share = all > 0 ? half / all : 0;
    return (own == 0 || search_mirrored(&s, own, share)) && (rest == 0 || search_rest(&s, own, share));
}

#endif
