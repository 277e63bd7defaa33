/* kernels/attention.cu against the f64 kernel, which drops the same probabilities: every way through it, packs of all
 * lengths at which a tile, a fragment or a way ends, forward and backward, with and without dropout.
 *
 * f32 agrees within three times what the CPU's f32 kernels are held to (test_kernels_variants.c), and so does lse,
 * which is f32 always. bf16 rounds by at most u = 2^-8 of a value. out is a mean of v with weights rounded once,
 * rounded again: 2 u of the largest |v| at most, and held to 2 u of the largest |out|. A gradient sums terms of random
 * signs with rounded P, dS and (in delta) out, and is rounded itself: 4 u of the largest. (Seen: 0.5 and 0.6 of that.)
 * An element at the wrong place, a mask or a factor forgotten is off by a large part of the largest. */
#include "table.h"
#include "test.h"

#include "base/rng.h"

#include <float.h>

enum { MOST_LENGTHS = 16 };

typedef struct pack {
    int32_t length[MOST_LENGTHS], count;
    int64_t longest; /* told; 0: the longest of them */
} pack;

#define PACK(...)                                                                                                      \
    {                                                                                                                  \
        {__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), 0                                           \
    }

/* For each way of 32, 64, 96, 128 rows, and the tiled one. */
static const pack packs[] = {
    PACK(1, 2, 0, 15, 16, 17, 31, 32), PACK(33, 0, 63, 1, 64), PACK(65, 96, 5),
    PACK(100, 127, 128, 16, 97),       PACK(129, 1, 0, 200),
};
enum { PACKS = sizeof packs / sizeof *packs };

typedef struct setting {
    int64_t H, D;
    double scale, p;
    bool bf16;
    bool twice; /* backwards too, for the same bits */
    int shift;  /* elements that memory begins late: not aligned */
} setting;

/* Memory of one run; elements of f64 (ref), or of the kernel's types. */
typedef struct run {
    void *qkv, *out, *lse, *dout, *dqkv;
    int32_t *cu;
} run;

static int64_t lay_out(int32_t *cu, const pack *p, int64_t *longest)
{
    cu[0] = 0;
    *longest = p->longest;
    for (int b = 0; b < p->count; b++) {
        cu[b + 1] = cu[b] + p->length[b];
        if (p->longest == 0 && p->length[b] > *longest)
            *longest = p->length[b];
    }
    return cu[p->count];
}

static uint16_t to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float from_bf16(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* n random numbers as the kernel's type, and just those as f64. */
static void *fill(double *as_f64, int64_t n, const setting *s, uint64_t stream)
{
    size_t size = s->bf16 ? 2 : 4;
    char *memory = fr_simt_allocate((size_t)(n + s->shift) * size);
    memory += (size_t)s->shift * size;
    for (int64_t i = 0; i < n; i++) {
        float x = (float)fr_rng_normal(7, stream, (uint64_t)i);
        uint16_t bits = to_bf16(x);
        if (s->bf16)
            x = from_bf16(bits);
        memcpy(memory + (size_t)i * size, s->bf16 ? (void *)&bits : (void *)&x, size);
        as_f64[i] = x;
    }
    return memory;
}

static void *poisoned(int64_t n, size_t size, int shift)
{
    char *memory = fr_simt_allocate((size_t)(n + shift) * size);
    memset(memory, 0xff, (size_t)(n + shift) * size);
    return memory + (size_t)shift * size;
}

static void give_back(void *memory, size_t size, int shift)
{
    fr_simt_release((char *)memory - (size_t)shift * size);
}

static void call(const fr_kernels *kernels, fr_queue *queue, const run *r, int64_t B, int64_t N, int64_t longest,
                 const setting *s)
{
    kernels->attention_forward(queue, r->out, r->lse, r->qkv, r->cu, B, N, s->H, s->D, s->scale, longest, s->p, 11, 22,
                               5);
    kernels->attention_backward(queue, r->dqkv, r->dout, r->out, r->lse, r->qkv, r->cu, B, N, s->H, s->D, s->scale,
                                longest, s->p, 11, 22, 5);
}

/* The elements with i / part % parts == which, against the largest of them. */
static void compare(const char *what, const void *got, const double *want, int64_t n, int64_t part, int parts,
                    int which, bool bf16, double tolerance, const setting *s, int64_t longest)
{
    double largest = bf16 ? 0 : 1;
    for (int64_t i = 0; i < n; i++)
        if (i / part % parts == which)
            largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < n; i++) {
        double x = bf16 ? from_bf16(((const uint16_t *)got)[i]) : ((const float *)got)[i];
        if (i / part % parts == which && !(fabs(x - want[i]) <= tolerance * largest))
            fail_msg("%s, %s, H %ld, D %ld, p %g, longest %ld: element %ld is %.9g, want %.9g, largest %.3g", what,
                     s->bf16 ? "bf16" : "f32", (long)s->H, (long)s->D, s->p, (long)longest, (long)i, x, want[i],
                     largest);
    }
}

