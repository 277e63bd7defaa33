/* The HDF5 layer: what is written is read back, and no file can harm the reader. */
#include "io/h5.h"
#include "test.h"

#include "base/files.h"
#include "base/memory.h"

static void round_trip(void **state)
{
    (void)state;
    char *path = fr_path_join(test_folder(), "a.h5");
    fr_h5 *file;
    float numbers[6] = {1, 2.5f, NAN, -4, 5, 6e30f};
    int64_t shape[2] = {2, 3}, seven = 7;
    uint16_t words[3] = {0, 1, 65535};
    int64_t three = 3, zero = 0;
    const char *texts[3] = {"", "na\xC3\xAFve", "a long text with \n lines and \"quotes\""};
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 2));
    assert_ok(fr_h5_write(file, "/a/b/numbers", FR_H5_F32, 2, shape, numbers));
    assert_ok(fr_h5_write(file, "/a/words", FR_H5_U16, 1, &three, words));
    assert_ok(fr_h5_write(file, "/seven", FR_H5_I64, 0, NULL, &seven));
    assert_ok(fr_h5_write(file, "/none", FR_H5_I32, 1, &zero, NULL));
    assert_ok(fr_h5_write_texts(file, "/texts", 3, texts));
    assert_ok(fr_h5_write_texts(file, "/no texts", 0, texts));
    assert_ok(fr_h5_write_text(file, "/text", "hello"));
    assert_ok(fr_h5_set_text(file, "note", "\xE2\x82\xAC"));
    assert_ok(fr_h5_set_number(file, "x", 0.1));
    assert_ok(fr_h5_set_integer(file, "n", -5));
    assert_false(fr_file_exists(path));
    assert_ok(fr_h5_commit(file));

    assert_ok(fr_h5_open(&file, path, "finerouter-test", 3));
    assert_string_equal(fr_h5_path(file), path);
    assert_int_equal(fr_h5_version(file), 2);
    float back[6];
    assert_ok(fr_h5_read(file, "/a/b/numbers", FR_H5_F32, 2, shape, back));
    assert_memory_equal(back, numbers, sizeof back);
    double row[3];
    assert_ok(fr_h5_read_rows(file, "/a/b/numbers", FR_H5_F64, 1, 1, row));
    assert_close(row[0], -4, 0);
    assert_fails(fr_h5_read_rows(file, "/a/b/numbers", FR_H5_F64, 1, 2, row), FR_FAILED,
                 "has 2 rows, want rows 1 to 2");
    int32_t *wider;
    int64_t size;
    assert_ok(fr_h5_read_new(file, "/a/words", FR_H5_I32, 1, &size, (void **)&wider));
    assert_int_equal(size, 3);
    assert_int_equal(wider[2], 65535);
    free(wider);
    assert_ok(fr_h5_read_new(file, "/none", FR_H5_I32, 1, &size, (void **)&wider));
    assert_int_equal(size, 0);
    free(wider);
    int64_t got = 0;
    assert_ok(fr_h5_read(file, "/seven", FR_H5_I64, 0, NULL, &got));
    assert_int_equal(got, 7);
    char **text, *one;
    assert_ok(fr_h5_read_texts(file, "/texts", &size, &text));
    assert_int_equal(size, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(text[i], texts[i]);
    fr_h5_texts_free(text, size);
    assert_ok(fr_h5_read_texts(file, "/no texts", &size, &text));
    assert_int_equal(size, 0);
    fr_h5_texts_free(text, size);
    assert_ok(fr_h5_read_text(file, "/text", &one));
    assert_string_equal(one, "hello");
    free(one);
    assert_ok(fr_h5_get_text(file, "note", &one));
    assert_string_equal(one, "\xE2\x82\xAC");
    free(one);
    double x;
    assert_ok(fr_h5_get_number(file, "x", &x));
    assert_close(x, 0.1, 0);
    assert_ok(fr_h5_get_integer(file, "n", &got));
    assert_int_equal(got, -5);
    assert_true(fr_h5_has(file, "/a/b"));
    assert_false(fr_h5_has(file, "/a/c/d"));
    assert_false(fr_h5_has_attribute(file, "y"));
    assert_ok(fr_h5_list(file, "/a", &size, &text));
    assert_int_equal(size, 2);
    assert_string_equal(text[0], "b");
    assert_string_equal(text[1], "words");
    fr_h5_texts_free(text, size);
    assert_ok(fr_h5_list(file, "/q", &size, &text));
    assert_int_equal(size, 0);
    int rank;
    int64_t dims[8];
    assert_ok(fr_h5_shape(file, "/a/b/numbers", &rank, dims));
    assert_int_equal(rank, 2);
    assert_int_equal(dims[1], 3);
    fr_h5_close(file);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
