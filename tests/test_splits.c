/* Splits and folds: shares by source, equal texts together, every prompt tested once, everything seeded. */
#include "base/rng.h"
#include "data/build.h"
#include "finerouter/dataset.h"
#include "test.h"

/* Sources of the given sizes; in all but the smallest every `repeat`-th prompt has the text of the one before it. */
static void make(fr_dataset *data, int64_t sources, const int64_t *size, int64_t repeat)
{
    int64_t N = 0;
    for (int64_t s = 0; s < sources; s++)
        N += size[s];
    fr_dataset_allocate(data, N, 2);
    fr_strings *pool = fr_dataset_strings(data);
    const char **source = FR_NEW(const char *, N);
    int64_t i = 0;
    for (int64_t s = 0; s < sources; s++)
        for (int64_t k = 0; k < size[s]; k++, i++) {
            char text[32];
            snprintf(text, sizeof text, "prompt %lld", (long long)i);
            data->id[i] = data->text[i] = fr_strings_add(pool, text, strlen(text));
            if (repeat && size[s] > 3 && k % repeat == repeat - 1)
                data->text[i] = data->text[i - 1];
            data->description[i] = "";
            snprintf(text, sizeof text, "source %lld", (long long)s);
            source[i] = fr_strings_add(pool, text, strlen(text));
            data->quality[2 * i] = data->quality[2 * i + 1] = 1;
        }
    fr_dataset_set_sources(data, source);
    free(source);
    data->model[0] = "a";
    data->model[1] = "b";
}

static void assert_together(const fr_dataset *data)
{
    int64_t *group = FR_NEW(int64_t, data->N), *first = FR_NEW(int64_t, data->N);
    int64_t count = fr_dataset_text_groups(group, data);
    for (int64_t g = 0; g < count; g++)
        first[g] = -1;
    for (int64_t i = 0; i < data->N; i++) {
        if (first[group[i]] < 0)
            first[group[i]] = i;
        assert_int_equal(data->split[i], data->split[first[group[i]]]);
    }
    free(first);
    free(group);
}

static void count(int64_t counts[][FR_SPLITS], const fr_dataset *data)
{
    memset(counts, 0, (size_t)data->sources * sizeof *counts);
    for (int64_t i = 0; i < data->N; i++)
        counts[data->source[i]][data->split[i]]++;
}

static void split(fr_dataset *data, int64_t seed, double dev, double test)
{
    fr_config config;
    fr_config_defaults(&config);
    config.top.seed = seed;
    config.data.dev_share = dev;
    config.data.test_share = test;
    fr_make_splits(data, &config);
    fr_config_close(&config);
}

static void shares(void **state)
{
    (void)state;
    const int64_t size[5] = {1000, 95, 10, 3, 400};
    int64_t n[5][FR_SPLITS];
    for (int64_t repeat = 0; repeat <= 3; repeat += 3) {
        fr_dataset data;
        make(&data, 5, size, repeat);
        split(&data, 1, 0.1, 0.2);
        assert_together(&data);
        count(n, &data);
        int64_t all[FR_SPLITS] = {0};
        for (int s = 0; s < 5; s++) {
            assert_close((double)n[s][FR_SPLIT_DEV], 0.1 * (double)size[s], 1.51);
            assert_close((double)n[s][FR_SPLIT_TEST], 0.2 * (double)size[s], 1.51);
            for (int k = 0; k < FR_SPLITS; k++) {
                assert_true(n[s][k] >= 1);
                all[k] += n[s][k];
            }
        }
        assert_close((double)all[FR_SPLIT_TEST], 0.2 * 1508, 2.1);
        assert_ok(fr_dataset_check(&data, "x"));
        fr_dataset_close(&data);
    }
}

static void seeded(void **state)
{
    (void)state;
    const int64_t size[2] = {300, 200};
    fr_dataset a, b;
    make(&a, 2, size, 0);
    make(&b, 2, size, 0);
    split(&a, 1, 0.1, 0.1);
    split(&b, 1, 0.1, 0.1);
    assert_memory_equal(a.split, b.split, 500);
    split(&b, 2, 0.1, 0.1);
    int64_t differ = 0;
    for (int i = 0; i < 500; i++)
        differ += a.split[i] != b.split[i];
    assert_true(differ > 50);
    fr_dataset_close(&a);
    fr_dataset_close(&b);
}

/* Many sources of one or two prompts still give their share altogether. */
static void tiny_sources(void **state)
{
    (void)state;
    int64_t size[100], n[100][FR_SPLITS], dev = 0, test = 0;
    for (int s = 0; s < 100; s++)
        size[s] = 1 + s % 2;
    fr_dataset data;
    make(&data, 100, size, 0);
    split(&data, 1, 0.1, 0.2);
    count(n, &data);
    for (int s = 0; s < 100; s++) {
        dev += n[s][FR_SPLIT_DEV];
        test += n[s][FR_SPLIT_TEST];
        if (size[s] == 2)
            assert_true(n[s][FR_SPLIT_TRAIN] >= 1);
    }
    assert_close((double)test, 30, 5);
    assert_close((double)dev, 15, 8);
    assert_true(dev > 0);
    fr_dataset_close(&data);
}

