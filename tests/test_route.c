/* Routing formulas against values worked out by hand. */
#include "finerouter/route.h"
#include "test.h"

static void minmax(void **state)
{
    (void)state;
    float out[4];
    fr_minmax(out, (float[]){2, 6, 3, 4}, 4);
    assert_close(out[0], 0, 0);
    assert_close(out[1], 1, 0);
    assert_close(out[2], .25, 1e-7);
    assert_close(out[3], .5, 1e-7);
    fr_minmax(out, (float[]){.3f, .3f, .3f}, 3); /* zero range */
    for (int m = 0; m < 3; m++)
        assert_close(out[m], 0, 0);
    fr_minmax(out, (float[]){NAN, 1, 3, 2}, 4);
    assert_true(isnan(out[0]));
    assert_close(out[1], 0, 0);
    assert_close(out[3], .5, 0);
    fr_minmax(out, (float[]){NAN, NAN}, 2);
    assert_true(isnan(out[0]) && isnan(out[1]));
    float in_place[2] = {-1e30f, 3e30f};
    fr_minmax(in_place, in_place, 2);
    assert_close(in_place[0], 0, 0);
    assert_close(in_place[1], 1, 0);
}

/* sigmoid(log 3) = .75, sigmoid(0) = .5, sigmoid(-log 4) = .2 */
static void assign(void **state)
{
    (void)state;
    float logits[] = {logf(3), 0, 0, 0, -logf(4), -5, -800, -900};
    int32_t task[4];
    float p[4];
    fr_assign(task, p, logits, 4, 2, .5);
    assert_int_equal(task[0], 0);
    assert_int_equal(task[1], 0); /* equal logits: the first; a probability of exactly theta is enough */
    assert_int_equal(task[2], -1);
    assert_int_equal(task[3], -1);
    assert_close(p[0], .75, 1e-6);
    assert_close(p[1], .5, 0);
    assert_close(p[2], .2, 1e-6);
    assert_close(p[3], 0, 1e-30);
    fr_assign(task, NULL, logits, 4, 2, 0);
    assert_int_equal(task[2], 0);
    assert_int_equal(task[3], 0);
    fr_assign(task, p, logits, 4, 2, .76);
    assert_int_equal(task[0], -1);
    fr_assign(task, p, NULL, 2, 0, 0); /* no tasks at all */
    assert_int_equal(task[0], -1);
    assert_true(isnan(p[0]));
}

/* Two tasks and Others, two models. */
static void stage1(void **state)
{
    (void)state;
    float table[] = {1, 0, .5f, .25f, 0, .75f}, s1[6];
    fr_stage1_scores(s1, table, NULL, (int32_t[]){1, -1, 0}, 3, 2, 2, FR_HARD, .5, 1);
    float want[] = {.5f, .25f, 0, .75f, 1, 0};
    assert_memory_equal(s1, want, sizeof want);

    /* Logits log 2 and log 1, theta .5 (log odds 0): weights 2/4, 1/4, 1/4. */
    float logits[] = {logf(2), 0};
    fr_stage1_scores(s1, table, logits, NULL, 1, 2, 2, FR_SOFT, .5, 1);
    assert_close(s1[0], .5 * 1 + .25 * .5 + 0, 1e-6);
    assert_close(s1[1], 0 + .25 * .25 + .25 * .75, 1e-6);
    /* Temperature .5 squares the odds: 4, 1, 1 of 6. */
    fr_stage1_scores(s1, table, logits, NULL, 1, 2, 2, FR_SOFT, .5, .5);
    assert_close(s1[0], (4 * 1 + .5) / 6, 1e-6);
    /* theta .8 has odds 4: 2/7, 1/7, 4/7. */
    fr_stage1_scores(s1, table, logits, NULL, 1, 2, 2, FR_SOFT, .8, 1);
    assert_close(s1[0], (2 + .5) / 7, 1e-6);
    assert_close(s1[1], (.25 + 4 * .75) / 7, 1e-6);
    /* theta 0: no weight on Others; theta 1: all of it. */
    fr_stage1_scores(s1, table, logits, NULL, 1, 2, 2, FR_SOFT, 0, 1);
    assert_close(s1[1], .25 / 3, 1e-6);
    fr_stage1_scores(s1, table, logits, NULL, 1, 2, 2, FR_SOFT, 1, 1);
    assert_close(s1[1], .75, 0);
    /* Without tasks: Others, also at theta 0. */
    fr_stage1_scores(s1, table + 4, NULL, NULL, 1, 0, 2, FR_SOFT, 0, 1);
    assert_close(s1[1], .75, 0);
    /* Logits far from 0 do not overflow. */
    fr_stage1_scores(s1, table, (float[]){2000, -2000}, NULL, 1, 2, 2, FR_SOFT, .5, .01);
    assert_close(s1[0], 1, 1e-6);
}

