/* The metrics' published or hand-worked check values, each in a test of its name, and their edge cases. */
#include "eval/points.h"
#include "test.h"

static const fr_point a[] = {{.1, .40}, {.2, .55}, {.4, .52}, {.5, .70}, {1, .72}},
                      b[] = {{.05, .30}, {.3, .60}, {.6, .65}}, c[] = {{.2, .5}, {.4, .45}, {.8, .44}};

static void aiq_check_alone(void **state)
{
    (void)state;
    assert_close(fr_metric_aiq(a, 5, fr_aiq_reach(a, 5)).code, .59, 1e-12);
    assert_close(fr_metric_aiq(b, 3, fr_aiq_reach(b, 3)).code, .50, 1e-12);
    assert_close(fr_metric_aiq(c, 3, fr_aiq_reach(c, 3)).code, 0, 0);
}

static void aiq_check_together(void **state)
{
    (void)state;
    double reach = fmax(fr_aiq_reach(a, 5), fmax(fr_aiq_reach(b, 3), fr_aiq_reach(c, 3)));
    assert_close(reach, 1, 0);
    assert_close(fr_metric_aiq(a, 5, reach).code, .59, 1e-12);
    assert_close(fr_metric_aiq(b, 3, reach).code, .56, 1e-12);
    assert_close(fr_metric_aiq(c, 3, reach).code, .40, 1e-12);
    assert_close(fr_metric_aiq(a, 5, reach).paper, .59 / .9, 1e-12);
    assert_close(fr_metric_aiq(b, 3, reach).paper, .56 / .95, 1e-12);
    assert_close(fr_metric_aiq(c, 3, reach).paper, .5, 1e-12);
}

static void aiq_edges(void **state)
{
    (void)state;
    const fr_point one[] = {{.2, .5}}, two[] = {{.4, .7}, {.2, .5}}, equal[] = {{.2, .5}, {.2, .5}, {.2, .6}, {.2, .1}},
                   unknown[] = {{NAN, .5}, {.2, NAN}}, flat[] = {{.1, .5}, {.2, .4}, {.3, .5}},
                   free_of_charge[] = {{0, .5}};
    assert_true(isnan(fr_aiq_reach(NULL, 0)) && isnan(fr_aiq_reach(unknown, 2)));
    assert_true(isnan(fr_metric_aiq(unknown, 2, 1).code) && isnan(fr_metric_aiq(unknown, 2, 1).paper));
    assert_true(isnan(fr_metric_aiq(one, 1, NAN).code) && isnan(fr_metric_aiq(one, 1, NAN).paper));
    assert_close(fr_metric_aiq(one, 1, .2).code, 0, 0);
    assert_close(fr_metric_aiq(one, 1, .2).paper, .5, 0);
    assert_close(fr_metric_aiq(one, 1, 1).code, .4, 1e-12);
    assert_close(fr_metric_aiq(two, 2, .4).code, .3, 1e-12); /* .2 * .6 / .4 */
    assert_close(fr_metric_aiq(two, 2, .4).paper, .6, 1e-12);
    assert_close(fr_metric_aiq(equal, 4, .2).paper, .6, 1e-12);
    /* A point as good as the best at a higher cost carries the reach on, and what dips between is lifted. */
    assert_close(fr_aiq_reach(flat, 3), .3, 0);
    assert_close(fr_metric_aiq(flat, 3, .3).paper, .5, 1e-12);
    /* A reach before the end cuts: .3 gives .5 .. .6 over .2 .. .3. */
    assert_close(fr_metric_aiq(two, 2, .3).code, .055 / .3, 1e-12);
    assert_close(fr_metric_aiq(two, 2, .1).code, 0, 0);
    assert_true(isnan(fr_metric_aiq(two, 2, .1).paper));
    assert_true(isnan(fr_metric_aiq(free_of_charge, 1, 0).code));
    assert_close(fr_metric_aiq(free_of_charge, 1, 0).paper, .5, 0);
}

