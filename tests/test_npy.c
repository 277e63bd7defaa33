/* numpy arrays and ZIP files: element types by hand, and damage of every kind. */
#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "io/inflate.h"
#include "io/npy.h"
#include "io/zip.h"

#include <unistd.h>
#include <zlib.h>

static int set_up(void **state)
{
    (void)state;
    return chdir(test_folder());
}

static void little(fr_buffer *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fr_buffer_add(out, &(unsigned char){(unsigned char)(i < 8 ? value >> 8 * i : 0)}, 1);
}

/* What a member says of itself, where it is not the truth. */
typedef struct lies {
    uint32_t crc;
    int64_t size, packed; /* added to the true ones */
    int method, flags;
    bool deflate;
} lies;

/* A ZIP of one member x.npy. */
static void put_zip(const char *path, const void *data, size_t bytes, lies lie)
{
    fr_buffer zip = {0};
    Bytef packed[1 << 16];
    uLongf room = sizeof packed;
    const void *stored = data;
    size_t size = bytes;
    if (lie.deflate) { /* zlib's frame is 2 bytes before and 4 behind the raw stream */
        assert_int_equal(compress2(packed, &room, data, bytes, 9), Z_OK);
        stored = packed + 2;
        size = room - 6;
    }
    uint32_t crc = fr_crc32(0, data, bytes) ^ lie.crc;
    int method = lie.method ? lie.method : lie.deflate ? 8 : 0;
    for (int directory = 0; directory < 2; directory++) {
        little(&zip, directory ? 0x02014B50 : 0x04034B50, 4);
        if (directory)
            little(&zip, 20, 2);
        little(&zip, 20, 2);
        little(&zip, (uint64_t)lie.flags, 2);
        little(&zip, (uint64_t)method, 2);
        little(&zip, 0, 4);
        little(&zip, crc, 4);
        little(&zip, (uint64_t)((int64_t)size + lie.packed), 4);
        little(&zip, (uint64_t)((int64_t)bytes + lie.size), 4);
        little(&zip, 5, 2);
        little(&zip, 0, directory ? 16 : 2); /* extra, comment, disk, attributes, offset 0 */
        fr_buffer_add(&zip, "x.npy", 5);
        if (!directory)
            fr_buffer_add(&zip, stored, size);
    }
    size_t offset = 30 + 5 + size;
    little(&zip, 0x06054B50, 4);
    little(&zip, 0, 4);
    little(&zip, 1, 2);
    little(&zip, 1, 2);
    little(&zip, 46 + 5, 4);
    little(&zip, offset, 4);
    little(&zip, 0, 2);
    assert_ok(fr_file_write(path, zip.data, zip.bytes));
    fr_buffer_close(&zip);
}

/* An array file: the dict as it is, then the elements. */
static fr_buffer npy(const char *dict, const void *data, size_t bytes)
{
    fr_buffer out = {0};
    fr_buffer_add(&out, "\x93NUMPY\1\0", 8);
    little(&out, strlen(dict) + 1, 2);
    fr_buffer_addf(&out, "%s\n", dict);
    fr_buffer_add(&out, data, bytes);
    return out;
}

static fr_status read_lying(fr_npy *array, const char *dict, const void *data, size_t bytes, lies lie)
{
    fr_buffer file = npy(dict, data, bytes);
    put_zip("x.npz", file.data, file.bytes, lie);
    fr_buffer_close(&file);
    fr_zip *zip;
    *array = (fr_npy){0};
    FR_TRY(fr_zip_open(&zip, "x.npz"));
    fr_status status = fr_npz_read(array, zip, "x");
    fr_zip_close(zip);
    return status;
}

static fr_status read_array(fr_npy *array, const char *dict, const void *data, size_t bytes)
{
    return read_lying(array, dict, data, bytes, (lies){0});
}

#define DICT(type, order, shape) "{'descr': '" type "', 'fortran_order': " order ", 'shape': " shape ", }"

