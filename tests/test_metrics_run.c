/* The metrics of finerouter/metrics.h on results of routers: what goes into them, pooled folds, averaged seeds, the
 * file. All values worked out by hand on the data of eval_data.h. */
#include "base/files.h"
#include "cli/stages.h"
#include "eval/internal.h"
#include "eval/json.h"
#include "eval_data.h"
#include "test.h"

static double tolerances[] = {0, .2, 1};

static fr_config config_of(const char *strong, const char *weak)
{
    fr_config config = {0};
    config.eval.tolerances = (fr_reals){3, tolerances};
    config.eval.strong = strong;
    config.eval.weak = weak;
    return config;
}

static void same_score(float score[30])
{
    for (int i = 0; i < 10; i++)
        score[3 * i] = 0, score[3 * i + 1] = .8f, score[3 * i + 2] = 1;
}

/* Scores c 1, b .8, a 0 everywhere: at tolerance 0 it answers c (.625 at .05), above b (1/3 at .02). */
static void evaluate(fr_result *result, const fr_dataset *data, const fr_config *config, const char *name)
{
    float score[30];
    same_score(score);
    fr_scores scores = {.name = name, .N = 10, .M = 3, .score = score};
    if (fr_baseline_find(name))
        assert_ok(fr_baseline_find(name)->score(&scores, &(fr_eval_input){.config = config, .data = data}));
    fr_evaluate(result, &scores, data, config, FR_SPLIT_TEST);
    if (fr_baseline_find(name))
        fr_scores_close(&scores);
}

static void pair_of_models(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    int32_t strong, weak;
    fr_config config = config_of("", NULL);
    assert_ok(fr_pair_find(&strong, &weak, &data, &config)); /* b is best; of a and c a is cheaper */
    assert_int_equal(strong, 1);
    assert_int_equal(weak, 0);
    config = config_of("c", "");
    assert_ok(fr_pair_find(&strong, &weak, &data, &config)); /* a and b cost the same: a is worse */
    assert_int_equal(strong, 2);
    assert_int_equal(weak, 0);
    config = config_of("", "b");
    assert_ok(fr_pair_find(&strong, &weak, &data, &config)); /* the best of the others */
    assert_int_equal(strong, 0);
    assert_int_equal(weak, 1);
    config = config_of("c", "c");
    assert_fails(fr_pair_find(&strong, &weak, &data, &config), FR_USAGE, "eval.strong and eval.weak are both c");
    static const char *names[] = {"alpha-7b", "beta-70b", "gamma"};
    data.model = names;
    config = config_of("beta70B", "");
    assert_fails(fr_pair_find(&strong, &weak, &data, &config), FR_USAGE,
                 "eval.strong is beta70B, which is no model of the data; did you mean beta-70b?");
    config = config_of("", "gama");
    assert_fails(fr_pair_find(&strong, &weak, &data, &config), FR_USAGE, "eval.weak is gama");
    /* No cost: the worst. Some costs: the cheapest of those known. */
    float cost[30];
    for (int i = 0; i < 30; i++)
        cost[i] = NAN;
    data.cost = cost;
    config = config_of("", "");
    assert_ok(fr_pair_find(&strong, &weak, &data, &config));
    assert_int_equal(weak, 2);
    cost[0] = 9;
    assert_ok(fr_pair_find(&strong, &weak, &data, &config));
    assert_int_equal(weak, 0);
}