static void routellm_check(void **state)
{
    (void)state;
    const double share[] = {0, 10, 25, 40, 60, 80, 100}, quality[] = {50, 56, 61, 66, 70, 73, 74};
    assert_close(fr_metric_cpt(share, quality, 7, .2, 50, 74), 8, 1e-12);
    assert_close(fr_metric_cpt(share, quality, 7, .5, 50, 74), 28, 1e-12);
    assert_close(fr_metric_cpt(share, quality, 7, .8, 50, 74), 56, 1e-12);
    assert_close(fr_metric_apgr(share, quality, 7, 50, 74), .675, 1e-12);
    assert_close(50 + 24 * fr_metric_apgr(share, quality, 7, 50, 74), 66.2, 1e-12); /* the area */
    assert_close(fr_metric_pgr(62, 50, 74), .5, 1e-12);
}

static void routellm_edges(void **state)
{
    (void)state;
    const double share[] = {0, .5, 1}, up_and_down[] = {.5, .8, .6}, below[] = {.5, .4, .3}, above[] = {.8, .7, .9};
    assert_true(isnan(fr_metric_pgr(.5, .6, .6)) && isnan(fr_metric_apgr(share, below, 3, .6, .5)));
    assert_true(isnan(fr_metric_cpt(share, up_and_down, 3, .5, .6, .6)));
    assert_true(isnan(fr_metric_apgr(share, below, 1, .3, .5)) && isnan(fr_metric_apgr(share, below, 0, .3, .5)));
    assert_true(isnan(fr_metric_cpt(share, below, 3, .5, .5, .6)));
    assert_close(fr_metric_cpt(share, up_and_down, 3, 0, .5, .6), 0, 0);
    assert_close(fr_metric_cpt(share, above, 3, .5, .5, .9), 0, 0); /* weak answers alone are good enough */
    assert_close(fr_metric_cpt(share, up_and_down, 3, 1, .5, .6), 1 / 6.0, 1e-12); /* the first time it is reached */
    assert_close(fr_metric_apgr(share, up_and_down, 3, .5, .6), (.325 + .35 - .5) / .1, 1e-9);
}

/* Four prompts by margin: gains 1, then two of equal margin -1 and 1, then 0; weak answers 0, 1, 0, 1. Without those
 * that are left out the qualities at 0, 1, 2, 3, 4 strong answers are .5, .75, .75, .75, .75. */
static void pair_curve(void **state)
{
    (void)state;
    double share[FR_PAIR_POINTS], quality[FR_PAIR_POINTS];
    const float margin[] = {.1f, NAN, .3f, .3f, .9f, 2}, strong[] = {1, 0, 0, 1, 1, NAN}, weak[] = {1, 1, 1, 0, 0, 1};
    fr_pair_curve(share, quality, margin, strong, weak, 6);
    for (int j = 0; j < FR_PAIR_POINTS; j++) {
        assert_close(share[j], .05 * j, 1e-12);
        assert_close(quality[j], j < 5 ? .5 + .05 * j : .75, 1e-12);
    }
    /* A steady gain of 1, of 0 and of -1 each third of the way, in whatever order rows stand. */
    const float m[] = {1, 3, 2}, s[] = {0, 1, 1}, w[] = {1, 0, 1};
    fr_pair_curve(share, quality, m, s, w, 3);
    assert_close(quality[0], 2 / 3.0, 1e-12);
    assert_close(quality[4], 2 / 3.0 + .2, 1e-12);
    assert_close(quality[10], 1, 1e-12);
    assert_close(quality[20], 2 / 3.0, 1e-12);
    /* No opinion: the straight line from weak to strong. */
    const float none[] = {0, 0, 0}, better[] = {1, 1, 1};
    fr_pair_curve(share, quality, none, better, w, 3);
    assert_close(fr_metric_apgr(share, quality, FR_PAIR_POINTS, 2 / 3.0, 1), .5, 1e-12);
    assert_close(fr_metric_cpt(share, quality, FR_PAIR_POINTS, .8, 2 / 3.0, 1), .8, 1e-12);
    fr_pair_curve(share, quality, none, better, w, 0);
    assert_true(isnan(quality[0]) && isnan(quality[20]));
    assert_close(share[20], 1, 0);
}

