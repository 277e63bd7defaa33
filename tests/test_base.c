#include "test.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* Known answers of Philox4x32-10 from the Random123 distribution's kat_vectors. */
static void test_philox_known_answers(void **state)
{
    (void)state;
    uint32_t out[4];
    fr_philox(out, 0, 0, 0);
    uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    assert_memory_equal(out, zero, sizeof zero);
    fr_philox(out, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    assert_memory_equal(out, ones, sizeof ones);
}

static void test_rng_moments(void **state)
{
    (void)state;
    double sum = 0, squares = 0;
    int n = 100000;
    for (int i = 0; i < n; i++) {
        double x = fr_rng_normal(7, fr_stream("test", 1, 2), (uint64_t)i);
        sum += x;
        squares += x * x;
    }
    assert_close(sum / n, 0, 0.02);
    assert_close(squares / n, 1, 0.03);
    int64_t order[100], seen[100] = {0};
    fr_rng_permutation(order, 100, 3, 4);
    for (int i = 0; i < 100; i++)
        seen[order[i]]++;
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
}

static void test_hash_separates_texts(void **state)
{
    (void)state;
    char a[FR_HASH_CHARS], b[FR_HASH_CHARS];
    fr_hash *hash = fr_hash_create();
    fr_hash_add_text(hash, "ab");
    fr_hash_add_text(hash, "c");
    fr_hash_end(hash, a);
    hash = fr_hash_create();
    fr_hash_add_text(hash, "a");
    fr_hash_add_text(hash, "bc");
    fr_hash_end(hash, b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 32);
}

static void test_status_text(void **state)
{
    (void)state;
    fr_status status = fr_fail(FR_FAILED, "row %d", 3);
    status = fr_fail_within(status, "file %s", "x.csv");
    assert_int_equal(status, FR_FAILED);
    assert_string_equal(fr_error_text(), "file x.csv: row 3");
}

static void test_strings_never_move(void **state)
{
    (void)state;
    fr_strings pool = {0};
    const char *first = fr_strings_add(&pool, "first", 5);
    for (int i = 0; i < 100000; i++)
        assert_non_null(fr_strings_add(&pool, "filler text", 11));
    assert_string_equal(first, "first");
    fr_strings_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers), cmocka_unit_test(test_rng_moments),
        cmocka_unit_test(test_hash_separates_texts), cmocka_unit_test(test_status_text),
        cmocka_unit_test(test_strings_never_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