static void one_router(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_of("c", "a");
    fr_result r;
    evaluate(&r, &data, &config, "x");
    assert_int_equal(r.chosen[0], FR_NOT_TESTED);
    assert_int_equal(r.chosen[6], 2);
    assert_true(isnan(r.prompt_margin[0]));
    assert_close(r.prompt_margin[9], 1, 0);
    assert_close(r.prompt_best_single_cost[6], .02, 1e-8);
    assert_true(isnan(r.prompt_best_single_cost[8]) && isnan(r.prompt_best_single_cost[9]));
    assert_true(isnan(r.metrics.aiq.code) && isnan(r.metrics.routellm.apgr) && !r.recall);
    fr_results_compare(&r, 1, &data);
    fr_router_metrics m = r.metrics;
    assert_close(m.aiq.code, .2875, 1e-7); /* .03 (1/3 + .625) / 2 / .05 */
    assert_close(m.aiq.paper, (1 / 3.0 + .625) / 2, 1e-7);
    assert_close(m.orbit.nauc, .2875, 1e-7);
    assert_close(m.orbit.peak, .625, 1e-12);
    assert_close(m.orbit.qnc, 1, 1e-12);
    /* Single models: a .375 at .01, b 1/3 at .02, c .625 at .05. .03 (.625 - 1/3) / 2 / .04 / (.625 - 1/3) */
    assert_close(m.arqgc, .375, 1e-7);
    assert_close(m.arena_usd_per_1k, 50, 1e-5);
    assert_close(m.arena_score, fr_metric_arena_score(50, .625), 1e-8);
    assert_close(m.optimality.sel, 2 / 4.0, 1e-12); /* 8 and 9; a is right and cheaper on 6 and 7 */
    assert_close(m.optimality.acc, 3 / 4.0, 1e-12); /* 6, 8, 9 */
    assert_close(m.optimality.cost, .11 / .15, 1e-7);
    assert_close(m.gain_random, 2.5 / 1.75 - 1, 1e-7);
    assert_close(m.gain_best_single, 1, 1e-12); /* 1, 0, 1 against 1, 0, 0 */
    assert_close(m.gap_oracle, 1 / 3.5, 1e-12);
    assert_close(m.perf_gain, .625 * 3 - 1, 1e-12);
    assert_close(m.cost_save, 0, 1e-7);
    assert_close(m.pareto_dist, 0, 0);
    assert_close(m.routellm.quality[0], .375, 1e-12);
    assert_close(m.routellm.quality[20], .625, 1e-12);
    assert_close(m.routellm.apgr, .5, 1e-12); /* all margins are equal */
    assert_close(m.routellm.cpt50, .5, 1e-12);
    assert_close(r.recall[0].prompts, 0, 0);
    assert_close(r.recall[1].prompts, 3, 0); /* 7 (a), 8 and 9 (c) */
    assert_close(r.recall[1].hit_rate, 2 / 3.0, 1e-12);
    assert_close(r.recall[3].hit_rate, 1, 0);
    fr_result_close(&r);
}

/* The worse model is the strong one (b against a where both were observed: 1/3 against .5): nothing to recover. */
static void pair_without_gap(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_of("", "");
    fr_result r;
    evaluate(&r, &data, &config, "x");
    fr_results_compare(&r, 1, &data);
    assert_close(r.metrics.routellm.quality[0], .5, 1e-12);
    assert_close(r.metrics.routellm.quality[20], 1 / 3.0, 1e-12);
    assert_true(isnan(r.metrics.routellm.apgr) && isnan(r.metrics.routellm.cpt20));
    fr_result_close(&r);
}

/* Oracles set neither the reach of AIQ nor the front; random's one point is measured and sets nothing either. */
static void routers_together(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    float cost[30];
    memcpy(cost, small_cost, sizeof cost);
    cost[26] = 5; /* what the oracle pays on prompt 8, and so does x */
    data.cost = cost;
    fr_config config = config_of("c", "a");
    fr_result r[4];
    static const char *const name[] = {"x", "oracle", "random", "cheapest"};
    for (int k = 0; k < 4; k++)
        evaluate(&r[k], &data, &config, name[k]);
    r[0].curve[0].cost = .05; /* x as if it had not paid it */
    fr_results_compare(r, 4, &data);
    assert_close(r[0].metrics.aiq.code, .2875, 1e-7);
    assert_true(r[1].cost > 1);
    assert_true(isnan(r[1].metrics.pareto_dist));
    assert_close(r[1].metrics.optimality.sel, .75,
                 1e-12); /* on 6 its b is cheaper by expectation than c, and a is best */
    /* Points of x and of cheapest: (.05, .625), (.02, 1/3), (.01, .375): costs .01 to .05, qualities 1/3 to .625; the
     * front holds (0, 1/7) and (1, 1). */
    double dx = (r[2].curve[0].cost - .01) / .04, dy = (.4375 - 1 / 3.0) / (.625 - 1 / 3.0);
    assert_close(r[2].metrics.pareto_dist, fmin(hypot(dx, dy - 1 / 7.0), hypot(1 - dx, 1 - dy)), 1e-6);
    assert_true(isnan(r[2].metrics.optimality.sel));
    assert_close(r[2].metrics.routellm.apgr, .5, 1e-12);
    assert_close(r[2].metrics.gain_random, 0, 1e-7);
    assert_close(r[2].recall[3].hit_rate, 1, 0);
    assert_close(r[3].metrics.aiq.code, .375 * .8, 1e-7); /* .375 from .01 to .05 */
    /* Alone, oracles are measured by themselves. */
    fr_results_compare(&r[1], 1, &data);
    assert_true(r[1].metrics.aiq.code > 0);
    for (int k = 0; k < 4; k++)
        fr_result_close(&r[k]);
}

