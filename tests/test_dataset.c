/* Data sets: the file, the checks, the hash, the summary. */
#include "data/build.h"
#include "finerouter/dataset.h"
#include "io/h5.h"
#include "test.h"

#include "base/files.h"

/* 6 prompts, 2 sources, 3 models; the last two prompts have the same text. */
static void make(fr_dataset *data)
{
    static const char *const text[6] = {"one", "two", "three", "four", "same", "same"};
    static const char *const source[6] = {"a", "a", "a", "b", "b", "b"};
    static const int8_t split[6] = {0, 1, 2, 0, 0, 0};
    static const float quality[18] = {1, 0, .5f, 1, 1, 0, 0, 0, 1, 1, NAN, 0, 0, 1, 1, 0, 0, .25f};
    fr_dataset_allocate(data, 6, 3);
    fr_strings *pool = fr_dataset_strings(data);
    const char *names[6];
    for (int i = 0; i < 6; i++) {
        char id[8];
        snprintf(id, sizeof id, "p%d", i);
        data->id[i] = fr_strings_add(pool, id, strlen(id));
        data->text[i] = fr_strings_add(pool, text[i], strlen(text[i]));
        data->description[i] = i == 1 ? "described" : "";
        data->split[i] = split[i];
        names[i] = fr_strings_add(pool, source[i], 1);
    }
    fr_dataset_set_sources(data, names);
    data->model[0] = "alpha";
    data->model[1] = "beta";
    data->model[2] = "gamma \xC3\xA9";
    data->input_price[0] = 0.5;
    data->output_price[0] = 1.5;
    memcpy(data->quality, quality, sizeof quality);
    data->cost[0] = 0.25f;
    data->cost[3] = 0.75f;
    fr_dataset_seal(data);
}

static char *in_folder(const char *name)
{
    return fr_path_join(test_folder(), name);
}

static void written_is_read(void **state)
{
    (void)state;
    fr_dataset data, back;
    make(&data);
    data.planted = FR_NEW(int32_t, 6);
    data.planted[2] = -1;
    fr_dataset_seal(&data);
    char *path = in_folder("d.h5");
    assert_ok(fr_dataset_write(&data, path));
    assert_ok(fr_dataset_read(&back, path));
    assert_string_equal(back.hash, data.hash);
    assert_int_equal(back.N, 6);
    assert_int_equal(back.M, 3);
    assert_int_equal(back.sources, 2);
    assert_string_equal(back.source_name[1], "b");
    assert_string_equal(back.text[2], "three");
    assert_string_equal(back.description[1], "described");
    assert_string_equal(back.description[2], "");
    assert_string_equal(back.model[2], "gamma \xC3\xA9");
    assert_int_equal(back.planted[2], -1);
    assert_close(back.output_price[0], 1.5, 0);
    assert_true(isnan(back.output_price[1]));
    assert_true(isnan(back.quality[10]));
    assert_memory_equal(back.split, data.split, 6);
    assert_close(back.cost[3], 0.75, 0);
    fr_dataset_close(&back);
    fr_dataset_close(&data);
    free(path);
}

/* Every part of the content changes the hash; the bits of a NaN do not. */
static void hash_is_content(void **state)
{
    (void)state;
    fr_dataset data;
    make(&data);
    char before[33];
    memcpy(before, data.hash, sizeof before);
    data.quality[10] = -NAN;
    fr_dataset_seal(&data);
    assert_string_equal(data.hash, before);
#define CHANGES(assignment)                                                                                            \
    do {                                                                                                               \
        make(&data);                                                                                                   \
        assignment;                                                                                                    \
        fr_dataset_seal(&data);                                                                                        \
        assert_string_not_equal(data.hash, before);                                                                    \
        fr_dataset_close(&data);                                                                                       \
    } while (0)
    fr_dataset_close(&data);
    CHANGES(data.id[0] = "q");
    CHANGES(data.text[0] = "q");
    CHANGES(data.description[0] = "q");
    CHANGES(data.source_name[1] = "q");
    CHANGES(data.source[0] = 1);
    CHANGES(data.split[0] = 1);
    CHANGES(data.model[0] = "q");
    CHANGES(data.input_price[0] = 1);
    CHANGES(data.output_price[2] = 1);
    CHANGES(data.quality[17] = 0);
    CHANGES(data.cost[17] = 0);
    CHANGES(data.planted = FR_NEW(int32_t, 6));
}

