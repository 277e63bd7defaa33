#include "op_cases.h"

/* sum of the first output times its gradient */
static double objective(op_run *r)
{
    r->op->forward(r);
    double *y = tensor_values(r->out[0]), *g = tensor_values(r->dout), sum = 0;
    for (int64_t i = 0; i < fr_tensor_count(&r->dout); i++)
        sum += y[i] * g[i];
    free(y);
    free(g);
    return sum;
}

/* d objective / d in[operand], each element by central differences, against what backward gave */
static void check_operand(op_run *r, int which)
{
    const double h = 1e-6;
    double *x = tensor_values(r->in[which]), *d = tensor_values(r->din[which]);
    double before = r->in_spec[which].param ? 1 : 0;
    for (int64_t i = 0; i < fr_tensor_count(&r->in[which]); i++) {
        double kept = x[i];
        x[i] = kept + h;
        fr_tensor_set_f64(r->in[which], x);
        double up = objective(r);
        x[i] = kept - h;
        fr_tensor_set_f64(r->in[which], x);
        double down = objective(r), want = before + (up - down) / (2 * h);
        x[i] = kept;
        if (!(fabs(d[i] - want) <= 2e-7 * fmax(1, fabs(want))))
            fail_msg("%s (%ld, %ld): gradient of operand %d, element %ld is %.10g, want %.10g", r->op->name,
                     (long)r->rows, (long)r->width, which, (long)i, d[i], want);
    }
    fr_tensor_set_f64(r->in[which], x);
    free(x);
    free(d);
}

static void test_gradients(void **state)
{
    fr_device *ref = *state;
    static const int64_t sizes[][2] = {{1, 1}, {5, 7}, {13, 3}, {9, 17}};
    for (int c = 0; c < OP_CASES; c++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            op_run r;
            op_run_open(&r, &op_cases[c], ref, sizes[s][0], sizes[s][1]);
            r.op->forward(&r);
            r.op->backward(&r);
            for (int i = 0; i < OPERANDS; i++)
                if (r.in_spec[i].there)
                    check_operand(&r, i);
            op_run_close(&r);
        }
}

/* Attention over more rows than one block of scores holds: sequences of 600, checked at some elements only. */
static void test_long_attention(void **state)
{
    const op_case *attention = NULL;
    for (int c = 0; c < OP_CASES; c++)
        if (strcmp(op_cases[c].name, "attention_dropout") == 0)
            attention = &op_cases[c];
    op_run r;
    op_run_open(&r, attention, *state, 500, 4);
    r.op->forward(&r);
    r.op->backward(&r);
    double *x = tensor_values(r.in[0]), *d = tensor_values(r.din[0]);
    int64_t n = fr_tensor_count(&r.in[0]);
    for (int64_t i = 7; i < n; i += n / 60) {
        const double h = 1e-6;
        double kept = x[i];
        x[i] = kept + h;
        fr_tensor_set_f64(r.in[0], x);
        double up = objective(&r);
        x[i] = kept - h;
        fr_tensor_set_f64(r.in[0], x);
        double down = objective(&r);
        x[i] = kept;
        assert_close(d[i], (up - down) / (2 * h), 1e-6);
    }
    for (int64_t i = 0; i < n; i++)
        assert_true(isfinite(d[i]));
    free(x);
    free(d);
    op_run_close(&r);
}

/* Where a row's length is under the floor, y = x / 1e-12: the gradient of an all-zero row is dy / 1e-12, not NaN. */
static void test_l2norm_of_zero(void **state)
{
    fr_device *device = *state;
    const fr_kernels *k = device->kernels;
    double x[3] = {0, 0, 0}, y[3], norm, dy[3] = {1, -2, 3}, dx[3] = {NAN, NAN, NAN};
    k->l2norm_forward(NULL, y, &norm, x, 1, 3);
    k->l2norm_backward(NULL, dx, dy, y, &norm, 1, 3);
    for (int i = 0; i < 3; i++) {
        assert_close(y[i], 0, 0);
        assert_close(dx[i], dy[i] * 1e12, 1);
    }
}

static int setup(void **state)
{
    return fr_device_open((fr_device **)state, FR_DEVICE_REF, 0) != FR_OK;
}

static int teardown(void **state)
{
    fr_device_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_long_attention),
        cmocka_unit_test(test_l2norm_of_zero),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
