#include "test.h"

#include "data/synth.h"
#include "finerouter/dataset.h"

#include <omp.h>

static fr_config config_of(int64_t prompts)
{
    fr_config config;
    fr_config_defaults(&config);
    config.synth.prompts = prompts;
    return config;
}

static void assert_same(const fr_dataset *a, const fr_dataset *b)
{
    assert_string_equal(a->hash, b->hash);
    assert_int_equal(a->N, b->N);
    for (int64_t i = 0; i < a->N; i++) {
        assert_string_equal(a->text[i], b->text[i]);
        assert_string_equal(a->description[i], b->description[i]);
        assert_int_equal(a->planted[i], b->planted[i]);
        assert_int_equal(a->split[i], b->split[i]);
    }
    assert_memory_equal(a->quality, b->quality, (size_t)(a->N * a->M) * sizeof(float));
    assert_memory_equal(a->cost, b->cost, (size_t)(a->N * a->M) * sizeof(float));
}

static void test_same_seed_same_bits_on_any_thread_count(void **state)
{
    (void)state;
    fr_config config = config_of(5000);
    fr_dataset one, four, other;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    assert_ok(fr_synth(&one, &config));
    omp_set_num_threads(4);
    assert_ok(fr_synth(&four, &config));
    omp_set_num_threads(threads);
    assert_same(&one, &four);
    config.top.seed = 2;
    assert_ok(fr_synth(&other, &config));
    assert_string_not_equal(one.hash, other.hash);
    assert_string_not_equal(one.text[0], other.text[0]);
    fr_dataset_close(&one);
    fr_dataset_close(&four);
    fr_dataset_close(&other);
    fr_config_close(&config);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static double distinct_share(const char **text, int64_t count)
{
    const char **sorted = malloc((size_t)count * sizeof *sorted);
    memcpy(sorted, text, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, compare_texts);
    int64_t distinct = 1;
    for (int64_t i = 1; i < count; i++)
        distinct += strcmp(sorted[i], sorted[i - 1]) != 0;
    free(sorted);
    return (double)distinct / (double)count;
}

static void test_texts(void **state)
{
    (void)state;
    fr_config config = config_of(20000);
    fr_dataset data;
    assert_ok(fr_synth(&data, &config));
    assert_ok(fr_dataset_check(&data, "synth"));
    assert_string_equal(data.id[0], "synth-000001");
    assert_string_equal(data.id[19999], "synth-020000");
    int64_t lines = 0, paragraphs = 0;
    for (int64_t i = 0; i < data.N; i++) {
        size_t bytes = strlen(data.description[i]);
        assert_true(bytes > 10 && data.description[i][bytes - 1] == '.');
        assert_null(strchr(data.description[i], '\n'));
        assert_string_not_equal(data.text[i], data.description[i]);
        for (const char *p = data.description[i]; *p; p++)
            assert_true(*p != '[' && *p != '|' && *p != '<');
        lines += strchr(data.text[i], '\n') == NULL;
        paragraphs += strstr(data.text[i], "\n\n") != NULL;
    }
    double distinct = distinct_share(data.text, data.N);
    assert_true(distinct > 0.95 && distinct < 1); /* about 1% are meant to repeat */
    assert_true(distinct_share(data.description, data.N) > 0.6);
    assert_true(lines > data.N / 10 && paragraphs > data.N / 20);
    fr_dataset_close(&data);
    fr_config_close(&config);
}

/* Repeated prompts keep task and source, and stay in one split. */
static void test_duplicates_agree(void **state)
{
    (void)state;
    fr_config config = config_of(3000);
    fr_dataset data;
    assert_ok(fr_synth(&data, &config));
    int64_t pairs = 0, reworded = 0;
    for (int64_t i = 0; i < data.N; i++)
        for (int64_t j = 0; j < i; j++)
            if (strlen(data.text[i]) > 120 && strcmp(data.text[i], data.text[j]) == 0) {
                assert_int_equal(data.planted[i], data.planted[j]);
                assert_int_equal(data.source[i], data.source[j]);
                assert_int_equal(data.split[i], data.split[j]);
                reworded += strcmp(data.description[i], data.description[j]) != 0;
                pairs++;
            }
    assert_true(pairs > 5 && pairs < 60);
    assert_true(reworded > pairs / 2);
    fr_dataset_close(&data);
    fr_config_close(&config);
}

static double mean_quality(const fr_dataset *data, int64_t m)
{
    double sum = 0, count = 0;
    for (int64_t i = 0; i < data->N; i++)
        if (!isnan(data->quality[i * data->M + m]))
            sum += data->quality[i * data->M + m], count++;
    return sum / count;
}

static void check_marginals(double missing, double others, int quality)
{
    fr_config config = config_of(20000);
    config.synth.missing = missing;
    config.synth.others = others;
    config.synth.quality = quality;
    fr_dataset data;
    assert_ok(fr_synth(&data, &config));
    double gaps = 0, outside = 0, best = 0;
    for (int64_t i = 0; i < data.N; i++) {
        int64_t seen = 0;
        for (int64_t m = 0; m < data.M; m++) {
            float q = data.quality[i * data.M + m];
            seen += !isnan(q);
            gaps += isnan(q);
            if (!isnan(q))
                assert_true(quality == FR_QUALITY_BINARY ? q == 0 || q == 1 : q >= 0 && q <= 1);
            assert_true(data.cost[i * data.M + m] > 0);
        }
        assert_true(seen > 0);
        outside += data.planted[i] < 0;
    }
    assert_close(gaps / (double)(data.N * data.M), missing, 0.006);
    assert_close(outside / (double)data.N, others, 0.012);
    for (int64_t m = 0; m < data.M; m++)
        best = fmax(best, mean_quality(&data, m));
    assert_close(best, FR_SYNTH_BEST_SINGLE, 0.03);
    fr_dataset_close(&data);
    fr_config_close(&config);
}

static void test_marginals(void **state)
{
    (void)state;
    check_marginals(0.02, 0.05, FR_QUALITY_BINARY);
    check_marginals(0, 0, FR_QUALITY_GRADED);
    check_marginals(0.6, 0.3, FR_QUALITY_BINARY);
}

/* Measured means per task and model are what the plan expects, within sampling error. */
static void test_expected_quality_is_what_comes_out(void **state)
{
    (void)state;
    fr_config config = config_of(20000);
    config.synth.tasks = 5;
    fr_dataset data;
    fr_synth_plan plan;
    assert_ok(fr_synth(&data, &config));
    fr_synth_plan_open(&plan, &config);
    for (int64_t t = -1; t < plan.T; t++)
        for (int64_t m = 0; m < plan.M; m++) {
            double sum = 0, count = 0;
            for (int64_t i = 0; i < data.N; i++)
                if (data.planted[i] == t && !isnan(data.quality[i * data.M + m]))
                    sum += data.quality[i * data.M + m], count++;
            assert_close(sum / count, fr_synth_expected(&plan, t, m), 4.5 * 0.5 / sqrt(count));
        }
    fr_synth_plan_close(&plan);
    fr_dataset_close(&data);
    fr_config_close(&config);
}

/* Expected quality of the best single model and of the best model per planted task. */
static void expected_routing(double *single, double *oracle, const fr_config *config)
{
    fr_synth_plan plan;
    fr_synth_plan_open(&plan, config);
    *single = *oracle = 0;
    for (int64_t m = 0; m < plan.M; m++) {
        double quality = 0;
        for (int64_t t = 0; t < plan.T; t++)
            quality += (plan.cumulative[t] - (t ? plan.cumulative[t - 1] : 0)) * fr_synth_expected(&plan, t, m);
        *single = fmax(*single, quality);
    }
    for (int64_t t = 0; t < plan.T; t++) {
        double quality = 0;
        for (int64_t m = 0; m < plan.M; m++)
            quality = fmax(quality, fr_synth_expected(&plan, t, m));
        *oracle += (plan.cumulative[t] - (t ? plan.cumulative[t - 1] : 0)) * quality;
    }
    fr_synth_plan_close(&plan);
}

static void test_routing_pays_as_specialism_says(void **state)
{
    (void)state;
    double single, oracle, strong, mean = 0, mean_strong = 0;
    for (int64_t seed = 1; seed <= 20; seed++) {
        fr_config config = config_of(1);
        config.top.seed = seed;
        expected_routing(&single, &oracle, &config);
        assert_close(single, FR_SYNTH_BEST_SINGLE, 1e-6);
        assert_true(oracle > single + 0.03);
        mean += oracle / 20;
        config.synth.specialism = 0;
        expected_routing(&single, &oracle, &config);
        assert_close(oracle, single, 1e-9);
        config.synth.specialism = 3;
        expected_routing(&single, &strong, &config);
        assert_true(strong > 0.75);
        mean_strong += strong / 20;
        fr_config_close(&config);
    }
    assert_true(mean > 0.73 && mean < 0.80);
    assert_true(mean_strong > mean + 0.06);
}

static void test_planted_tasks_are_distinct(void **state)
{
    (void)state;
    static char seen[FR_SYNTH_DOMAINS][FR_SYNTH_TYPES][FR_SYNTH_TOPICS][FR_SYNTH_LEVELS];
    int64_t counts[] = {1, 2, 24, 292, 293, 1024, 4096};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        fr_config config = config_of(1);
        config.synth.tasks = counts[k];
        config.synth.sources = 7;
        fr_synth_plan plan;
        fr_synth_plan_open(&plan, &config);
        memset(seen, 0, sizeof seen);
        for (int64_t t = 0; t < plan.T; t++) {
            const fr_synth_task *task = &plan.task[t];
            char *place = &seen[task->domain][task->type][task->topic][task->level];
            assert_int_equal(*place, 0);
            *place = 1;
            assert_true(task->source >= 0 && task->source < 7);
        }
        assert_close(plan.cumulative[plan.T - 1], 1, 1e-12);
        fr_synth_plan_close(&plan);
        fr_config_close(&config);
    }
}

