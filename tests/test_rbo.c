/* Rank-biased overlap: the definition against values worked out by hand, every kernel table against the definition. */
#include "finerouter/config.h"
#include "finerouter/discover.h"
#include "rbo_cases.h"

#include "device/tables.h"

static double untied(const int16_t *a, const int16_t *b, int64_t M, double p, int variant)
{
    return fr_rbo(a, a, b, b, M, p, variant);
}

static void check_values_without_ties(void **state)
{
    (void)state;
    const int16_t a[5] = {1, 2, 3, 4, 5}, swapped[5] = {2, 1, 3, 4, 5}, reversed[5] = {5, 4, 3, 2, 1};
    for (int variant = FR_RBO_A; variant <= FR_RBO_B; variant++) {
        assert_close(untied(a, a, 5, 0.9, variant), 1, 1e-12);
        assert_close(untied(a, swapped, 5, 0.9, variant), 0.9, 1e-12);
        assert_close(untied(a, reversed, 5, 0.9, variant), 0.737775, 1e-12);
        assert_close(untied(a, swapped, 5, 0.5, variant), 0.5, 1e-12);
        assert_close(untied(a, reversed, 5, 0.5, variant), 0.15104167, 5e-9);
    }
    /* One model: the lists agree. */
    assert_close(untied(a, a, 1, 0.9, FR_RBO_B), 1, 1e-12);
}

static void check_values_with_ties(void **state)
{
    (void)state;
    /* Two models, tied against ordered: A_1 = .5 (a), .5 / sqrt(.5 * 1) (b); RBO = .1 A_1 + .1 * .9 + .81. */
    const int16_t tied_top[2] = {1, 1}, tied_bottom[2] = {2, 2}, ordered[2] = {1, 2};
    assert_close(fr_rbo(tied_top, tied_bottom, ordered, ordered, 2, 0.9, FR_RBO_A), 0.95, 1e-12);
    assert_close(fr_rbo(tied_top, tied_bottom, ordered, ordered, 2, 0.9, FR_RBO_B), 0.97071067811865475, 1e-12);

    /* Identical lists (1, 2) 3: b is 1 whatever the ties; a loses .5 at depth 1: .1 * .5 + .09 + .81. */
    const int16_t top[3] = {1, 1, 3}, bottom[3] = {2, 2, 3};
    assert_close(fr_rbo(top, bottom, top, bottom, 3, 0.9, FR_RBO_B), 1, 1e-12);
    assert_close(fr_rbo(top, bottom, top, bottom, 3, 0.9, FR_RBO_A), 0.95, 1e-12);

    /* 1 (2, 3, 4) against (1, 2) (3, 4).
     *   d   c                  c'                  cross      c^2         c'^2
     *   1   1 0 0 0            1/2 1/2 0 0         1/2        1           1/2
     *   2   1 1/3 1/3 1/3      1 1 0 0             4/3        4/3         2
     *   3   1 2/3 2/3 2/3      1 1 1/2 1/2         7/3        7/3         5/2
     *   4   all 1 */
    const int16_t top_a[4] = {1, 2, 2, 2}, bottom_a[4] = {1, 4, 4, 4};
    const int16_t top_b[4] = {1, 1, 3, 3}, bottom_b[4] = {2, 2, 4, 4};
    double p = 0.8;
    double a = (1 - p) * (0.5 + 4.0 / 6 * p + 7.0 / 9 * p * p) + p * p * p;
    double b = (1 - p) * (0.5 / sqrt(0.5) + 4.0 / 3 / sqrt(8.0 / 3) * p + 7.0 / 3 / sqrt(35.0 / 6) * p * p) + p * p * p;
    assert_close(fr_rbo(top_a, bottom_a, top_b, bottom_b, 4, p, FR_RBO_A), a, 1e-12);
    assert_close(fr_rbo(top_a, bottom_a, top_b, bottom_b, 4, p, FR_RBO_B), b, 1e-12);
}

