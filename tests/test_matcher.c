#include "gradients.h"

#include "nn/matcher.h"

enum { B = 4, T = 5, D = 6 };

typedef struct model {
    fr_params params;
    fr_matcher *matcher;
    fr_arena *arena;
    fr_tensor h, dh, logits, upstream;
    fr_dropout_key key;
} model;

static void open_model(model *m, fr_device *device)
{
    *m = (model){0};
    fr_params_create(&m->params, device);
    m->matcher = fr_matcher_create(&m->params, "classifier.", T, D, B + 3);
    fr_params_commit(&m->params);
    fr_matcher_commit(m->matcher);
    m->arena = fr_arena_create(device);
    for (int pass = 0; pass < 2; pass++) {
        m->h = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, D));
        m->dh = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, D));
        m->logits = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, T));
        m->upstream = fr_arena_tensor(m->arena, device->real, FR_SHAPE(B, T));
        if (pass == 0)
            fr_arena_commit(m->arena);
    }
    test_fill_normal(m->h, 1, 100);
    test_fill_normal(m->upstream, 1, 101);
}

static void close_model(model *m)
{
    fr_matcher_close(m->matcher);
    fr_params_close(&m->params);
    fr_arena_close(m->arena);
}

static void poison(model *m)
{
    for (int64_t i = 0; i < m->params.count; i++)
        test_fill(m->params.item[i].value, NAN);
    fr_matcher_forward(m->matcher, m->logits, m->h, m->key);
    fr_matcher_backward(m->matcher, m->dh, m->logits, m->h);
    for (int64_t i = 0; i < m->params.count; i++)
        test_fill_normal(m->params.item[i].value, 0.7, (uint64_t)i);
    test_poison_gradients(&m->params);
}

static double loss(void *context)
{
    model *m = context;
    fr_matcher_forward(m->matcher, m->logits, m->h, m->key);
    return test_dot(m->logits, m->upstream);
}

static void test_values_and_gradients(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_REF);
    for (int dropout = 0; dropout < 2; dropout++) {
        model m;
        open_model(&m, device);
        m.key = (fr_dropout_key){.p = dropout ? 0.4 : 0, .seed = 3, .stream = 8, .first = 50};
        poison(&m);
        loss(&m);
        double *logits = test_values(m.logits), *h = test_values(m.h), *p[4];
        for (int i = 0; i < 4; i++)
            p[i] = test_values(m.params.item[i].value);
        for (int i = 0; i < B && !dropout; i++)
            for (int t = 0; t < T; t++) {
                double sum = 0;
                for (int a = 0; a < D; a++)
                    for (int b = 0; b < D; b++)
                        sum += h[i * D + a] * p[0][a * D + b] * p[1][t * D + b];
                assert_close(logits[i * T + t], p[3][0] * sum + p[2][t], 1e-12);
            }
        fr_matcher_backward(m.matcher, m.dh, m.upstream, m.h);
        assert_gradients(&m.params, loss, &m, 1);
        assert_gradient("h", m.h, m.dh, 0, loss, &m, 1);
        loss(&m);
        fr_matcher_backward(m.matcher, FR_NONE, m.upstream, m.h); /* dh not wanted */
        for (int i = 0; i < 4; i++)
            free(p[i]);
        free(logits);
        free(h);
        close_model(&m);
    }
    fr_device_close(device);
}

static void test_init(void **state)
{
    (void)state;
    fr_device *device[2] = {test_device(FR_DEVICE_REF), test_device(FR_DEVICE_CPU)};
    float e[T * D];
    for (int i = 0; i < T * D; i++)
        e[i] = (float)fr_rng_normal(1, 2, (uint64_t)i);
    for (int kind = 0; kind < 2; kind++) {
        model m;
        open_model(&m, device[kind]);
        fr_matcher_init(m.matcher, e, 10, -2);
        loss(&m);
        double *logits = test_values(m.logits), *h = test_values(m.h);
        for (int i = 0; i < B; i++)
            for (int t = 0; t < T; t++) { /* W is the identity: scaled inner products */
                double sum = 0;
                for (int a = 0; a < D; a++)
                    sum += h[i * D + a] * e[t * D + a];
                assert_close(logits[i * T + t], 10 * sum - 2, 1e-4);
            }
        free(logits);
        free(h);
        close_model(&m);
    }
    fr_device_close(device[0]);
    fr_device_close(device[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values_and_gradients), cmocka_unit_test(test_init)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
