/* The float polynomials against libm in f64, and the kernels' random numbers against base/rng.h. */
#include "test.h"

#include "base/rng.h"
#include "finerouter/config.h"
#include "ops/ops.h"
#include "philox.h"
#include "realmath.h"

#include <float.h>

/* Largest distance of f from want over [from, to], in units in the last place of the result. */
static double worst_ulp(float (*f)(float), double (*want)(double), double from, double to)
{
    double worst = 0;
    int steps = 200001;
    for (int i = 0; i < steps; i++) {
        float x = (float)(from + (to - from) * i / (steps - 1));
        double w = want(x), ulp = nextafterf(fabsf((float)w), INFINITY) - fabsf((float)w);
        double error = fabs(f(x) - w) / ulp;
        if (!(error <= worst)) /* NaN counts */
            worst = error;
    }
    return worst;
}

static void test_exp(void **state)
{
    (void)state;
    assert_close(worst_ulp(exp_f32, exp, -87, 88.2), 0, 2);
    assert_close(worst_ulp(exp_f32, exp, -1, 1), 0, 2);
    assert_true(exp_f32(0) == 1);
    assert_close(exp_f32(-INFINITY), 0, 1.3e-38); /* cut, never 0: nothing divides by the difference */
    assert_true(exp_f32(-1e30f) == exp_f32(-INFINITY));
    assert_true(isnan(exp_f32(NAN)));
}

static void test_erf(void **state)
{
    (void)state;
    assert_close(worst_ulp(erf_f32, erf, -5, 5), 0, 8);
    assert_close(worst_ulp(erf_f32, erf, -0.1, 0.1), 0, 4);
    assert_true(erf_f32(0) == 0);
    assert_true(erf_f32(INFINITY) == 1 && erf_f32(-INFINITY) == -1);
    assert_true(erf_f32(1e20f) == 1 && erf_f32(-1e20f) == -1);
    assert_true(isnan(erf_f32(NAN)));
}

static void test_log1p(void **state)
{
    (void)state;
    assert_close(worst_ulp(log1p_f32, log1p, 0, 1), 0, 3);
    assert_close(worst_ulp(log1p_f32, log1p, 0, 1e-6), 0, 3);
    assert_true(log1p_f32(0) == 0);
    assert_true(isnan(log1p_f32(NAN)));
}

static void test_philox_words(void **state)
{
    (void)state;
    uint32_t words[4 * 37], want[4];
    uint64_t first = (1ull << 32) - 5; /* the low half of the counter wraps on the way */
    philox_words(words, 0x123456789abcdefull, 0xfedcba9876543210ull, first, 37);
    for (uint64_t i = 0; i < 37; i++) {
        fr_philox(want, 0x123456789abcdefull, 0xfedcba9876543210ull, first + i);
        assert_memory_equal(words + 4 * i, want, sizeof want);
    }
}

/* Element e is dropped exactly when its word is under p 2^32; a slice drops what the whole does, in place or not. */
static void test_dropout_mask(void **state)
{
    (void)state;
    enum { N = 5000 };
    const fr_kernels *tables[] = {fr_kernels_cpu(), fr_kernels_ref()};
    for (int t = 0; t < 2; t++) {
        static double memory[N];
        static float x[N], got[N];
        for (int i = 0; i < N; i++)
            x[i] = 1 + (float)i;
        for (int64_t first = 0; first < 600; first += 61) {
            tables[t]->from_f32(NULL, memory, x, N);
            tables[t]->dropout(NULL, memory, memory, N, 0.25, 9, 8, first);
            tables[t]->to_f32(NULL, got, memory, N);
            int dropped = 0;
            for (int i = 0; i < N; i++) {
                uint32_t w[4];
                int64_t e = first + i;
                fr_philox(w, 9, 8, (uint64_t)e / 4);
                bool keep = w[e % 4] >= 0x40000000u;
                dropped += !keep;
                assert_close(got[i], keep ? x[i] / 0.75 : 0, x[i] * 4e-7);
            }
            assert_close(dropped, N * 0.25, 5 * sqrt(N * 0.25 * 0.75));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),          cmocka_unit_test(test_erf),          cmocka_unit_test(test_log1p),
        cmocka_unit_test(test_philox_words), cmocka_unit_test(test_dropout_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
