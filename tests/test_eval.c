/* Metrics and baselines on the data of eval_data.h, all values worked out by hand. */
#include "base/files.h"
#include "device/device.h"
#include "eval/internal.h"
#include "eval_data.h"
#include "test.h"

static double tolerances[] = {0, .2, 1};

static fr_config config_with(double tolerance)
{
    fr_config config = {0};
    config.route.tolerance = tolerance;
    config.eval.tolerances = (fr_reals){3, tolerances};
    return config;
}

static fr_result run(fr_status (*baseline)(fr_scores *, const fr_eval_input *), double tolerance, int split)
{
    fr_dataset data = small_data();
    fr_config config = config_with(tolerance);
    fr_eval_input input = {.config = &config, .data = &data};
    fr_scores scores = {0};
    fr_result result;
    assert_ok(baseline(&scores, &input));
    fr_evaluate(&result, &scores, &data, &config, split);
    fr_scores_close(&scores);
    return result;
}

static void expected_cost(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    double cost[3], mean[3];
    fr_expected_cost(cost, &data);
    assert_close(cost[0], .02, 1e-8);
    assert_close(cost[1], .02, 1e-8);
    assert_close(cost[2], .04, 1e-8); /* over its three known costs */
    fr_train_means(mean, &data, -1);
    assert_close(mean[2], 1 / 3.0, 1e-12);
    fr_train_means(mean, &data, 1);
    assert_close(mean[0], 0, 0);
    assert_close(mean[2], 1, 0);
    assert_int_equal(fr_best_single(&data), 1);
    float unknown[30];
    for (int i = 0; i < 30; i++)
        unknown[i] = NAN;
    data.cost = unknown;
    fr_expected_cost(cost, &data);
    assert_true(isnan(cost[0]));
}

/* Answers b: 1, 0, 0, and the last prompt is left out, where b was not observed. */
static void best_single(void **state)
{
    (void)state;
    fr_result r = run(fr_baseline_best_single, 0, FR_SPLIT_TEST);
    assert_string_equal(r.name, "best_single");
    assert_string_equal(r.setting, "b");
    assert_int_equal(r.scored, 3);
    assert_int_equal(r.left_out, 1);
    assert_close(r.quality, 1 / 3.0, 1e-12);
    assert_close(r.source_quality[0], .5, 1e-12);
    assert_close(r.source_quality[1], 0, 0);
    assert_close(r.quality_by_source, .25, 1e-12);
    assert_close(r.cost, .02, 1e-8); /* of two prompts: one cost is unknown */
    assert_close(r.regret, 2 / 3.0, 1e-12);
    assert_close(r.gap_closed, 0, 0);
    assert_close(r.prompt_quality[6], 1, 0);
    assert_true(isnan(r.prompt_quality[9]) && isnan(r.prompt_quality[0]) && isnan(r.prompt_quality[4]));
    assert_true(isnan(r.vs_full) && isnan(r.seed_quality_std));
    fr_result_close(&r);
}

/* b (cheaper than c), a, c, c */
static void oracle(void **state)
{
    (void)state;
    fr_result r = run(fr_baseline_oracle, 1, FR_SPLIT_TEST); /* a tolerance does not move it */
    assert_close(r.quality, .875, 1e-12);
    assert_close(r.quality_by_source, .875, 1e-12);
    assert_close(r.source_quality[1], .75, 1e-12);
    assert_close(r.cost, .0325, 1e-8);
    assert_close(r.regret, 0, 0);
    assert_close(r.gap_closed, 1, 1e-12);
    assert_int_equal(r.left_out, 0);
    fr_result_close(&r);
}

/* a for s0, b for s1 (as good there as c, and cheaper): .5, 1, 0, left out */
static void dataset_oracle(void **state)
{
    (void)state;
    fr_result r = run(fr_baseline_dataset_oracle, 0, FR_SPLIT_TEST);
    assert_close(r.quality, .5, 1e-12);
    assert_close(r.gap_closed, .25, 1e-12); /* (.5 - 1 + 1 - 0 + 0 - 0) / (0 + 1 + 1) */
    assert_int_equal(r.scored, 3);
    fr_result_close(&r);
}

