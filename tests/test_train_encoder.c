/* Training through a small text encoder: the trunk's slices, top and full, and a label that only word order or words
 * can tell. */
#include "train_texts.h"

#include "finerouter/log.h"
#include "train/trunk.h"

static const char *folder;

/* The gradient of sum(c * h) over 20 prompts, by slices of at most `most_rows`; malloc'd, and its length. */
static double *gradient(texts *t, int64_t most_rows, int64_t *count)
{
    fr_prompts prompts = {t->p.embedding, &t->tokens};
    int64_t rows[20];
    for (int64_t i = 0; i < 20; i++)
        rows[i] = (i * 37) % 240;
    fr_params params;
    fr_params_create(&params, t->p.device);
    fr_trunk *trunk;
    assert_ok(fr_trunk_create(&trunk, &params, &t->p.training, false, true, most_rows));
    fr_params_commit(&params);
    fr_trunk_commit(trunk);
    assert_ok(fr_trunk_start(trunk));
    fr_params_zero_grad(&params);
    fr_encoder_randomness random = {.1, 5, 9, 0};
    for (int64_t done = 0, taken, tokens; done < 20; done += taken, random.first_token += tokens) {
        taken = fr_trunk_slice(trunk, &prompts, rows + done, 20 - done, &tokens);
        assert_true(taken >= 1 && taken <= most_rows);
        fr_trunk_forward(trunk, &prompts, rows + done, taken, random);
        fr_tensor dh = fr_trunk_dh(trunk, taken);
        double c[20 * 16];
        for (int64_t i = 0; i < taken * 16; i++)
            c[i] = fr_rng_normal(31, 0, (uint64_t)(done * 16 + i));
        fr_tensor_set_f64(dh, c);
        fr_trunk_backward(trunk, dh);
    }
    *count = fr_params_total(&params, true);
    double *all = FR_NEW(double, *count), *at = all;
    for (int64_t i = 0; i < params.count; i++)
        if (params.item[i].trainable) {
            fr_tensor_get_f64(params.item[i].grad, at);
            at += fr_tensor_count(&params.item[i].grad);
        }
    fr_trunk_close(trunk);
    fr_params_close(&params);
    return all;
}

/* Slices add up to the batch, dropout included. */
static void test_slices(void **state)
{
    (void)state;
    texts t;
    texts_open(&t, FR_DEVICE_REF, folder);
    const char *trains[] = {"encoder.train=full", "encoder.train=top", "encoder.train=frozen"};
    int64_t counts[3];
    assert_ok(fr_config_set(&t.p.config, "encoder.top_layers=1"));
    for (int k = 0; k < 3; k++) {
        assert_ok(fr_config_set(&t.p.config, trains[k]));
        int64_t n, n2;
        double *whole = gradient(&t, 20, &n), *sliced = gradient(&t, 3, &n2), size = 0;
        assert_int_equal(n, n2);
        counts[k] = n;
        for (int64_t i = 0; i < n; i++) {
            assert_close(sliced[i], whole[i], 1e-10);
            size += fabs(whole[i]);
        }
        assert_true(size > 1);
        free(whole);
        free(sliced);
    }
    assert_true(counts[0] > counts[1]);
    assert_int_equal(counts[2], 16 * 16);
    texts_close(&t);
}

static double classify(texts *t, const char *train)
{
    assert_ok(fr_config_set(&t->p.config, train));
    fr_classifier *classifier;
    assert_ok(fr_classifier_train(&classifier, &t->p.training, t->p.label, t->p.role, 2, t->p.centre, false, NULL, NULL,
                                  true));
    float logits[480], again[480];
    assert_ok(fr_classifier_logits(classifier, logits, NULL, 240));
    assert_ok(fr_classifier_apply(classifier, again, NULL, &t->tokens, 240));
    if (strcmp(train, "encoder.train=frozen") != 0)
        assert_memory_equal(logits, again, sizeof logits);
    fr_classifier_close(classifier);
    double right = 0, count = 0;
    for (int64_t i = 0; i < 240; i++)
        if (t->p.data.split[i] != FR_SPLIT_TRAIN) {
            right += (logits[2 * i + 1] > logits[2 * i]) == t->p.label[i];
            count++;
        }
    return right / count;
}

static void test_classifier(void **state)
{
    (void)state;
    texts t;
    texts_open(&t, FR_DEVICE_CPU, folder);
    double full = classify(&t, "encoder.train=full"), top = classify(&t, "encoder.train=top");
    if (!(full > .95 && top > .75))
        fail_msg("accuracy full %g, top %g", full, top);
    texts_close(&t);
}

static void test_estimator(void **state)
{
    (void)state;
    texts t;
    texts_open(&t, FR_DEVICE_CPU, folder);
    assert_ok(fr_config_set(&t.p.config, "encoder.train=full"));
    fr_estimator *estimator;
    assert_ok(fr_estimator_train(&estimator, &t.p.training, NULL, NULL));
    float h[240 * 16], y[480];
    assert_ok(fr_estimator_hidden(estimator, h, NULL, 240));
    assert_ok(fr_estimator_apply(estimator, y, h, NULL, 240));
    double right = 0;
    for (int64_t i = 0; i < 240; i++)
        right += (y[2 * i] > y[2 * i + 1]) == t.p.label[i];
    assert_true(right > .95 * 240);
    /* The exported encoder gives the same h. */
    char path[128];
    snprintf(path, sizeof path, "%s/export", folder);
    assert_ok(fr_make_folders(path));
    assert_ok(fr_estimator_export(estimator, &t.p.training, path));
    fr_estimator_close(estimator);
    fr_params params;
    fr_params_create(&params, t.p.device);
    fr_encoder_shape shape;
    assert_ok(fr_encoder_shape_read(&shape, path, &t.p.config));
    fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, 64 * 8, 8);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    assert_ok(fr_encoder_load(encoder, path));
    float again[240 * 16];
    assert_ok(fr_encoder_embed(encoder, again, &t.tokens, NULL, 512));
    for (int64_t i = 0; i < 240 * 16; i++)
        assert_close(again[i], h[i], 1e-4);
    fr_encoder_close(encoder);
    fr_params_close(&params);
    texts_close(&t);
}

int main(void)
{
    fr_log_level(0);
    folder = test_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_classifier),
        cmocka_unit_test(test_estimator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
