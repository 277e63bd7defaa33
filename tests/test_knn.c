#include "knn_cases.h"

#include "finerouter/config.h"

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
        cmocka_unit_test(test_topk_merge),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
