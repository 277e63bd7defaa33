/* Rank-biased overlap of edges (Webber et al. 2010; ties after Corsi & Urbano 2024).
 *
 *   RBO = (1-p)/p sum_{d=1..n} A_d p^d + A_n p^n            n models that both lists hold
 *   c_d = min(max((d - t + 1) / (b - t + 1), 0), 1)         contribution at depth d of a model in the tie group t..b
 *   A_d = sum c c' / d   (variant a)        A_d = sum c c' / sqrt(sum c^2 sum c'^2)   (variant b, corrected)
 *
 * The f64 table computes just this. The f32 tables take the cheapest of three ways to the same numbers:
 *   lists without ties      a model of ranks r, r' counts at the depths from max(r, r') on: RBO = sum_m W[max(r, r')]
 *   complete lists          RBO is the inner product of one vector per list (list_vector below)
 *   models missing          the definition, after the ranks have closed up
 * and keep a table of all pairs where few lists are distinct, as with 0/1 quality. */
#include "common.h"

#if defined(__AVX2__) && !defined(FR_REAL_IS_double)
#include <immintrin.h>
#endif

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

static void *zeroed(int64_t count, size_t bytes_each)
{
    void *memory = scratch_new(count, bytes_each);
    memset(memory, 0, (size_t)count * bytes_each);
    return memory;
}

enum {
    LANES = 16,             /* models in a row of byte ranks */
    ALIGNED = 8,            /* list vectors are padded to so many floats */
    CHUNK = 128,            /* terms of an inner product summed in f32 */
    VECTOR_BYTES = 1 << 30, /* more memory than this is not taken for list vectors */
    PAIR_SHARE = 4,         /* a table of all pairs pays when it has at most E / 4 entries */
};

/* ---- lists without ties ---- */

/* W[r] = (1-p)/p sum_{d=r..M} p^d / d + p^M / M, r = 1..M */
static void rank_weights(double *W, int64_t M, double p)
{
    double tail = 0;
    for (int64_t r = M; r >= 1; r--) {
        tail += pow(p, (double)r) / (double)r;
        W[r] = (1 - p) / p * tail + pow(p, (double)M) / (double)M;
    }
}

#ifdef __AVX2__

/* W in fixed point, 30 bits behind the point, cut into four bytes: plane k holds byte k of W for ranks 1..16. A lookup
 * is a byte shuffle, the sum over models psadbw; both are exact. The rounding goes to W[1], so that the sum of W is 1.
 */
static void weight_planes(__m256i plane[4], const double *W, int64_t M)
{
    uint32_t fixed[LANES] = {0}, rest = UINT32_C(1) << 30;
    for (int64_t r = M; r >= 2; r--) {
        fixed[r - 1] = (uint32_t)lrint(W[r] * 0x1p30);
        rest -= fixed[r - 1];
    }
    fixed[0] = rest;
    for (int k = 0; k < 4; k++) {
        uint8_t bytes[LANES];
        for (int i = 0; i < LANES; i++)
            bytes[i] = (uint8_t)(fixed[i] >> 8 * k);
        plane[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)bytes));
    }
}

/* Two edges; 64-bit lanes (edge 0, edge 0, edge 1, edge 1), whose pairs add up to RBO * 2^30. */
static inline __m256i two_edges(const uint8_t *rank, const int32_t *edge, const __m256i plane[4])
{
    const __m128i *row = (const __m128i *)rank;
    __m256i a = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(row + edge[0])),
                                        _mm_loadu_si128(row + edge[2]), 1);
    __m256i b = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(row + edge[1])),
                                        _mm_loadu_si128(row + edge[3]), 1);
    __m256i deeper = _mm256_max_epu8(a, b), zero = _mm256_setzero_si256();
    __m256i s0 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[0], deeper), zero);
    __m256i s1 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[1], deeper), zero);
    __m256i s2 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[2], deeper), zero);
    __m256i s3 = _mm256_sad_epu8(_mm256_shuffle_epi8(plane[3], deeper), zero);
    __m256i low = _mm256_add_epi64(s0, _mm256_slli_epi64(s1, 8));
    __m256i high = _mm256_add_epi64(s2, _mm256_slli_epi64(s3, 8));
    return _mm256_add_epi64(low, _mm256_slli_epi64(high, 16));
}

