/* Training on planted data: what must be learnt, what must not matter, and what must be equal. */
#include "train_data.h"

#include "finerouter/log.h"
#include "io/h5.h"
#include "train/loop.h"

static void set(planted *p, const char *assignment)
{
    assert_ok(fr_config_set(&p->config, assignment));
}

static double accuracy(const planted *p, const float *logits, int64_t T, int split)
{
    int64_t right = 0, count = 0;
    for (int64_t i = 0; i < p->data.N; i++) {
        if (p->data.split[i] != split)
            continue;
        int64_t best = 0;
        for (int64_t t = 0; t < T; t++)
            best = logits[i * T + t] > logits[i * T + best] ? t : best;
        right += best == p->label[i];
        count++;
    }
    return (double)right / (double)count;
}

/* 1 - squared error / variance about the model's mean, over a split */
static double r2(const planted *p, const float *estimate, int split)
{
    int64_t M = p->data.M;
    double error = 0, variance = 0;
    for (int64_t m = 0; m < M; m++) {
        double mean = 0, n = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < p->data.N; i++) {
                double q = p->data.quality[i * M + m], y = estimate[i * M + m];
                if (p->data.split[i] != split || isnan(q))
                    continue;
                if (pass == 0) {
                    mean += q;
                    n++;
                } else {
                    error += (q - y) * (q - y);
                    variance += (q - mean) * (q - mean);
                }
            }
            mean = pass == 0 ? mean / n : mean;
        }
    }
    return 1 - error / variance;
}

static float *logits_of(planted *p, int64_t T, const float *start)
{
    fr_classifier *classifier;
    assert_ok(fr_classifier_train(&classifier, &p->training, p->label, p->role, T, start, false, NULL, NULL, true));
    float *logits = FR_NEW(float, p->data.N *(T ? T : 1));
    assert_ok(fr_classifier_logits(classifier, logits, NULL, p->data.N));
    fr_classifier_close(classifier);
    return logits;
}

static fr_estimator *phase1(planted *p)
{
    fr_estimator *estimator;
    assert_ok(fr_estimator_train(&estimator, &p->training, NULL, NULL));
    return estimator;
}

static float *estimates(planted *p, fr_estimator *estimator, const int32_t *assignment)
{
    float *h = FR_NEW(float, p->data.N * p->d), *y = FR_NEW(float, p->data.N * p->data.M);
    assert_ok(fr_estimator_hidden(estimator, h, NULL, p->data.N));
    assert_ok(fr_estimator_apply(estimator, y, h, assignment, p->data.N));
    free(h);
    return y;
}

static float *phase1_estimates(planted *p)
{
    fr_estimator *estimator = phase1(p);
    float *y = estimates(p, estimator, NULL);
    fr_estimator_close(estimator);
    return y;
}

static double worst(const float *a, const float *b, int64_t n)
{
    double w = 0;
    for (int64_t i = 0; i < n; i++) {
        double difference = fabs((double)a[i] - b[i]);
        if (!(difference <= w))
            w = difference;
    }
    return w;
}

/* ---- the loop's choices ---- */

static void test_history(void **state)
{
    (void)state;
    fr_measure at[6] = {{.5, .6}, {.4, .9}, {.3, .6}, {.35, .7}, {.3, .5}, {.6, .6}};
    fr_history by_loss = {.at = at, .count = 6};
    assert_int_equal(fr_history_best(&by_loss), 2); /* the earliest of equals */
    assert_true(fr_history_done(&by_loss, 3));
    assert_false(fr_history_done(&by_loss, 4));
    assert_false(fr_history_done(&by_loss, 0));
    /* means of three: .6, .75, .7, .7333, .6, .6 */
    fr_history routed = {.at = at, .count = 6, .by_routed = true};
    assert_close(fr_history_smoothed(&routed, 1), .75, 1e-12);
    assert_close(fr_history_smoothed(&routed, 3), 2.2 / 3, 1e-12);
    assert_int_equal(fr_history_best(&routed), 1);
    routed.first = 2;
    assert_int_equal(fr_history_best(&routed), 3);
    routed.count = 2;
    assert_int_equal(fr_history_best(&routed), -1);
    fr_measure tied[3] = {{.5, .5}, {.4, .5}, {.45, .5}};
    assert_int_equal(fr_history_best(&(fr_history){.at = tied, .count = 3, .by_routed = true}), 1);
    fr_measure blind[3] = {{NAN, NAN}, {NAN, NAN}, {NAN, NAN}};
    assert_int_equal(fr_history_best(&(fr_history){.at = blind, .count = 3}), 2);
}

