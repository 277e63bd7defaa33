#include "test.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/rng.h"
#include "io/safetensors.h"

#include <unistd.h>

static char path[128];

static void write_raw(const char *header, uint64_t claimed, const void *data, size_t bytes)
{
    fr_buffer file = {0};
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)(claimed >> 8 * i);
    fr_buffer_add(&file, size, 8);
    fr_buffer_add(&file, header, strlen(header));
    if (bytes)
        fr_buffer_add(&file, data, bytes);
    assert_ok(fr_file_write(path, file.data, file.bytes));
    fr_buffer_close(&file);
}

static void write_file(const char *header, const void *data, size_t bytes)
{
    write_raw(header, strlen(header), data, bytes);
}

static void expect_open_error(const char *part)
{
    fr_safetensors *file;
    assert_fails(fr_safetensors_open(&file, path), FR_FAILED, part);
    assert_null(file);
    assert_non_null(strstr(fr_error_text(), path));
}

static void test_round_trip(void **state)
{
    (void)state;
    const float a[6] = {1, -2, 3.5f, 0, 1e-38f, -1e38f}, b[1] = {7};
    const fr_safetensor tensor[] = {
        {"layer.weight", 2, {2, 3}, a}, {"a \"quoted\" name", 1, {1}, b}, {"none", 1, {0}, a}};
    assert_ok(fr_safetensors_write(path, tensor, 3));
    fr_safetensors *file;
    assert_ok(fr_safetensors_open(&file, path));
    float got[6] = {0};
    assert_true(fr_safetensors_has(file, "layer.weight"));
    assert_false(fr_safetensors_has(file, "layer"));
    assert_ok(fr_safetensors_read(file, "layer.weight", 2, (int64_t[]){2, 3}, got));
    assert_memory_equal(got, a, sizeof a);
    assert_ok(fr_safetensors_read(file, "a \"quoted\" name", 1, (int64_t[]){1}, got));
    assert_close(got[0], 7, 0);
    assert_ok(fr_safetensors_read(file, "none", 1, (int64_t[]){0}, got));

    assert_fails(fr_safetensors_read(file, "layer.bias", 1, (int64_t[]){3}, got), FR_FAILED,
                 "has no tensor layer.bias");
    assert_fails(fr_safetensors_read(file, "layer.weight", 2, (int64_t[]){3, 2}, got), FR_FAILED,
                 "layer.weight is 2 x 3, want 3 x 2");
    assert_fails(fr_safetensors_read(file, "layer.weight", 1, (int64_t[]){6}, got), FR_FAILED, "is 2 x 3, want 6");
    fr_safetensors_close(file);
    fr_safetensors_close(NULL);
}

/* Bit patterns worked out by hand: bf16 is the upper half of an f32; f16 has exponent bias 15. */
static void test_types(void **state)
{
    (void)state;
    const uint16_t brain[2] = {0x3F80, 0xC040}; /* 1, -3 */
    const uint16_t half[8] = {0x3C00, 0xC000, 0x7BFF, 0x0001, 0x8400, 0x7C00, 0x3555, 0x8000};
    const double wide[1] = {0.1};
    const int32_t whole[1] = {5};
    unsigned char data[32];
    memcpy(data, brain, 4);
    memcpy(data + 4, half, 16);
    memcpy(data + 20, wide, 8);
    memcpy(data + 28, whole, 4);
    write_file("{\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
               "\"h\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[4,20]},"
               "\"d\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[20,28]},"
               "\"f8\":{\"dtype\":\"F9_NEW\",\"shape\":[1],\"data_offsets\":[32,32]},"
               "\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[28,32]}}",
               data, sizeof data);
    fr_safetensors *file;
    assert_ok(fr_safetensors_open(&file, path));
    float got[8];
    assert_ok(fr_safetensors_read(file, "b", 1, (int64_t[]){2}, got));
    assert_close(got[0], 1, 0);
    assert_close(got[1], -3, 0);
    assert_ok(fr_safetensors_read(file, "h", 1, (int64_t[]){8}, got));
    const double want[8] = {1, -2, 65504, 0x1p-24, -0x1p-14, INFINITY, 0.333251953125, 0};
    for (int i = 0; i < 8; i++)
        assert_true((double)got[i] == want[i]);
    assert_true(signbit(got[7]));
    assert_ok(fr_safetensors_read(file, "d", 0, NULL, got));
    assert_close(got[0], (float)0.1, 0);
    assert_fails(fr_safetensors_read(file, "i", 1, (int64_t[]){1}, got), FR_FAILED, "tensor i has type I32, want F32");
    assert_fails(fr_safetensors_read(file, "f8", 1, (int64_t[]){1}, got), FR_FAILED, "has type F9_NEW, want");
    fr_safetensors_close(file);
}