static void check_values_with_missing_models(void **state)
{
    (void)state;
    /* Models 0 and 3 are in both and in the same order; 1 and 2 are in one each. */
    const int16_t a[4] = {1, 2, 0, 3}, b[4] = {1, 0, 2, 3}, c[4] = {3, 0, 2, 1}, none[4] = {0, 0, 0, 0};
    assert_close(untied(a, b, 4, 0.9, FR_RBO_B), 1, 1e-12);
    /* 0 and 3 swapped: A_1 = 0, A_2 = 1: .1 * .9 + .81. */
    assert_close(untied(a, c, 4, 0.9, FR_RBO_B), 0.9, 1e-12);
    assert_close(untied(a, none, 4, 0.9, FR_RBO_B), 0, 0);
    /* A tie group shrinks: (0, 1, 3) with 1 missing is (0, 3), against 0 3: .95 as above. */
    const int16_t top[4] = {1, 1, 0, 1}, bottom[4] = {3, 3, 0, 3};
    assert_close(fr_rbo(top, bottom, b, b, 4, 0.9, FR_RBO_A), 0.95, 1e-12);
}

static void compare(const fr_kernels *kernels, int64_t M, int64_t levels, double missing, int64_t E)
{
    enum { NODES = 37 };
    int16_t *top = FR_NEW(int16_t, NODES * M), *bottom = FR_NEW(int16_t, NODES * M);
    int32_t *edges = FR_NEW(int32_t, 2 * E + 2);
    float *rbo = FR_NEW(float, E + 1);
    random_lists(top, bottom, NODES, M, levels, missing);
    for (int64_t x = 0; x < 2 * E; x++)
        edges[x] = (int32_t)fr_rng_below(8, 0, (uint64_t)x, NODES);
    const double persistence[] = {0.01, 0.5, 0.9, 0.999};
    for (int variant = FR_RBO_A; variant <= FR_RBO_B; variant++) {
        for (int i = 0; i < 4; i++) {
            for (int64_t e = 0; e <= E; e++)
                rbo[e] = -7;
            kernels->rbo(NULL, rbo, edges, top, bottom, E, M, persistence[i], variant == FR_RBO_B);
            for (int64_t e = 0; e < E; e++) {
                int64_t a = edges[2 * e] * M, b = edges[2 * e + 1] * M;
                double want = fr_rbo(top + a, bottom + a, top + b, bottom + b, M, persistence[i], variant);
                if (!(fabs((double)rbo[e] - want) <= 1e-6) || rbo[e] < 0 || rbo[e] > 1)
                    fail_msg("%s, M %d, levels %d, missing %g, p %g, variant %d, edge %d: %.9g, want %.9g",
                             kernels->name, (int)M, (int)levels, missing, persistence[i], variant, (int)e,
                             (double)rbo[e], want);
            }
            assert_true(rbo[E] == -7); /* nothing behind the end */
        }
    }
    free(rbo);
    free(edges);
    free(bottom);
    free(top);
}

static void kernels_match_the_definition(void **state)
{
    (void)state;
    const char *const isa[] = {"ref", "base", "avx2", "avx512"}; /* those that this machine runs */
    const int64_t models[] = {1, 2, 3, 8, 11, 15, 16, 17, 33};
    for (int t = 0; t < 4; t++) {
        const fr_kernels *table = fr_kernels_isa(isa[t]);
        if (!table)
            continue;
        for (int i = 0; i < 9; i++) {
            for (int64_t levels = 0; levels <= 4; levels += 2) { /* no ties, right and wrong, four grades */
                compare(table, models[i], levels, 0, 0);
                compare(table, models[i], levels, 0, 3);
                compare(table, models[i], levels, 0, 101);
                compare(table, models[i], levels, 0.2, 67);
                compare(table, models[i], levels, 0.9, 29);
            }
        }
        compare(table, 7, 2, 0.1, 6001); /* the table of all pairs */
        compare(table, 11, 2, 0, 6001);
    }
}

static void identical_lists_are_exactly_one(void **state)
{
    (void)state;
    enum { M = 11, NODES = 9 };
    int16_t top[NODES * M];
    int32_t edges[2 * NODES];
    float rbo[NODES];
    for (int i = 0; i < NODES * M; i++)
        top[i] = (int16_t)(i % M + 1);
    for (int i = 0; i < NODES; i++) {
        edges[2 * i] = 0;
        edges[2 * i + 1] = i;
    }
    fr_kernels_cpu()->rbo(NULL, rbo, edges, top, top, NODES, M, 0.9, true);
    for (int i = 0; i < NODES; i++)
        assert_true(rbo[i] == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_values_without_ties),        cmocka_unit_test(check_values_with_ties),
        cmocka_unit_test(check_values_with_missing_models), cmocka_unit_test(kernels_match_the_definition),
        cmocka_unit_test(identical_lists_are_exactly_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