static void routerarena_check_a(void **state)
{
    (void)state;
    assert_close(fr_metric_arena_cost(.30), .606304211, 5e-10);
    assert_close(fr_metric_arena_score(.30, .7814), .761410080, 5e-10);
}

static void routerarena_check_b(void **state)
{
    (void)state;
    assert_close(fr_metric_arena_score(1.0, .70), .674439420, 5e-10);
}

static void routerarena_check_c(void **state)
{
    (void)state;
    assert_close(fr_metric_arena_cost(.0044), 1, 1e-12);
    assert_close(fr_metric_arena_score(.0044, .5), .523809524, 5e-10);
}

static void routerarena_edges(void **state)
{
    (void)state;
    assert_close(fr_metric_arena_cost(0), 1, 0);
    assert_close(fr_metric_arena_cost(.001), 1, 0);
    assert_close(fr_metric_arena_cost(200), 0, 0);
    assert_close(fr_metric_arena_cost(1e6), 0, 0);
    assert_close(fr_metric_arena_score(1e6, 0), 0, 0);
    assert_close(fr_metric_arena_score(1e6, .5), 0, 0);
    assert_true(isnan(fr_metric_arena_cost(NAN)) && isnan(fr_metric_arena_score(NAN, .5)));
    assert_true(isnan(fr_metric_arena_score(1, NAN)));
}

/* Models x, y, z.       right           chosen
 *   0                   x 3, y 1        x: right, 3 where 1 would do
 *   1                   y 2, z 2        z: right, as cheap as any
 *   2                   y 1             x: wrong
 *   3                   none            x
 *   4                   x ?, y 2        x: right at an unknown cost, the known one being y's
 *   5                   z ?             z: right, no cost known: counts for acc alone
 *   6                   y 1             x: not observed, left out
 *   7                   all             not tested */
static const float arena_quality[] = {1, .5f, 0, 0, 1, 1, .4f, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, NAN, 1, 0, 1, 1, 1},
                   arena_cost[] = {3, 1, 9, 1, 2, 2, 1, 1, 9, 1, 1, 1, NAN, 2, 9, 1, 1, NAN, 1, 1, 9, 1, 1, 1};
static const int32_t arena_chosen[] = {0, 2, 0, 0, 0, 2, 0, FR_NOT_TESTED};

static void optimality(void **state)
{
    (void)state;
    fr_optimality o = fr_metric_optimality(arena_chosen, arena_quality, arena_cost, 8, 3);
    assert_close(o.sel, 1 / 4.0, 1e-12);        /* 1 of 0, 1, 2, 4 */
    assert_close(o.acc, 4 / 5.0, 1e-12);        /* 0, 1, 4, 5 of 0, 1, 2, 4, 5 */
    assert_close(o.cost, (1 + 2) / 5.0, 1e-12); /* 0 and 1 */
    const float unknown[24] = {[0 ... 23] = NAN};
    o = fr_metric_optimality(arena_chosen, arena_quality, unknown, 8, 3);
    assert_true(isnan(o.sel) && isnan(o.cost));
    assert_close(o.acc, 4 / 5.0, 1e-12);
    const int32_t all[] = {FR_ALL_MODELS, FR_ALL_MODELS};
    o = fr_metric_optimality(all, arena_quality, arena_cost, 2, 3);
    assert_true(isnan(o.sel) && isnan(o.acc) && isnan(o.cost));
}

static void recall(void **state)
{
    (void)state;
    fr_recall r[4];
    fr_metric_recall(r, arena_chosen, arena_quality, 8, 3);
    assert_close(r[0].prompts, 1, 0); /* 3 */
    assert_close(r[0].hit_rate, 0, 0);
    assert_close(r[1].prompts, 2, 0); /* 2, 5; 6 is left out */
    assert_close(r[1].hit_rate, .5, 0);
    assert_close(r[2].prompts, 3, 0); /* 0, 1, 4 */
    assert_close(r[2].hit_rate, 1, 0);
    assert_close(r[3].prompts, 0, 0);
    assert_true(isnan(r[3].hit_rate));
    int32_t all[8];
    for (int i = 0; i < 8; i++)
        all[i] = FR_ALL_MODELS;
    fr_metric_recall(r, all, arena_quality, 8, 3);
    assert_close(r[1].prompts, 3, 0);
    assert_close(r[1].hit_rate, (1 / 3.0 + 1 / 3.0 + 1 / 2.0) / 3, 1e-12); /* of prompt 6 two models are observed */
    assert_close(r[2].hit_rate, 2 / 3.0, 1e-12);
    assert_close(r[3].hit_rate, 1, 0);
}

