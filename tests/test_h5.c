/* The HDF5 layer: what is written is read back, and no file can harm the reader. */
#include "io/h5.h"
#include "test.h"

#include "base/files.h"
#include "base/memory.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

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

static char *golden(const char *name)
{
    char *folder = fr_path_join(FR_SOURCE_DIR, "tests/golden"), *path = fr_path_join(folder, name);
    free(folder);
    return path;
}

/* What h5py wrote (tests/golden/make_h5.py): other byte orders, widths, strings. */
static void foreign_types(void **state)
{
    (void)state;
    char *path = golden("h5py_types.h5"), *text;
    fr_h5 *file;
    assert_ok(fr_h5_open(&file, path, "finerouter-test", 1));
    float half[3];
    double wide[4];
    int32_t small[3], chunked[1000];
    int64_t three = 3, two = 2, square[2] = {2, 2}, hundred[2] = {100, 10}, count, number;
    assert_ok(fr_h5_read(file, "/f16", FR_H5_F32, 1, &three, half));
    assert_close(half[1], -2.5, 0);
    assert_close(half[2], 65504, 0);
    assert_ok(fr_h5_read(file, "/soft", FR_H5_F32, 1, &three, half));
    assert_ok(fr_h5_read(file, "/f64be", FR_H5_F64, 2, square, wide));
    assert_close(wide[1], 0.1, 0);
    assert_close(wide[2], 1e-300, 0);
    assert_true(isnan(wide[3]));
    assert_ok(fr_h5_read(file, "/i16be", FR_H5_I32, 1, &three, small));
    assert_int_equal(small[1], -2);
    assert_ok(fr_h5_read(file, "/i16be", FR_H5_F32, 1, &three, half));
    assert_close(half[2], 300, 0);
    assert_ok(fr_h5_read(file, "/chunked", FR_H5_I32, 2, hundred, chunked));
    assert_int_equal(chunked[999], 999);
    assert_ok(fr_h5_read_rows(file, "/chunked", FR_H5_I32, 50, 2, chunked));
    assert_int_equal(chunked[19], 519);

    static const struct {
        const char *name, *want[3];
        int64_t count;
    } texts[] = {{"/fixed", {"abc", "", "abcde"}, 3},
                 {"/texts", {"na\xC3\xAFve", "", "text"}, 3},
                 {"/words", {"a", "b"}, 2},
                 {"/utf8", {"\xC3\xA9", "abc"}, 2},
                 {"/spaced", {"ab", "abc"}, 2}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char **got;
        assert_ok(fr_h5_read_texts(file, texts[i].name, &count, &got));
        assert_int_equal(count, texts[i].count);
        for (int64_t j = 0; j < count; j++)
            assert_string_equal(got[j], texts[i].want[j]);
        fr_h5_texts_free(got, count);
    }
    assert_ok(fr_h5_get_text(file, "fixed", &text));
    assert_string_equal(text, "fixed text");
    free(text);
    assert_ok(fr_h5_get_number(file, "big", &wide[0]));
    assert_close(wide[0], 2.5, 0);
    assert_ok(fr_h5_get_number(file, "version", &wide[0]));
    assert_close(wide[0], 1, 0);

#define REFUSED(expr, part) assert_fails(expr, FR_FAILED, "h5py_types.h5: " part)
    char buffer[64], **names;
    void *data;
    int rank;
    int64_t shape[8], one = 1;
    REFUSED(fr_h5_read(file, "/huge", FR_H5_F32, 1, &one, buffer), "/huge: holds a number that does not fit float32");
    REFUSED(fr_h5_read(file, "/u64", FR_H5_I64, 1, &two, buffer), "/u64: holds a number that does not fit int64");
    REFUSED(fr_h5_read(file, "/i16be", FR_H5_U8, 1, &three, buffer), "/i16be: holds a number that does not fit uint8");
    REFUSED(fr_h5_read(file, "/f16", FR_H5_I32, 1, &three, buffer), "/f16: is (3) float16, want (3) int32");
    REFUSED(fr_h5_read(file, "/f16", FR_H5_F32, 1, &two, buffer), "/f16: is (3) float16, want (2) float32");
    REFUSED(fr_h5_read(file, "/f16", FR_H5_F32, 2, square, buffer), "/f16: is (3) float16, want (2, 2) float32");
    REFUSED(fr_h5_read(file, "/bool", FR_H5_U8, 1, &two, buffer), "/bool: is (2) enumeration, want (2) uint8");
    REFUSED(fr_h5_read(file, "/complex", FR_H5_F32, 1, &one, buffer), "/complex: is (1) compound");
    REFUSED(fr_h5_read(file, "/sequences", FR_H5_I32, 1, &one, buffer), "/sequences: is (1) variable-length sequence");
    REFUSED(fr_h5_read_texts(file, "/sequences", &count, &names),
            "/sequences: is (1) variable-length sequence, want 1 dimension of string");
    REFUSED(fr_h5_read(file, "/texts", FR_H5_F32, 1, &three, buffer), "/texts: is (3) string, want (3) float32");
    REFUSED(fr_h5_read_texts(file, "/f16", &count, &names), "/f16: is (3) float16, want 1 dimension of string");
    REFUSED(fr_h5_read_text(file, "/texts", &text), "/texts: is (3) string, want () string");
    REFUSED(fr_h5_read_new(file, "/unwritten", FR_H5_F32, 1, shape, &data),
            "/unwritten: is (1099511627776) float32, but only 0");
    REFUSED(fr_h5_shape(file, "/impossible", &rank, shape), "/impossible: has an impossible shape");
    REFUSED(fr_h5_read(file, "/virtual", FR_H5_F32, 2, square, buffer), "/virtual: keeps its data in another file");
    REFUSED(fr_h5_read(file, "/external", FR_H5_I8, 1, &two, buffer), "/external: keeps its data in another file");
    REFUSED(fr_h5_read(file, "/elsewhere", FR_H5_F32, 1, &two, buffer), "/elsewhere: is missing");
    REFUSED(fr_h5_read(file, "/dangling", FR_H5_F32, 1, &two, buffer), "/dangling: is missing");
    REFUSED(fr_h5_read(file, "/group", FR_H5_F32, 1, &two, buffer), "/group: is not a readable dataset");
    REFUSED(fr_h5_read(file, "/null", FR_H5_F32, 0, NULL, buffer), "/null: has no readable type and shape");
    REFUSED(fr_h5_list(file, "/f16", &count, &names), "/f16: is not a group");
    REFUSED(fr_h5_get_integer(file, "two", &number), "attribute two: want one integer");
    REFUSED(fr_h5_get_integer(file, "fixed", &number), "attribute fixed: want one integer");
    REFUSED(fr_h5_get_integer(file, "big", &number), "attribute big: want one integer");
    REFUSED(fr_h5_get_text(file, "version", &text), "attribute version: want one string");
    REFUSED(fr_h5_get_text(file, "none", &text), "attribute none: is missing");
    fr_h5_close(file);
    free(path);
}