static void test_batches(void **state)
{
    (void)state;
    int64_t n = 130, steps = fr_fit_steps(n, 64);
    assert_int_equal(steps, 3);
    assert_int_equal(fr_fit_first(n, steps, 0), 0);
    assert_int_equal(fr_fit_first(n, steps, 3), n);
    for (int64_t i = 0; i < steps; i++) {
        int64_t size = fr_fit_first(n, steps, i + 1) - fr_fit_first(n, steps, i);
        assert_true(size >= 43 && size <= 44);
    }
}

/* ---- classifier ---- */

static void test_classifier_learns(void **state)
{
    (void)state;
    planted p;
    test_threads = 2;
    planted_open(&p, 1000, 3, 5, 24, 1.0, FR_DEVICE_CPU);
    test_threads = 1;
    set(&p, "classifier.epochs=30");
    /* From encodings that know nothing: random ones. */
    float *start = FR_NEW(float, 5 * 24);
    for (int64_t i = 0; i < 5 * 24; i++)
        start[i] = (float)fr_rng_normal(3, 3, (uint64_t)i);
    float *a = logits_of(&p, 5, start), *b = logits_of(&p, 5, start);
    assert_true(accuracy(&p, a, 5, FR_SPLIT_TEST) > .95);
    assert_memory_equal(a, b, sizeof *a * 5000);
    free(a);
    free(b);
    free(start);
    planted_close(&p);
}

static void test_classifier_others_and_sizes(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 600, 3, 4, 16, .8, FR_DEVICE_CPU);
    set(&p, "classifier.epochs=12");
    /* Cluster 3 has no task: its prompts must get low logits everywhere. */
    for (int64_t i = 0; i < p.data.N; i++)
        p.label[i] = p.label[i] == 3 ? -1 : p.label[i];
    float *logits = logits_of(&p, 3, p.centre);
    int64_t wrong = 0, count = 0;
    for (int64_t i = 0; i < p.data.N; i++)
        for (int t = 0; t < 3 && p.data.split[i] == FR_SPLIT_TEST; t++, count++)
            wrong += (logits[i * 3 + t] > 0) != (p.label[i] == t);
    assert_true(wrong * 20 < count);
    free(logits);
    /* No task at all, and one. */
    for (int64_t i = 0; i < p.data.N; i++)
        p.label[i] = -1;
    free(logits_of(&p, 0, NULL));
    for (int64_t i = 0; i < p.data.N; i++)
        p.label[i] = i % 4 == 0 ? 0 : -1;
    logits = logits_of(&p, 1, p.centre);
    for (int64_t i = 0, bad = 0; i < p.data.N; i++) {
        bad += (logits[i] > 0) != (p.label[i] == 0);
        assert_true(bad < 30);
    }
    free(logits);
    planted_close(&p);
}

static void test_classifier_files(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 200, 3, 4, 16, .8, FR_DEVICE_CPU);
    set(&p, "classifier.epochs=2");
    fr_classifier *classifier, *again;
    assert_ok(fr_classifier_train(&classifier, &p.training, p.label, p.role, 4, p.centre, false, NULL, NULL, true));
    char path[96];
    snprintf(path, sizeof path, "%s/classifier.h5", test_folder());
    fr_h5 *file;
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 1));
    assert_ok(fr_classifier_save(classifier, file));
    assert_ok(fr_h5_commit(file));
    assert_ok(fr_h5_open(&file, path, "finerouter-test", 1));
    assert_ok(fr_classifier_restore(&again, &p.training, 4, file));
    float a[800], b[800];
    int64_t rows[3] = {7, 150, 0};
    assert_ok(fr_classifier_logits(classifier, a, NULL, 200));
    assert_ok(fr_classifier_apply(again, b, p.embedding, NULL, 200));
    assert_memory_equal(a, b, sizeof a);
    assert_ok(fr_classifier_logits(again, b, rows, 3));
    for (int t = 0; t < 4; t++)
        assert_close(b[4 + t], a[150 * 4 + t], 1e-5);
    fr_classifier_close(again);
    assert_fails(fr_classifier_restore(&again, &p.training, 5, file), FR_FAILED, "matcher.e");
    fr_h5_close(file);
    fr_classifier_close(classifier);
    planted_close(&p);
}

