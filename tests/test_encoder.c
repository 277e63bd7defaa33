/* The encoder's forward and backward pass: against PyTorch (tests/golden/make_encoder.py), central differences and
 * itself. */
#include "gradients.h"

#include "base/files.h"
#include "nn/encoder.h"

#define GOLDEN FR_SOURCE_DIR "/tests/golden/"
enum { B = 6, N = 40, C = 18, L = 2 };
static const int32_t cu[B + 1] = {0, 5, 6, 18, 21, 33, 40};

/* The ids of make_encoder.py. */
static const int32_t *golden_ids(void)
{
    static int32_t ids[N];
    for (int i = 0; i < N; i++)
        ids[i] = 1 + (7 * i + 3 * i * i) % 29;
    return ids;
}

typedef struct model {
    fr_device *device;
    fr_params params;
    fr_encoder *encoder;
    fr_arena *arena;
    fr_tensor h, upstream;
    fr_encoder_randomness randomness;
} model;

/* Room for more than the batch, so that rows beyond it are there to be touched by mistake. */
static void open_model(model *m, int kind, bool cls, bool normalize, int64_t trainable_layers)
{
    *m = (model){.device = test_device(kind)};
    fr_config config;
    fr_encoder_shape shape;
    fr_config_defaults(&config);
    config.encoder.pooling = cls ? FR_POOLING_CLS : FR_POOLING_MEAN;
    config.encoder.normalize = normalize ? FR_NORMALIZE_TRUE : FR_NORMALIZE_FALSE;
    assert_ok(fr_encoder_shape_read(&shape, GOLDEN "encoder_tiny", &config));
    fr_config_close(&config);
    fr_params_create(&m->params, m->device);
    m->encoder = fr_encoder_create(&shape, &m->params, "x.", trainable_layers, N + 3, B + 2);
    fr_params_commit(&m->params);
    fr_encoder_commit(m->encoder);
    m->arena = fr_arena_create(m->device);
    for (int pass = 0; pass < 2; pass++) {
        m->h = fr_arena_tensor(m->arena, m->device->real, FR_SHAPE(B, C));
        m->upstream = fr_arena_tensor(m->arena, m->device->real, FR_SHAPE(B, C));
        if (pass == 0)
            fr_arena_commit(m->arena);
    }
}

static void close_model(model *m)
{
    fr_encoder_close(m->encoder);
    fr_params_close(&m->params);
    fr_arena_close(m->arena);
    fr_device_close(m->device);
}

/* Leaves NaN in every activation and in h by a pass with NaN weights. */
static void poison(model *m)
{
    bool trainable = fr_params_total(&m->params, true) > 0;
    for (int64_t i = 0; i < m->params.count; i++)
        test_fill(m->params.item[i].value, NAN);
    fr_encoder_forward(m->encoder, m->h, golden_ids(), cu, B, (fr_encoder_randomness){0});
    if (trainable)
        fr_encoder_backward(m->encoder, m->h);
    test_poison_gradients(&m->params);
    assert_ok(fr_encoder_load(m->encoder, GOLDEN "encoder_tiny"));
}

static double loss(void *context)
{
    model *m = context;
    fr_encoder_forward(m->encoder, m->h, golden_ids(), cu, B, m->randomness);
    return test_dot(m->h, m->upstream);
}

/* make_encoder.py's file: upstream (B, C), then for both variants h (B, C) and the gradients in the order of the list.
 */
static double *read_golden(int64_t gradients)
{
    char *data;
    size_t bytes;
    assert_ok(fr_file_read(&data, &bytes, GOLDEN "encoder_tiny.f64", 0));
    assert_int_equal(bytes, (B * C + 2 * (B * C + gradients)) * (int64_t)sizeof(double));
    return (double *)data;
}

static void check_golden(int kind, bool cls, double tolerance)
{
    model m;
    open_model(&m, kind, cls, !cls, -1);
    int64_t gradients = fr_params_total(&m.params, false);
    double *golden = read_golden(gradients), *at = golden + B * C + (cls ? B * C + gradients : 0);
    poison(&m);
    fr_tensor_set_f64(m.upstream, golden);
    fr_encoder_forward(m.encoder, m.h, golden_ids(), cu, B, m.randomness);
    double *h = test_values(m.h);
    assert_all_close("h", h, at, B * C, tolerance, 0);
    free(h);
    at += B * C;
    fr_encoder_backward(m.encoder, m.upstream);
    double scale = 0;
    for (int64_t i = 0; i < gradients; i++)
        scale = fmax(scale, fabs(at[i]));
    for (int64_t i = 0; i < m.params.count; i++) {
        double *got = test_values(m.params.item[i].grad);
        int64_t n = fr_tensor_count(&m.params.item[i].grad);
        for (int64_t j = 0; j < n; j++)
            got[j] -= 1;
        /* key biases have gradient 0 but for rounding: their scale is that of all gradients */
        assert_all_close(m.params.item[i].name, got, at, n, tolerance, scale);
        at += n;
        free(got);
    }
    free(golden);
    close_model(&m);
}