/* Without the fsync of fr_file_write, which takes its time. */
static void put(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void wrong_files(void **state)
{
    (void)state;
    const char *folder = test_folder();
    char *path = fr_path_join(folder, "w.h5"), *other = golden("h5py_types.h5"), *bytes;
    size_t size;
    fr_h5 *file;
    assert_fails(fr_h5_open(&file, path, "f", 1), FR_FAILED, "w.h5: cannot open: No such file");
    assert_fails(fr_h5_open(&file, folder, "f", 1), FR_FAILED, "is a folder, want an HDF5 file");
    assert_fails(fr_h5_open(&file, "/dev/zero", "f", 1), FR_FAILED, "/dev/zero: is not a regular file");
    assert_fails(fr_h5_create(&file, folder, "f", 1), FR_FAILED, "is a folder");
    assert_fails(fr_h5_create(&file, "/dev/full", "f", 1), FR_FAILED,
                 "/dev/full: is a device, want the name of a file");
    assert_fails(fr_h5_create(&file, "/nowhere/a.h5", "f", 1), FR_FAILED,
                 "/nowhere/a.h5: cannot write into folder /nowhere");
    assert_ok(fr_file_write(path, "", 0));
    assert_fails(fr_h5_open(&file, path, "f", 1), FR_FAILED, "w.h5: is empty, want an HDF5 file");
    assert_ok(fr_file_write(path, "text", 4));
    assert_fails(fr_h5_open(&file, path, "f", 1), FR_FAILED, "w.h5: is not an HDF5 file");
    assert_fails(fr_h5_extend(&file, path, "f", 1), FR_FAILED, "w.h5: is not an HDF5 file");
    assert_fails(fr_h5_open(&file, other, "finerouter-data", 1), FR_FAILED,
                 "h5py_types.h5: holds format \"finerouter-test\", want \"finerouter-data\"");
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 3));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_h5_open(&file, path, "finerouter-test", 2), FR_FAILED,
                 "w.h5: version 3 of format finerouter-test was written by a newer finerouter, this one reads up to 2");
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 0));
    assert_ok(fr_h5_commit(file));
    assert_fails(fr_h5_open(&file, path, "finerouter-test", 2), FR_FAILED, "version 0 of format");
    assert_ok(fr_file_read(&bytes, &size, other, 0));
    for (size_t length = 8; length < size; length += 97) {
        put(path, bytes, length);
        assert_fails(fr_h5_open(&file, path, "finerouter-test", 1), FR_FAILED,
                     "w.h5: damaged or truncated HDF5 file: ");
    }
    free(bytes);
    free(path);
    free(other);
}