/* Equal texts in two sources; one text that fills nearly a whole source; no shares at all; shares above 1. */
static void odd_cases(void **state)
{
    (void)state;
    const int64_t size[2] = {50, 50};
    int64_t n[2][FR_SPLITS];
    fr_dataset data;
    make(&data, 2, size, 0);
    for (int i = 0; i < 50; i++)
        data.text[50 + i] = data.text[i];
    for (int seed = 1; seed < 20; seed++) {
        split(&data, seed, 0.1, 0.1);
        assert_together(&data);
        count(n, &data);
        assert_int_equal(n[0][FR_SPLIT_TEST], 10 / 2);
    }
    fr_dataset_close(&data);

    make(&data, 2, size, 0);
    for (int i = 3; i < 50; i++)
        data.text[i] = data.text[2];
    for (int seed = 1; seed < 20; seed++) {
        split(&data, seed, 0.1, 0.1);
        assert_together(&data);
        count(n, &data);
        assert_int_equal(n[0][FR_SPLIT_TEST], 1);
        assert_int_equal(n[0][FR_SPLIT_DEV], 1);
    }
    split(&data, 1, 0, 0);
    count(n, &data);
    assert_int_equal(n[0][FR_SPLIT_TRAIN] + n[1][FR_SPLIT_TRAIN], 100);
    split(&data, 1, 0.9, 0.9);
    count(n, &data);
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < FR_SPLITS; k++)
            assert_true(n[s][k] >= 1);
    fr_dataset_close(&data);
}

static void folds(void **state)
{
    (void)state;
    const int64_t size[4] = {1000, 93, 7, 402}, N = 1502;
    enum { F = 5 };
    int64_t n[4][FR_SPLITS];
    for (int64_t repeat = 0; repeat <= 2; repeat += 2) {
        fr_dataset data;
        make(&data, 4, size, repeat);
        int *tested = FR_NEW(int, N);
        int8_t *again = FR_NEW(int8_t, N);
        char hash[F][33];
        for (int64_t f = 0; f < F; f++) {
            fr_make_fold(&data, f, F, 7);
            memcpy(hash[f], data.hash, 33);
            assert_together(&data);
            count(n, &data);
            int64_t all = 0;
            for (int s = 0; s < 4; s++) {
                assert_close((double)n[s][FR_SPLIT_TEST], (double)size[s] / F, repeat ? 2.01 : 1);
                assert_close((double)n[s][FR_SPLIT_DEV], (double)(size[s] - n[s][FR_SPLIT_TEST]) / 10, 1.51);
                assert_true(n[s][FR_SPLIT_DEV] >= 1 && n[s][FR_SPLIT_TRAIN] >= 1);
                all += n[s][FR_SPLIT_TEST];
            }
            assert_close((double)all, (double)N / F, repeat ? 2.01 : 1);
            for (int64_t i = 0; i < N; i++)
                tested[i] += data.split[i] == FR_SPLIT_TEST;
            memcpy(again, data.split, (size_t)N);
            fr_make_fold(&data, (f + 1) % F, F, 7);
            fr_make_fold(&data, f, F, 7); /* whatever the splits were before */
            assert_memory_equal(again, data.split, (size_t)N);
        }
        for (int64_t i = 0; i < N; i++)
            assert_int_equal(tested[i], 1);
        assert_string_not_equal(hash[0], hash[1]);
        fr_make_fold(&data, 0, F, 8);
        assert_string_not_equal(hash[0], data.hash);
        free(again);
        free(tested);
        fr_dataset_close(&data);
    }
}

/* More folds than a source has prompts: the prompts spread over all folds. */
static void many_folds(void **state)
{
    (void)state;
    int64_t size[40];
    for (int s = 0; s < 40; s++)
        size[s] = 1 + s % 3;
    fr_dataset data;
    make(&data, 40, size, 0);
    for (int64_t f = 0; f < 10; f++) {
        fr_make_fold(&data, f, 10, 1);
        int64_t *rows, tests = fr_split_rows(&rows, &data, FR_SPLIT_TEST);
        free(rows);
        assert_true(tests >= data.N / 10 - 1 && tests <= data.N / 10 + 1);
    }
    fr_dataset_close(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),    cmocka_unit_test(seeded), cmocka_unit_test(tiny_sources),
        cmocka_unit_test(odd_cases), cmocka_unit_test(folds),  cmocka_unit_test(many_folds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