/* A label that the text cannot tell: only a classifier that saw the very prompt knows it. Out of fold the accuracy must
 * be that of guessing. */
static void test_out_of_fold(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 400, 3, 2, 256, 30, FR_DEVICE_CPU);
    set(&p, "classifier.epochs=20");
    set(&p, "classifier.patience=0");
    set(&p, "classifier.dropout=0");
    for (int64_t i = 0; i < p.data.N; i++)
        p.label[i] = (int32_t)(fr_rng_u64(5, 5, (uint64_t)i) & 1);
    /* Equal texts must stay together: every training prompt has a twin with the same label, and so has every dev
     * prompt, so that dev, too, is for learning by heart. Turns are i / 2 % 10, dev is turn 8. */
    for (int64_t i = 0; i < p.data.N; i++) {
        int64_t turn = i / 2 % 10, twin = turn == 8 ? i - 16 : turn % 2 ? i - 2 : i;
        p.data.text[i] = p.data.text[twin];
        p.label[i] = p.label[twin];
        memcpy(p.embedding + i * p.d, p.embedding + twin * p.d, (size_t)p.d * sizeof(float));
    }
    float *inside = logits_of(&p, 2, p.centre), *outside = FR_NEW(float, p.data.N * 2);
    assert_ok(fr_classifier_out_of_fold(outside, &p.training, p.label, 2, p.centre, true));
    assert_true(accuracy(&p, inside, 2, FR_SPLIT_TRAIN) > .9);
    double out = accuracy(&p, outside, 2, FR_SPLIT_TRAIN);
    if (!(out > .35 && out < .65))
        fail_msg("accuracy out of fold is %g, want about .5", out);
    for (int64_t i = 0; i < p.data.N; i++)
        assert_int_equal(isnan(outside[2 * i]), p.data.split[i] != FR_SPLIT_TRAIN);
    free(inside);
    free(outside);
    planted_close(&p);
}

/* Each prompt has a twin of the same text; 20 clusters, so that turns are i / 20 % 10. */
static void test_deal_folds(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 400, 3, 20, 8, 2, FR_DEVICE_CPU);
    int64_t fold[400], again[400], count[5] = {0};
    for (int64_t i = 0; i < 400; i++)
        p.data.text[i] = p.data.text[i / 2 * 2];
    for (int dev = 0; dev < 2; dev++) {
        fr_deal_folds(fold, &p.data, dev, 5, 1);
        fr_deal_folds(again, &p.data, dev, 5, 1);
        assert_memory_equal(fold, again, sizeof fold);
        for (int64_t i = 0; i < 400; i++) {
            int split = p.data.split[i];
            assert_int_equal(fold[i] >= 0, split == FR_SPLIT_TRAIN || (dev && split == FR_SPLIT_DEV));
            assert_int_equal(fold[i], fold[i / 2 * 2]);
            assert_true(fold[i] < 5);
        }
    }
    for (int64_t i = 0; i < 400; i++)
        if (fold[i] >= 0)
            count[fold[i]]++;
    for (int f = 0; f < 5; f++)
        assert_int_equal(count[f], 360 / 5); /* 180 pairs */
    fr_deal_folds(again, &p.data, true, 5, 2);
    assert_memory_not_equal(fold, again, sizeof fold);
    planted_close(&p);
}

/* ---- phase 1 ---- */

static void estimator_learns(int device, const char *hidden)
{
    planted p;
    planted_open(&p, 1000, 4, 10, 16, 2, device);
    plant_linear(&p, .3, .05);
    set(&p, "qe.ridge=0.1");
    set(&p, "qe.early_stop=mse");
    set(&p, "qe.epochs=25");
    set(&p, hidden);
    float *y = phase1_estimates(&p);
    double r = r2(&p, y, FR_SPLIT_TEST);
    if (!(r > .9))
        fail_msg("R2 is %g", r);
    free(y);
    planted_close(&p);
}