static const fr_point orbit_points[] = {{.1, .40}, {.2, .55}, {.4, .52}, {.5, .70}, {.9, .72}};

static void orbit_check(void **state)
{
    (void)state;
    fr_orbit o = fr_metric_orbit(orbit_points, 5, (fr_point){1, .69});
    assert_close(o.nauc, .591, 1e-12);
    assert_close(o.peak, .72, 0);
    assert_close(o.qnc, .5, 1e-12);
}

static void orbit_edges(void **state)
{
    (void)state;
    const fr_point unknown[] = {{NAN, .7}, {NAN, .6}};
    fr_orbit o = fr_metric_orbit(unknown, 2, (fr_point){NAN, .69});
    assert_true(isnan(o.nauc) && isnan(o.qnc));
    assert_close(o.peak, .7, 0); /* needs no cost */
    assert_true(isnan(fr_metric_orbit(orbit_points, 5, (fr_point){1, .9}).qnc));
    /* Dearer than best single: the largest cost is the front's own. (.0475 + .1875 + .284) / .9 */
    assert_close(fr_metric_orbit(orbit_points, 5, (fr_point){.25, .69}).nauc, .519 / .9, 1e-12);
    assert_close(fr_metric_orbit(orbit_points, 5, (fr_point){.25, .69}).qnc, 2, 1e-12);
    assert_close(fr_metric_orbit(orbit_points, 1, (fr_point){1, .4}).nauc, .9 * .4, 1e-12); /* one point, held */
    assert_true(isnan(fr_metric_orbit(NULL, 0, (fr_point){1, .4}).peak));
}

/* Budgets from .1 to 1, qualities from .40 to .70: gains 0 at .1, .15 at .2, .30 at .5, .32 from .9 on, over .3:
 * (.1 * .075 + .3 * .225 + .4 * .31 + .1 * .32) / .9 / .3 = .231 / .27. Started at 0, nothing is affordable below .1.
 */
static void arqgc(void **state)
{
    (void)state;
    assert_close(fr_metric_arqgc(orbit_points, 5, (fr_point){.1, .40}, (fr_point){1, .70}), .231 / .27, 1e-12);
    assert_close(fr_metric_arqgc(orbit_points, 5, (fr_point){0, .40}, (fr_point){1, .70}), .231 / .3, 1e-12);
    assert_true(isnan(fr_metric_arqgc(orbit_points, 5, (fr_point){1, .40}, (fr_point){1, .70})));
    assert_true(isnan(fr_metric_arqgc(orbit_points, 5, (fr_point){.1, .70}, (fr_point){1, .70})));
    assert_true(isnan(fr_metric_arqgc(orbit_points, 5, (fr_point){NAN, .40}, (fr_point){NAN, .70})));
    assert_true(isnan(fr_metric_arqgc(NULL, 0, (fr_point){0, .40}, (fr_point){1, .70})));
    /* The best quality for all the money all the time: 1; always the worst: 0. */
    const fr_point best[] = {{0, .7}}, worst[] = {{0, .4}};
    assert_close(fr_metric_arqgc(best, 1, (fr_point){0, .40}, (fr_point){1, .70}), 1, 1e-12);
    assert_close(fr_metric_arqgc(worst, 1, (fr_point){0, .40}, (fr_point){1, .70}), 0, 1e-12);
}

