/* Rank-biased overlap of edges (Webber et al. 2010; ties after Corsi & Urbano 2024).
 *
 *   RBO = (1-p)/p sum_{d=1..n} A_d p^d + A_n p^n            n models that both lists hold
 *   c_d = min(max((d - t + 1) / (b - t + 1), 0), 1)         contribution at depth d of a model in the tie group t..b
 *   A_d = sum c c' / d   (variant a)        A_d = sum c c' / sqrt(sum c^2 sum c'^2)   (variant b, corrected)
 *
 * The f64 table computes just this; the f32 tables take the cheapest of three ways to the same numbers. */
#include "common.h"

/* first[m] = t - 1 and inverse[m] = 1 / (b - t + 1) for the models of `list` that `other` holds too; the ranks close
 * up. A tie group is known by its first rank, so top ranks suffice. Returns how many there are. */
static int64_t close_up(real *first, real *inverse, const int16_t *list, const int16_t *other, int64_t M)
{
    int64_t n = 0;
    for (int64_t m = 0; m < M; m++) {
        if (list[m] == 0 || other[m] == 0)
            continue;
        int before = 0, equal = 0;
        for (int64_t j = 0; j < M; j++) {
            int common = list[j] != 0 && other[j] != 0;
            before += common & (list[j] < list[m]);
            equal += common & (list[j] == list[m]);
        }
        first[n] = (real)before;
        inverse[n++] = 1 / (real)equal;
    }
    return n;
}

/* scratch: 4 M reals. */
static double by_definition(const int16_t *a, const int16_t *b, int64_t M, double p, bool corrected, real *scratch)
{
    real *fa = scratch, *ia = scratch + M, *fb = scratch + 2 * M, *ib = scratch + 3 * M;
    int64_t n = close_up(fa, ia, a, b, M);
    close_up(fb, ib, b, a, M);
    double sum = 0, power = 1, agreement = 0;
    for (int64_t d = 1; d <= n; d++) {
        real depth = (real)d, cross = 0, square_a = 0, square_b = 0;
#pragma omp simd reduction(+ : cross, square_a, square_b)
        for (int64_t m = 0; m < n; m++) {
            real ca = (depth - fa[m]) * ia[m], cb = (depth - fb[m]) * ib[m];
            ca = ca < 0 ? 0 : ca > 1 ? 1 : ca;
            cb = cb < 0 ? 0 : cb > 1 ? 1 : cb;
            cross += ca * cb;
            square_a += ca * ca;
            square_b += cb * cb;
        }
        agreement = (double)cross / (corrected ? sqrt((double)square_a * (double)square_b) : (double)d);
        power *= p;
        sum += agreement * power;
    }
    return (1 - p) / p * sum + agreement * power;
}

static float in_unit_range(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : (float)x;
}

#ifdef FR_REAL_IS_double

void FR_KERNEL(rbo)(fr_queue *q, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom, int64_t E,
                    int64_t M, double p, bool corrected)
{
    (void)q;
    (void)bottom;
#pragma omp parallel if (E * M > PARALLEL_FROM)
    {
        real *scratch = scratch_new(4 * M, sizeof(real));
#pragma omp for schedule(static)
        for (int64_t e = 0; e < E; e++)
            rbo[e] = in_unit_range(
                by_definition(top + edges[2 * e] * M, top + edges[2 * e + 1] * M, M, p, corrected, scratch));
        free(scratch);
    }
}

#else

#include "rbo_lists.h"
#include "rbo_two.h"
#include "rbo_untied.h"
#include "rbo_way.h"

void FR_KERNEL(rbo)(fr_queue *q, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom, int64_t E,
                    int64_t M, double p, bool corrected)
{
    (void)q;
    int32_t last = -1;
    for (int64_t x = 0; x < 2 * E; x++)
        last = edges[x] > last ? edges[x] : last;
    int64_t nodes = (int64_t)last + 1;
    bool plain = true; /* complete lists without ties */
    for (int64_t x = 0; x < nodes * M && plain; x++)
        plain = top[x] != 0 && top[x] == bottom[x];
    if (plain)
        untied(rbo, edges, top, E, nodes, M, p);
    else if (!two(rbo, edges, top, E, nodes, M, p, corrected, false))
        by_lists(rbo, edges, top, E, nodes, M, p, corrected, FR_RBO_WAYS);
}

static void look(fr_rbo_look *sum, const int16_t *top, const int16_t *bottom, int64_t n, int64_t M)
{
    for (int64_t i = 0; i < n; i++, top += M, bottom += M) {
        bool tied = false, incomplete = false;
        for (int64_t m = 0; m < M; m++) {
            tied |= top[m] == 0 || top[m] != bottom[m];
            incomplete |= top[m] == 0;
        }
        two_grades list;
        bool complete;
        sum->tied += tied;
        sum->incomplete += incomplete;
        sum->graded += M > TWO_MODELS || !as_two_grades(&list, &complete, top, 1, M);
    }
}

static int64_t table(const fr_rbo_look *of, int64_t M)
{
    return two_entries(of->incomplete == 0, M);
}

static fr_rbo_way way(const fr_rbo_look *of, int64_t E, int64_t M)
{
    if (of->tied == 0)
        return FR_RBO_UNTIED;
    return of->graded == 0 && M <= TWO_MODELS && table(of, M) <= E ? FR_RBO_TWO : FR_RBO_WAYS;
}

static void hash(uint64_t *to, const int16_t *top, int64_t n, int64_t M)
{
#pragma omp parallel for schedule(static) if (n * M > PARALLEL_FROM)
    for (int64_t i = 0; i < n; i++)
        to[i] = row_hash(top + i * M, M);
}

static void compare(fr_rbo_way by, float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes,
                    int64_t M, double p, bool corrected)
{
    if (by == FR_RBO_UNTIED)
        untied(rbo, edges, top, E, nodes, M, p);
    else if (by != FR_RBO_TWO || !two(rbo, edges, top, E, nodes, M, p, corrected, true))
        by_lists(rbo, edges, top, E, nodes, M, p, corrected, by);
}

const fr_rbo_parts FR_KERNEL(rbo_parts) = {look, way, most_vectors, hash, table, compare};

#endif