static void unknown_costs(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    float unknown[30];
    for (int i = 0; i < 30; i++)
        unknown[i] = NAN;
    data.cost = unknown;
    fr_config config = config_of("c", "a");
    fr_result r;
    evaluate(&r, &data, &config, "x");
    fr_results_compare(&r, 1, &data);
    fr_router_metrics m = r.metrics;
    assert_true(isnan(m.aiq.code) && isnan(m.aiq.paper) && isnan(m.orbit.nauc) && isnan(m.orbit.qnc) && isnan(m.arqgc));
    assert_true(isnan(m.arena_usd_per_1k) && isnan(m.arena_score) && isnan(m.optimality.sel) &&
                isnan(m.optimality.cost));
    assert_true(isnan(m.cost_save) && isnan(m.pareto_dist));
    assert_close(m.orbit.peak, .625, 1e-12);
    assert_close(m.optimality.acc, .75, 1e-12);
    assert_close(m.perf_gain, .875, 1e-12);
    assert_close(m.routellm.apgr, .5, 1e-12);
    fr_result_close(&r);
}

static void assert_equal_metrics(const fr_result *a, const fr_result *b)
{
    const double *x = (const double *)&a->metrics, *y = (const double *)&b->metrics;
    for (size_t k = 0; k < sizeof a->metrics / sizeof *x; k++)
        if (!(isnan(x[k]) && isnan(y[k])))
            assert_close(x[k], y[k], 1e-9);
    for (int c = 0; c <= 3; c++) {
        assert_close(a->recall[c].prompts, b->recall[c].prompts, 0);
        if (a->recall[c].prompts > 0)
            assert_close(a->recall[c].hit_rate, b->recall[c].hit_rate, 1e-12);
    }
}

/* Scores that differ by prompt; the folds test 6, 7 and 8, 9, and train on 0 to 3 as the whole does. */
static void evaluate_folds(fr_result *whole, fr_result fold[2], fr_dataset data, const fr_config *config, bool oracle)
{
    static int8_t part[2][10] = {{0, 0, 0, 0, 1, 1, 2, 2, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 1, 2, 2}};
    float score[30];
    for (int i = 0; i < 30; i++)
        score[i] = (float)((i * 7) % 11) / 11;
    fr_scores scores = {.name = oracle ? "oracle" : "x", .N = 10, .M = 3, .score = score};
    fr_evaluate(whole, &scores, &data, config, FR_SPLIT_TEST);
    for (int f = 0; f < 2; f++) {
        data.split = part[f];
        fr_evaluate(&fold[f], &scores, &data, config, FR_SPLIT_TEST);
        fold[f].seconds = 1 + f;
    }
}

static void folds(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_of("c", "a");
    fr_result whole[2], fold[2][2], pooled[2];
    for (int r = 0; r < 2; r++) {
        evaluate_folds(&whole[r], fold[r], data, &config, r);
        fr_results_pool(&pooled[r], (const fr_result *[]){&fold[r][0], &fold[r][1]}, 2, &data);
    }
    fr_results_compare(whole, 2, &data);
    fr_results_compare(pooled, 2, &data);
    for (int r = 0; r < 2; r++) {
        assert_equal_metrics(&pooled[r], &whole[r]);
        assert_memory_equal(pooled[r].chosen, whole[r].chosen, 10 * sizeof(int32_t));
        assert_int_equal(pooled[r].strong, 2);
        assert_close(pooled[r].seconds, 3, 0);
        fr_result_close(&whole[r]);
        fr_result_close(&pooled[r]);
        fr_result_close(&fold[r][0]);
        fr_result_close(&fold[r][1]);
    }
}