static void test_prices(void **state)
{
    (void)state;
    fr_config config = config_of(1);
    config.synth.models = 60;
    fr_synth_plan plan;
    fr_synth_plan_open(&plan, &config);
    double low = INFINITY, high = 0, together = 0, price_square = 0, mean = 0;
    for (int64_t m = 0; m < plan.M; m++) {
        low = fmin(low, plan.output_price[m]);
        high = fmax(high, plan.output_price[m]);
        mean += log(plan.output_price[m]) / 60;
        assert_true(plan.input_price[m] < plan.output_price[m]);
        for (int64_t other = 0; other < m; other++)
            assert_string_not_equal(plan.model[m], plan.model[other]);
    }
    for (int64_t m = 0; m < plan.M; m++) {
        double price = log(plan.output_price[m]) - mean;
        together += price * plan.skill[m];
        price_square += price * price;
    }
    assert_true(high / low > 24.5 && high / low < 50.5);
    assert_true(together / sqrt(price_square * 60) >
                0.7); /* correlation of log price and skill, which has variance 1 */
    fr_synth_plan_close(&plan);
    fr_config_close(&config);
}

static void test_extremes(void **state)
{
    (void)state;
    fr_config config = config_of(20000);
    config.synth.tasks = 4096;
    config.synth.models = 2;
    config.synth.others = 0;
    config.synth.missing = 0.9;
    config.synth.sources = 1;
    fr_dataset data;
    assert_ok(fr_synth(&data, &config));
    double gaps = 0;
    for (int64_t i = 0; i < data.N; i++) {
        assert_true(data.planted[i] >= 0 && data.planted[i] < 4096);
        assert_false(isnan(data.quality[2 * i]) && isnan(data.quality[2 * i + 1]));
        gaps += isnan(data.quality[2 * i]) + isnan(data.quality[2 * i + 1]);
    }
    assert_close(gaps / (2.0 * (double)data.N), 0.5, 1e-9); /* all that is possible with one score each */
    fr_dataset_close(&data);

    config.synth.prompts = 1000;
    config.synth.models = 512;
    config.synth.sources = 512;
    config.synth.tasks = 3;
    config.synth.missing = 0.9;
    config.synth.specialism = 10;
    config.synth.noise = 10;
    assert_ok(fr_synth(&data, &config));
    assert_true(data.sources > 300 && data.sources <= 512);
    fr_dataset_close(&data);

    config.synth.others = 0.9;
    config.synth.prompts = 60; /* sparse: some models need their training score */
    config.synth.sources = 1;
    config.synth.models = 300;
    config.synth.missing = 0.9;
    assert_ok(fr_synth(&data, &config));
    fr_dataset_close(&data);
    config.synth.prompts = 0;
    assert_fails(fr_synth(&data, &config), FR_USAGE, "synth.prompts");
    config.synth.prompts = 1;
    assert_fails(fr_synth(&data, &config), FR_FAILED, "synthetic data");
    fr_config_close(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_bits_on_any_thread_count),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_duplicates_agree),
        cmocka_unit_test(test_marginals),
        cmocka_unit_test(test_expected_quality_is_what_comes_out),
        cmocka_unit_test(test_routing_pays_as_specialism_says),
        cmocka_unit_test(test_planted_tasks_are_distinct),
        cmocka_unit_test(test_prices),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests_name("synth", tests, NULL, NULL);
}
