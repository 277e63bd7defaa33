/* kernels/rbo.cu against the f64 table. */
#include "table.h"
#include "test.h"

#include "base/memory.h"
#include "base/rng.h"

enum { NODES = 23 };

/* Ranks of descending random scores. levels: distinct scores (0: no ties); missing: share not ranked. Every third node
 * is complete and without ties, so that edges of both kinds share a warp. */
static void random_lists(int16_t *top, int16_t *bottom, int64_t M, int64_t levels, double missing)
{
    uint64_t stream = fr_stream("lists", (uint64_t)M, (uint64_t)levels);
    double *score = FR_NEW(double, M);
    for (int64_t i = 0; i < NODES; i++) {
        for (int64_t m = 0; m < M; m++) {
            uint64_t index = (uint64_t)(2 * (i * M + m));
            double u = fr_rng_uniform(7, stream, index);
            bool absent = i % 3 && fr_rng_uniform(7, stream, index + 1) < missing;
            score[m] = absent ? NAN : levels && i % 3 ? floor(u * (double)levels) : u;
        }
        for (int64_t m = 0; m < M; m++) {
            int16_t before = 0, level = 0;
            for (int64_t j = 0; j < M; j++) {
                before += score[j] > score[m];
                level += score[j] == score[m];
            }
            top[i * M + m] = (int16_t)(isnan(score[m]) ? 0 : before + 1);
            bottom[i * M + m] = (int16_t)(isnan(score[m]) ? 0 : before + level);
        }
    }
    free(score);
}

static void compare(int64_t M, int64_t levels, double missing, int64_t E)
{
    static const double persistence[] = {0.01, 0.5, 0.9, 0.999};
    int16_t *top = fr_simt_allocate((size_t)(NODES * M) * sizeof *top);
    int16_t *bottom = fr_simt_allocate((size_t)(NODES * M) * sizeof *bottom);
    int32_t *edges = fr_simt_allocate((size_t)(2 * E) * sizeof *edges);
    float *rbo = fr_simt_allocate((size_t)E * sizeof *rbo), *want = FR_NEW(float, E + 1);
    random_lists(top, bottom, M, levels, missing);
    for (int64_t x = 0; x < 2 * E; x++)
        edges[x] = (int32_t)fr_rng_below(8, 0, (uint64_t)x, NODES);
    for (int round = 0; round < 4; round++) {
        for (int corrected = 0; corrected < 2; corrected++) {
            for (int64_t e = 0; e < E; e++)
                rbo[e] = -7;
            fr_simt_backwards(round == 1);
            fr_simt_kernels(false)->rbo(fr_simt_queue(), rbo, edges, top, bottom, E, M, persistence[round], corrected);
            fr_kernels_ref()->rbo(NULL, want, edges, top, bottom, E, M, persistence[round], corrected);
            for (int64_t e = 0; e < E; e++)
                if (!(fabsf(rbo[e] - want[e]) <= 5e-7f) || rbo[e] < 0 || rbo[e] > 1)
                    fail_msg("M %d, levels %d, missing %g, p %g, corrected %d, edge %d: %.9g, want %.9g", (int)M,
                             (int)levels, missing, persistence[round], corrected, (int)e, (double)rbo[e],
                             (double)want[e]);
        }
    }
    free(want);
    fr_simt_release(top);
    fr_simt_release(bottom);
    fr_simt_release(edges);
    fr_simt_release(rbo);
}

static void test_without_ties(void **state)
{
    (void)state;
    const int64_t models[] = {1, 2, 11, 16, 17, 32, 33, 63, 64, 65, 96, 200};
    for (int i = 0; i < 12; i++)
        compare(models[i], 0, 0, models[i] > 64 ? 5 : 37);
}

static void test_ties_and_missing(void **state)
{
    (void)state;
    const int64_t models[] = {1, 2, 11, 16, 17, 33, 64, 65, 200};
    for (int i = 0; i < 9; i++) {
        int64_t E = models[i] > 64 ? 4 : models[i] > 16 ? 11 : 25;
        compare(models[i], 2, 0, E);
        compare(models[i], 5, 0.2, E);
        compare(models[i], 0, 0.5, E);
        compare(models[i], 3, 1, E); /* nothing in common */
    }
}

/* More edges than a launch has warps, and none. */
static void test_many_edges(void **state)
{
    (void)state;
    compare(3, 0, 0, 1100);
    compare(3, 2, 0.1, 550);
    fr_simt_kernels(false)->rbo(fr_simt_queue(), NULL, NULL, NULL, NULL, 0, 11, 0.9, true);
    fr_simt_kernels(false)->rbo(fr_simt_queue(), NULL, NULL, NULL, NULL, 0, 100, 0.9, true);
}

static void test_identical_lists_are_exactly_one(void **state)
{
    (void)state;
    const int64_t models[] = {1, 11, 16, 33, 64, 65, 1024};
    for (int i = 0; i < 7; i++) {
        int64_t M = models[i];
        int16_t *top = fr_simt_allocate((size_t)M * sizeof *top);
        int32_t *edge = fr_simt_allocate(2 * sizeof *edge);
        float *rbo = fr_simt_allocate(sizeof *rbo);
        for (int64_t m = 0; m < M; m++)
            top[m] = (int16_t)((m * 7 + 3) % M + 1);
        for (int corrected = 0; corrected < 2; corrected++) {
            *rbo = -7;
            fr_simt_kernels(false)->rbo(fr_simt_queue(), rbo, edge, top, top, 1, M, 0.9, corrected);
            assert_true(*rbo == 1);
        }
        fr_simt_release(top);
        fr_simt_release(edge);
        fr_simt_release(rbo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_ties),
        cmocka_unit_test(test_ties_and_missing),
        cmocka_unit_test(test_many_edges),
        cmocka_unit_test(test_identical_lists_are_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