static void llmrouterbench(void **state)
{
    (void)state;
    assert_close(fr_metric_gain(.66, .60), .1, 1e-12);
    assert_true(isnan(fr_metric_gain(.5, 0)) && isnan(fr_metric_gain(.5, NAN)));
    assert_close(fr_metric_perf_gain(a, 5, .60), .2, 1e-12);
    const fr_point unpriced[] = {{NAN, .66}};
    assert_close(fr_metric_perf_gain(unpriced, 1, .60), .1, 1e-12);
    assert_true(isnan(fr_metric_perf_gain(NULL, 0, .60)));
    assert_close(fr_metric_cost_save(a, 5, (fr_point){.8, .70}), 1 - .5 / .8, 1e-12);
    assert_close(fr_metric_cost_save(a, 5, (fr_point){.1, .70}), -4, 1e-12); /* as good, and dearer */
    assert_true(isnan(fr_metric_cost_save(a, 5, (fr_point){.8, .73})));
    assert_true(isnan(fr_metric_cost_save(a, 5, (fr_point){NAN, .70})));
    assert_true(isnan(fr_metric_cost_save(unpriced, 1, (fr_point){.8, .6})));
}

/* Front of all: (0, 0), (5, .8), (10, 1); scaled (0, 0), (.5, .8), (1, 1). */
static void pareto(void **state)
{
    (void)state;
    const fr_point all[] = {{10, 1}, {5, .8}, {5, .4}, {10, .8}, {0, 0}, {NAN, 3}, {7, .8}};
    fr_point front[7];
    assert_int_equal(fr_pareto_front(front, all, 7), 3);
    assert_close(front[1].cost, 5, 0);
    assert_close(front[1].quality, .8, 0);
    const fr_point on[] = {{5, .8}, {0, 0}}, off[] = {{5, .4}, {10, .8}, {NAN, 1}, {5, .8}};
    assert_close(fr_metric_pareto_dist(on, 2, all, 7), 0, 1e-12);
    assert_close(fr_metric_pareto_dist(off, 4, all, 7), (.4 + .2 + 0) / 3, 1e-12);
    assert_true(isnan(fr_metric_pareto_dist(off + 2, 1, all, 7)) && isnan(fr_metric_pareto_dist(on, 2, NULL, 0)));
    const fr_point same[] = {{1, .5}, {1, .5}};
    assert_close(fr_metric_pareto_dist(same, 2, same, 2), 0, 0); /* no range */
    assert_int_equal(fr_pareto_front(front, same, 2), 1);
}

/* Bins of .1: .05 (q 0), .07 (q 1) | .95 (q 1), 1.2 and 1 (q 1, 0) in the last | -.3 in the first.
 * First bin: estimates -.18, qualities 1; last: 3.15 against 2. ECE = (1.18 + 1.15) / 6. */
static void calibration(void **state)
{
    (void)state;
    const double estimate[] = {.05, .07, .95, 1.2, 1, -.3, NAN, .5}, quality[] = {0, 1, 1, 1, 0, 0, 1, NAN};
    fr_calibration whole = {.high = 1}, half[2] = {{.high = 1}, {.high = 1}};
    assert_true(isnan(fr_metric_ece(&whole)));
    for (int i = 0; i < 8; i++) {
        fr_calibration_add(&whole, estimate[i], quality[i]);
        fr_calibration_add(&half[i % 2], estimate[i], quality[i]);
    }
    assert_int_equal(whole.bin[0].entries, 3);
    assert_int_equal(whole.bin[9].entries, 3);
    assert_int_equal(whole.bin[5].entries, 0);
    assert_close(whole.bin[0].estimate, -.18, 1e-12);
    assert_close(whole.bin[9].quality, 2, 0);
    assert_close(fr_metric_ece(&whole), (1.18 + 1.15) / 6, 1e-12);
    fr_calibration_merge(&half[0], &half[1]);
    assert_close(fr_metric_ece(&half[0]), fr_metric_ece(&whole), 1e-12);
    assert_int_equal(half[0].bin[9].entries, 3);
    fr_calibration edge = {.high = 1};
    fr_calibration_add(&edge, .7f, 1); /* a little below .7 */
    assert_int_equal(edge.bin[7].entries, 1);
    fr_calibration other = {.low = -10, .high = 10}; /* bins of 2 */
    fr_calibration_add(&other, 2, 1);
    fr_calibration_add(&other, 1.99, 1);
    assert_int_equal(other.bin[6].entries, 1);
    assert_int_equal(other.bin[5].entries, 1);
}