static void types(void **state)
{
    (void)state;
    static const struct {
        const char *dict;
        unsigned char data[16];
        size_t bytes;
        double value[2];
    } cases[] = {
        {DICT("<f4", "False", "(2,)"), {0, 0, 0xC0, 0x3F, 0, 0, 0x80, 0xFF}, 8, {1.5, -INFINITY}},
        {DICT(">f4", "False", "(2,)"), {0x3F, 0xC0, 0, 0, 0, 0, 0, 1}, 8, {1.5, 0x1p-149}},
        {DICT("<f8", "False", "(1,)"), {0, 0, 0, 0, 0, 0, 4, 0xC0}, 8, {-2.5}},
        {DICT("<f2", "False", "(2,)"), {0, 0x3E, 1, 0}, 4, {1.5, 0x1p-24}},
        {DICT("<f2", "False", "(2,)"), {0xFF, 0x7B, 0, 0xFC}, 4, {65504, -INFINITY}},
        {DICT("|i1", "False", "(2,)"), {0x80, 0x7F}, 2, {-128, 127}},
        {DICT("|u1", "False", "(2,)"), {0x80, 0xFF}, 2, {128, 255}},
        {DICT("<i2", "False", "(1,)"), {0xFE, 0xFF}, 2, {-2}},
        {DICT(">i4", "False", "(1,)"), {0xFF, 0xFF, 0xFF, 0xFD}, 4, {-3}},
        {DICT("<i8", "False", "(1,)"), {0, 0, 0, 0, 0, 0, 0, 0x80}, 8, {-0x1p63}},
        {DICT("<u8", "False", "(1,)"), {0, 0, 0, 0, 0, 0, 0, 0x80}, 8, {0x1p63}},
        {DICT("|b1", "False", "(2,)"), {1, 0}, 2, {1, 0}},
        {"{\"shape\":(),\"descr\":\"<f4\",\"fortran_order\":False}", {0, 0, 0x80, 0x3F}, 4, {1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fr_npy array;
        assert_ok(read_array(&array, cases[i].dict, cases[i].data, cases[i].bytes));
        for (int64_t k = 0; k < array.count; k++)
            assert_true(fr_npy_number(&array, k) == cases[i].value[k]);
        fr_npy_close(&array);
    }
    fr_npy array;
    assert_ok(read_array(&array, DICT("<f4", "False", "(0, 3)"), "", 0));
    assert_int_equal(array.count, 0);
    fr_npy_close(&array);
}

/* (2, 3) in Fortran order: element (i, j) = 10 i + j stands at i + 2 j. */
static void fortran(void **state)
{
    (void)state;
    fr_npy array;
    static const signed char columns[6] = {0, 10, 1, 11, 2, 12};
    assert_ok(read_lying(&array, DICT("|i1", "True", "(2, 3)"), columns, 6, (lies){.deflate = true}));
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 3; j++)
            assert_close(fr_npy_number(&array, i * 3 + j), 10 * i + j, 0);
    fr_npy_close(&array);
}

static void texts(void **state)
{
    (void)state;
    fr_npy array;
    fr_buffer text = {0};
    static const unsigned char points[] = {'a', 0, 0, 0, 0xE9, 0, 0, 0, 0, 0xF6, 1, 0,
                                           'b', 0, 0, 0, 0,    0, 0, 0, 0, 0,    0, 0};
    assert_ok(read_array(&array, DICT("<U3", "False", "(2,)"), points, sizeof points));
    assert_true(fr_npy_is_text(&array));
    assert_ok(fr_npy_text(&array, 0, &text));
    assert_ok(fr_npy_text(&array, 1, &text));
    assert_string_equal(text.data, "a\xC3\xA9\xF0\x9F\x98\x80"
                                   "b");
    assert_true(isnan(fr_npy_number(&array, 0)));
    fr_npy_close(&array);
    text.bytes = 0;
    assert_ok(read_array(&array, DICT("|S3", "False", "(2,)"), "ab\0cde", 6));
    assert_ok(fr_npy_text(&array, 0, &text));
    assert_ok(fr_npy_text(&array, 1, &text));
    assert_string_equal(text.data, "abcde");
    fr_npy_close(&array);
    assert_ok(
        read_array(&array, DICT("<U1", "False", "(2,)"), "\0\xD8\0\0\0\0\x11\0", 8)); /* a surrogate, beyond Unicode */
    assert_fails(fr_npy_text(&array, 0, &text), FR_FAILED, "x.npz: x: text 0: character 0 (0xD800) is no Unicode");
    assert_fails(fr_npy_text(&array, 1, &text), FR_FAILED, "text 1: character 0 (0x110000) is no Unicode");
    fr_npy_close(&array);
    assert_ok(read_array(&array, DICT("<U2", "False", "(1,)"), "\0\0\0\0a\0\0\0", 8));
    assert_fails(fr_npy_text(&array, 0, &text), FR_FAILED, "character 0 (0x0) is no Unicode");
    fr_npy_close(&array);
    assert_ok(read_array(&array, DICT("|S1", "False", "(1,)"), "\xFF", 1));
    assert_fails(fr_npy_text(&array, 0, &text), FR_FAILED, "text 0 is not valid UTF-8");
    fr_npy_close(&array);
    assert_ok(read_array(&array, DICT("<U0", "False", "(2,)"), "", 0)); /* empty texts take no bytes */
    text.bytes = 0;
    assert_ok(fr_npy_text(&array, 1, &text));
    assert_string_equal(text.data, "");
    fr_npy_close(&array);
    fr_buffer_close(&text);
}

static void bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *dict, *error;
    } cases[] = {
        {"", "its header is no dict"},
        {"[]", "its header is no dict"},
        {"{", "its header is not as numpy writes it"},
        {"{}", "its header lacks descr, fortran_order or shape"},
        {"{'descr': '<f4'}", "its header lacks"},
        {"{'descr': '<f4' 'x'}", "its header is not as numpy writes it"},
        {"{'other': 1}", "its header has a key that numpy does not write"},
        {"{'a key that is longer than any of numpy': 1}", "its header is not as numpy writes it"},
        {DICT("<f4", "Maybe", "(1,)"), "its header is not as numpy writes it"},
        {DICT("<f4", "False", "(-1,)"), "its header is not as numpy writes it"},
        {DICT("<f4", "False", "1"), "its header is not as numpy writes it"},
        {DICT("<f4", "False", "(1 2)"), "its header is not as numpy writes it"},
        {DICT("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), "its header is not as numpy writes it"},
        {DICT("<f4", "False", "(99999999999999999999,)"), "its header is not as numpy writes it"},
        {DICT("<f4", "False", "(1000000000000, 1000000000000)"), "its shape is larger than any file"},
        {DICT("<f4", "False", "(2,)"), "its shape asks for more bytes than it has"},
        {DICT("|i1", "False", "(3,)"), "it has other bytes behind its elements"},
        {DICT("<U0", "False", "(3,)"), "it has other bytes behind its elements"},
        {DICT("|O", "False", "(1,)"), "x.npz: x: holds Python objects, which are pickled code and not read"},
        {DICT("<c8", "False", "(1,)"), "has elements of type \"<c8\", want numbers"},
        {DICT("<f3", "False", "(1,)"), "has elements of type \"<f3\", want numbers"},
        {DICT("f4", "False", "(1,)"), "has elements of type \"f4\", want numbers"},
        {DICT("<", "False", "(1,)"), "has elements of type \"<\", want numbers"},
        {DICT("<M8[ns]", "False", "(1,)"), "has elements of type \"<M8[ns]\", want numbers"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "is an array of records"},
    };
    fr_npy array;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_fails(read_array(&array, cases[i].dict, "\0\0\0\0", 4), FR_FAILED, cases[i].error);
        fr_npy_close(&array);
    }
    size_t header;
    assert_fails(fr_npy_header(&array, "n", "\x93NUMPX\1\0\0\0", 10, 10, &header), FR_FAILED,
                 "n: no good numpy array: it does not begin");
    fr_npy_close(&array);
    assert_fails(fr_npy_header(&array, "n", "\x93NUMPY\4\0\0\0\0\0", 12, 12, &header), FR_FAILED,
                 "its version is not 1, 2 or 3");
    fr_npy_close(&array);
    assert_fails(fr_npy_header(&array, "n", "\x93NUMPY\2\0\xFF\xFF\xFF\xFF", 12, 12, &header), FR_FAILED,
                 "its header is longer");
    fr_npy_close(&array);
}

