/* Every operation of op_cases.h with the CUDA kernels, in f32 and in bf16, against ref on the same inputs; forwards and
 * backwards through blocks and threads with the same bits. */
#include "op_cases.h"
#include "simt/device.h"
#include "simt/table.h"

#include <float.h>

/* No row without a .cu. */
static void test_rows(void **state)
{
    (void)state;
    if (fr_simt_missing(0))
        fail_msg("%s has no .cu%s", fr_simt_missing(0), fr_simt_missing(1) ? ", nor have others" : "");
}

/* ---- the operations -------------------------------------------------------------------------------------------------
 */

static fr_device *ref, *simt[2]; /* f32, bf16 */

static void compare(const char *what, const op_run *r, int which, fr_tensor got, fr_tensor want)
{
    bool bf16 = !r->op->wide && r->device->real == FR_BF16;
    double *g = tensor_values(got), *w = tensor_values(want), largest = 1;
    int64_t n = fr_tensor_count(&want);
    for (int64_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(w[i]));
    /* three times what is asked of the cpu; in bf16 three times the distance of two numbers */
    double tolerance = (bf16 ? 3 * 0x1p-8 : 3 * 64 * (double)FLT_EPSILON) * largest;
    for (int64_t i = 0; i < n; i++)
        if (!(fabs(g[i] - w[i]) <= tolerance))
            fail_msg("%s, %s (%ld, %ld): %s %d, element %ld is %.9g, ref has %.9g, largest %.3g", r->op->name,
                     r->device->description, (long)r->rows, (long)r->width, what, which, (long)i, g[i], w[i], largest);
    free(g);
    free(w);
}

static void same_values(fr_tensor to, fr_tensor from)
{
    double *x = tensor_values(from);
    fr_tensor_set_f64(to, x);
    free(x);
}

/* ref on what the device was given, rounded as there */
static void run_ref(op_run *want, const op_run *got)
{
    op_run_open(want, got->op, ref, got->rows, got->width);
    for (int i = 0; i < OPERANDS; i++)
        if (want->in_spec[i].there)
            same_values(want->in[i], got->in[i]);
    same_values(want->dout, got->dout);
    want->op->forward(want);
    want->op->backward(want);
}

static void assert_same_bits(const op_run *r, const char *what, fr_tensor a, fr_tensor b)
{
    if (memcmp(a.data, b.data, fr_tensor_bytes(&a)) != 0)
        fail_msg("%s, %s (%ld, %ld): %s depends on the order of blocks and threads", r->op->name,
                 r->device->description, (long)r->rows, (long)r->width, what);
}

static void check_case(const op_case *op, fr_device *device, int64_t rows, int64_t width)
{
    op_run want, got, again;
    op_run_open(&got, op, device, rows, width);
    op->forward(&got);
    op->backward(&got);
    run_ref(&want, &got);
    op_run_open(&again, op, device, rows, width);
    fr_simt_backwards(true);
    op->forward(&again);
    op->backward(&again);
    fr_simt_backwards(false);
    for (int i = 0; i < OPERANDS; i++) {
        if (want.out_spec[i].there) {
            compare("output", &got, i, got.out[i], want.out[i]);
            assert_same_bits(&got, "an output", got.out[i], again.out[i]);
        }
        if (want.in_spec[i].there) {
            compare("gradient of operand", &got, i, got.din[i], want.din[i]);
            assert_same_bits(&got, "a gradient", got.din[i], again.din[i]);
        }
    }
    op_run_close(&again);
    op_run_close(&got);
    op_run_close(&want);
}

static void check_sizes(fr_device *device)
{
    static const int64_t sizes[] = {1, 31, 32, 33};
    static const int64_t even[][2] = {{5, 64}, {9, 40}, {70, 24}}; /* rows that are whole vectors */
    for (int c = 0; c < OP_CASES; c++) {
        if (op_cases[c].wide && device->real == FR_BF16) { /* the kernels of f32 again */
            check_case(&op_cases[c], device, 33, 33);
            continue;
        }
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                check_case(&op_cases[c], device, sizes[i], sizes[j]);
        for (int i = 0; i < 3; i++)
            check_case(&op_cases[c], device, even[i][0], even[i][1]);
        if (strncmp(op_cases[c].name, "attention", 9) != 0) /* its own test has long sequences */
            check_case(&op_cases[c], device, 517, 67);
    }
}

static void test_f32(void **state)
{
    (void)state;
    check_sizes(simt[0]);
}

static void test_bf16(void **state)
{
    (void)state;
    check_sizes(simt[1]);
}

static int setup(void **state)
{
    (void)state;
    fr_simt_provide();
    if (fr_device_open(&ref, FR_DEVICE_REF, 1) || fr_device_open(&simt[0], FR_DEVICE_SIMT, 1) ||
        fr_device_open(&simt[1], FR_DEVICE_SIMT_BF16, 1))
        return 1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fr_device_close(ref);
    fr_device_close(simt[0]);
    fr_device_close(simt[1]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