static void test_golden(void **state)
{
    (void)state;
    for (int cls = 0; cls < 2; cls++) {
        check_golden(FR_DEVICE_REF, cls, 1e-9);
        check_golden(FR_DEVICE_CPU, cls, 64 * FLT_EPSILON);
    }
}

/* With dropout on: its draws are fixed by the keys, so the loss is smooth in the parameters. */
static void test_differences(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        model m;
        open_model(&m, FR_DEVICE_REF, variant & 1, variant & 2, -1);
        poison(&m);
        test_fill_normal(m.upstream, 1, 1);
        m.randomness = (fr_encoder_randomness){.p = variant == 3 ? 0 : 0.3, .seed = 5, .step = 9, .first_token = 1000};
        loss(&m);
        fr_encoder_backward(m.encoder, m.upstream);
        assert_gradients(&m.params, loss, &m, 23); /* every element: test_golden */
        close_model(&m);
    }
}

static void check_dropout_draws(bool cls)
{
    model m;
    open_model(&m, FR_DEVICE_REF, cls, true, 0);
    poison(&m);
    test_fill_normal(m.upstream, 1, 1);
    double still = loss(&m);
    m.randomness = (fr_encoder_randomness){.p = 0.3, .seed = 5, .step = 9};
    double drawn = loss(&m);
    assert_close(loss(&m), drawn, 0);
    assert_true(drawn != still);
    m.randomness.step = 10;
    assert_true(loss(&m) != drawn);
    m.randomness = (fr_encoder_randomness){.p = 0.3, .seed = 6, .step = 9};
    assert_true(loss(&m) != drawn);

    /* The second half of the batch alone, keyed by its place in the whole, draws what it drew there. */
    m.randomness = (fr_encoder_randomness){.p = 0.3, .seed = 5, .step = 9};
    loss(&m);
    double *whole = test_values(m.h);
    const int32_t half[4] = {0, 3, 15, 22};
    m.randomness.first_token = cu[3];
    fr_encoder_forward(m.encoder, fr_tensor_rows(m.h, 0, 3), golden_ids() + cu[3], half, 3, m.randomness);
    double *part = test_values(m.h);
    assert_all_close("second half", part, whole + 3 * C, 3 * C, 1e-12, 0);
    free(whole);
    free(part);
    close_model(&m);
}

static void test_dropout_draws(void **state)
{
    (void)state;
    check_dropout_draws(false);
    check_dropout_draws(true);
}

/* Training the last layer only: equal gradients there, none below, and the same embeddings. */
static void test_top_layers(void **state)
{
    (void)state;
    for (int cls = 0; cls < 2; cls++) {
        model full, top, all, *m[3] = {&full, &top, &all};
        open_model(&full, FR_DEVICE_REF, cls, true, -1);
        open_model(&top, FR_DEVICE_REF, cls, true, 1);
        open_model(&all, FR_DEVICE_REF, cls, true, L + 5);
        double *h[3];
        for (int i = 0; i < 3; i++) {
            poison(m[i]);
            test_fill_normal(m[i]->upstream, 1, 1);
            m[i]->randomness.p = cls ? 0 : 0.2;
            loss(m[i]);
            h[i] = test_values(m[i]->h);
            fr_encoder_backward(m[i]->encoder, m[i]->upstream);
        }
        assert_memory_equal(h[0], h[1], B * C * sizeof(double));
        assert_memory_equal(h[0], h[2], B * C * sizeof(double));
        int64_t compared = 0;
        for (int64_t i = 0; i < full.params.count; i++)
            for (int j = 1; j < 3; j++) {
                const fr_param *a = &full.params.item[i], *b = &m[j]->params.item[i];
                bool want = strstr(a->name, j == 1 ? "layer.1" : "layer.") != NULL;
                assert_int_equal(b->trainable, want);
                if (!want)
                    continue;
                double *ga = test_values(a->grad), *gb = test_values(b->grad);
                assert_memory_equal(ga, gb, (size_t)fr_tensor_count(&a->grad) * sizeof(double));
                compared += fr_tensor_count(&a->grad);
                free(ga);
                free(gb);
            }
        assert_int_equal(compared, 3 * (4 * C * C + 2 * C * 26 + 9 * C + 26));
        for (int i = 0; i < 3; i++) {
            free(h[i]);
            close_model(m[i]);
        }
    }
}

/* A sequence's embedding does not depend on its neighbours; frozen and trainable encoders compute the same. */
static void test_packing(void **state)
{
    (void)state;
    for (int cls = 0; cls < 2; cls++) {
        model m, full;
        open_model(&m, FR_DEVICE_REF, cls, true, 0);
        open_model(&full, FR_DEVICE_REF, cls, true, -1);
        poison(&m);
        poison(&full);
        test_fill_normal(m.upstream, 1, 1);
        loss(&m);
        loss(&full);
        double *whole = test_values(m.h), *trained = test_values(full.h), *one;
        assert_memory_equal(whole, trained, B * C * sizeof(double));
        for (int b = 0; b < B; b++) {
            const int32_t alone[2] = {0, cu[b + 1] - cu[b]};
            fr_encoder_forward(m.encoder, fr_tensor_rows(m.h, 0, 1), golden_ids() + cu[b], alone, 1,
                               (fr_encoder_randomness){0});
            one = test_values(m.h);
            assert_all_close("alone", one, whole + b * C, C, 1e-12, 0);
            free(one);
        }
        free(whole);
        free(trained);
        close_model(&m);
        close_model(&full);
    }
}

