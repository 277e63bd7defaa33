/* kernels/knn.cu and topk.cu against brute force. A score is the chain of f32 fused multiply-adds over d, so results
 * are compared bit by bit; that chain is compared with f64 within f32 rounding. */
#include "table.h"
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"

typedef struct scored {
    float score;
    int32_t index;
} scored;

/* How the queue of cuda.cuh and the scratch memory of knn.cu begin: to see how many queries had no certificate. */
typedef struct queue_seen {
    void *stream;
    const int32_t *scratch;
} queue_seen;

static int queries_repeated(void)
{
    queue_seen seen;
    memcpy(&seen, fr_simt_queue(), sizeof seen);
    return seen.scratch[0];
}

static float *floats(int64_t n)
{
    return fr_simt_allocate((size_t)n * sizeof(float));
}

static float noise(uint64_t stream, int64_t i)
{
    return (float)(2 * fr_rng_uniform(5, stream, (uint64_t)i) - 1);
}

/* Unit rows times scale; of every 50 rows two are the same. */
static float *unit_rows(int64_t n, int64_t d, uint64_t stream, double scale)
{
    float *x = floats(n * d);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < d; j++) {
            x[i * d + j] = noise(stream, (i % 50 == 7 ? i - 1 : i) * d + j);
            sum += (double)x[i * d + j] * (double)x[i * d + j];
        }
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] = (float)((double)x[i * d + j] * scale / sqrt(sum));
    }
    return x;
}

static float chain(const float *a, const float *b, int64_t d)
{
    float sum = 0;
    for (int64_t i = 0; i < d; i++)
        sum = fmaf(a[i], b[i], sum);
    return sum;
}

/* |chain - f64| <= d 2^-24 sum |a b| */
static void check_chain(float got, const float *a, const float *b, int64_t d)
{
    double sum = 0, magnitude = 0;
    for (int64_t i = 0; i < d; i++) {
        sum += (double)a[i] * (double)b[i];
        magnitude += fabs((double)a[i] * (double)b[i]);
    }
    if (isfinite(got))
        assert_close((double)got, sum, magnitude * 0x1p-24 * (double)d + 1e-40);
}