/* a: equal in cost to b, first in order */
static void cheapest(void **state)
{
    (void)state;
    fr_result r = run(fr_baseline_cheapest, 0, FR_SPLIT_TEST);
    assert_string_equal(r.setting, "a");
    assert_close(r.quality, .375, 1e-12);
    assert_close(r.cost, .01, 1e-8);
    assert_close(r.gap_closed, .25, 1e-12);
    fr_result_close(&r);
}

/* Expectations 2.5/3, 1/3, 1/3, and (0 + .5) / 2 where b is missing; costs .08/3, .08/3, .03, .03. */
static void random_router(void **state)
{
    (void)state;
    fr_result r = run(fr_baseline_random, 0, FR_SPLIT_TEST);
    assert_close(r.quality, .4375, 1e-7);
    assert_close(r.cost, (.16 / 3 + .06) / 4, 1e-8);
    assert_close(r.regret, .4375, 1e-7);
    assert_close(r.gap_closed, .25, 1e-7);
    assert_int_equal(r.left_out, 0);
    assert_int_equal(r.points, 1);
    assert_close(r.curve[0].quality, .4375, 1e-7);
    fr_result_close(&r);
}

/* Scores c 1, b .8, a 0 for every prompt; costs of a and b are equal, so that tolerance 1 keeps the better b. */
static void curve(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_with(.2);
    float score[30];
    for (int i = 0; i < 10; i++)
        score[3 * i] = 0, score[3 * i + 1] = .8f, score[3 * i + 2] = 1;
    fr_scores scores = {.name = "x", .N = 10, .M = 3, .score = score};
    fr_result r;
    fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_TEST);
    assert_int_equal(r.points, 3);
    assert_close(r.quality, 1 / 3.0, 1e-12); /* at the config's tolerance .2: b */
    assert_close(r.curve[0].quality, (1 + 0 + 1 + .5) / 4, 1e-12);
    assert_close(r.curve[0].cost, .05, 1e-8);
    assert_close(r.curve[1].quality, 1 / 3.0, 1e-12);
    assert_close(r.curve[1].cost, .02, 1e-8);
    assert_int_equal(r.curve[1].scored, 3);
    assert_int_equal(r.curve[1].priced, 2);
    assert_close(r.curve[2].quality, 1 / 3.0, 1e-12);
    fr_result_close(&r);

    /* A tie of scores is settled by `tie`. */
    float flat[30] = {0}, tie[30];
    for (int i = 0; i < 30; i++)
        tie[i] = i % 3 == 2;
    scores.score = flat, scores.tie = tie;
    config = config_with(0);
    fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_TEST);
    assert_close(r.quality, .625, 1e-12);
    fr_result_close(&r);
    fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_DEV);
    assert_close(r.quality, 0, 0);
    assert_int_equal(r.scored, 2);
    fr_result_close(&r);
    double cost[3] = {1, 2, 3};
    assert_close(fr_routed_quality(flat, tie, &data, cost, FR_SPLIT_TEST), .625, 1e-12);
    assert_close(fr_routed_quality(flat, NULL, &data, cost, FR_SPLIT_TEST), .375, 1e-12);
    assert_close(fr_routed_quality(flat, NULL, &data, (double[]){2, 1, 3}, FR_SPLIT_TEST), 1 / 3.0, 1e-12);
}