/* Two runs at one thread count: the same bits. */
static void test_same_bits(void **state)
{
    (void)state;
    model a, b, *m[2] = {&a, &b};
    open_model(&a, FR_DEVICE_CPU, false, true, -1);
    open_model(&b, FR_DEVICE_CPU, false, true, -1);
    for (int i = 0; i < 2; i++) {
        poison(m[i]);
        test_fill_normal(m[i]->upstream, 1, 1);
        m[i]->randomness.p = 0.1;
        loss(m[i]);
        fr_encoder_backward(m[i]->encoder, m[i]->upstream);
    }
    for (int64_t i = 0; i < a.params.count; i++)
        assert_memory_equal(a.params.item[i].grad.data, b.params.item[i].grad.data,
                            fr_tensor_bytes(&a.params.item[i].grad));
    close_model(&a);
    close_model(&b);
}

static void test_init(void **state)
{
    (void)state;
    model m;
    open_model(&m, FR_DEVICE_CPU, false, true, -1);
    fr_encoder_init(m.encoder, 3);
    double *word = test_values(fr_params_find(&m.params, "x.embeddings.word_embeddings.weight")->value), squares = 0;
    for (int i = 0; i < 30 * C; i++)
        squares += word[i] * word[i];
    assert_close(sqrt(squares / (30 * C)), 0.02, 0.002);
    double *one = test_values(fr_params_find(&m.params, "x.encoder.layer.1.output.LayerNorm.weight")->value);
    double *zero = test_values(fr_params_find(&m.params, "x.encoder.layer.1.output.LayerNorm.bias")->value);
    assert_close(one[C - 1], 1, 0);
    assert_close(zero[C - 1], 0, 0);
    free(word);
    free(one);
    free(zero);
    close_model(&m);
}

static size_t room; /* bytes that the device below has free */

static void tell_room(fr_device *device, size_t *free_bytes, size_t *total_bytes)
{
    (void)device;
    *free_bytes = room;
    *total_bytes = 2 * room;
}

static fr_status check_batch_of(fr_device *device, const fr_encoder_shape *shape, int64_t tokens)
{
    fr_params params;
    fr_params_create(&params, device);
    fr_encoder *encoder = fr_encoder_create(shape, &params, "", -1, tokens, tokens / 4);
    fr_status status = fr_encoder_check_memory(encoder);
    fr_encoder_close(encoder);
    fr_params_close(&params);
    return status;
}

/* What does not fit is refused with the batch that does, and that batch is taken. */
static void test_memory(void **state)
{
    (void)state;
    fr_device *device = test_device(FR_DEVICE_CPU);
    fr_config config;
    fr_encoder_shape shape;
    fr_config_defaults(&config);
    fr_encoder_shape_fresh(&shape, &config, 1000);
    assert_ok(check_batch_of(device, &shape, 1 << 20)); /* the host is not asked */
    device->memory = tell_room;
    room = (size_t)1 << 28;
    assert_fails(check_batch_of(device, &shape, 1 << 20), FR_FAILED, "want encoder.batch_tokens: ");
    long long fits = atoll(strstr(fr_error_text(), "want encoder.batch_tokens: ") + 27);
    assert_true(fits > shape.max_tokens && fits < 1 << 20);
    assert_ok(check_batch_of(device, &shape, fits));
    assert_fails(check_batch_of(device, &shape, fits + fits / 8), FR_FAILED, "0.25 of 0.50 GiB are free");
    room = 1000;
    assert_fails(check_batch_of(device, &shape, 512), FR_FAILED, "not even one prompt of 256 tokens fits");
    config.encoder.batch_tokens = 0;
    assert_int_equal(fr_encoder_batch_tokens(&config, device, &shape, true), FR_HOST_TRAINING_TOKENS);
    assert_int_equal(fr_encoder_batch_tokens(&config, device, &shape, false), FR_HOST_INFERENCE_TOKENS);
    config.encoder.batch_tokens = 300;
    assert_int_equal(fr_encoder_batch_tokens(&config, device, &shape, true), 300);
    config.encoder.batch_tokens = 16; /* less than one prompt */
    assert_int_equal(fr_encoder_batch_tokens(&config, device, &shape, true), shape.max_tokens);
    fr_config_close(&config);
    fr_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden),        cmocka_unit_test(test_differences),
                                       cmocka_unit_test(test_dropout_draws), cmocka_unit_test(test_top_layers),
                                       cmocka_unit_test(test_packing),       cmocka_unit_test(test_same_bits),
                                       cmocka_unit_test(test_init),          cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
