/* Every instruction set that runs here, and the cpu device with oneDNN, against ref: every operation within 64 eps of
 * the largest value of the array. */
#include "op_cases.h"

#include "device/tables.h"

#include <float.h>
#include <omp.h>

typedef struct variants {
    fr_device *ref, *cpu; /* cpu: its kernels are exchanged */
    const fr_kernels *table[4];
    int count;
} variants;

static void compare(const char *what, const op_run *r, int which, fr_tensor got, fr_tensor want)
{
    double *g = tensor_values(got), *w = tensor_values(want), largest = 1;
    int64_t n = fr_tensor_count(&want);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(w[i]));
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(g[i] - w[i]) <= 64 * FLT_EPSILON * largest))
            fail_msg("%s, %s (%ld, %ld): %s %d, element %ld is %.9g, ref has %.9g, largest %.3g", r->op->name,
                     r->device->kernels->name, (long)r->rows, (long)r->width, what, which, (long)i, g[i], w[i],
                     largest);
    free(g);
    free(w);
}

static void compare_runs(const op_run *got, const op_run *want)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (want->out_spec[i].there)
            compare("output", got, i, got->out[i], want->out[i]);
        if (want->in_spec[i].there)
            compare("gradient of operand", got, i, got->din[i], want->din[i]);
    }
}

static void check_case(variants *v, const op_case *op, int64_t rows, int64_t width)
{
    op_run want, got;
    op_run_open(&want, op, v->ref, rows, width);
    op->forward(&want);
    op->backward(&want);
    for (int t = 0; t < v->count; t++) {
        v->cpu->kernels = v->table[t];
        op_run_open(&got, op, v->cpu, rows, width);
        op->forward(&got);
        op->backward(&got);
        compare_runs(&got, &want);
        op_run_close(&got);
    }
    op_run_close(&want);
}

static void test_operations(void **state)
{
    static const int64_t sizes[] = {1, 31, 32, 33};
    for (int c = 0; c < OP_CASES; c++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                check_case(*state, &op_cases[c], sizes[i], sizes[j]);
}

/* Large enough for every parallel path and for oneDNN. */
static void test_large_operations(void **state)
{
    for (int c = 0; c < OP_CASES; c++)
        check_case(*state, &op_cases[c], 517, 67);
}

/* The same bits with one thread and with three: the sums do not depend on who adds. */
static void test_thread_count(void **state)
{
    variants *v = *state;
    for (int c = 0; c < OP_CASES; c++)
        for (int t = 0; t < v->count; t++) {
            v->cpu->kernels = v->table[t];
            op_run one, three;
            omp_set_num_threads(1);
            op_run_open(&one, &op_cases[c], v->cpu, 517, 67);
            op_cases[c].forward(&one);
            op_cases[c].backward(&one);
            omp_set_num_threads(3);
            op_run_open(&three, &op_cases[c], v->cpu, 517, 67);
            op_cases[c].forward(&three);
            op_cases[c].backward(&three);
            omp_set_num_threads(v->cpu->threads);
            bool own_gemm = v->cpu->kernels != fr_kernels_cpu(); /* oneDNN promises nothing of the kind */
            for (int i = 0; i < OPERANDS && (own_gemm || c > 0); i++) {
                if (one.in_spec[i].there)
                    assert_memory_equal(one.din[i].data, three.din[i].data, fr_tensor_bytes(&one.din[i]));
                if (one.out_spec[i].there)
                    assert_memory_equal(one.out[i].data, three.out[i].data, fr_tensor_bytes(&one.out[i]));
            }
            op_run_close(&one);
            op_run_close(&three);
        }
}

/* Each instruction set draws the same numbers: what one drops, all drop. */
static void test_same_dropout(void **state)
{
    variants *v = *state;
    enum { N = 1021 };
    static float x[N], first[N], y[N];
    for (int i = 0; i < N; i++)
        x[i] = 1;
    for (int64_t from = 0; from < 300; from += 37)
        for (int t = 0; t < v->count; t++) {
            v->table[t]->dropout(NULL, t == 0 ? first : y, x, N, 0.4, 77, 0xabcdef0123456789u,
                                 (1ll << 34) - 150 + from);
            if (t > 0)
                assert_memory_equal(first, y, sizeof y);
        }
}

static void random_f32(float *x, int64_t n, uint64_t stream)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)fr_rng_normal(5, stream, (uint64_t)i);
}