static void mix(void **state)
{
    (void)state;
    /* norm(s1) = 0, 1, .5; norm(s2) = 1, 0, .2; second prompt: s1 is flat, so only s2 speaks. */
    float s1[] = {.2f, .6f, .4f, .7f, .7f, .7f}, s2[] = {10, 0, 2, 1, 2, 3}, score[6];
    fr_mix(score, s1, s2, 2, 3, .25);
    assert_close(score[0], .25, 1e-6);
    assert_close(score[1], .75, 1e-6);
    assert_close(score[2], .25 * .2 + .75 * .5, 1e-6);
    assert_close(score[3], 0, 1e-6);
    assert_close(score[4], .125, 1e-6);
    assert_close(score[5], .25, 1e-6);
    fr_mix(score, s1, s2, 2, 3, 1);
    assert_close(score[2], .2, 1e-6);
    fr_mix(score, s1, s2, 2, 3, 0);
    assert_close(score[2], .5, 1e-6);
}

static void assert_order(const float *score, const float *s2, const double *cost, int64_t M, const char *want)
{
    int32_t ranking[16];
    char got[64] = "";
    fr_rank(ranking, score, s2, cost, M);
    for (int64_t m = 0; m < M; m++)
        sprintf(got + strlen(got), "%d", ranking[m]);
    assert_string_equal(got, want);
}

static void rank(void **state)
{
    (void)state;
    double cost[] = {3, NAN, 1, 2, 1};
    assert_order((float[]){.1f, .5f, .3f, .2f, .4f}, NULL, cost, 5, "14230");
    assert_order((float[]){1, 1, 1, 1, 1}, NULL, cost, 5, "24301"); /* by cost, NaN last, then order */
    assert_order((float[]){1, 1, 1, 1, 0}, (float[]){.1f, .9f, .1f, .3f, 1}, cost, 5, "13204"); /* by s2 first */
    assert_order((float[]){1, NAN, -1, NAN, -INFINITY}, NULL, cost, 5, "02431");                /* NaN scores last */
}

static void choose(void **state)
{
    (void)state;
    float score[] = {1, .9f, .5f, 0}, tied[] = {1, 1, .5f, 0};
    double cost[] = {8, 4, 2, 1};
    assert_int_equal(fr_choose(score, NULL, cost, 4, 0), 0);
    assert_int_equal(fr_choose(score, NULL, cost, 4, .05), 0);
    assert_int_equal(fr_choose(score, NULL, cost, 4, .1), 1); /* .9 is just inside */
    assert_int_equal(fr_choose(score, NULL, cost, 4, .49), 1);
    assert_int_equal(fr_choose(score, NULL, cost, 4, .5), 2);
    assert_int_equal(fr_choose(score, NULL, cost, 4, 1), 3);
    /* Tolerance 0 is the ranking's first: ties by s2 before cost; above 0 cost decides. */
    assert_int_equal(fr_choose(tied, (float[]){.7f, .6f, 0, 0}, cost, 4, 0), 0);
    assert_int_equal(fr_choose(tied, (float[]){.7f, .6f, 0, 0}, cost, 4, .01), 1);
    assert_int_equal(fr_choose(tied, NULL, cost, 4, 0), 1);
    /* Equal costs: the better score. Unknown costs are dearest; all unknown: quality alone. */
    assert_int_equal(fr_choose(score, NULL, (double[]){2, 1, 1, 1}, 4, 1), 1);
    assert_int_equal(fr_choose(score, NULL, (double[]){9, NAN, NAN, NAN}, 4, 1), 0);
    assert_int_equal(fr_choose(score, NULL, (double[]){NAN, NAN, 7, NAN}, 4, .5), 2);
    assert_int_equal(fr_choose(score, NULL, (double[]){NAN, NAN, NAN, NAN}, 4, 1), 0);
    /* Scores far apart from zero and one; a NaN score is never eligible. */
    assert_int_equal(fr_choose((float[]){-5, -7, -9, NAN}, NULL, cost, 4, .5), 1);
    assert_int_equal(fr_choose((float[]){-5, -7, -9, NAN}, NULL, cost, 4, 1), 2);
    assert_int_equal(fr_choose((float[]){NAN, NAN, NAN, NAN}, NULL, cost, 4, .5), 3);
}

/* For any scores the cost of the choice never rises with the tolerance, and tolerance 0 is the ranking's first. */
static void cost_never_rises(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int trial = 0; trial < 2000; trial++) {
        float score[6], s2[6];
        double cost[6], before = INFINITY;
        int32_t ranking[6];
        for (int m = 0; m < 6; m++) {
            seed = seed * 1664525u + 1013904223u;
            score[m] = (float)(seed >> 28); /* few values: many ties */
            s2[m] = (float)(seed >> 20 & 3);
            cost[m] = seed >> 10 & 7;
        }
        fr_rank(ranking, score, s2, cost, 6);
        assert_int_equal(ranking[0], fr_choose(score, s2, cost, 6, 0));
        for (int step = 0; step <= 20; step++) {
            double now = cost[fr_choose(score, s2, cost, 6, step / 20.0)];
            assert_true(now <= before);
            before = now;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minmax), cmocka_unit_test(assign), cmocka_unit_test(stage1),           cmocka_unit_test(mix),
        cmocka_unit_test(rank),   cmocka_unit_test(choose), cmocka_unit_test(cost_never_rises),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