/* No cost known: quality alone, and NaN for what cannot be said. */
static void unknown_costs(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_with(1);
    float unknown[30];
    for (int i = 0; i < 30; i++)
        unknown[i] = NAN;
    data.cost = unknown;
    fr_eval_input input = {.config = &config, .data = &data};
    fr_scores scores = {0};
    fr_result r;
    assert_ok(fr_baseline_oracle(&scores, &input));
    scores.reference = false;
    fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_TEST);
    assert_close(r.quality, .875, 1e-12);
    assert_true(isnan(r.cost) && isnan(r.curve[2].cost));
    fr_result_close(&r);
    fr_scores_close(&scores);
    assert_ok(fr_baseline_cheapest(&scores, &input));
    assert_string_equal(scores.setting, "no cost is known");
    fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_TEST);
    assert_close(r.quality, .375, 1e-12);
    fr_result_close(&r);
    fr_scores_close(&scores);
}

/* Everything left out: no figure, no crash. */
static void nothing_scored(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_with(0);
    float quality[30];
    memcpy(quality, small_quality, sizeof quality);
    for (int i = 6; i < 10; i++)
        quality[3 * i + 1] = NAN;
    data.quality = quality;
    fr_eval_input input = {.config = &config, .data = &data};
    fr_scores scores = {0};
    fr_result r;
    assert_ok(fr_baseline_best_single(&scores, &input));
    fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_TEST);
    assert_int_equal(r.scored, 0);
    assert_int_equal(r.left_out, 4);
    assert_true(isnan(r.quality) && isnan(r.regret) && isnan(r.gap_closed) && isnan(r.quality_by_source));
    assert_int_equal(fr_best_router(&r, 1), -1);
    fr_result_close(&r);
    fr_scores_close(&scores);
}

/* Two folds pooled are one evaluation of all their prompts. */
static void pool(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_with(0);
    int8_t first[] = {0, 0, 0, 0, 1, 1, 2, 2, 0, 1}, second[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2};
    float flat[30] = {0}, tie[30];
    for (int i = 0; i < 30; i++)
        tie[i] = i % 3 == 2;
    fr_scores scores = {.name = "x", .N = 10, .M = 3, .score = flat, .tie = tie, .setting = "y"};
    fr_result whole, fold[2], pooled;
    fr_evaluate(&whole, &scores, &data, &config, FR_SPLIT_TEST);
    data.split = first;
    fr_evaluate(&fold[0], &scores, &data, &config, FR_SPLIT_TEST);
    data.split = second;
    fr_evaluate(&fold[1], &scores, &data, &config, FR_SPLIT_TEST);
    fr_results_pool(&pooled, (const fr_result *[]){&fold[0], &fold[1]}, 2, &data);
    assert_string_equal(pooled.setting, "y");
    assert_close(pooled.quality, whole.quality, 1e-12);
    assert_close(pooled.quality_by_source, whole.quality_by_source, 1e-12);
    assert_close(pooled.cost, whole.cost, 1e-9);
    assert_close(pooled.regret, whole.regret, 1e-12);
    assert_int_equal(pooled.scored, 4);
    for (int p = 0; p < 3; p++) {
        assert_close(pooled.curve[p].quality, whole.curve[p].quality, 1e-12);
        assert_close(pooled.curve[p].cost, whole.curve[p].cost, 1e-9);
        assert_int_equal(pooled.curve[p].scored, whole.curve[p].scored);
    }
    fr_result_close(&whole);
    fr_result_close(&fold[0]);
    fr_result_close(&fold[1]);
    fr_result_close(&pooled);
}

static void smoothed(void **state)
{
    (void)state;
    /* The lonely peak loses: .6 -> (.5 + 1.2 + .5) / 4 = .55 against .58 in the plateau's middle. */
    assert_int_equal(fr_choose_smoothed((double[]){.5, .6, .5, .58, .58, .58, .5}, 7), 4);
    /* All equal: the middle. */
    assert_int_equal(fr_choose_smoothed((double[]){.5, .5, .5, .5, .5}, 5), 2);
    assert_int_equal(fr_choose_smoothed((double[]){.5, .5, .5, .5}, 4), 1);
    /* Ends: (2 * .7 + .1) / 3 = .5 against (.7 + .2 + .6) / 4 = .375 and (.1 + 1.2) / 3 = .43. */
    assert_int_equal(fr_choose_smoothed((double[]){.7, .1, .6}, 3), 0);
    assert_int_equal(fr_choose_smoothed((double[]){NAN, .1, .6, NAN}, 4), 2);
    assert_int_equal(fr_choose_smoothed((double[]){.3}, 1), 0);
    assert_int_equal(fr_choose_smoothed((double[]){NAN, NAN}, 2), 0);
    assert_int_equal(fr_choose_smoothed((double[]){-.3, -.2, -.1}, 3), 2);
}