static void fill(int64_t count, float *value)
{
    for (int64_t i = 0; i < count; i++)
        value[i] = (float)((uint64_t)i * 2654435761u % 1000003) * 1e-3f;
}

/* A committed file takes more datasets, and keeps its content when the extension is thrown away. */
static void extend(void **state)
{
    (void)state;
    char *path = fr_path_join(test_folder(), "e.h5");
    int64_t count = 300000, three = 3;
    float *value = FR_NEW(float, count), *back = FR_NEW(float, count), small[3] = {1, 2, 3};
    fill(count, value);
    fr_h5 *file;
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_write(file, "/a", FR_H5_F32, 1, &three, small));
    assert_ok(fr_h5_commit(file));
    assert_ok(fr_h5_extend(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_read(file, "/a", FR_H5_F32, 1, &three, back));
    assert_ok(fr_h5_write(file, "/lost", FR_H5_F32, 1, &count, value));
    fr_h5_close(file);
    assert_ok(fr_h5_extend(&file, path, "finerouter-test", 1));
    assert_false(fr_h5_has(file, "/lost"));
    assert_ok(fr_h5_write(file, "/deep/er/b", FR_H5_F32, 1, &count, value));
    small[1] = 5;
    assert_ok(fr_h5_write(file, "/a", FR_H5_F32, 1, &three, small));
    assert_ok(fr_h5_read(file, "/deep/er/b", FR_H5_F32, 1, &count, back));
    assert_ok(fr_h5_commit(file));
    assert_ok(fr_h5_open(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_read(file, "/a", FR_H5_F32, 1, &three, back));
    assert_close(back[1], 5, 0);
    assert_ok(fr_h5_read(file, "/deep/er/b", FR_H5_F32, 1, &count, back));
    assert_memory_equal(back, value, (size_t)count * sizeof *back);
    assert_ok(fr_h5_read_rows(file, "/deep/er/b", FR_H5_F32, 262140, 10, back));
    assert_memory_equal(back, value + 262140, 10 * sizeof *back);
    fr_h5_close(file);
    free(value);
    free(back);
    free(path);
}

/* Every flipped byte behind the user block is noticed before HDF5 sees it; one inside it at worst makes a file of
 * another program. */
static void damaged(void **state)
{
    (void)state;
    char *path = fr_path_join(test_folder(), "d.h5"), *bytes;
    int64_t count = 20000;
    float *value = FR_NEW(float, count), *back = FR_NEW(float, count);
    fill(count, value);
    const char *texts[3] = {"one", "two", "three"};
    fr_h5 *file;
    size_t size;
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_write(file, "/group/value", FR_H5_F32, 1, &count, value));
    assert_ok(fr_h5_write_texts(file, "/texts", 3, texts));
    assert_ok(fr_h5_commit(file));
    assert_ok(fr_file_read(&bytes, &size, path, 0));
    for (size_t at = 0; at < size; at += at < 4096 || at > size - 4096 ? 7 : 211) {
        bytes[at] ^= 0x55;
        put(path, bytes, size);
        bytes[at] ^= 0x55;
        if (at >= 512) {
            assert_fails(fr_h5_open(&file, path, "finerouter-test", 1), FR_FAILED, "d.h5: does not match its checksum");
            continue;
        }
        if (fr_h5_open(&file, path, "finerouter-test", 1) == FR_OK) {
            assert_ok(fr_h5_read(file, "/group/value", FR_H5_F32, 1, &count, back));
            assert_memory_equal(back, value, (size_t)count * sizeof *back);
            fr_h5_close(file);
        }
    }
    put(path, bytes, size - 1);
    assert_fails(fr_h5_open(&file, path, "finerouter-test", 1), FR_FAILED, "d.h5: does not match its checksum");

    /* zeros accept the content as it is, and an extension gives it a checksum again */
    memset(bytes, 0, 512);
    put(path, bytes, size);
    assert_ok(fr_h5_extend(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_commit(file));
    free(bytes);
    assert_ok(fr_file_read(&bytes, &size, path, 0));
    assert_non_null(strstr(bytes, "finerouter file"));
    bytes[size - 1] ^= 1;
    put(path, bytes, size);
    assert_fails(fr_h5_open(&file, path, "finerouter-test", 1), FR_FAILED, "d.h5: does not match its checksum");
    free(bytes);
    free(value);
    free(back);
    free(path);
}

/* Texts of another program's file: damage to the heap or to the references into it is found before HDF5 follows them.
 */
static void damaged_foreign(void **state)
{
    (void)state;
    char *path = fr_path_join(test_folder(), "f.h5"), *other = golden("h5py_data.h5"), *bytes;
    size_t size;
    assert_ok(fr_file_read(&bytes, &size, other, 0));
    char *heap = memmem(bytes, size, "GCOL", 4);
    assert_non_null(heap);
    /* of the first collection: its size; of its first object: the index (another number: who refers to it finds out),
     * the size (a little more does no harm, much more does) */
    static const struct {
        int64_t offset;
        int value;
        bool opens;
    } hits[] = {{15, 1, false},   {9, 0x7F, false}, {16, 0x77, true},
                {24, 0x7F, true}, {27, 1, false},   {31, 0x80, false}};
    for (size_t i = 0; i < sizeof hits / sizeof *hits; i++) {
        char *hit = heap + hits[i].offset, saved = *hit;
        *hit = (char)hits[i].value;
        put(path, bytes, size);
        *hit = saved;
        fr_h5 *file;
        fr_status status = fr_h5_open(&file, path, "finerouter-data", 1);
        static const char *const names[] = {"/prompts/text", "/prompts/description", "/models/name"};
        if (!hits[i].opens)
            assert_int_equal(status, FR_FAILED);
        for (int k = 0; k < 3 && status == FR_OK; k++) {
            char **text;
            int64_t count;
            if (fr_h5_read_texts(file, names[k], &count, &text) == FR_OK)
                fr_h5_texts_free(text, count);
        }
        fr_h5_close(file);
    }
    free(bytes);
    free(other);
    free(path);
}

/* The old file stays, the temporary one goes, and the next write works. */
static void check_full(const char *path, const char *reason)
{
    int64_t count = 1 << 20, one = 1;
    float *value = FR_NEW(float, count), got = 0;
    for (int64_t i = 0; i < count; i++)
        value[i] = (float)((uint64_t)i * 0x9E3779B97F4A7C15u >> 40); /* hardly compressible */
    fr_h5 *file = NULL;
    fr_status status = fr_h5_create(&file, path, "finerouter-test", 1);
    bool created = status == FR_OK;
    if (created)
        status = fr_h5_write(file, "/value", FR_H5_F32, 1, &count, value);
    if (status == FR_OK)
        status = fr_h5_commit(file);
    else if (created)
        fr_h5_close(file);
    free(value);
    assert_int_equal(status, FR_FAILED);
    if (!strstr(fr_error_text(), reason) || !strstr(fr_error_text(), path))
        fail_msg("error text is \"%s\", want it to hold \"%s\" and \"%s\"", fr_error_text(), path, reason);
    assert_ok(fr_h5_open(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_read(file, "/old", FR_H5_F32, 1, &one, &got));
    assert_close(got, 3, 0);
    fr_h5_close(file);
}

static void write_old(const char *path)
{
    fr_h5 *file;
    int64_t one = 1;
    float three = 3;
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 1));
    assert_ok(fr_h5_write(file, "/old", FR_H5_F32, 1, &one, &three));
    assert_ok(fr_h5_commit(file));
}

