#include "knn_cases.h"
#include "topk_insert.h"

#include "device/tables.h"
#include "finerouter/config.h"

#include <omp.h>

static fr_device *cpu, *ref;

static void test_against_brute_force(void **state)
{
    (void)state;
    fr_device *devices[] = {cpu, ref};
    for (int i = 0; i < 2; i++) {
        check_knn(devices[i], 1, 1, 1, 1, false);
        check_knn(devices[i], 1, 1, 3, 2, true); /* nobody but itself */
        check_knn(devices[i], 31, 31, 7, 40, true);
        check_knn(devices[i], 5, 200, 33, 1, false);
        check_knn(devices[i], 130, 2500, 19, 20, false);
    }
    check_knn(cpu, 1300, 1300, 64, 20, true);
}

/* The row of the kernel table, which fr_knn takes on a GPU only. */
static void check_kernel(const fr_kernels *kernels, int64_t nq, int64_t nc, int64_t d, int64_t k, bool self)
{
    float *corpus = unit_rows(nc, d, 1), *queries = self ? corpus : unit_rows(nq, d, 2);
    int32_t *index = malloc((size_t)(nq * k) * 4), *skips = malloc((size_t)nq * 4);
    float *similarity = malloc((size_t)(nq * k) * 4);
    for (int64_t i = 0; i < nq; i++)
        skips[i] = (int32_t)i;
    kernels->knn(NULL, similarity, index, queries, corpus, nq, nc, d, k, self ? skips : NULL);
    for (int64_t i = 0; i < nq; i++)
        check_row(index + i * k, similarity + i * k, queries + i * d, corpus, nc, d, k, self ? skips[i] : -1);
    if (!self)
        free(queries);
    free(corpus);
    free(index);
    free(skips);
    free(similarity);
}

static void test_kernels(void **state)
{
    (void)state;
    const fr_kernels *tables[] = {fr_kernels_cpu(), fr_kernels_ref()};
    for (int i = 0; i < 2; i++) {
        check_kernel(tables[i], 1, 1, 1, 1, false);
        check_kernel(tables[i], 1, 1, 3, 2, true);
        check_kernel(tables[i], 31, 31, 7, 40, true);
        check_kernel(tables[i], 40, 700, 33, 20, false); /* more than one block of scores, the last cut short */
        check_kernel(tables[i], 257, 257, 64, 5, true);
    }
}

/* Identical rows: every similarity ties, so the smallest indices come, in order. */
static void test_ties(void **state)
{
    (void)state;
    enum { N = 3000, D = 8, K = 5 };
    static float rows[N * D];
    static int32_t index[N * K], skip[N];
    static float similarity[N * K];
    for (int i = 0; i < N * D; i++)
        rows[i] = 0.5f;
    for (int i = 0; i < N; i++)
        skip[i] = i;
    assert_true(fr_knn(cpu, index, similarity, rows, rows, N, N, D, K, skip, NULL, NULL));
    for (int i = 0; i < N; i++)
        for (int j = 0; j < K; j++)
            assert_int_equal(index[i * K + j], j + (i <= j));
}

/* Where the queries are the corpus, or begin with it, each product serves twice: the same answers as for a copy. */
static void test_mirrored(void **state)
{
    (void)state;
    enum { N = 2600, D = 24, K = 7 };
    static const int corpora[] = {N, 1024, 2048, 1500, 7};
    float *rows = unit_rows(N, D, 9), *copy = malloc(N * D * sizeof(float));
    memcpy(copy, rows, N * D * sizeof(float));
    static int32_t skip[N], index[2][N * K];
    static float similarity[2][N * K];
    for (int i = 0; i < N; i++)
        skip[i] = i % 3 ? i : -1;
    fr_device *devices[] = {cpu, ref};
    for (int device = 0; device < 2; device++)
        for (int c = 0; c < 5; c++) {
            const float *corpus[] = {rows, copy};
            for (int way = 0; way < 2; way++)
                assert_true(fr_knn(devices[device], index[way], similarity[way], rows, corpus[way], N, corpora[c], D, K,
                                   skip, NULL, NULL));
            for (int i = 0; i < N * K; i++) {
                assert_int_equal(index[0][i], index[1][i]);
                if (index[0][i] >= 0)
                    assert_close(similarity[0][i], similarity[1][i], 1e-6);
            }
        }
    free(rows);
    free(copy);
}

static bool count_rows(void *context, int64_t rows)
{
    *(int64_t *)context = rows;
    return rows < 1500;
}