static void compare_all(const run *got, const run *want, int64_t N, const setting *s, int64_t longest)
{
    static const char *const names[] = {"dq", "dk", "dv"};
    const double f32 = 192 * FLT_EPSILON;
    int64_t C = s->H * s->D;
    compare("lse", got->lse, want->lse, N * s->H, 1, 1, 0, false, f32, s, longest);
    compare("out", got->out, want->out, N * C, 1, 1, 0, s->bf16, s->bf16 ? 0x1p-7 : f32, s, longest);
    for (int i = 0; i < 3; i++)
        compare(names[i], got->dqkv, want->dqkv, N * C * 3, C, 3, i, s->bf16, s->bf16 ? 0x1p-6 : f32, s, longest);
}

static void release_outputs(const run *r, const setting *s)
{
    size_t real = s->bf16 ? 2 : 4;
    give_back(r->out, real, s->shift);
    give_back(r->dqkv, real, s->shift);
    fr_simt_release(r->lse);
}

static void check(const pack *p, setting s)
{
    const fr_kernels *kernels = fr_simt_kernels(s.bf16);
    int64_t longest, C = s.H * s.D;
    run got, want;
    size_t real = s.bf16 ? 2 : 4;
    want.cu = calloc(MOST_LENGTHS + 1, sizeof(int32_t));
    int64_t N = lay_out(want.cu, p, &longest);
    want.qkv = calloc((size_t)(N * C * 3 + 1), sizeof(double));
    want.dqkv = calloc((size_t)(N * C * 3 + 1), sizeof(double));
    want.out = calloc((size_t)(N * C + 1), sizeof(double));
    want.dout = calloc((size_t)(N * C + 1), sizeof(double));
    want.lse = calloc((size_t)(N * s.H + 1), sizeof(double));
    got.cu = fr_simt_allocate((size_t)(p->count + 1) * sizeof(int32_t));
    memcpy(got.cu, want.cu, (size_t)(p->count + 1) * sizeof(int32_t));
    got.qkv = fill(want.qkv, N * C * 3, &s, 1);
    got.dout = fill(want.dout, N * C, &s, 2);
    call(fr_kernels_ref(), NULL, &want, p->count, N, longest, &s);

    run first = got;
    for (int again = 0; again <= s.twice; again++) {
        fr_simt_backwards(again == 1);
        got.out = poisoned(N * C, real, s.shift);
        got.dqkv = poisoned(N * C * 3, real, s.shift);
        got.lse = poisoned(N * s.H, sizeof(float), 0);
        call(kernels, fr_simt_queue(), &got, p->count, N, longest, &s);
        compare_all(&got, &want, N, &s, longest);
        if (again == 1) {
            assert_memory_equal(first.out, got.out, (size_t)(N * C) * real);
            assert_memory_equal(first.dqkv, got.dqkv, (size_t)(N * C * 3) * real);
            release_outputs(&first, &s);
        }
        first = got;
    }
    release_outputs(&first, &s);
    fr_simt_backwards(false);
    give_back(got.qkv, real, s.shift);
    give_back(got.dout, real, s.shift);
    fr_simt_release(got.cu);
    free(want.cu);
    free(want.qkv);
    free(want.dqkv);
    free(want.out);
    free(want.dout);
    free(want.lse);
}

