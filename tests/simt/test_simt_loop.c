/* The training loop on a device whose results are read in bunches: what it reports is what a device that is read after
 * every step reports. */
#include "simt/device.h"
#include "test.h"

#include "finerouter/config.h"
#include "ops/ops.h"
#include "train/loop.h"

enum { STEPS = 150, NEVER = -1 }; /* more than two bunches */

/* One parameter of two elements; the gradient of step s is (1, s), its loss s. */
typedef struct model {
    fr_device *device;
    fr_params params;
    int64_t bad_gradient, bad_loss; /* the step in which it is not finite */
    int64_t calls;
} model;

static fr_status step(void *context, const int64_t *rows, int64_t count, int64_t number, fr_tensor loss)
{
    (void)rows;
    (void)count;
    model *m = context;
    float gradient[2] = {1, number == m->bad_gradient ? INFINITY : (float)number};
    double value = number == m->bad_loss ? NAN : (double)number;
    fr_tensor_set(m->params.item[0].grad, gradient);
    fr_tensor_set_raw(loss, &value);
    m->calls++;
    return FR_OK;
}

static fr_status watch(void *context, fr_measure *measure)
{
    (void)context;
    (void)measure;
    return FR_OK;
}

static const char *first_bad(void *context)
{
    (void)context;
    return "h (trunk output)";
}

static fr_status fit_on(model *m, int kind, int64_t bad_gradient, int64_t bad_loss, float w[2])
{
    *m = (model){.bad_gradient = bad_gradient, .bad_loss = bad_loss};
    assert_ok(fr_device_open(&m->device, kind, 1));
    fr_params_create(&m->params, m->device);
    fr_params_add(&m->params, "w", FR_SHAPE(2), true, true, FR_GROUP_HEAD);
    fr_params_commit(&m->params);
    int64_t rows[STEPS] = {0};
    fr_fit fit = {.what = "model",
                  .params = &m->params,
                  .optimizer = {.lr = {0.01, 0.01}, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .clip = 1},
                  .rows = rows,
                  .n = STEPS,
                  .batch = 1,
                  .epochs = 1,
                  .quiet = true,
                  .model = m,
                  .step = step,
                  .watch = watch,
                  .first_bad = first_bad};
    fr_status status = fr_fit_run(&fit);
    fr_tensor_get(m->params.item[0].value, w);
    fr_params_close(&m->params);
    fr_device_close(m->device);
    return status;
}

/* Both devices end alike; `text` is part of the error, NULL for none. */
static void compare(int64_t bad_gradient, int64_t bad_loss, const char *text)
{
    model cpu, simt;
    float want[2], got[2];
    char error[300];
    fr_status status = fit_on(&cpu, FR_DEVICE_CPU, bad_gradient, bad_loss, want);
    assert_int_equal(status == FR_OK, text == NULL);
    snprintf(error, sizeof error, "%s", fr_error_text());
    assert_int_equal(fit_on(&simt, FR_DEVICE_SIMT, bad_gradient, bad_loss, got), status);
    for (int i = 0; i < 2; i++)
        assert_close(got[i], want[i], 1e-5);
    if (!text)
        return;
    assert_non_null(strstr(error, text));
    assert_string_equal(fr_error_text(), error);
    assert_true(simt.calls > cpu.calls); /* steps that ran on before the host looked, and the bad one again */
}

static void test_good(void **state)
{
    (void)state;
    compare(NEVER, NEVER, NULL);
}

/* Whatever follows the bad step changes nothing; it is named with its tensor. */
static void test_bad_gradient(void **state)
{
    (void)state;
    compare(70, NEVER, "model: step 70 (epoch 1): step 70: the gradient of w is not finite (element 1)");
}

static void test_bad_loss(void **state)
{
    (void)state;
    compare(NEVER, 3, "model: the loss of step 3 (epoch 1) is nan; first bad tensor: activation h (trunk output)");
}

static int setup(void **state)
{
    (void)state;
    fr_simt_provide();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad_gradient),
                                       cmocka_unit_test(test_bad_loss)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