static void test_estimator_learns(void **state)
{
    (void)state;
    estimator_learns(FR_DEVICE_CPU, "qe.hidden=0");
    estimator_learns(FR_DEVICE_CPU, "qe.hidden=16");
    estimator_learns(FR_DEVICE_CPU, "qe.early_stop=routed");
}

/* Missing scores are no zeros, and what belongs to test is not read: poisoning it changes no bit. */
static void test_masked_and_test_rows(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 1000, 4, 10, 16, 2, FR_DEVICE_CPU);
    plant_linear(&p, .3, .05);
    float *truth = FR_NEW(float, 4000);
    memcpy(truth, p.data.quality, 4000 * sizeof *truth);
    for (int64_t i = 0; i < 4000; i++)
        if (i % 4 && fr_rng_uniform(6, 6, (uint64_t)i) < .4)
            p.data.quality[i] = NAN;
    set(&p, "qe.ridge=0.1");
    set(&p, "qe.epochs=25");
    float *a = phase1_estimates(&p);
    for (int64_t i = 0; i < 1000; i++)
        if (p.data.split[i] == FR_SPLIT_TEST)
            for (int64_t m = 0; m < 4; m++)
                p.data.quality[i * 4 + m] = 1e6f;
    float *b = phase1_estimates(&p);
    assert_memory_equal(a, b, 4000 * sizeof *a);
    memcpy(p.data.quality, truth, 4000 * sizeof *truth);
    assert_true(r2(&p, a, FR_SPLIT_TEST) > .85);
    free(a);
    free(b);
    free(truth);
    planted_close(&p);
}

/* Without a projection the minimum is the ridge regression's; solved here by gradient descent in f64 to the end. */
static void test_ridge(void **state)
{
    (void)state;
    planted p;
    enum { N = 500, D = 8 };
    planted_open(&p, N, 2, 5, D, 2, FR_DEVICE_CPU);
    plant_linear(&p, .3, .2);
    for (int64_t i = 0; i < N; i += 3)
        p.data.quality[2 * i] = NAN;
    const double lambda = 20;
    set(&p, "qe.ridge=20");
    set(&p, "encoder.projection=false");
    set(&p, "qe.early_stop=mse");
    set(&p, "qe.epochs=120");
    set(&p, "qe.patience=0");
    set(&p, "qe.lr=5e-3");
    float *y = phase1_estimates(&p);
    for (int m = 0; m < 2; m++) {
        double w[D] = {0}, b = .5;
        for (int step = 0; step < 4000; step++) {
            double g[D], gb = 0;
            for (int j = 0; j < D; j++)
                g[j] = lambda * w[j];
            for (int64_t i = 0; i < N; i++) {
                double q = p.data.quality[2 * i + m], e = b - q;
                if (p.data.split[i] != FR_SPLIT_TRAIN || isnan(q))
                    continue;
                for (int j = 0; j < D; j++)
                    e += w[j] * p.embedding[i * D + j];
                for (int j = 0; j < D; j++)
                    g[j] += e * p.embedding[i * D + j];
                gb += e;
            }
            for (int j = 0; j < D; j++)
                w[j] -= .002 * g[j];
            b -= .002 * gb;
        }
        double error = 0, spread = 0;
        for (int64_t i = 0; i < N; i++) {
            double want = 0;
            for (int j = 0; j < D; j++)
                want += w[j] * p.embedding[i * D + j];
            error += (want + b - y[2 * i + m]) * (want + b - y[2 * i + m]);
            spread += want * want;
        }
        if (!(sqrt(error / spread) < .1))
            fail_msg("model %d: relative difference to ridge regression %g", m, sqrt(error / spread));
    }
    free(y);
    planted_close(&p);
}

static void test_bad_loss_is_named(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 100, 2, 5, 8, 2, FR_DEVICE_CPU);
    plant_linear(&p, .3, .2);
    p.embedding[3] = NAN;
    fr_estimator *estimator;
    assert_fails(fr_estimator_train(&estimator, &p.training, NULL, NULL), FR_FAILED, "x (cached prompt embeddings)");
    assert_null(estimator);
    p.embedding[3] = 0;
    p.data.quality[1] = INFINITY;
    assert_fails(fr_estimator_train(&estimator, &p.training, NULL, NULL), FR_FAILED, "loss");
    planted_close(&p);
}