static void test_matrix_kernels(void **state)
{
    (void)state;
    static const int64_t heads[PACKS] = {3, 2, 1, 1, 1};
    for (int i = 0; i < PACKS; i++)
        for (int64_t D = 32; D <= 64; D += 32)
            for (int drop = 0; drop < 2; drop++)
                check(&packs[i],
                      (setting){heads[i], D, 1 / sqrt((double)D), 0.3 * drop, .bf16 = true, .twice = drop && D == 32});
    pack many = PACK(20, 31, 3), far = PACK(300);
    check(&many, (setting){12, 32, 0.2, 0.1, .bf16 = true});
    check(&far, (setting){1, 32, 0.2, 0.1, .bf16 = true});
}

/* A longest sequence that is longer than any there is: short ones in the tiled kernels. */
static void test_told_longest(void **state)
{
    (void)state;
    for (int64_t longest = 60; longest < 300; longest += 130) {
        pack p = {{1, 33, 0, 17}, 4, longest};
        check(&p, (setting){2, 32, 0.2, 0.3, .bf16 = true});
        check(&p, (setting){1, 16, 0.2, 0.3, .bf16 = false});
    }
    pack none = {{0, 0}, 2, 0};
    check(&none, (setting){2, 32, 0.2, 0, .bf16 = true});
    check(&none, (setting){2, 32, 0.2, 0, .bf16 = false});
}

/* Scores of a hundred and more of either sign: e^-lse and e^score are beyond f32. */
static void test_large_scores(void **state)
{
    (void)state;
    pack small = PACK(1, 40, 7), large = PACK(3, 140);
    check(&small, (setting){2, 64, -20, 0, .bf16 = true});
    check(&large, (setting){1, 64, -20, 0, .bf16 = true});
    check(&large, (setting){1, 32, 20, 0.3, .bf16 = true});
    check(&small, (setting){2, 8, -0.7, 0, .bf16 = false});
}

static void test_f32(void **state)
{
    (void)state;
    static const pack plain[] = {PACK(1, 2, 0, 15, 16, 17), PACK(31, 32, 33), PACK(64, 1, 65), PACK(129)};
    static const int64_t widths[] = {64, 31, 8, 32};
    for (int i = 0; i < 4; i++)
        for (int drop = 0; drop < 2; drop++)
            check(&plain[(i + drop) % 4], (setting){i == 2 ? 3 : 1, widths[i], 1 / sqrt((double)widths[i]), 0.3 * drop,
                                                    .bf16 = false, .twice = drop && i == 1});
}

static void test_other_widths(void **state)
{
    (void)state;
    static const int64_t widths[] = {8, 16, 31, 48, 100, 256};
    pack p = PACK(33, 1, 0, 2);
    for (int i = 0; i < 6; i++)
        for (int bf16 = 0; bf16 < 2; bf16++)
            check(&p, (setting){i % 2 + 1, widths[i], 1 / sqrt((double)widths[i]), 0.3 * (i % 2), .bf16 = bf16});
}

/* Memory that cannot be read 16 bytes at a time. */
static void test_unaligned(void **state)
{
    (void)state;
    pack p = PACK(33, 2);
    check(&p, (setting){2, 32, 0.2, 0.3, .bf16 = true, .shift = 1});
    check(&p, (setting){2, 32, 0.2, 0.3, .bf16 = false, .shift = 1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix_kernels), cmocka_unit_test(test_told_longest),
        cmocka_unit_test(test_large_scores),   cmocka_unit_test(test_f32),
        cmocka_unit_test(test_other_widths),   cmocka_unit_test(test_unaligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