/* c = alpha op(a) op(b) + beta c + bias on sub-matrices (row strides above the width), against sums in f64 worked out
 * here. */
static void check_gemm(const fr_kernels *table, int64_t m, int64_t n, int64_t k, bool ta, bool tb, double alpha,
                       double beta, bool bias)
{
    int64_t lda = (ta ? m : k) + 3, ldb = (tb ? k : n) + 5, ldc = n + 2;
    int64_t rows_a = ta ? k : m, rows_b = tb ? n : k;
    float *a = malloc((size_t)(rows_a * lda) * 4), *b = malloc((size_t)(rows_b * ldb) * 4),
          *c = malloc((size_t)(m * ldc) * 4);
    float *old = malloc((size_t)(m * ldc) * 4), *add = malloc((size_t)n * 4);
    random_f32(a, rows_a * lda, 1);
    random_f32(b, rows_b * ldb, 2);
    random_f32(c, m * ldc, 3);
    random_f32(add, n, 4);
    if (beta == 0)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c[i * ldc + j] = NAN; /* must not be read */
    memcpy(old, c, (size_t)(m * ldc) * 4);
    table->gemm(NULL, c, a, b, bias ? add : NULL, m, n, k, ta, tb, lda, ldb, ldc, alpha, beta, false);
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += (double)a[ta ? l * lda + i : i * lda + l] * (double)b[tb ? j * ldb + l : l * ldb + j];
            double want = alpha * sum + (beta == 0 ? 0 : beta * old[i * ldc + j]) + (bias ? add[j] : 0);
            if (!(fabs(c[i * ldc + j] - want) <= 64 * FLT_EPSILON * (8 + sqrt((double)k))))
                fail_msg("%s gemm %ld %ld %ld ta %d tb %d alpha %g beta %g bias %d: [%ld,%ld] is %.9g, want %.9g",
                         table->name, (long)m, (long)n, (long)k, ta, tb, alpha, beta, bias, (long)i, (long)j,
                         c[i * ldc + j], want);
        }
        for (int64_t j = n; j < ldc; j++) /* what lies between the rows is not touched */
            assert_true(c[i * ldc + j] == old[i * ldc + j]);
    }
    free(a);
    free(b);
    free(c);
    free(old);
    free(add);
}

static void test_gemm(void **state)
{
    variants *v = *state;
    static const int64_t sizes[][3] = {{1, 1, 1}, {1, 33, 31}, {31, 1, 32}, {33, 32, 1}, {32, 31, 33}, {70, 65, 129}};
    for (int t = 0; t < v->count; t++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int flags = 0; flags < 32; flags++)
                check_gemm(v->table[t], sizes[s][0], sizes[s][1], sizes[s][2], flags & 1, flags & 2,
                           flags & 4 ? 1 : -0.5,
                           flags & 8   ? 0
                           : flags & 4 ? 1
                                       : 0.75,
                           flags & 16);
}

static int setup(void **state)
{
    static variants v;
    if (fr_device_open(&v.ref, FR_DEVICE_REF, 2) || fr_device_open(&v.cpu, FR_DEVICE_CPU, 2))
        return 1;
    static const char *const names[] = {"base", "avx2", "avx512"};
    v.table[v.count++] = fr_kernels_cpu();
    for (int i = 0; i < 3; i++)
        if (fr_kernels_isa(names[i]))
            v.table[v.count++] = fr_kernels_isa(names[i]);
    *state = &v;
    return 0;
}

static int teardown(void **state)
{
    variants *v = *state;
    fr_device_close(v->ref);
    fr_device_close(v->cpu);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),   cmocka_unit_test(test_large_operations),
        cmocka_unit_test(test_thread_count), cmocka_unit_test(test_same_dropout),
        cmocka_unit_test(test_gemm),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