/* Seeds answer c and a: figures are means, NaN of one seed aside; seconds add up. */
static void seeds(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_of("c", "a");
    float c[30], a[30];
    same_score(c);
    for (int i = 0; i < 30; i++)
        a[i] = i % 3 == 0;
    fr_result pass[2], alone[2], pooled;
    for (int s = 0; s < 2; s++) {
        fr_scores scores = {.name = "x", .N = 10, .M = 3, .score = s ? a : c};
        fr_evaluate(&pass[s], &scores, &data, &config, FR_SPLIT_TEST);
        fr_evaluate(&alone[s], &scores, &data, &config, FR_SPLIT_TEST);
        fr_results_compare(&alone[s], 1, &data);
        pass[s].seconds = 2;
    }
    fr_pool_passes(&pooled, (fr_result *[]){&pass[0], &pass[1]}, 1, 2, 1, &data);
    assert_close(pooled.quality, (.625 + .375) / 2, 1e-12);
    assert_close(pooled.seconds, 4, 0);
    assert_close(pooled.metrics.aiq.code, (alone[0].metrics.aiq.code + alone[1].metrics.aiq.code) / 2, 1e-12);
    assert_close(pooled.metrics.optimality.sel, (.5 + .5) / 2, 1e-12); /* a is the cheapest right one on 6 and 7 */
    assert_close(pooled.metrics.routellm.quality[10], .5, 1e-12);
    assert_close(pooled.recall[1].prompts, 3, 0);
    assert_close(pooled.recall[1].hit_rate, (2 / 3.0 + 1 / 3.0) / 2, 1e-12);
    assert_null(pooled.chosen);
    fr_result_close(&pooled);
    for (int s = 0; s < 2; s++) {
        fr_result_close(&pass[s]);
        fr_result_close(&alone[s]);
    }
}

/* Two seeds of two folds; prompt 6 and 7 are the test of one, 8 and 9 of the other. */
static void trust(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    static int8_t part[2][10] = {{0, 0, 0, 0, 1, 1, 2, 2, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 1, 2, 2}};
    static int32_t vote[] = {0, 0, 0, 0, 0, 0, 0, 1, -1, 0};
    int32_t said[2][10] = {{[6] = 0, [7] = 0, [8] = -1, [9] = 0}, {[6] = 0, [7] = 1, [8] = 1, [9] = -1}};
    float s1[30], s2[30];
    for (int i = 0; i < 30; i++)
        s1[i] = .55f, s2[i] = small_quality[i];
    fr_pass_trust pass[4], whole;
    for (int p = 0; p < 4; p++) {
        fr_products products = {.assignment = said[p / 2], .s1 = s1, .s2 = s2, .tasks = {.T = 2, .vote = vote}};
        data.split = part[p % 2];
        fr_trust_of_pass(&pass[p], &data, &products);
    }
    fr_run_trust run;
    fr_pool_trust(&run, pass, 2, 2);
    assert_int_equal(run.seeds, 2);
    assert_close(run.stage2_ece, 0, 1e-12);             /* says what is observed */
    assert_close(run.stage1_ece, .55 - 5 / 11.0, 1e-7); /* 2.5 + 1 + 1 + .5 of 11 entries */
    assert_int_equal(run.stage1.bin[5].entries, 22);    /* of both seeds */
    /* Seed 0: right 6, 8, 9 of 4. Seed 1: right 6, 7. */
    assert_close(run.classifier.accuracy, (.75 + .5) / 2, 1e-12);
    assert_close(run.classifier.accuracy_without_others, (2 / 3.0 + 2 / 3.0) / 2, 1e-12);
    assert_close(run.classifier.coverage, .75, 1e-12);
    assert_close(run.classifier.micro_f1, (4 / 6.0 + 4 / 6.0) / 2, 1e-12);
    /* Tasks of different folds are different: seed 0: (6, 7) 0: 2/3, 1: 0; (9) 0: 1. Seed 1: (6, 7) 1, 1; (8, 9) 0: 0,
     * 1: 0. */
    assert_close(run.classifier.macro_f1, ((2 / 3.0 + 0 + 1) / 3 + (1 + 1 + 0 + 0) / 4.0) / 2, 1e-12);

    /* One pass over all is the same as folds, but for the number of tasks. */
    fr_products products = {.assignment = said[0], .s1 = s1, .s2 = s2, .tasks = {.T = 2, .vote = vote}};
    data.split = small_split;
    fr_trust_of_pass(&whole, &data, &products);
    fr_pool_trust(&run, &whole, 1, 1);
    assert_close(run.classifier.accuracy, .75, 1e-12);
    assert_close(run.stage1_ece, .55 - 5 / 11.0, 1e-7);
}

/* Quality beyond 0 .. 1 widens the bins. */
static void calibration_range(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    assert_close(fr_calibration_of(&data).low, 0, 0);
    assert_close(fr_calibration_of(&data).high, 1, 0);
    float quality[30];
    memcpy(quality, small_quality, sizeof quality);
    quality[0] = 10, quality[29] = -2;
    data.quality = quality;
    assert_close(fr_calibration_of(&data).low, -2, 0);
    assert_close(fr_calibration_of(&data).high, 10, 0);
}

