#include "gradients.h"

static fr_params two_groups(fr_device *device)
{
    fr_params params;
    fr_params_create(&params, device);
    fr_params_add(&params, "a", 2, (int64_t[]){3, 5}, true, true, FR_GROUP_ENCODER);
    fr_params_add(&params, "frozen", 1, (int64_t[]){7}, false, true, FR_GROUP_ENCODER);
    fr_params_add(&params, "q", 2, (int64_t[]){3, 3}, true, true, FR_GROUP_ENCODER);
    fr_params_add_joined(&params, "k", 2, (int64_t[]){3, 3}, true, true, FR_GROUP_ENCODER);
    fr_params_add(&params, "head", 1, (int64_t[]){33}, true, true, FR_GROUP_HEAD);
    fr_params_add(&params, "bias", 1, (int64_t[]){3}, true, false, FR_GROUP_ENCODER);
    fr_params_commit(&params);
    return params;
}

static void test_list(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_params params = two_groups(device);
    assert_int_equal(params.count, 6);
    assert_int_equal(fr_params_total(&params, false), 15 + 7 + 18 + 3 + 33);
    assert_int_equal(fr_params_total(&params, true), 15 + 18 + 3 + 33);
    assert_null(fr_params_find(&params, "none"));
    fr_param *q = fr_params_find(&params, "q"), *k = fr_params_find(&params, "k");
    assert_ptr_equal(k->value.data, (float *)q->value.data + 9);
    assert_ptr_equal(k->grad.data, (float *)q->grad.data + 9);
    for (int64_t i = 0; i < params.count; i++) {
        assert_int_equal(params.item[i].trainable, params.item[i].grad.data != NULL);
        if (!params.item[i].joined)
            assert_int_equal((uintptr_t)params.item[i].value.data % 64, 0);
    }

    float host[76], back[76], trained[69];
    for (int i = 0; i < 76; i++)
        host[i] = (float)i;
    fr_params_set(&params, host, false);
    fr_params_get(&params, back, false);
    assert_memory_equal(host, back, sizeof host);
    fr_params_get(&params, trained, true);
    assert_close(trained[14], 14, 0);
    assert_close(trained[15], 22, 0); /* the frozen one is skipped */
    trained[0] = -1;
    fr_params_set(&params, trained, true);
    fr_params_get(&params, back, false);
    assert_close(back[0], -1, 0);
    assert_close(back[15], 15, 0);

    test_fill(q->grad, 2);
    test_fill(fr_params_find(&params, "bias")->grad, 1);
    assert_close(fr_params_grad_norm(&params), sqrt(9 * 4 + 3), 1e-6);
    fr_params_zero_grad(&params);
    assert_close(fr_params_grad_norm(&params), 0, 0);
    fr_params_close(&params);
    fr_device_close(device);
}

/* Seeded, keyed by name: another parameter before it moves nothing. */
static void test_init(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_REF);
    fr_params one, two;
    fr_params_create(&one, device);
    fr_params_add(&one, "w", 2, (int64_t[]){100, 100}, true, true, FR_GROUP_HEAD);
    fr_params_commit(&one);
    fr_params_create(&two, device);
    fr_params_add(&two, "other", 1, (int64_t[]){5}, true, true, FR_GROUP_HEAD);
    fr_params_add(&two, "w", 2, (int64_t[]){100, 100}, true, true, FR_GROUP_HEAD);
    fr_params_commit(&two);
    fr_param_init_normal(&one.item[0], 0.5, 3);
    fr_param_init_normal(&two.item[1], 0.5, 3);
    double *a = test_values(one.item[0].value), *b = test_values(two.item[1].value), sum = 0, squares = 0;
    assert_memory_equal(a, b, 10000 * sizeof *a);
    for (int i = 0; i < 10000; i++) {
        sum += a[i];
        squares += a[i] * a[i];
    }
    assert_close(sum / 10000, 0, 4 * 0.5 / 100);
    assert_close(squares / 10000, 0.25, 0.02);
    fr_param_init_normal(&two.item[1], 0.5, 4);
    fr_tensor_get_f64(two.item[1].value, b);
    assert_true(a[0] != b[0]);
    fr_param_init_constant(&two.item[1], 0.1);
    fr_tensor_get_f64(two.item[1].value, b);
    assert_close(b[9999], 0.1, 0);
    free(a);
    free(b);
    fr_params_close(&one);
    fr_params_close(&two);
    fr_device_close(device);
}