static void file_too_large(void **state)
{
    (void)state;
    char *path = fr_path_join(test_folder(), "f.h5");
    write_old(path);
    struct rlimit before, limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 1 << 20;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    check_full(path, "File too large");
    write_old(path);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    free(path);
}

static void disk_full(void **state)
{
    (void)state;
    const char *folder = test_folder();
    if (mount("none", folder, "tmpfs", 0, "size=1m") != 0)
        skip();
    char *path = fr_path_join(folder, "f.h5");
    write_old(path);
    check_full(path, "No space left on device");
    umount2(folder, MNT_DETACH);
    free(path);
}

/* A dataset that is written by ranges is, byte for byte, the one that is written at once. */
static void ranges(void **state)
{
    (void)state;
    const char *folder = test_folder();
    char *whole = fr_path_join(folder, "whole.h5"), *parts = fr_path_join(folder, "parts.h5");
    enum { ROWS = 90000, WIDTH = 7 };
    const int64_t shape[2] = {ROWS, WIDTH}, small[2] = {5, 2};
    int32_t *data = FR_NEW(int32_t, ROWS * WIDTH), *back = FR_NEW(int32_t, ROWS * WIDTH);
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        data[i] = (int32_t)(i * 2654435761u % 100003);
    fr_h5 *file;
    assert_ok(fr_h5_create(&file, whole, "finerouter-test", 1));
    assert_ok(fr_h5_write(file, "/x", FR_H5_I32, 2, shape, data));
    assert_ok(fr_h5_commit(file));

    assert_ok(fr_h5_create(&file, parts, "finerouter-test", 1));
    assert_ok(fr_h5_reserve(file, "/x", FR_H5_I32, 2, shape));
    assert_ok(fr_h5_reserve(file, "/small", FR_H5_F32, 2, small));
    for (int64_t first = 0; first < ROWS; first += 12345) {
        int64_t count = ROWS - first < 12345 ? ROWS - first : 12345;
        assert_ok(fr_h5_write_rows(file, "/x", FR_H5_I32, first, count, data + first * WIDTH));
    }
    const float two[4] = {1, 2, 3, 4};
    assert_ok(fr_h5_write_rows(file, "/small", FR_H5_F32, 3, 2, two));
    assert_fails(fr_h5_write_rows(file, "/small", FR_H5_F32, 4, 2, two), FR_FAILED,
                 "parts.h5: /small: has 5 rows, want rows 4 to 5");
    assert_fails(fr_h5_write_rows(file, "/none", FR_H5_F32, 0, 1, two), FR_FAILED, "parts.h5: /none: is missing");
    assert_ok(fr_h5_commit(file));

    assert_ok(fr_h5_open_verified(&file, parts, "finerouter-test", 1));
    assert_ok(fr_h5_read(file, "/x", FR_H5_I32, 2, shape, back));
    assert_memory_equal(back, data, ROWS * WIDTH * sizeof *data);
    for (int64_t first = 1; first < ROWS; first += 20011) {
        int64_t count = ROWS - first < 30000 ? ROWS - first : 30000;
        assert_ok(fr_h5_read_rows(file, "/x", FR_H5_I32, first, count, back));
        assert_memory_equal(back, data + first * WIDTH, (size_t)(count * WIDTH) * sizeof *data);
    }
    float ten[10];
    assert_ok(fr_h5_read(file, "/small", FR_H5_F32, 2, small, ten));
    assert_true(ten[5] == 0 && ten[6] == 1 && ten[9] == 4);
    fr_h5_close(file);
    free(back);
    free(data);
    free(parts);
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(ranges),     cmocka_unit_test(foreign_types), cmocka_unit_test(wrong_files),
        cmocka_unit_test(extend),         cmocka_unit_test(damaged),       cmocka_unit_test(damaged_foreign),
        cmocka_unit_test(file_too_large), cmocka_unit_test(disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