/* cpu against the f64 reference, after a few epochs of everything */
static void test_devices_agree(void **state)
{
    (void)state;
    float *y[2], *l[2];
    for (int k = 0; k < 2; k++) {
        planted p;
        planted_open(&p, 200, 3, 4, 12, 1, k ? FR_DEVICE_REF : FR_DEVICE_CPU);
        plant_linear(&p, .3, .1);
        set(&p, "qe.hidden=4");
        set(&p, "qe.epochs=2");
        set(&p, "qe.task_epochs=2");
        set(&p, "qe.dropout=0.2");
        set(&p, "qe.early_stop=mse");
        set(&p, "classifier.epochs=2");
        l[k] = logits_of(&p, 4, p.centre);
        fr_estimator *estimator = phase1(&p);
        uint8_t candidates[12] = {1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0};
        assert_ok(fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, 4, NULL, NULL));
        y[k] = estimates(&p, estimator, p.label);
        fr_estimator_close(estimator);
        planted_close(&p);
    }
    assert_true(worst(l[0], l[1], 800) < 1e-3);
    assert_true(worst(y[0], y[1], 600) < 1e-4);
    for (int k = 0; k < 2; k++) {
        free(y[k]);
        free(l[k]);
    }
}

/* ---- phase 2 ---- */

/* Model 0 follows x[0] upwards in task 0 and downwards in task 1: one head cannot have it. */
static void plant_tasks(planted *p)
{
    plant_linear(p, .1, .02);
    for (int64_t i = 0; i < p->data.N; i++)
        p->data.quality[i * p->data.M] += (p->label[i] == 0   ? 1.f
                                           : p->label[i] == 1 ? -1.f
                                                              : 0) *
                                          p->embedding[i * p->d];
    set(p, "qe.ridge=1");
    set(p, "qe.task_head_prior=1");
    set(p, "qe.task_lr=1e-2");
    set(p, "qe.early_stop=mse");
}

static void test_task_heads(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 1200, 3, 3, 12, 2, FR_DEVICE_CPU);
    plant_tasks(&p);
    uint8_t candidates[9] = {1, 0, 1, 1, 1, 1, 0, 0, 0};
    fr_estimator *estimator = phase1(&p);
    float *general = estimates(&p, estimator, NULL);
    assert_ok(fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, 3, NULL, NULL));
    float *y = estimates(&p, estimator, p.label), *still = estimates(&p, estimator, NULL);
    double before = 1 - r2(&p, general, FR_SPLIT_TEST), after = 1 - r2(&p, y, FR_SPLIT_TEST);
    if (!(after < .5 * before))
        fail_msg("unexplained variance %g, with task heads %g", before, after);
    assert_memory_equal(general, still, 3600 * sizeof *still); /* general heads are frozen */
    for (int64_t i = 0; i < 1200; i++)
        for (int m = 0; m < 3; m++)
            if (!candidates[p.label[i] * 3 + m])
                assert_true(y[3 * i + m] == general[3 * i + m]);
    free(general);
    free(still);
    free(y);
    fr_estimator_close(estimator);
    planted_close(&p);
}

static void test_task_heads_start(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 300, 3, 3, 12, 2, FR_DEVICE_CPU);
    plant_tasks(&p);
    set(&p, "qe.epochs=2");
    set(&p, "qe.hidden=5");
    set(&p, "qe.task_epochs=0");
    uint8_t candidates[9] = {1, 0, 1, 1, 1, 1, 0, 0, 0};
    fr_estimator *estimator = phase1(&p);
    float *general = estimates(&p, estimator, NULL);
    assert_ok(fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, 3, NULL, NULL));
    float *y = estimates(&p, estimator, p.label);
    assert_true(worst(general, y, 900) < 1e-6);
    free(y);
    set(&p, "qe.task_head_init=random");
    assert_ok(fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, 3, NULL, NULL));
    y = estimates(&p, estimator, p.label);
    assert_true(worst(general, y, 900) > 1e-3);
    free(y);
    assert_ok(
        fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, 0, NULL, NULL)); /* no tasks at all */
    fr_estimator_close(estimator);
    free(general);
    planted_close(&p);
}

/* Without dev prompts in any task nothing is shared: task 0 comes out with the same bits whatever task 1 learns from.
 */