static double at(const json_t *json, const char *a, const char *b)
{
    json = json_object_get(json_object_get(json, a), b);
    return json_is_number(json) ? json_number_value(json) : NAN;
}

static void file(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_of("c", "a");
    fr_result r[2];
    evaluate(&r[0], &data, &config, "x");
    evaluate(&r[1], &data, &config, "oracle");
    fr_results_compare(r, 2, &data);
    fr_run_trust known = {.stage1 = {.high = 1}, .stage2 = {.high = 1}, .stage2_ece = .25, .seeds = 2};
    known.stage1_ece = NAN;
    known.stage2.bin[3].entries = 8, known.stage2.bin[3].estimate = 2.8, known.stage2.bin[3].quality = 2;
    known.classifier = (fr_classifier_metrics){.micro_f1 = .5, .macro_f1 = NAN, .coverage = .75};
    fr_run_facts facts = {.encoder = "e", .device = "d", .config_hash = "h", .seeds = 2, .trust = &known};
    char *path = fr_path_join(test_folder(), "metrics.json");
    assert_ok(fr_metrics_write(path, r, 2, &data, &facts, &config));
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error), *x = json_object_get(json_object_get(root, "routers"), "x");
    assert_non_null(x);
    assert_close(at(x, "aiq", "code"), .2875, 1e-7);
    assert_close(at(x, "orbit", "peak"), .625, 1e-9);
    assert_close(json_number_value(json_object_get(x, "arqgc")), .375, 1e-7);
    assert_close(at(x, "routerarena", "cost_per_1k"), 50, 1e-5);
    assert_close(at(x, "routerarena", "opt_sel"), .5, 1e-9);
    assert_close(at(x, "llmrouterbench", "gap_oracle"), 1 / 3.5, 1e-8);
    assert_close(at(x, "routellm", "apgr"), .5, 1e-9);
    json_t *curve = json_object_get(json_object_get(x, "routellm"), "curve"), *recall = json_object_get(x, "recall");
    assert_int_equal(json_array_size(curve), 21);
    assert_close(json_number_value(json_object_get(json_array_get(curve, 20), "quality")), .625, 1e-9);
    assert_close(json_number_value(json_object_get(json_array_get(curve, 1), "strong_share")), .05, 1e-9);
    assert_int_equal(json_array_size(recall), 4);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(recall, 1), "prompts")), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(recall, 1), "correct")), 1);
    assert_true(json_is_null(json_object_get(json_array_get(recall, 0), "hit_rate")));
    json_t *oracle = json_object_get(json_object_get(root, "routers"), "oracle");
    assert_true(json_is_null(json_object_get(json_object_get(oracle, "llmrouterbench"), "pareto_dist")));
    json_t *pair = json_object_get(root, "pair");
    assert_string_equal(json_string_value(json_object_get(pair, "strong")), "c");
    assert_close(json_number_value(json_object_get(pair, "weak_quality")), .375, 1e-9);
    assert_close(at(root, "classifier", "micro_f1"), .5, 1e-9);
    assert_true(json_is_null(json_object_get(json_object_get(root, "classifier"), "macro_f1")));
    assert_close(at(root, "tasks", "others_test"), .25, 1e-9);
    json_t *stage2 = json_object_get(json_object_get(root, "calibration"), "stage2");
    json_t *bin = json_array_get(json_object_get(stage2, "bins"), 3);
    assert_int_equal(json_integer_value(json_object_get(bin, "entries")), 4); /* of one seed */
    assert_close(json_number_value(json_object_get(bin, "estimate")), .35, 1e-9);
    assert_close(json_number_value(json_object_get(bin, "low")), .3, 1e-9);
    assert_true(json_is_null(json_object_get(json_object_get(json_object_get(root, "calibration"), "stage1"), "ece")));
    json_decref(root);

    char *table = fr_metrics_peers_table(r, 2, &data), *line = table;
    assert_non_null(strstr(table, "between c and a"));
    assert_non_null(strstr(table, "0.2875"));
    for (char *end; (end = strchr(line, '\n')); line = end + 1)
        assert_true(end - line <= 100);
    free(table);
    free(path);
    fr_result_close(&r[0]);
    fr_result_close(&r[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pair_of_models),
        cmocka_unit_test(one_router),
        cmocka_unit_test(pair_without_gap),
        cmocka_unit_test(routers_together),
        cmocka_unit_test(unknown_costs),
        cmocka_unit_test(folds),
        cmocka_unit_test(seeds),
        cmocka_unit_test(trust),
        cmocka_unit_test(calibration_range),
        cmocka_unit_test(file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
