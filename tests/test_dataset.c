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

/* Embeddings 1, 2, 3 ... */
static void embed(fr_dataset *data, int64_t width)
{
    data->embedding_width = width;
    data->embedding = FR_NEW(float, data->N *width);
    for (int64_t i = 0; i < data->N * width; i++)
        data->embedding[i] = (float)(i + 1);
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
    embed(&data, 2);
    data.embedding[11] = 1e-30f;
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
    assert_int_equal(back.embedding_width, 2);
    assert_memory_equal(back.embedding, data.embedding, 12 * sizeof(float));
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
    assert_string_equal(before,
                        "fa6c4ae19dafee32edf6b41cd0c37b13"); /* of files made before there was a place for embeddings */
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
    CHANGES(embed(&data, 2));
    make(&data);
    embed(&data, 2);
    fr_dataset_seal(&data);
    memcpy(before, data.hash, sizeof before);
    data.embedding[0] = 1.5f;
    fr_dataset_seal(&data);
    assert_string_not_equal(data.hash, before);
    fr_dataset_close(&data);
    CHANGES(embed(&data, 3));
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
    WRONG((embed(&data, 2), data.embedding[7] = NAN),
          "prompt \"p3\": its embedding is nan at column 1, want finite numbers");
    WRONG((embed(&data, 2), data.embedding[6] = -INFINITY), "prompt \"p3\": its embedding is -inf at column 0");
    WRONG((embed(&data, 2), data.embedding[6] = 0, data.embedding[7] = -0.0f),
          "prompt \"p3\": its embedding is all zero, which has no direction");
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
    /* chosen on train (the last two prompts: gamma), reported over all */
    data.split[0] = data.split[3] = FR_SPLIT_DEV;
    fr_summarize(&s, &data);
    assert_int_equal(s.best_single, 2);
    assert_close(s.best_single_quality, 2.75 / 6, 1e-12);
    fr_summary_close(&s);
    data.split[0] = data.split[3] = FR_SPLIT_TRAIN;
    int64_t *rows;
    assert_int_equal(fr_split_rows(&rows, &data, FR_SPLIT_TRAIN), 4);
    assert_int_equal(rows[1], 3);
    free(rows);
    fr_dataset_close(&data);
}

/* A data file made with h5py (tests/golden/make_h5.py): fixed-length strings, big-endian and half-precision numbers. */
static void foreign_file(void **state)
{
    (void)state;
    char *folder = fr_path_join(FR_SOURCE_DIR, "tests/golden"), *path = fr_path_join(folder, "h5py_data.h5");
    fr_dataset data;
    assert_ok(fr_dataset_read(&data, path));
    assert_int_equal(data.N, 3);
    assert_int_equal(data.M, 2);
    assert_string_equal(data.id[2], "p3");
    assert_string_equal(data.text[1], "zw\xC3\xB6");
    assert_string_equal(data.source_name[data.source[1]], "b");
    assert_int_equal(data.split[2], FR_SPLIT_TEST);
    assert_close(data.input_price[0], 1, 0);
    assert_close(data.output_price[1], 3, 0);
    assert_close(data.quality[2], 0.5, 0);
    assert_true(isnan(data.quality[3]));
    assert_true(isnan(data.cost[0]));
    assert_int_equal(strlen(data.hash), 32);
    fr_dataset_close(&data);
    free(path);
    free(folder);
}

/* One dataset of an otherwise good file is replaced. */
static void replaced(const char *name, fr_h5_type type, int rank, const int64_t *shape, const char *error)
{
    static const double zeros[64];
    fr_dataset data;
    fr_h5 *file;
    make(&data);
    char *path = in_folder("bad.h5");
    assert_ok(fr_dataset_write(&data, path));
    fr_dataset_close(&data);
    assert_ok(fr_h5_extend(&file, path, "finerouter-data", 1));
    assert_ok(fr_h5_write(file, name, type, rank, shape, zeros));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_dataset_read(&data, path), FR_FAILED, error);
    assert_null(data.id);
    free(path);
}

static void wrong_shapes(void **state)
{
    (void)state;
    replaced("/quality", FR_H5_F32, 2, (int64_t[]){3, 6},
             "bad.h5: /quality: is 3 x 6 (2 dimensions), want prompts x models, 6 x 3");
    replaced("/cost", FR_H5_F32, 1, (int64_t[]){18}, "bad.h5: /cost: is 18 x 0 (1 dimension");
    replaced("/prompts/split", FR_H5_I8, 1, (int64_t[]){5}, "bad.h5: /prompts/split: is (5) int8, want (6) int8");
    replaced("/prompts/split", FR_H5_F32, 1, (int64_t[]){6}, "bad.h5: /prompts/split: is (6) float32, want (6) int8");
    replaced("/prompts/id", FR_H5_I8, 1, (int64_t[]){6},
             "bad.h5: /prompts/id: is (6) int8, want 1 dimension of string");
    replaced("/models/name", FR_H5_I8, 0, NULL, "bad.h5: /models/name: has 0 dimensions, want 1");
    replaced("/prompts/task", FR_H5_I32, 2, (int64_t[]){6, 1},
             "bad.h5: /prompts/task: is (6, 1) int32, want (6) int32");
    replaced("/prompts/embedding", FR_H5_F32, 2, (int64_t[]){5, 3},
             "bad.h5: /prompts/embedding: is 5 x 3 (2 dimensions), want prompts x width, 6 x 1 to 65536");
    replaced("/prompts/embedding", FR_H5_F32, 2, (int64_t[]){6, 0}, "bad.h5: /prompts/embedding: is 6 x 0 (2 dim");
    replaced("/prompts/embedding", FR_H5_F32, 1, (int64_t[]){6}, "bad.h5: /prompts/embedding: is 6 x 0 (1 dim");
    replaced("/prompts/embedding", FR_H5_F32, 2, (int64_t[]){6, 3}, "bad.h5: prompt \"p0\": its embedding is all zero");
    replaced("/models/input_usd_per_mtok", FR_H5_F64, 1, (int64_t[]){4},
             "input_usd_per_mtok: is (4) float64, want (3) float64");
    replaced("/prompts/text", FR_H5_F64, 1, (int64_t[]){0},
             "bad.h5: /prompts/text: is (0) float64, want 1 dimension of string");

    fr_dataset data;
    make(&data);
    char *path = in_folder("texts.h5");
    data.id[3] = "p0";
    assert_ok(fr_dataset_write(&data, path));
    fr_dataset_close(&data);
    assert_fails(fr_dataset_read(&data, path), FR_FAILED, "texts.h5: prompts 1 and 4 have the same id \"p0\"");
    fr_h5 *file;
    assert_ok(fr_h5_extend(&file, path, "finerouter-data", 1));
    assert_ok(fr_h5_write_texts(file, "/prompts/text", 2, (const char *const[]){"a", "b"}));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_dataset_read(&data, path), FR_FAILED, "texts.h5: /prompts/text: is (2) string, want (6)");
    assert_ok(fr_h5_create(&file, path, "finerouter-data", 1));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_dataset_read(&data, path), FR_FAILED, "texts.h5: /prompts/id: is missing");
    assert_ok(fr_h5_create(&file, path, "finerouter-data", 2));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_dataset_read(&data, path), FR_FAILED, "written by a newer finerouter");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read), cmocka_unit_test(hash_is_content), cmocka_unit_test(checks),
        cmocka_unit_test(summary),         cmocka_unit_test(foreign_file),    cmocka_unit_test(wrong_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
