/* The emulated device itself: indices, shared memory, shuffles, votes, matrix fragments, asynchronous copies, bf16. */
#include "device_kernels.h"
#include "table.h"
#include "test.h"

/* Memory of the device, with room for the tests that follow. */
static void *room(size_t bytes)
{
    return fr_simt_allocate(bytes);
}

static void test_indices(void **state)
{
    (void)state;
    const unsigned grid[] = {3, 2, 4}, block[] = {5, 7, 3};
    uint64_t *out = room(24 * 105 * sizeof *out);
    run_indices(out, grid, block);
    for (unsigned b = 0; b < 24; b++)
        for (unsigned t = 0; t < 105; t++)
            assert_int_equal(out[b * 105 + t], t % 5 + 10 * (t / 5 % 7) + 100 * (t / 35) + 1000 * (b % 3) +
                                                   10000 * (b / 3 % 2) + 100000 * (b / 6));
    fr_simt_release(out);
    const unsigned none[] = {3, 0, 1};
    run_indices(NULL, none, block); /* an empty grid does nothing */
}

static void test_fresh_shared(void **state)
{
    (void)state;
    uint32_t *out = room(6 * sizeof *out);
    run_fresh_shared(out);
    for (int i = 0; i < 6; i++)
        assert_int_equal(out[i], 0xffffffffu);
    fr_simt_release(out);
}

static void test_block_sums(void **state)
{
    (void)state;
    double *out = room(4 * sizeof *out);
    run_block_sums(out);
    assert_true(out[0] == 32640 && out[1] == 0 && out[2] == 32640 && out[3] == 256);
    fr_simt_release(out);
}

static void test_shuffles(void **state)
{
    (void)state;
    int32_t *out = room(SHUFFLES * 32 * sizeof *out);
    run_shuffles(out);
    for (int l = 0; l < 32; l++) {
        const int want[SHUFFLES] = {
            5,
            (l + 1) % 32,
            l / 8 * 8 + 3,
            l < 2 ? l : l - 2,
            l % 16 ? l - 1 : l,
            l > 29 ? l : l + 2,
            l % 4 == 3 ? l : l + 1,
            l ^ 17,
            (l ^ 4) > l ? l : l ^ 4, /* only earlier segments can be read */
            l % 2 ? (32 - l) % 32 : -100,
        };
        for (int i = 0; i < SHUFFLES; i++)
            if (out[32 * i + l] != 100 + want[i])
                fail_msg("shuffle %d, lane %d: %d, want %d", i, l, out[32 * i + l], 100 + want[i]);
    }
    fr_simt_release(out);
    int64_t *xor_1 = room(32 * sizeof *xor_1);
    double *down_3 = room(32 * sizeof *down_3);
    uint16_t *up_1 = room(32 * sizeof *up_1);
    run_shuffles_64(xor_1, down_3, up_1);
    for (int l = 0; l < 32; l++) {
        assert_true(xor_1[l] == (int64_t)(l ^ 1) << 40);
        assert_true(down_3[l] == (unsigned)(l > 28 ? l : l + 3) + 1e-9);
        float x = (float)(l > 0 ? l - 1 : 0);
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        assert_int_equal(up_1[l], bits >> 16);
    }
    fr_simt_release(xor_1);
    fr_simt_release(down_3);
    fr_simt_release(up_1);
}

static void test_votes(void **state)
{
    (void)state;
    uint32_t *out = room(VOTES * 32 * sizeof *out);
    run_votes(out);
    for (unsigned l = 0; l < 32; l++) {
        const uint32_t want[VOTES] = {
            0x49249249u,
            1,
            0,
            1,
            0,
            0x11111111u << l % 4,
            (uint32_t)(31 * 16 - 320),
            (uint32_t)-10,
            21,
            0xffffffffu,
            31,
            l < 16 ? 0x0000aaaau : 0xaaaa0000u,
        };
        for (int i = 0; i < VOTES; i++)
            if (out[32 * i + l] != want[i])
                fail_msg("vote %d, lane %u: 0x%x, want 0x%x", i, l, out[32 * i + l], want[i]);
    }
    fr_simt_release(out);
    int32_t *counts = room(3 * 96 * sizeof *counts);
    run_barrier_votes(counts);
    for (int i = 0; i < 96; i++)
        assert_true(counts[i] == 28 && counts[96 + i] == 2 && counts[192 + i] == 2);
    fr_simt_release(counts);
}

static float from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