static void test_tasks_are_independent(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 600, 3, 3, 12, 2, FR_DEVICE_CPU);
    plant_tasks(&p);
    set(&p, "qe.epochs=3");
    set(&p, "qe.dropout=0.1");
    uint8_t candidates[9] = {1, 0, 1, 1, 1, 1, 0, 0, 0};
    int32_t *assignment = FR_NEW(int32_t, 600);
    for (int64_t i = 0; i < 600; i++)
        assignment[i] = p.data.split[i] == FR_SPLIT_TRAIN ? p.label[i] : -1;
    fr_estimator *estimator = phase1(&p);
    float *y[3];
    for (int k = 0; k < 3; k++) {
        assert_ok(fr_estimator_train_tasks(estimator, &p.training, assignment, candidates, 3, NULL, NULL));
        y[k] = estimates(&p, estimator, p.label);
        for (int64_t i = 0; i < 600 && k == 1; i++)
            if (p.label[i] == 1)
                assignment[i] = i % 2 ? -1 : assignment[i];
    }
    assert_memory_equal(y[0], y[1], 1800 * sizeof(float)); /* the same again */
    double other = 0;
    for (int64_t i = 0; i < 600; i++) {
        if (p.label[i] == 1)
            other += fabs((double)y[0][3 * i] - y[2][3 * i]);
        else
            assert_memory_equal(y[0] + 3 * i, y[2] + 3 * i, 3 * sizeof(float));
    }
    assert_true(other > .01);
    for (int k = 0; k < 3; k++)
        free(y[k]);
    free(assignment);
    fr_estimator_close(estimator);
    planted_close(&p);
}

static void test_estimator_files(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 300, 3, 3, 12, 2, FR_DEVICE_CPU);
    plant_tasks(&p);
    set(&p, "qe.hidden=6");
    set(&p, "qe.epochs=2");
    set(&p, "qe.task_epochs=2");
    uint8_t candidates[9] = {1, 0, 1, 1, 1, 1, 0, 0, 0}, others[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    fr_estimator *estimator = phase1(&p), *again;
    assert_ok(fr_estimator_train_tasks(estimator, &p.training, p.label, candidates, 3, NULL, NULL));
    char path[96];
    snprintf(path, sizeof path, "%s/estimator.h5", test_folder());
    fr_h5 *file;
    assert_ok(fr_h5_create(&file, path, "finerouter-test", 1));
    assert_ok(fr_estimator_save(estimator, file));
    assert_ok(fr_estimator_save_tasks(estimator, file));
    assert_ok(fr_h5_commit(file));
    assert_ok(fr_h5_open(&file, path, "finerouter-test", 1));
    assert_true(fr_h5_has(file, "/estimator/general.w1"));
    assert_true(fr_h5_has(file, "/task_heads/1/w2"));
    assert_ok(fr_estimator_restore(&again, &p.training, file));
    assert_ok(fr_estimator_restore_tasks(again, &p.training, candidates, 3, file));
    float *a = estimates(&p, estimator, p.label), *b = estimates(&p, again, p.label);
    assert_memory_equal(a, b, 900 * sizeof *a);
    assert_fails(fr_estimator_restore_tasks(again, &p.training, others, 3, file), FR_FAILED, "/task_heads/0/");
    fr_estimator_close(again);
    set(&p, "qe.hidden=7");
    assert_fails(fr_estimator_restore(&again, &p.training, file), FR_FAILED, "/estimator/general.w1");
    assert_fails(fr_estimator_export(estimator, &p.training, "/tmp"), FR_USAGE, "frozen");
    fr_h5_close(file);
    free(a);
    free(b);
    fr_estimator_close(estimator);
    planted_close(&p);
}

int main(void)
{
    fr_log_level(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_classifier_learns),
        cmocka_unit_test(test_classifier_others_and_sizes),
        cmocka_unit_test(test_classifier_files),
        cmocka_unit_test(test_out_of_fold),
        cmocka_unit_test(test_deal_folds),
        cmocka_unit_test(test_estimator_learns),
        cmocka_unit_test(test_masked_and_test_rows),
        cmocka_unit_test(test_ridge),
        cmocka_unit_test(test_bad_loss_is_named),
        cmocka_unit_test(test_devices_agree),
        cmocka_unit_test(test_task_heads),
        cmocka_unit_test(test_task_heads_start),
        cmocka_unit_test(test_tasks_are_independent),
        cmocka_unit_test(test_estimator_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