static void test_schedule(void **state)
{
    (void)state;
    /* 100 steps, 10 of warm-up */
    assert_close(fr_schedule(FR_SCHEDULE_COSINE, 2, 0.1, 0, 100), 0.2, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_COSINE, 2, 0.1, 9, 100), 2, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_COSINE, 2, 0.1, 10, 100), 2, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_COSINE, 2, 0.1, 55, 100), 1, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_COSINE, 2, 0.1, 100, 100), 0, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_LINEAR, 2, 0.1, 55, 100), 1, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_LINEAR, 2, 0.1, 28, 100), 1.6, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_LINEAR, 2, 0.1, 1000, 100), 0, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_CONSTANT, 2, 0.1, 1000, 100), 2, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_CONSTANT, 2, 0, 0, 100), 2, 1e-12);
    assert_close(fr_schedule(FR_SCHEDULE_COSINE, 2, 1, 49, 100), 1, 1e-12);    /* warm-up to the end */
    assert_close(fr_schedule(FR_SCHEDULE_LINEAR, 2, 0.001, 0, 100), 2, 1e-12); /* a tenth of a step of warm-up */
}

/* AdamW written out, two steps, with the clip of a joint norm and per-group learning rates and decay. */
static void test_step(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_REF);
    fr_params params = two_groups(device);
    const fr_optimizer rule = {.lr = {0.1, 0.01},
                               .decay = 0.5,
                               .beta1 = 0.9,
                               .beta2 = 0.99,
                               .epsilon = 1e-8,
                               .clip = 1,
                               .schedule = FR_SCHEDULE_LINEAR,
                               .steps = 4};
    double *start[6], *gradient[6], m[6][40] = {{0}}, v[6][40] = {{0}}, norm;
    for (int i = 0; i < 6; i++) {
        fr_param *p = &params.item[i];
        test_fill_normal(p->value, 1, (uint64_t)i);
        if (p->trainable)
            test_fill_normal(p->grad, 1, (uint64_t)(10 + i));
        start[i] = test_values(p->value);
        gradient[i] = p->trainable ? test_values(p->grad) : NULL;
    }
    double squares = 0;
    for (int i = 0; i < 6; i++)
        for (int64_t j = 0; gradient[i] && j < fr_tensor_count(&params.item[i].value); j++)
            squares += gradient[i][j] * gradient[i][j];
    for (int step = 0; step < 2; step++) {
        assert_ok(fr_optimizer_step(&rule, &params, step, &norm));
        assert_close(norm, sqrt(squares), 1e-12);
        for (int i = 0; i < 6; i++) {
            fr_param *p = &params.item[i];
            double *now = test_values(p->value);
            double lr = rule.lr[p->group] * (1 - step / 4.0), decay = p->decay ? rule.decay : 0;
            for (int64_t j = 0; j < fr_tensor_count(&p->value); j++) {
                if (p->trainable) {
                    double g = gradient[i][j] / norm;
                    m[i][j] = 0.9 * m[i][j] + 0.1 * g;
                    v[i][j] = 0.99 * v[i][j] + 0.01 * g * g;
                    double mean = m[i][j] / (1 - pow(0.9, step + 1)), square = v[i][j] / (1 - pow(0.99, step + 1));
                    start[i][j] -= lr * (mean / (sqrt(square) + 1e-8) + decay * start[i][j]);
                }
                assert_close(now[j], start[i][j], 1e-12);
            }
            free(now);
        }
    }
    for (int i = 0; i < 6; i++) {
        free(start[i]);
        free(gradient[i]);
    }
    fr_params_close(&params);
    fr_device_close(device);
}

static void test_not_finite(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_params params = two_groups(device);
    fr_optimizer rule = {.lr = {1, 1}, .beta1 = 0.9, .beta2 = 0.9, .epsilon = 1e-8, .steps = 4};
    float before[76], after[76];
    fr_param *bias = fr_params_find(&params, "bias");
    const float bad[3] = {0, NAN, 0};
    fr_params_get(&params, before, false);
    fr_tensor_set(bias->grad, bad);
    assert_fails(fr_optimizer_step(&rule, &params, 3, NULL), FR_FAILED,
                 "step 3: the gradient of bias is not finite (element 1)");
    fr_params_get(&params, after, false);
    assert_memory_equal(before, after, sizeof before);
    double *m = test_values(bias->m);
    assert_close(m[0] + m[2], 0, 0);
    free(m);
    fr_params_close(&params);
    fr_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list), cmocka_unit_test(test_init),
                                       cmocka_unit_test(test_schedule), cmocka_unit_test(test_step),
                                       cmocka_unit_test(test_not_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