/* Small integers, so that every sum is exact: a wrong place in a fragment shows as a wrong number. */
static void test_mma(void **state)
{
    (void)state;
    uint16_t *a = room(256 * 2), *b = room(128 * 2);
    float *c = room(128 * 4), *d = room(128 * 4);
    for (int way = 0; way < 4; way++) {
        bool plain = way & 1, b_transposed = way & 2;
        for (int i = 0; i < 256; i++) {
            float x = (float)(i * 37 % 61 - 30);
            uint32_t bits;
            memcpy(&bits, &x, sizeof bits);
            a[i] = (uint16_t)(bits >> 16);
            if (i % 2 == 0)
                b[i / 2] = (uint16_t)(bits >> 16);
            if (i < 128)
                c[i] = (float)(i * i % 1009);
        }
        run_mma(d, a, b, c, plain, b_transposed);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++) {
                float want = c[8 * i + j];
                for (int k = 0; k < 16; k++)
                    want += from_bf16(a[16 * i + k]) * from_bf16(b[b_transposed ? 16 * j + k : 8 * k + j]);
                if (d[8 * i + j] != want)
                    fail_msg("way %d: d[%d,%d] is %g, want %g", way, i, j, d[8 * i + j], want);
            }
    }
    fr_simt_release(a);
    fr_simt_release(b);
    fr_simt_release(c);
    fr_simt_release(d);
}

/* A copy lands at the wait for its group and no sooner; rows that are not there become 0. */
static void test_copies(void **state)
{
    (void)state;
    float *in = room(32 * 4), *before = room(32 * 4), *first = room(32 * 4), *all = room(32 * 4);
    for (int i = 0; i < 32; i++)
        in[i] = (float)(i + 1);
    run_copies(before, first, all, in);
    for (int i = 0; i < 32; i++) {
        float want = i / 4 % 2 ? 0 : in[i];
        assert_true(isnan(before[i]));
        assert_true(i < 16 ? first[i] == want : isnan(first[i]));
        assert_true(all[i] == want);
    }
    fr_simt_release(in);
    fr_simt_release(before);
    fr_simt_release(first);
    fr_simt_release(all);
}

static void test_bf16(void **state)
{
    (void)state;
    static const struct {
        uint32_t in;
        uint16_t out;
    } cases[] = {
        {0x3f800000, 0x3f80}, /* 1 */
        {0x3f808000, 0x3f80}, /* half way: to even */
        {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0x3f807fff, 0x3f80},
        {0x80000000, 0x8000}, {0xbf818000, 0xbf82}, {0x7f7fffff, 0x7f80}, /* rounds up to infinity */
        {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fff},
        {0xffffffff, 0x7fff}, {0x00000001, 0x0000}, {0x00008001, 0x0001}, /* subnormal */
    };
    enum { N = sizeof cases / sizeof cases[0] };
    float *x = room(N * 4), *back = room(N * 4);
    uint16_t *bits = room(N * 2);
    for (int i = 0; i < N; i++)
        memcpy(&x[i], &cases[i].in, 4);
    run_bf16(bits, back, x, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(bits[i], cases[i].out);
        uint32_t wide = (uint32_t)bits[i] << 16;
        assert_memory_equal(&back[i], &wide, 4);
    }
    fr_simt_release(x);
    fr_simt_release(back);
    fr_simt_release(bits);
}

static void test_atomics(void **state)
{
    (void)state;
    int32_t *add = room(4);
    uint32_t *max = room(4);
    uint64_t *cas = room(8);
    run_atomics(add, max, cas);
    assert_int_equal(*add, 256);
    assert_int_equal(*max, 63);
    assert_true(*cas == 128ull << 33);
    fr_simt_release(add);
    fr_simt_release(max);
    fr_simt_release(cas);
}

static void test_bits(void **state)
{
    (void)state;
    uint32_t *x = room(4 * 4);
    int32_t *out = room(4 * 16);
    const uint32_t in[] = {0, 1, 0x80000000u, 0x00f01000u};
    const int32_t want[] = {0, 0, 32, 0, 1, 1, 31, INT32_MIN, 1, 32, 0, 1, 5, 13, 8, 0x00080f00};
    memcpy(x, in, sizeof in);
    run_bits(out, x, 4);
    for (int i = 0; i < 16; i++)
        assert_int_equal(out[i], want[i]);
    fr_simt_release(x);
    fr_simt_release(out);
}

/* All again with the last warp and lane first. */
static int backwards(void **state)
{
    (void)state;
    fr_simt_backwards(true);
    return 0;
}

static int forwards(void **state)
{
    (void)state;
    fr_simt_backwards(false);
    return 0;
}

#define BOTH_WAYS(test) cmocka_unit_test(test), cmocka_unit_test_setup_teardown(test, backwards, forwards)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(test_indices), BOTH_WAYS(test_fresh_shared), BOTH_WAYS(test_block_sums), BOTH_WAYS(test_shuffles),
        BOTH_WAYS(test_votes),   BOTH_WAYS(test_mma),          BOTH_WAYS(test_copies),     BOTH_WAYS(test_bf16),
        BOTH_WAYS(test_atomics), BOTH_WAYS(test_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
