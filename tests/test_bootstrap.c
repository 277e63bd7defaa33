/* The paired bootstrap against cases whose answer is known. */
#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/eval.h"
#include "finerouter/log.h"
#include "test.h"

#include <omp.h>

/* A result that is nothing but its prompts. */
static fr_result result_of(const float *quality, int64_t n)
{
    fr_result r = {.N = n, .prompt_quality = FR_NEW(float, n)};
    memcpy(r.prompt_quality, quality, (size_t)n * sizeof *quality);
    return r;
}

static void close_all(fr_result *r, int count)
{
    for (int i = 0; i < count; i++)
        fr_result_close(&r[i]);
}

static void constant_differences(void **state)
{
    (void)state;
    enum { n = 50 };
    float full[n], same[n], worse[n], better[n], nothing[n];
    for (int i = 0; i < n; i++) {
        full[i] = i < 45 ? .5f : NAN;
        same[i] = .5f, worse[i] = .25f, better[i] = .75f, nothing[i] = NAN;
    }
    fr_dataset data = {.N = n};
    fr_result r[] = {result_of(same, n), result_of(full, n), result_of(worse, n), result_of(better, n),
                     result_of(nothing, n)};
    fr_bootstrap(r, 5, 1, &data, 999, 3);
    assert_close(r[0].vs_full, 0, 0);
    assert_close(r[0].vs_full_low, 0, 0);
    assert_close(r[0].vs_full_p, 1, 0); /* every resample is a tie: it speaks for neither */
    assert_close(r[2].vs_full, .25, 1e-12);
    assert_close(r[2].vs_full_low, .25, 1e-12);
    assert_close(r[2].vs_full_high, .25, 1e-12);
    assert_close(r[2].vs_full_p, .001, 1e-15); /* never 0: 1 / (999 + 1) */
    assert_close(r[3].vs_full, -.25, 1e-12);
    assert_close(r[3].vs_full_p, .001, 1e-15);
    assert_true(isnan(r[1].vs_full) && isnan(r[1].vs_full_p)); /* full itself */
    assert_true(isnan(r[4].vs_full) && isnan(r[4].vs_full_low) && isnan(r[4].vs_full_p));
    assert_close(r[1].quality_low, .5, 1e-12);
    assert_close(r[3].quality_high, .75, 1e-12);
    assert_true(isnan(r[4].quality_low) && isnan(r[4].quality_high));
    fr_bootstrap(r, 5, 1, &data, 0, 3);
    assert_true(isnan(r[2].vs_full));
    close_all(r, 5);
}

/* Differences 1, 0, 0, -1, ... over 400 prompts: the mean is 0 apart from 20 extra wins, so the standard error is
 * sqrt(var / n) and the interval close to mean +- 1.96 of it; p as the normal law has it. */
static void normal_limit(void **state)
{
    (void)state;
    enum { n = 400 };
    float full[n], other[n];
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        full[i] = i % 4 == 0 || i < 40;
        other[i] = i % 4 == 3;
        sum += full[i] - other[i];
        squares += (full[i] - other[i]) * (full[i] - other[i]);
    }
    double mean = sum / n, error = sqrt((squares / n - mean * mean) / n);
    fr_dataset data = {.N = n};
    fr_result r[] = {result_of(full, n), result_of(other, n)};
    fr_bootstrap(r, 2, 0, &data, 20000, 11);
    assert_close(r[1].vs_full, mean, 1e-12);
    assert_close(r[1].vs_full_low, mean - 1.96 * error, .1 * error);
    assert_close(r[1].vs_full_high, mean + 1.96 * error, .1 * error);
    assert_close(r[1].vs_full_p, erfc(mean / error / sqrt(2)), .01);
    double q = .25, own = sqrt(.25 * .75 / n); /* one in four is 1 */
    assert_close(r[1].quality_low, q - 1.96 * own, .1 * own);
    assert_close(r[1].quality_high, q + 1.96 * own, .1 * own);
    close_all(r, 2);
}

/* What the other left out is skipped on both sides: those prompts cannot move the difference. */
static void left_out(void **state)
{
    (void)state;
    enum { n = 60 };
    float full[n], other[n], again[n];
    for (int i = 0; i < n; i++) {
        full[i] = i % 3 == 0;
        other[i] = i >= 40 ? NAN : (float)(i % 5 == 0);
        again[i] = i >= 40 ? (float)(i % 3 == 0) : other[i];
    }
    fr_dataset data = {.N = n};
    fr_result r[] = {result_of(full, n), result_of(other, n), result_of(again, n)};
    fr_bootstrap(r, 3, 0, &data, 4000, 5);
    assert_close(r[1].vs_full, (14 - 8) / 40.0, 1e-12);
    assert_close(r[2].vs_full, (14 - 8) / 60.0, 1e-12);
    assert_close((r[1].vs_full_low + r[1].vs_full_high) / 2, .15, .02);
    close_all(r, 3);
}

/* The same bits with one thread and with several, other bits with another seed; and fast enough. */
static void deterministic_and_fast(void **state)
{
    (void)state;
    enum { n = 1200, routers = 12 };
    float quality[n];
    fr_result r[routers];
    for (int k = 0; k < routers; k++) {
        for (int i = 0; i < n; i++)
            quality[i] =
                (float)(fr_rng_uniform(1, 0, (uint64_t)i) + .3 * fr_rng_uniform(2, (uint64_t)k, (uint64_t)i) > .6);
        r[k] = result_of(quality, n);
    }
    fr_dataset data = {.N = n};
    double low[routers], p[routers], started = fr_seconds();
    fr_bootstrap(r, routers, 4, &data, 10000, 1);
    double seconds = fr_seconds() - started;
    print_message("10000 resamples of %d prompts x %d routers: %.2f s\n", n, routers, seconds);
    for (int k = 0; k < routers; k++)
        low[k] = r[k].vs_full_low, p[k] = r[k].vs_full_p;
    int threads = omp_get_max_threads();
    omp_set_num_threads(threads == 1 ? 3 : 1);
    fr_bootstrap(r, routers, 4, &data, 10000, 1);
    omp_set_num_threads(threads);
    for (int k = 0; k < routers; k++)
        if (k != 4) {
            assert_true(r[k].vs_full_low == low[k]);
            assert_true(r[k].vs_full_p == p[k]);
        }
    fr_bootstrap(r, routers, 4, &data, 10000, 2);
    bool moved = false;
    for (int k = 0; k < routers; k++)
        moved = moved || (k != 4 && r[k].vs_full_low != low[k]);
    assert_true(moved);
    close_all(r, routers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constant_differences),
        cmocka_unit_test(normal_limit),
        cmocka_unit_test(left_out),
        cmocka_unit_test(deterministic_and_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