static void bad_zips(void **state)
{
    (void)state;
    static const char four[] = DICT("<f4", "False", "(1,)");
    fr_npy array;
    static const struct {
        lies lie;
        const char *error;
    } cases[] = {
        {{.crc = 1}, "x.npz: x.npy: its checksum is wrong: the file is damaged"},
        {{.crc = 1, .deflate = true}, "its checksum is wrong"},
        {{.method = 12}, "x.npz: x.npy: is packed in a way other than stored and deflated"},
        {{.method = 8}, "x.npz: x.npy: "},
        {{.flags = 1}, "x.npz: x.npy: is encrypted"},
        {{.size = 1}, "x.npz: x.npy: is stored in"},
        {{.size = 10, .deflate = true}, "unpacks to fewer bytes than it says"},
        {{.size = 1 << 30, .deflate = true}, "are said to unpack to 107"}, /* a bomb by its own word */
        {{.packed = 1 << 20, .size = 1 << 20}, "x.npz: x.npy: points behind the file's end"},
        {{.packed = 20, .size = 20}, "its checksum is wrong"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_fails(read_lying(&array, four, "\0\0\0\0", 4, cases[i].lie), FR_FAILED, cases[i].error);
        fr_npy_close(&array);
    }
    /* Every truncation is an error, and no flipped bit goes unseen or crashes. */
    assert_ok(read_lying(&array, four, "\1\2\3\4", 4, (lies){.deflate = true}));
    fr_npy_close(&array);
    char *whole;
    size_t bytes;
    fr_zip *zip;
    assert_ok(fr_file_read(&whole, &bytes, "x.npz", 0));
    for (size_t cut = 0; cut < bytes; cut++) {
        assert_ok(fr_file_write("cut.npz", whole, cut));
        assert_fails(fr_zip_open(&zip, "cut.npz"), FR_FAILED, "cut.npz: no good ZIP file");
    }
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        whole[bit / 8] ^= (char)(1 << bit % 8);
        assert_ok(fr_file_write("bit.npz", whole, bytes));
        whole[bit / 8] ^= (char)(1 << bit % 8);
        if (fr_zip_open(&zip, "bit.npz") != FR_OK)
            continue;
        if (fr_npz_has(zip, "x")) {
            /* What is read all the same is right: the bit meant nothing (a time, an attribute). */
            if (fr_npz_read(&array, zip, "x") == FR_OK)
                assert_memory_equal(array.data, "\1\2\3\4", 4);
            fr_npy_close(&array);
        }
        fr_zip_close(zip);
    }
    free(whole);
    assert_fails(fr_zip_open(&zip, "none.npz"), FR_FAILED, "none.npz: cannot open");
    assert_fails(fr_zip_open(&zip, "."), FR_FAILED, ".: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),       cmocka_unit_test(fortran),  cmocka_unit_test(texts),
        cmocka_unit_test(bad_headers), cmocka_unit_test(bad_zips),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