static inline void eight_edges(float *rbo, const uint8_t *rank, const int32_t *edge, const __m256i plane[4])
{
    __m256i e01 = two_edges(rank, edge, plane), e23 = two_edges(rank, edge + 4, plane);
    __m256i e45 = two_edges(rank, edge + 8, plane), e67 = two_edges(rank, edge + 12, plane);
    /* 64-bit lanes (0, 2, 1, 3) and (4, 6, 5, 7); their values are 31 bits wide */
    __m256i x = _mm256_add_epi64(_mm256_unpacklo_epi64(e01, e23), _mm256_unpackhi_epi64(e01, e23));
    __m256i y = _mm256_add_epi64(_mm256_unpacklo_epi64(e45, e67), _mm256_unpackhi_epi64(e45, e67));
    /* 32-bit lanes (0, 4, 2, 6, 1, 5, 3, 7), then in order */
    __m256i mixed = _mm256_or_si256(x, _mm256_slli_epi64(y, 32));
    __m256i order = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7));
    _mm256_storeu_ps(rbo, _mm256_mul_ps(_mm256_cvtepi32_ps(order), _mm256_set1_ps(0x1p-30f)));
}

static void untied_by_bytes(float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes, int64_t M,
                            const double *W)
{
    uint8_t *rank = zeroed(nodes, LANES); /* rank - 1; lanes past M have the high bit, which shuffles in 0 */
    memset(rank, 0x80, (size_t)nodes * LANES);
#pragma omp parallel for schedule(static) if (nodes * M > PARALLEL_FROM)
    for (int64_t i = 0; i < nodes; i++)
        for (int64_t m = 0; m < M; m++)
            rank[i * LANES + m] = (uint8_t)(top[i * M + m] - 1);
    __m256i plane[4];
    weight_planes(plane, W, M);
#pragma omp parallel for schedule(static) if (E > PARALLEL_FROM)
    for (int64_t block = 0; block < E / 8; block++)
        eight_edges(rbo + 8 * block, rank, edges + 16 * block, plane);
    int64_t done = E / 8 * 8;
    if (done < E) {
        int32_t edge[16] = {0};
        float last[8];
        memcpy(edge, edges + 2 * done, (size_t)(E - done) * 2 * sizeof *edge);
        eight_edges(last, rank, edge, plane);
        memcpy(rbo + done, last, (size_t)(E - done) * sizeof *last);
    }
    free(rank);
}

#endif

static inline float untied_edge(const int16_t *a, const int16_t *b, int64_t M, const float *W)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t m = 0; m < M; m++)
        sum += W[a[m] > b[m] ? a[m] : b[m]];
    return sum > 1 ? 1 : sum;
}

static void untied(float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes, int64_t M, double p)
{
    double *W = zeroed(M + 1, sizeof *W);
    rank_weights(W, M, p);
#ifdef __AVX2__
    if (M <= LANES) {
        untied_by_bytes(rbo, edges, top, E, nodes, M, W);
        free(W);
        return;
    }
#endif
    (void)nodes;
    float *narrow = zeroed(M + 1, sizeof *narrow);
    for (int64_t r = 1; r <= M; r++)
        narrow[r] = (float)W[r];
#pragma omp parallel for schedule(static) if (E * M > PARALLEL_FROM)
    for (int64_t e = 0; e < E; e++)
        rbo[e] = untied_edge(top + edges[2 * e] * M, top + edges[2 * e + 1] * M, M, narrow);
    free(narrow);
    free(W);
}

/* ---- lists with ties or missing models ---- */

typedef struct lists {
    int64_t M, count; /* distinct lists */
    int32_t *id;      /* (nodes) list of each node */
    int32_t *node;    /* (count) a node that has it */
    bool *complete;   /* (count) no model is missing */
    int64_t length;   /* of a list vector */
    float *vector;    /* (count, length), or NULL where that takes too much memory */
    const int16_t *top;
    double p;
    bool corrected;
} lists;

static uint64_t row_hash(const int16_t *row, int64_t M)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);
    for (int64_t m = 0; m < M; m++)
        h = (h ^ (uint16_t)row[m]) * UINT64_C(0x9E3779B97F4A7C15) ^ h >> 29;
    return h ^ h >> 32;
}

static void find_distinct(lists *l, int64_t nodes)
{
    int64_t slots = 16;
    while (slots < 2 * nodes)
        slots *= 2;
    int32_t *slot = zeroed(slots, sizeof *slot); /* list + 1 */
    l->id = zeroed(nodes, sizeof *l->id);
    l->node = zeroed(nodes, sizeof *l->node);
    for (int64_t i = 0; i < nodes; i++) {
        const int16_t *row = l->top + i * l->M;
        int64_t s = (int64_t)(row_hash(row, l->M) & (uint64_t)(slots - 1));
        while (slot[s] && memcmp(l->top + l->node[slot[s] - 1] * l->M, row, (size_t)l->M * sizeof *row) != 0)
            s = (s + 1) & (slots - 1);
        if (!slot[s]) {
            l->node[l->count++] = (int32_t)i;
            slot[s] = (int32_t)l->count;
        }
        l->id[i] = slot[s] - 1;
    }
    free(slot);
    l->complete = zeroed(l->count, sizeof *l->complete);
    for (int64_t i = 0; i < l->count; i++) {
        l->complete[i] = true;
        for (int64_t m = 0; m < l->M; m++)
            l->complete[i] &= l->top[l->node[i] * l->M + m] != 0;
    }
}