static int by_score(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

/* Sorts what may be taken; returns how many that is. */
static int64_t brute_force(scored *best, const float *score, int64_t n, int32_t left_out)
{
    int64_t taken = 0;
    for (int64_t c = 0; c < n; c++)
        if (!isnan(score[c]) && c != left_out)
            best[taken++] = (scored){score[c], (int32_t)c};
    qsort(best, (size_t)taken, sizeof *best, by_score);
    return taken;
}

static void check_row(const float *value, const int32_t *index, const float *score, int64_t nc, int64_t k,
                      int32_t left_out, const char *what)
{
    scored *best = FR_NEW(scored, nc + 1);
    int64_t taken = brute_force(best, score, nc, left_out);
    for (int64_t j = 0; j < k; j++) {
        scored want = j < taken ? best[j] : (scored){-INFINITY, -1};
        if (value[j] != want.score || index[j] != want.index)
            fail_msg("%s, place %d: %.9g at %d, want %.9g at %d", what, (int)j, (double)value[j], index[j],
                     (double)want.score, want.index);
    }
    free(best);
}

static void check_knn(const float *value, const int32_t *index, const float *queries, const float *corpus, int64_t nq,
                      int64_t nc, int64_t d, int64_t k, const int32_t *left_out)
{
    float *score = FR_NEW(float, nc + 1);
    for (int64_t i = 0; i < nq; i++) {
        char what[100];
        snprintf(what, sizeof what, "nc %d, d %d, k %d, query %d", (int)nc, (int)d, (int)k, (int)i);
        for (int64_t c = 0; c < nc; c++)
            score[c] = chain(queries + i * d, corpus + c * d, d);
        check_row(value + i * k, index + i * k, score, nc, k, left_out ? left_out[i] : -1, what);
        if (index[i * k] >= 0)
            check_chain(value[i * k], queries + i * d, corpus + index[i * k] * d, d);
    }
    free(score);
}

/* Checks every query; returns how many were repeated in f32. */
static int run(const float *queries, const float *corpus, int64_t nq, int64_t nc, int64_t d, int64_t k, bool leave_out)
{
    float *value = floats(nq * k);
    int32_t *index = fr_simt_allocate((size_t)(nq * k) * sizeof *index);
    int32_t *left_out = fr_simt_allocate((size_t)nq * sizeof *left_out);
    for (int64_t i = 0; i < nq * k; i++) {
        value[i] = NAN;
        index[i] = -7;
    }
    for (int64_t i = 0; i < nq; i++)
        left_out[i] = i % 5 == 4 ? -1 : (int32_t)(i % (nc + 1));
    fr_simt_kernels(false)->knn(fr_simt_queue(), value, index, queries, corpus, nq, nc, d, k,
                                leave_out ? left_out : NULL);
    int repeated = k <= 128 ? queries_repeated() : 0;
    check_knn(value, index, queries, corpus, nq, nc, d, k, leave_out ? left_out : NULL);
    fr_simt_release(value);
    fr_simt_release(index);
    fr_simt_release(left_out);
    return repeated;
}

static int run_unit(int64_t nq, int64_t nc, int64_t d, int64_t k, bool leave_out)
{
    float *queries = unit_rows(nq, d, 1, 1), *corpus = unit_rows(nc, d, leave_out ? 1 : 2, 1);
    int repeated = run(queries, corpus, nq, nc, d, k, leave_out);
    fr_simt_release(queries);
    fr_simt_release(corpus);
    return repeated;
}

static void test_shapes(void **state)
{
    (void)state;
    run_unit(1, 1, 1, 1, false);
    run_unit(1, 1, 7, 5, true);
    run_unit(31, 33, 7, 40, true);
    run_unit(33, 32, 31, 20, false);
    run_unit(32, 129, 33, 33, true);
    run_unit(129, 31, 1, 5, true);
    run_unit(3, 700, 1, 20, false);
    run_unit(2, 700, 32, 100, false);
    run_unit(5, 129, 64, 129, true);
    run_unit(3, 33, 33, 128, false);
}

/* All queries are certified where the k-th best lies well above the bar: screening did the work. */
static void test_certified(void **state)
{
    (void)state;
    assert_int_equal(run_unit(259, 300, 33, 5, true), 0); /* more than a tile of queries */
    assert_int_equal(run_unit(2, 300, 384, 5, false), 0);
    assert_int_equal(run_unit(9, 700, 33, 33, true), 0);
    assert_int_equal(run_unit(2, 300, 400, 1, false), 0); /* queries do not stay in shared memory */
    assert_int_equal(run_unit(3, 2100, 31, 5, true), 0);  /* the corpus in parts */
    assert_int_equal(run_unit(2, 20, 384, 100, true), 0); /* nothing was dropped */
}

/* Few distinct rows: all the best scores tie, and the smallest indices come. */
static void test_duplicates(void **state)
{
    (void)state;
    const int64_t nq = 20, nc = 500, d = 33;
    float *rows = unit_rows(nc, d, 3, 1);
    for (int64_t i = 6; i < nc; i++)
        memcpy(rows + i * d, rows + i * i % 6 * d, (size_t)d * sizeof(float));
    assert_true(run(rows, rows, nq, nc, d, 5, true) > 0);
    run(rows, rows, nq, nc, d, 100, true);
    fr_simt_release(rows);
}

/* Duplicates that score far below the best cost nothing. */
static void test_duplicates_below(void **state)
{
    (void)state;
    const int64_t nq = 20, nc = 500, d = 33;
    float *rows = unit_rows(nc, d, 3, 1);
    memset(rows + 100 * d, 0, (size_t)((nc - 100) * d) * sizeof(float));
    assert_int_equal(run(rows, rows, nq, nc, d, 5, true), 0);
    fr_simt_release(rows);
}

/* Rows that bf16 cannot tell apart. */
static void test_below_bf16(void **state)
{
    (void)state;
    const int64_t nq = 3, nc = 700, d = 32;
    float *queries = floats(nq * d), *corpus = floats(nc * d);
    for (int64_t i = 0; i < nq * d; i++)
        queries[i] = 1;
    for (int64_t i = 0; i < nc * d; i++)
        corpus[i] = 1 + 0x1p-16f * noise(9, i);
    assert_int_equal(run(queries, corpus, nq, nc, d, 5, false), nq);
    assert_int_equal(run(queries, corpus, nq, nc, d, 40, true), nq);
    fr_simt_release(queries);
    fr_simt_release(corpus);
}

/* Rows that bf16 orders wrongly: 1 + 2^-8 lies half way between two bf16 numbers, 1 and 1 + 2^-7. The best rows are
 * just below it in every element, round down and are screened out by many worse ones, half of whose elements round up.
 */
static void test_misordered_by_bf16(void **state)
{
    (void)state;
    const int64_t nq = 2, nc = 700, d = 64, k = 5;
    const float half = 1 + 0x1p-8f, step = 0x1p-20f;
    float *queries = floats(nq * d), *corpus = floats(nc * d), *value = floats(nq * k);
    int32_t *index = fr_simt_allocate((size_t)(nq * k) * sizeof *index);
    for (int64_t i = 0; i < nq * d; i++)
        queries[i] = 1;
    for (int64_t c = 0; c < nc; c++)
        for (int64_t j = 0; j < d; j++)
            corpus[c * d + j] = c % 100 == 50 ? half - step : j < 32 + c % 8 ? half + step : half - 8 * step;
    assert_int_equal(run(queries, corpus, nq, nc, d, k, false), nq);
    fr_simt_kernels(false)->knn(fr_simt_queue(), value, index, queries, corpus, nq, nc, d, k, NULL);
    for (int j = 0; j < k; j++)
        assert_int_equal(index[j], 50 + 100 * j);
    fr_simt_release(queries);
    fr_simt_release(corpus);
    fr_simt_release(value);
    fr_simt_release(index);
}

/* Rows whose rounding hides that they are the best, in_query: by that of the query. Elements of 1 + 2^-8 - 2^-20 round
 * to 1, so the last five rows score 64 in bf16 and 64.25 in truth; all others score 64 + j 2^-11 both ways. */
static int run_hidden(int64_t others, bool in_query)
{
    enum { HALF = 64, D = 2 * HALF + 1, HIDDEN = 5 };
    const int64_t nc = others + HIDDEN;
    const float hidden = 1 + 0x1p-8f - 0x1p-20f;
    float *query = floats(D), *corpus = floats(nc * D);
    for (int j = 0; j < D; j++) {
        query[j] = in_query && j < HALF ? hidden : 1;
        for (int64_t c = 0; c < others; c++)
            corpus[c * D + j] = j < HALF ? 0 : j < 2 * HALF ? 1 : (float)(c + 1) * 0x1p-11f;
        for (int64_t c = others; c < nc; c++)
            corpus[c * D + j] = j >= HALF ? 0 : in_query ? 1 : hidden;
    }
    int repeated = run(query, corpus, 1, nc, D, 5, false);
    fr_simt_release(query);
    fr_simt_release(corpus);
    return repeated;
}

/* The bound has a part for the rounding of queries and one for that of the corpus; each alone decides here. Where
 * nothing is dropped, it keeps the hidden rows among the candidates. */
static void test_hidden_by_rounding(void **state)
{
    (void)state;
    for (int in_query = 0; in_query < 2; in_query++) {
        assert_int_equal(run_hidden(230, in_query), 1);
        assert_int_equal(run_hidden(30, in_query), 0);
    }
}

/* What the bound does not hold for is repeated: NaN, infinity, sums that overflow, squares that underflow. */
static void test_extremes(void **state)
{
    (void)state;
    const int64_t nq = 5, nc = 300, d = 19;
    const float extremes[] = {NAN, INFINITY, -INFINITY, 3e38f};
    const double scales[] = {1e-15, 1e-22, 1e-30, 1e15};
    for (int i = 0; i < 4; i++) {
        float *queries = unit_rows(nq, d, 4, 1), *corpus = unit_rows(nc, d, 5, 1);
        corpus[17 * d + 3] = extremes[i];
        queries[2 * d + 5] = extremes[i];
        assert_int_equal(run(queries, corpus, nq, nc, d, 3, false), nq);
        fr_simt_release(queries);
        fr_simt_release(corpus);
        queries = unit_rows(nq, d, 4, scales[i]);
        corpus = unit_rows(nc, d, 4, scales[i]);
        run(queries, corpus, nq, nc, d, 3, true);
        fr_simt_release(queries);
        fr_simt_release(corpus);
    }
}

/* k beyond the screening's, and more queries than a tile of the exact kernel. */
static void test_exact_only(void **state)
{
    (void)state;
    run_unit(2, 400, 33, 150, true);
    run_unit(66, 40, 7, 150, false);
    run_unit(1, 129, 384, 129, true);
}

/* The last block, warp and lane first: lists grow in another order, results stay. */
static void test_backwards(void **state)
{
    (void)state;
    fr_simt_backwards(true);
    run_unit(20, 600, 33, 20, true);
    run_unit(3, 2100, 7, 40, false);
    test_duplicates(NULL);
    fr_simt_backwards(false);
}

static void test_empty(void **state)
{
    (void)state;
    float value[6], queries[8];
    int32_t index[6] = {7, 7, 7, 7, 7, 7};
    memset(queries, 0, sizeof queries);
    fr_simt_kernels(false)->knn(fr_simt_queue(), NULL, NULL, NULL, queries, 0, 2, 4, 3, NULL);
    fr_simt_kernels(false)->knn(fr_simt_queue(), NULL, NULL, NULL, queries, 0, 2, 4, 200, NULL);
    fr_simt_kernels(false)->knn(fr_simt_queue(), value, index, queries, NULL, 2, 0, 4, 3, NULL);
    for (int i = 0; i < 6; i++)
        assert_true(index[i] == -1 && value[i] == -INFINITY);
}

static void check_merge(int64_t k, bool leave_out)
{
    enum { ROWS = 5, N = 90, STRIDE = 101, BLOCKS = 3 };
    const int64_t firsts[BLOCKS] = {N, 2 * N, 0}; /* in any order; every block has the same scores */
    float *scores = floats(ROWS * STRIDE), *value = floats(ROWS * k), all[BLOCKS * N];
    int32_t *index = fr_simt_allocate((size_t)(ROWS * k) * sizeof *index);
    int32_t *left_out = fr_simt_allocate(ROWS * sizeof *left_out);
    for (int64_t i = 0; i < ROWS * STRIDE; i++)
        scores[i] = i % 29 == 7 ? NAN : i % 31 == 3 ? -INFINITY : floorf(noise(6, i) * 20);
    for (int r = 0; r < ROWS; r++)
        left_out[r] = leave_out ? 60 * r - 60 : -1;
    for (int64_t i = 0; i < ROWS * k; i++) {
        value[i] = -INFINITY;
        index[i] = -1;
    }
    for (int b = 0; b < BLOCKS; b++)
        fr_simt_kernels(false)->topk_merge(fr_simt_queue(), value, index, scores, ROWS, N, STRIDE, firsts[b], k,
                                           leave_out ? left_out : NULL);
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < BLOCKS * N; c++)
            all[c] = scores[r * STRIDE + c % N];
        check_row(value + r * k, index + r * k, all, BLOCKS * N, k, left_out[r], "topk_merge");
    }
    fr_simt_release(scores);
    fr_simt_release(value);
    fr_simt_release(index);
    fr_simt_release(left_out);
}

static void test_topk_merge(void **state)
{
    (void)state;
    const int64_t k[] = {1, 5, 32, 33, 100, 300};
    for (int i = 0; i < 6; i++)
        check_merge(k[i], i % 2 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_certified),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_duplicates_below),
        cmocka_unit_test(test_below_bf16),
        cmocka_unit_test(test_misordered_by_bf16),
        cmocka_unit_test(test_hidden_by_rounding),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_exact_only),
        cmocka_unit_test(test_backwards),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_topk_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