/* said    0  0  1  2 -1 -1  0 -1
 * truth   0  1  1 -1 -1  1  0  2     task 0: TP 2, FP 1, FN 0: F1 .8; 1: TP 1, FN 2: .5; 2: FP 1, FN 1: 0; 3: never */
static void classifier(void **state)
{
    (void)state;
    const int32_t said[] = {0, 0, 1, 2, -1, -1, 0, -1}, truth[] = {0, 1, 1, -1, -1, 1, 0, 2};
    fr_label_counts counts = {0};
    assert_true(isnan(fr_metric_classifier(&counts).micro_f1) && isnan(fr_metric_classifier(&counts).coverage));
    fr_label_counts_add(&counts, said, truth, 8, 4);
    fr_classifier_metrics m = fr_metric_classifier(&counts);
    assert_close(m.micro_f1, 2 * 3 / (2.0 * 3 + 2 + 3), 1e-12); /* TP 3, FP 2, FN 3 */
    assert_close(m.macro_f1, (.8 + .5 + 0) / 3, 1e-12);
    assert_close(m.accuracy, 4 / 8.0, 1e-12);
    assert_close(m.accuracy_without_others, 3 / 6.0, 1e-12);
    assert_close(m.coverage, 5 / 8.0, 1e-12);
    /* Twice the same prompts of other tasks: nothing changes. */
    fr_label_counts twice = counts;
    fr_label_counts_merge(&twice, &counts);
    assert_int_equal(twice.prompts, 16);
    assert_close(fr_metric_classifier(&twice).macro_f1, m.macro_f1, 1e-12);
    assert_close(fr_metric_classifier(&twice).micro_f1, m.micro_f1, 1e-12);
    /* No task at all: Others are right, F1 says nothing. */
    const int32_t none[] = {-1, -1};
    counts = (fr_label_counts){0};
    fr_label_counts_add(&counts, none, none, 2, 0);
    m = fr_metric_classifier(&counts);
    assert_close(m.accuracy, 1, 0);
    assert_true(isnan(m.micro_f1) && isnan(m.macro_f1) && isnan(m.accuracy_without_others));
    assert_close(m.coverage, 0, 0);
}

/* Model 0: task 0 has 0, 1, task 1 has 1, 1 and Others are left out: mean .75, within (.25 + .25) / 4, between
 * (2 * .0625 + 2 * .0625) / 4. Model 1: 1 in task 0, 0 and unobserved in task 1, 1 in task 0: within 0, between 2/9. */
static void task_variance(void **state)
{
    (void)state;
    const float quality[] = {0, 1, 1, 1, 1, 0, 1, NAN, 5, 7};
    const int32_t task[] = {0, 0, 1, 1, -1}, none[] = {-1, -1, -1, -1, -1};
    fr_task_variance v = fr_metric_task_variance(quality, task, 5, 2, 2);
    assert_close(v.within, .125 / 2, 1e-12);
    assert_close(v.between, (.0625 + 2 / 9.0) / 2, 1e-12);
    v = fr_metric_task_variance(quality, none, 5, 2, 0);
    assert_true(isnan(v.within) && isnan(v.between));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aiq_check_alone),
        cmocka_unit_test(aiq_check_together),
        cmocka_unit_test(aiq_edges),
        cmocka_unit_test(routellm_check),
        cmocka_unit_test(routellm_edges),
        cmocka_unit_test(pair_curve),
        cmocka_unit_test(routerarena_check_a),
        cmocka_unit_test(routerarena_check_b),
        cmocka_unit_test(routerarena_check_c),
        cmocka_unit_test(routerarena_edges),
        cmocka_unit_test(optimality),
        cmocka_unit_test(recall),
        cmocka_unit_test(orbit_check),
        cmocka_unit_test(orbit_edges),
        cmocka_unit_test(arqgc),
        cmocka_unit_test(llmrouterbench),
        cmocka_unit_test(pareto),
        cmocka_unit_test(calibration),
        cmocka_unit_test(classifier),
        cmocka_unit_test(task_variance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