/* At depth M every model counts in full and A_M = 1, so with w_d = (1-p) p^(d-1)
 *
 *   RBO = sum_{d<M} w_d A_d + p^(M-1) = <v, v'>,   v = (f_1 c_1, ..., f_{M-1} c_{M-1}, sqrt(p^(M-1)))
 *
 * f_d = sqrt(w_d / d) for variant a and sqrt(w_d / sum c_d^2) for b. */
static void list_vector(float *v, const int16_t *row, int64_t M, double p, bool corrected, real *scratch)
{
    real *first = scratch, *inverse = scratch + M;
    close_up(first, inverse, row, row, M);
    double weight = 1 - p;
    for (int64_t d = 1; d < M; d++, v += M, weight *= p) {
        double squares = 0;
        for (int64_t m = 0; m < M; m++) {
            real c = ((real)d - first[m]) * inverse[m];
            v[m] = c < 0 ? 0 : c > 1 ? 1 : c;
            squares += (double)v[m] * (double)v[m];
        }
        float factor = (float)sqrt(weight / (corrected ? squares : (double)d));
        for (int64_t m = 0; m < M; m++)
            v[m] *= factor;
    }
    *v = (float)sqrt(pow(p, (double)(M - 1)));
}

static void make_vectors(lists *l)
{
    l->length = (l->M * (l->M - 1) + 1 + ALIGNED - 1) / ALIGNED * ALIGNED;
    if (l->count > VECTOR_BYTES / (int64_t)sizeof(float) / l->length)
        return;
    l->vector = zeroed(l->count * l->length, sizeof(float));
#pragma omp parallel if (l->count * l->length > PARALLEL_FROM)
    {
        real *scratch = scratch_new(2 * l->M, sizeof(real));
#pragma omp for schedule(static)
        for (int64_t i = 0; i < l->count; i++)
            if (l->complete[i])
                list_vector(l->vector + i * l->length, l->top + l->node[i] * l->M, l->M, l->p, l->corrected, scratch);
        free(scratch);
    }
}

static inline float pair_rbo(const lists *l, int32_t i, int32_t j, real *scratch)
{
    if (!l->vector || !l->complete[i] || !l->complete[j])
        return in_unit_range(
            by_definition(l->top + l->node[i] * l->M, l->top + l->node[j] * l->M, l->M, l->p, l->corrected, scratch));
    const float *a = l->vector + i * l->length, *b = l->vector + j * l->length;
    double sum = 0;
    for (int64_t first = 0; first < l->length; first += CHUNK) {
        float part = 0;
        int64_t end = smaller(first + CHUNK, l->length);
#pragma omp simd reduction(+ : part)
        for (int64_t x = first; x < end; x++)
            part += a[x] * b[x];
        sum += (double)part;
    }
    return in_unit_range(sum);
}

static void through_pairs(float *rbo, const lists *l, const int32_t *edges, int64_t E)
{
    int64_t D = l->count;
    float *pair = scratch_new(D * D, sizeof *pair);
#pragma omp parallel if (E * l->M > PARALLEL_FROM)
    {
        real *scratch = scratch_new(4 * l->M, sizeof(real));
#pragma omp for schedule(dynamic, 8)
        for (int64_t i = 0; i < D; i++)
            for (int64_t j = 0; j <= i; j++)
                pair[i * D + j] = pair[j * D + i] = pair_rbo(l, (int32_t)i, (int32_t)j, scratch);
        free(scratch);
#pragma omp for schedule(static)
        for (int64_t e = 0; e < E; e++)
            rbo[e] = pair[l->id[edges[2 * e]] * D + l->id[edges[2 * e + 1]]];
    }
    free(pair);
}

static void one_by_one(float *rbo, const lists *l, const int32_t *edges, int64_t E)
{
#pragma omp parallel if (E * l->M > PARALLEL_FROM)
    {
        real *scratch = scratch_new(4 * l->M, sizeof(real));
#pragma omp for schedule(static)
        for (int64_t e = 0; e < E; e++) {
            int32_t i = l->id[edges[2 * e]], j = l->id[edges[2 * e + 1]];
            rbo[e] = i < j ? pair_rbo(l, i, j, scratch) : pair_rbo(l, j, i, scratch);
        }
        free(scratch);
    }
}

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
    if (plain) {
        untied(rbo, edges, top, E, nodes, M, p);
        return;
    }
    lists l = {.M = M, .top = top, .p = p, .corrected = corrected};
    find_distinct(&l, nodes);
    make_vectors(&l);
    if (l.count <= E / PAIR_SHARE / l.count)
        through_pairs(rbo, &l, edges, E);
    else
        one_by_one(rbo, &l, edges, E);
    free(l.vector);
    free(l.complete);
    free(l.node);
    free(l.id);
}

#endif