static void test_bad_files(void **state)
{
    (void)state;
    const char data[64] = {0};
    fr_safetensors *file;
    assert_fails(fr_safetensors_open(&file, "/nonexistent/model.safetensors"), FR_FAILED, "cannot open");
    assert_fails(fr_safetensors_open(&file, "/"), FR_FAILED, "not a file");
    assert_ok(fr_file_write(path, "", 0));
    expect_open_error("empty");
    assert_ok(fr_file_write(path, "abc", 3));
    expect_open_error("too few");
    write_raw("{}", UINT64_MAX, data, 0);
    expect_open_error("says its header has 18446744073709551615 bytes");
    write_raw("{}", 3, data, 0);
    expect_open_error("says its header has 3 bytes, the file has 10");
    write_raw("{}xx", 4, data, 0);
    expect_open_error("not a JSON object");
    write_file("[1]", data, 0);
    expect_open_error("not a JSON object");
    write_file("{}", data, 8);
    expect_open_error("holds 8 bytes of data, its header accounts for 0");

    const struct {
        const char *header, *part;
        size_t bytes;
    } bad[] = {
        {"{\"a\":1}", "tensor a has no dtype", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", "tensor a: shape is not a list", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "shape is not a list", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "not a whole number >= 0", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", "not a whole number >= 0", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "data_offsets are not", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "data_offsets are not", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", "data_offsets are not", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", "data_offsets are not", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "is it cut off?", 12},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,12]}}",
         "has 12 bytes of data, its shape and type F32 want 16", 12},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
         "larger than any memory", 0},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
         "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
         "tensor b starts at byte 4 of the data, want 8", 12},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "tensor a starts at byte 4 of the data, want 0", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
         "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
         "duplicate", 8},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(bad[i].header, data, bad[i].bytes);
        expect_open_error(bad[i].part);
    }
}

/* Whatever bytes are flipped or cut: an error of one line or values, never a crash (run under AddressSanitizer too). */
static void test_damage(void **state)
{
    (void)state;
    float a[12] = {0}, got[12];
    const fr_safetensor tensor[] = {{"first", 2, {3, 2}, a}, {"second", 1, {6}, a + 6}};
    assert_ok(fr_safetensors_write(path, tensor, 2));
    char *whole;
    size_t bytes;
    int opened = 0;
    assert_ok(fr_file_read(&whole, &bytes, path, 0));
    for (uint64_t trial = 0; trial < 3000; trial++) {
        char *copy = fr_alloc(bytes);
        memcpy(copy, whole, bytes);
        size_t length = trial % 5 == 4 ? (size_t)fr_rng_below(1, 1, trial, (int64_t)bytes) : bytes;
        for (uint64_t flip = 0; flip <= trial % 3; flip++)
            copy[fr_rng_below(1, 2 + flip, trial, (int64_t)bytes)] ^= (char)(1 << fr_rng_below(1, 9 + flip, trial, 8));
        unlink(path); /* nor fr_file_write: 3000 times to the disk take too long */
        FILE *out = fopen(path, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(copy, 1, length, out), length);
        fclose(out);
        fr_safetensors *file;
        if (fr_safetensors_open(&file, path) == FR_OK) {
            opened++;
            if (fr_safetensors_read(file, "first", 2, (int64_t[]){3, 2}, got) != FR_OK)
                assert_null(strchr(fr_error_text(), '\n'));
            fr_safetensors_close(file);
        } else {
            assert_null(strchr(fr_error_text(), '\n'));
        }
        free(copy);
    }
    assert_in_range(opened, 1, 2999); /* damage of the data alone goes unseen, damage of the header mostly not */
    free(whole);
}

int main(void)
{
    snprintf(path, sizeof path, "%s/model.safetensors", test_folder());
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_types),
                                       cmocka_unit_test(test_bad_files), cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