static void test_progress_stops(void **state)
{
    (void)state;
    enum { N = 5000, D = 4 };
    float *rows = unit_rows(N, D, 4);
    int32_t *index = malloc(N * sizeof(int32_t));
    float *similarity = malloc(N * sizeof(float));
    int64_t done = 0;
    assert_false(fr_knn(cpu, index, similarity, rows, rows, N, N, D, 1, NULL, count_rows, &done));
    assert_true(done >= 1500 && done < N);
    free(rows);
    free(index);
    free(similarity);
}

/* A score of the screened search: eight sums of every eighth product, then in pairs. */
static float score_in_order(const float *a, const float *b, int64_t d)
{
    float sum[8] = {0};
    for (int64_t l = 0; l < d; l++)
        sum[l % 8] = fmaf(a[l], b[l], sum[l % 8]);
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

/* The definition: every candidate in order of index goes behind those that are as good. */
static void neighbours_in_order(int32_t *index, float *value, const fr_knn_job *job)
{
    for (int64_t i = 0; i < job->nq; i++, index += job->k, value += job->k) {
        int64_t n = 0;
        for (int64_t j = 0; j < job->nc; j++) {
            float score = score_in_order(job->queries + i * job->d, job->corpus + j * job->d, job->d);
            if (isnan(score) || (job->skip && job->skip[i] == j))
                continue;
            int64_t at = n < job->k ? n++ : job->k;
            for (; at > 0 && value[at - 1] < score; at--)
                if (at < job->k) {
                    value[at] = value[at - 1];
                    index[at] = index[at - 1];
                }
            if (at < job->k) {
                value[at] = score;
                index[at] = (int32_t)j;
            }
        }
        for (; n < job->k; n++) {
            value[n] = -INFINITY;
            index[n] = -1;
        }
    }
}

enum { EVEN, CLUSTERS, SMALL_INTEGERS, SCALES, SPIKES, BROKEN, KINDS };

/* Rows that are easy and hard to tell apart: spread evenly; close together; whole numbers, so that many scores are the
 * same; of lengths from 1e-6 to 1e6; of one large and many small values; with rows that are zero, NaN, infinite or too
 * long. */
static float *rows_of_kind(int kind, int64_t n, int64_t d)
{
    float *x = unit_rows(n, d, 5);
    for (int64_t i = 0; i < n; i++)
        for (int64_t l = 0; l < d; l++) {
            float *v = x + i * d + l;
            if (kind == CLUSTERS)
                *v = 0.02f * *v + x[i % 3 * d + l] * (i < 3 ? 0.98f : 1.0f);
            else if (kind == SMALL_INTEGERS)
                *v = (float)((i * 7 + l * l * (i % 11)) % 5 - 2);
            else if (kind == SCALES)
                *v *= powf(10, (float)(i % 13 - 6));
            else if (kind == SPIKES)
                *v = l == i % d ? 1 : 1e-3f * *v;
            else if (kind == BROKEN && i % 97 >= 93)
                *v = (float[]){0, NAN, INFINITY, 1e18f}[i % 97 - 93];
        }
    return x;
}

/* The best of `parts` searches that each have a part of the pairs, into job's lists. */
static void screened_in_parts(fr_knn_screened *screened, fr_knn_job job, int64_t parts)
{
    size_t bytes = (size_t)(job.nq * job.k) * 4;
    fr_knn_job one = job;
    one.value = malloc(bytes);
    one.index = malloc(bytes);
    one.parts = parts;
    for (one.part = 0; one.part < parts; one.part++) {
        assert_true(screened(&one));
        if (one.part == 0) {
            memcpy(job.value, one.value, bytes);
            memcpy(job.index, one.index, bytes);
        }
        for (int64_t i = 0; i < job.nq * job.k; i += job.k)
            topk_unite(job.value + i, job.index + i, one.value + i, one.index + i, job.k);
    }
    free(one.value);
    free(one.index);
}

/* To the bit what the definition gives, whichever pairs were screened out, mirrored or not, on any number of threads,
 * in one part or two.
 */
static void check_screened(fr_knn_screened *screened, int kind, int64_t nq, int64_t nc, int64_t d, int64_t k, bool self)
{
    int64_t most = nq > nc ? nq : nc;
    float *rows = rows_of_kind(kind, most, d), *copy = malloc((size_t)(most * d) * 4);
    memcpy(copy, rows, (size_t)(most * d) * 4);
    size_t bytes = (size_t)(nq * k) * 4;
    int32_t *skip = malloc((size_t)nq * 4), *index[2] = {malloc(bytes), malloc(bytes)};
    float *value[2] = {malloc(bytes), malloc(bytes)};
    for (int64_t i = 0; i < nq; i++)
        skip[i] = i % 5 == 4 ? -1 : (int32_t)i;
    fr_knn_job job = {value[0],           index[0], rows, rows, nq, nc, d,    k,
                      self ? skip : NULL, NULL,     NULL, 0,    1,  1,  NULL, NULL};
    neighbours_in_order(index[0], value[0], &job);
    job.value = value[1];
    job.index = index[1];
    for (int way = 0; way < 4; way++) {
        job.corpus = way % 2 ? copy : rows;
        omp_set_num_threads(way / 2 ? 3 : 1);
        memset(value[1], 7, bytes);
        memset(index[1], 7, bytes);
        job.threads = way / 2 ? 3 : 1;
        screened_in_parts(screened, job, 1 + (way + k) % 2);
        for (int64_t i = 0; i < nq * k; i++) {
            assert_int_equal(index[0][i], index[1][i]);
            assert_true(value[0][i] == value[1][i]);
        }
    }
    omp_set_num_threads(cpu->threads);
    free(rows);
    free(copy);
    free(skip);
    for (int i = 0; i < 2; i++) {
        free(index[i]);
        free(value[i]);
    }
}

static void test_screened(void **state)
{
    (void)state;
    static const int64_t edges[] = {1, 5, 6, 7, 15, 16, 17, 49};
    static const char *const sets[] = {"avx2", "avx512"};
    for (int i = 0; i < 2; i++) {
        const fr_kernels *table = fr_kernels_isa(sets[i]);
        fr_knn_screened *screened = table ? fr_knn_screened_for(table) : NULL;
        if (!screened)
            continue;
        for (int q = 0; q < 8; q++)
            for (int c = 0; c < 8; c++)
                check_screened(screened, EVEN, edges[q], edges[c], 1 + 2 * (q * 8 + c) % 37, 1 + c, q % 2);
        for (int kind = 0; kind < KINDS; kind++) {
            check_screened(screened, kind, 700, 700, 37, 5, true);
            check_screened(screened, kind, 131, 1000, 32, 20, false);
            check_screened(screened, kind, 500, 490, 17, 700, true); /* never enough */
            check_screened(screened, kind, 600, 100, 9, 1, false);   /* more queries than the corpus they begin with */
        }
        check_screened(screened, EVEN, 600, 600, 384, 20, true);
    }
}

/* The base set and the reference go through their GEMM. */
static void test_screened_for(void **state)
{
    (void)state;
    assert_null(fr_knn_screened_for(fr_kernels_ref()));
    assert_null(fr_knn_screened_for(fr_kernels_isa("base")));
    const fr_kernels *avx2 = fr_kernels_isa("avx2");
    if (avx2)
        assert_non_null(fr_knn_screened_for(avx2));
}

/* topk_merge by itself: NaN is never taken, -infinity is; blocks may come in any order. */
static void test_topk_merge(void **state)
{
    (void)state;
    const fr_kernels *tables[] = {fr_kernels_cpu(), fr_kernels_ref()};
    for (int t = 0; t < 2; t++) {
        float value[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        int32_t index[4] = {-1, -1, -1, -1};
        float late[] = {2, NAN, 3, -INFINITY}, early[] = {3, 1};
        tables[t]->topk_merge(NULL, value, index, late, 1, 4, 4, 10, 4, NULL);
        int32_t want1[] = {12, 10, 13, -1};
        assert_memory_equal(index, want1, sizeof want1);
        tables[t]->topk_merge(NULL, value, index, early, 1, 2, 2, 0, 4, (int32_t[]){1});
        int32_t want2[] = {0, 12, 10, 13};
        assert_memory_equal(index, want2, sizeof want2);
        assert_true(value[0] == 3 && value[1] == 3 && value[2] == 2 && value[3] == -INFINITY);
    }
}

static int setup(void **state)
{
    (void)state;
    return fr_device_open(&cpu, FR_DEVICE_CPU, 0) || fr_device_open(&ref, FR_DEVICE_REF, 0);
}

static int teardown(void **state)
{
    (void)state;
    fr_device_close(cpu);
    fr_device_close(ref);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_brute_force),
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_mirrored),
        cmocka_unit_test(test_progress_stops),
        cmocka_unit_test(test_screened),
        cmocka_unit_test(test_screened_for),
        cmocka_unit_test(test_topk_merge),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