/* Embeddings on the circle; k is chosen on dev. Not of unit length: cosine is asked for. */
static void knn(void **state)
{
    (void)state;
    fr_dataset data = small_data();
    fr_config config = config_with(0);
    double ks[] = {1, 3};
    config.eval.knn_k = (fr_reals){2, ks};
    /* train 0 at 0, 1 at 20, 2 at 90, 3 at 120 degrees. dev 4 at 5: nearest 0, right with a; three nearest 0, 1, 2: a
     * (2/3). dev 5 at 110: nearest 3 (b 1, a 0, c its training mean 1/3), right with b; three nearest 3, 2, 1: b 1.
     * Both k are right: equal, so that the first wins. */
    float degrees[] = {0, 20, 90, 120, 5, 110, 100, 8, 130, 92}, embedding[20];
    for (int i = 0; i < 10; i++) {
        embedding[2 * i] = (float)(1 + i) * cosf(degrees[i] * 3.14159265f / 180);
        embedding[2 * i + 1] = (float)(1 + i) * sinf(degrees[i] * 3.14159265f / 180);
    }
    fr_eval_input input = {.config = &config, .data = &data, .embedding = embedding, .d = 2};
    assert_ok(fr_device_open(&input.device, FR_DEVICE_CPU, 0));
    fr_scores scores = {0};
    assert_ok(fr_baseline_find("knn")->score(&scores, &input));
    assert_string_equal(scores.setting, "k = 1");
    float want[] = {0, 1, 1, 1, 0, 0, 0, 1, 1 / 3.0f, 0, 1, 1}; /* 6 near 2; 7 near 0; 8 near 3; 9 near 2 */
    for (int j = 0; j < 12; j++)
        assert_close(scores.score[18 + j], want[j], 1e-6);
    fr_scores_close(&scores);

    ks[0] = 3, ks[1] = 50; /* more than there are: all four */
    config.eval.knn_k.count = 1;
    assert_ok(fr_baseline_find("knn")->score(&scores, &input));
    float three[] = {1 / 3.0f, 1, 1 / 2.0f, 2 / 3.0f, 2 / 3.0f, 1 / 3.0f}; /* 6: 2, 3, 1;  7: 0, 1, 2 */
    for (int j = 0; j < 6; j++)
        assert_close(scores.score[18 + j], three[j], 1e-6);
    fr_scores_close(&scores);
    config.eval.knn_k = (fr_reals){1, ks + 1};
    assert_ok(fr_baseline_find("knn")->score(&scores, &input));
    float all[] = {.5f, .75f, 1 / 3.0f};
    for (int j = 0; j < 12; j++)
        assert_close(scores.score[18 + j], all[j % 3], 1e-6);
    fr_scores_close(&scores);
    config.eval.knn_k.count = 0;
    assert_fails(fr_baseline_find("knn")->score(&scores, &input), FR_USAGE, "eval.knn_k: is empty");
    fr_device_close(input.device);
}