static void checks(void **state)
{
    (void)state;
    fr_dataset data;
#define WRONG(assignment, text)                                                                                        \
    do {                                                                                                               \
        make(&data);                                                                                                   \
        assignment;                                                                                                    \
        assert_fails(fr_dataset_check(&data, "d.h5"), FR_FAILED, "d.h5: " text);                                       \
        fr_dataset_close(&data);                                                                                       \
    } while (0)
    make(&data);
    assert_ok(fr_dataset_check(&data, "d.h5"));
    fr_dataset_close(&data);
    WRONG(data.id[4] = "p1", "prompts 2 and 5 have the same id \"p1\"");
    WRONG(data.id[4] = "", "prompt 5 has an empty id");
    WRONG(data.text[4] = " \n\xC2\xA0", "prompt \"p4\" is empty");
    WRONG(data.text[4] = "abc\xFFz", "text of prompt 5: invalid UTF-8 at byte 4");
    WRONG(data.model[2] = "alpha", "two models have the name \"alpha\"");
    WRONG(data.model[2] = "", "name of model 3");
    WRONG(data.input_price[1] = -1, "model \"beta\" has prices -1");
    WRONG(data.output_price[1] = INFINITY, "model \"beta\" has prices nan and inf");
    WRONG(data.quality[4] = INFINITY, "prompt \"p1\", model \"beta\": quality is inf");
    WRONG(data.cost[4] = -1, "prompt \"p1\", model \"beta\": cost is -1");
    WRONG(data.split[0] = 3, "prompt \"p0\" has split 3");
    WRONG(data.split[1] = 0, "the dev split is empty (train 5, dev 0, test 1");
    WRONG(data.quality[3] = data.quality[4] = data.quality[5] = NAN, "prompt \"p1\" has no observed quality");
    WRONG((data.quality[1] = data.quality[10] = data.quality[13] = data.quality[16] = NAN),
          "model \"beta\" has no observed quality in train (2 in dev and test)");
    make(&data);
    data.M = 1;
    assert_fails(fr_dataset_check(&data, "d.h5"), FR_FAILED, "has 1 model, want at least 2");
    data.M = 3;
    data.N = 0;
    assert_fails(fr_dataset_check(&data, "d.h5"), FR_FAILED, "has no prompts");
    data.N = 6;
    fr_dataset_close(&data);
}

/* Values worked out by hand from make(). */
static void summary(void **state)
{
    (void)state;
    fr_dataset data;
    fr_summary s;
    make(&data);
    fr_summarize(&s, &data);
    assert_int_equal(s.counts[0][FR_SPLIT_TRAIN], 1);
    assert_int_equal(s.counts[0][FR_SPLIT_TEST], 1);
    assert_int_equal(s.counts[1][FR_SPLIT_TRAIN], 3);
    assert_close(s.models[0].quality, 3. / 6, 1e-12);
    assert_close(s.models[1].quality, 2. / 5, 1e-12);
    assert_close(s.models[2].quality, 2.75 / 6, 1e-12);
    assert_int_equal(s.models[1].observed, 5);
    assert_close(s.models[0].cost, 0.5, 1e-12);
    assert_true(isnan(s.models[1].cost));
    /* on train: alpha 2/4, beta 1/3, gamma 1.75/4 */
    assert_int_equal(s.best_single, 0);
    assert_close(s.best_single_quality, 0.5, 1e-12);
    assert_close(s.oracle_quality, (1 + 1 + 1 + 1 + 1 + .25) / 6, 1e-12);
    /* a: alpha 2/3; b: gamma 1.25/3 and beta 1/2 over two prompts */
    assert_close(s.dataset_oracle_quality, (2. + 1.) / 5, 1e-12);
    assert_close(s.random_quality, (.5 + 2. / 3 + 1. / 3 + .5 + 2. / 3 + .25 / 3) / 6, 1e-7);
    assert_close(s.missing_share, 1. / 18, 1e-12);
    assert_close(s.tied_best_share, 2. / 6, 1e-12);
    assert_int_equal(s.duplicates, 2);
    assert_int_equal(s.with_description, 1);
    fr_summary_close(&s);
    int64_t *rows;
    assert_int_equal(fr_split_rows(&rows, &data, FR_SPLIT_TRAIN), 4);
    assert_int_equal(rows[1], 3);
    free(rows);
    fr_dataset_close(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(hash_is_content),
        cmocka_unit_test(checks),
        cmocka_unit_test(summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