static void table(void **state)
{
    (void)state;
    static const char *const order[] = {
        "best_single", "cheapest",    "random",   "oracle",      "dataset_oracle", "knn",          "linear", "mlp",
        "routellm_mf", "embedllm_mf", "routerdc", "graphrouter", "avengers",       "avengers_pro", "mirt",   "ipr"};
    int64_t b = 0;
    for (size_t o = 0; o < sizeof order / sizeof *order; o++)
        if (fr_baseline_find(order[o]))
            assert_ptr_equal(fr_baseline_find(order[o]), fr_baseline_at(b++));
    assert_int_equal(b, fr_baseline_count()); /* no other, each once, in this order */
    assert_null(fr_baseline_find("full"));
    fr_dataset data = small_data();
    fr_scores scores = {0};
    assert_ok(fr_baseline_find("ipr")->score(&scores, &(fr_eval_input){.data = &data, .general = small_cost}));
    assert_memory_equal(scores.score, small_cost, sizeof small_cost);
    fr_scores_close(&scores);
}

/* Reference figures of a public 9-model table: best single .660, oracle .827, dataset oracle .712, random .457 on its
 * test split. */
static void real_data(void **state)
{
    (void)state;
    const char *folder = getenv("FR_DATA") ? getenv("FR_DATA") : "";
    char *path = fr_path_join(folder, "llmrouter.jsonl.gz"), *models = fr_path_join(folder, "llmrouter.models.json");
    if (!fr_file_exists(path)) {
        free(path);
        free(models);
        skip();
    }
    fr_config config;
    fr_dataset data = {0};
    fr_config_defaults(&config);
    assert_ok(fr_import(&data, path, models, &config));
    static const char *const name[] = {"best_single", "oracle", "dataset_oracle", "random"};
    static const double quality[] = {.6602526549, .8268520294, .7123534952, .4572680438};
    for (int b = 0; b < 4; b++) {
        fr_scores scores = {0};
        fr_result r;
        assert_ok(fr_baseline_find(name[b])->score(&scores, &(fr_eval_input){.config = &config, .data = &data}));
        fr_evaluate(&r, &scores, &data, &config, FR_SPLIT_TEST);
        assert_close(r.quality, quality[b], 1e-6);
        assert_int_equal(r.scored, 595);
        fr_result_close(&r);
        fr_scores_close(&scores);
    }
    fr_dataset_close(&data);
    fr_config_close(&config);
    free(path);
    free(models);
}

/* Four settings on six prompts. Setting 1 is best (mean 4/6); 2 differs from it on two prompts, once each way (mean
 * difference 0): as good; 0 is one prompt worse, difference 1/6 with standard error 1/6: as good; 3 is four worse,
 * difference 4/6 with standard error sqrt((4/6 - 16/36) / 5) = .21: not. Of {0, 1, 2} the one nearest to the prior. */
static void test_choose_plateau(void **state)
{
    (void)state;
    const float quality[4][6] = {{1, 1, 1, 0, 0, 0}, {1, 1, 1, 1, 0, 0}, {1, 1, 1, 0, 1, 0}, {0, 0, 0, 0, 0, 0}};
    assert_int_equal(fr_choose_plateau(quality[0], 4, 6, 0), 0);
    assert_int_equal(fr_choose_plateau(quality[0], 4, 6, 1), 1);
    assert_int_equal(fr_choose_plateau(quality[0], 4, 6, 3), 2);
    /* NaN on a prompt leaves it out of that pair only. */
    const float gaps[2][3] = {{NAN, 0, 0}, {1, 1, 1}};
    assert_int_equal(fr_choose_plateau(gaps[0], 2, 3, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choose_plateau),
        cmocka_unit_test(expected_cost),
        cmocka_unit_test(best_single),
        cmocka_unit_test(oracle),
        cmocka_unit_test(dataset_oracle),
        cmocka_unit_test(cheapest),
        cmocka_unit_test(random_router),
        cmocka_unit_test(curve),
        cmocka_unit_test(unknown_costs),
        cmocka_unit_test(nothing_scored),
        cmocka_unit_test(pool),
        cmocka_unit_test(smoothed),
        cmocka_unit_test(knn),
        cmocka_unit_test(table),
        cmocka_unit_test(real_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
