/* The baselines that learn by gradient descent: planted rules, gradients by central differences, PyTorch's values,
 * fixed bits, and data with holes. */
#include "eval/baselines/learner.h"
#include "finerouter/log.h"
#include "gradients.h"

#include "golden/learned.h"

#include <signal.h>

typedef struct router {
    const char *name;
    const fr_learned *learned;
    const char *last; /* a parameter whose row m belongs to model m alone */
} router;

static const router routers[] = {
    {"mlp", &fr_learned_mlp, "mlp.2.weight"},
    {"mirt", &fr_learned_mirt, "mirt.ability"},
    {"embedllm_mf", &fr_learned_embedllm_mf, "embedllm.model"},
    {"routellm_mf", &fr_learned_routellm_mf, "routellm.model"},
};
enum { ROUTERS = sizeof routers / sizeof routers[0] };

/* ---- data: clusters of embeddings, each with a best model of its own ---- */

typedef struct world {
    fr_config config;
    fr_dataset data;
    fr_eval_input input;
    fr_device *device;
    float *x, *quality, *cost;
    int8_t *split;
} world;

static void set(world *w, const char *assignment)
{
    assert_ok(fr_config_set(&w->config, assignment));
}

static void open_world(world *w, int64_t N, int64_t M, int64_t d, int kind, int threads)
{
    *w = (world){.x = FR_NEW(float, N *d),
                 .quality = FR_NEW(float, N *M),
                 .cost = FR_NEW(float, N *M),
                 .split = FR_NEW(int8_t, N)};
    fr_config_defaults(&w->config);
    assert_ok(fr_device_open(&w->device, kind, threads));
    for (int64_t i = 0; i < N; i++) {
        int64_t cluster = (i + i / 5) % M; /* each in every split */
        w->split[i] = i % 5 == 3 ? FR_SPLIT_DEV : i % 5 == 4 ? FR_SPLIT_TEST : FR_SPLIT_TRAIN;
        for (int64_t c = 0; c < d; c++)
            w->x[i * d + c] = (float)(fr_rng_normal(5, 1, (uint64_t)(cluster * d + c)) +
                                      0.3 * fr_rng_normal(5, 2, (uint64_t)(i * d + c)));
        for (int64_t m = 0; m < M; m++) {
            double luck = fr_rng_uniform(5, 3, (uint64_t)(i * M + m));
            w->quality[i * M + m] = m == cluster ? 1 : luck < 0.2 ? 0.75f : 0.25f;
            w->cost[i * M + m] = (float)(1 + m);
            if (m != cluster && fr_rng_uniform(5, 4, (uint64_t)(i * M + m)) < 0.1)
                w->quality[i * M + m] = NAN;
        }
    }
    w->data = (fr_dataset){
        .N = N, .M = M, .sources = 1, .split = w->split, .quality = w->quality, .cost = w->cost, .hash = "0"};
    w->input = (fr_eval_input){.config = &w->config, .data = &w->data, .device = w->device, .embedding = w->x, .d = d};
}

static void close_world(world *w)
{
    fr_config_close(&w->config);
    fr_device_close(w->device);
    free(w->x);
    free(w->quality);
    free(w->cost);
    free(w->split);
}

static fr_scores score(world *w, const router *r)
{
    fr_scores scores = {0};
    const fr_baseline *baseline = fr_baseline_find(r->name);
    assert_non_null(baseline);
    assert_true(baseline->version > 0);
    assert_ok(baseline->score(&scores, &w->input));
    assert_string_equal(scores.name, r->name);
    assert_true(strlen(scores.setting) > 0);
    assert_int_equal(scores.N, w->data.N);
    assert_int_equal(scores.M, w->data.M);
    for (int64_t i = 0; i < w->data.N * w->data.M; i++)
        assert_true(isfinite(scores.score[i]));
    return scores;
}

/* Narrow models that learn fast. */
static void make_small(world *w)
{
    set(w, "mlp.hidden=[6, 5]");
    set(w, "mirt.dim=5");
    set(w, "embedllm_mf.dim=5");
    set(w, "routellm_mf.dim=5");
    for (int r = 0; r < ROUTERS; r++) {
        char text[64];
        snprintf(text, sizeof text, "%s.epochs=3", routers[r].name);
        set(w, text);
    }
}

/* ---- planted rules ---- */

static void test_planted_rule(void **state)
{
    (void)state;
    world w;
    open_world(&w, 600, 5, 16, FR_DEVICE_CPU, 2);
    set(&w, "mlp.lr=1e-2");
    set(&w, "embedllm_mf.lr=3e-3");
    set(&w, "embedllm_mf.batch=320");
    set(&w, "routellm_mf.lr=3e-3");
    set(&w, "mirt.lr=3e-3");
    double cost[5] = {1, 2, 3, 4, 5};
    for (int r = 0; r < ROUTERS; r++) {
        fr_scores scores = score(&w, &routers[r]);
        double quality = fr_routed_quality(scores.score, NULL, &w.data, cost, FR_SPLIT_TEST);
        if (!(quality > 0.98)) /* the oracle has 1, one model alone about 0.5 */
            fail_msg("%s routes with quality %g", routers[r].name, quality);
        fr_scores_close(&scores);
    }
    close_world(&w);
}

/* ---- gradients ---- */

typedef struct probe {
    fr_learning how;
    int64_t rows[9];
} probe;

static double loss_at(void *context)
{
    probe *p = context;
    return p->how.step(p->how.model, p->rows, 9, 7);
}

static void test_gradients(void **state)
{
    (void)state;
    world w;
    open_world(&w, 30, 4, 8, FR_DEVICE_REF, 1);
    make_small(&w);
    w.quality[2] = 1.5f, w.quality[7] = -0.5f; /* clamped */
    for (int r = 0; r < ROUTERS; r++) {
        fr_learner l;
        probe p = {.rows = {0, 1, 2, 5, 6, 7, 10, 11, 12}};
        routers[r].learned->open(&l, &p.how, &w.input);
        if (p.how.prepare)
            p.how.prepare(p.how.model);
        test_poison_gradients(&l.params); /* what is there is added to */
        double loss = loss_at(&p), *gradient = test_values(l.params.grad_block),
               *value = test_values(l.params.value_block);
        assert_true(loss > 0.1);
        for (int64_t i = 0; i < l.params.count; i++) {
            const fr_param *param = &l.params.item[i];
            int64_t n = fr_tensor_count(&param->value);
            fr_tensor flat = fr_tensor_view(param->value, FR_SHAPE(n));
            for (int64_t k = 0; k < n; k++) {
                double want = test_difference(fr_tensor_rows(flat, k, 1), loss_at, &p);
                if (!(fabs(gradient[param->at + k] - 1 - want) <= 2e-8 * fmax(1, fabs(want))))
                    fail_msg("%s: gradient of %s[%ld] is %.12g, differences say %.12g", routers[r].name, param->name,
                             (long)k, gradient[param->at + k] - 1, want);
            }
        }
        free(gradient);
        free(value);
        routers[r].learned->close(p.how.model);
        fr_learner_close(&l);
    }
    close_world(&w);
}

/* A model that was observed for no prompt of a step gets no gradient; nor does anything where no entry was observed. */
static void test_unobserved(void **state)
{
    (void)state;
    world w;
    open_world(&w, 30, 4, 8, FR_DEVICE_REF, 1);
    make_small(&w);
    probe p = {.rows = {0, 1, 2, 5, 6, 7, 10, 11, 12}};
    for (int r = 0; r < ROUTERS; r++)
        for (int all = 0; all < 2; all++) {
            for (int64_t i = 0; i < 30; i++)
                for (int64_t m = 0; m < 4; m++)
                    w.quality[i * 4 + m] = all || m == 2 ? NAN : (float)((i + m) % 3) / 2;
            fr_learner l;
            routers[r].learned->open(&l, &p.how, &w.input);
            double loss = loss_at(&p), *gradient = test_values(l.params.grad_block), *value;
            for (int64_t k = 0; all && k < fr_tensor_count(&l.params.grad_block); k++)
                assert_close(gradient[k], 0, 0);
            assert_true(all ? loss == 0 : loss > 0);
            const fr_param *last = fr_params_find(&l.params, routers[r].last);
            value = test_values(last->grad);
            int64_t width = last->value.shape[1];
            for (int64_t m = 0; m < 4; m++) {
                double size = 0;
                for (int64_t k = 0; k < width; k++)
                    size += fabs(value[m * width + k]);
                assert_true((size == 0) == (all || m == 2));
            }
            free(gradient);
            free(value);
            routers[r].learned->close(p.how.model);
            fr_learner_close(&l);
        }
    close_world(&w);
}

/* ---- PyTorch ---- */

typedef struct golden {
    const char *name;
    const fr_learned *learned;
    const double *before, *gradient, *after, *scores;
    double loss;
    const float *quality;
} golden;

/* Flat arrays hold the parameters in list order, the blocks in memory order. */
static void expect(const char *what, const fr_params *params, bool gradients, const double *want)
{
    for (int64_t i = 0; i < params->count; i++) {
        const fr_param *param = &params->item[i];
        double *got = test_values(gradients ? param->grad : param->value);
        int64_t n = fr_tensor_count(&param->value);
        for (int64_t k = 0; k < n; k++)
            if (!(fabs(got[k] - want[k]) <= 1e-9))
                fail_msg("%s of %s[%ld] is %.12g, PyTorch has %.12g", what, param->name, (long)k, got[k], want[k]);
        want += n;
        free(got);
    }
}

static void check_golden(const golden *g, const fr_eval_input *input)
{
    fr_learner l;
    probe p = {.rows = {0, 1, 2, 3, 4, 5, 6, 7, 8}};
    g->learned->open(&l, &p.how, input);
    assert_int_equal(l.batch, LEARNED_N);
    const double *from = g->before;
    for (int64_t i = 0; i < l.params.count; i++) {
        fr_tensor_set_f64(l.params.item[i].value, from);
        from += fr_tensor_count(&l.params.item[i].value);
    }
    fr_params_zero_grad(&l.params);
    assert_close(loss_at(&p), g->loss, 1e-9);
    double l2 = p.how.l2; /* PyTorch's gradient is that of the loss alone: the penalty is Adam's business */
    assert_close(l2, strcmp(g->name, "mirt") ? 0.01 : 0, 1e-12);
    expect("gradient", &l.params, true, g->gradient);

    fr_scores scores = {0};
    assert_ok(fr_learner_fit(&l, &p.how));
    expect("value after three steps", &l.params, false, g->after);
    fr_learner_scores(&l, &p.how, &scores);
    for (int64_t i = 0; i < LEARNED_N * LEARNED_M; i++)
        assert_close(scores.score[i], g->scores[i], 1e-6);
    fr_scores_close(&scores);
    g->learned->close(p.how.model);
    fr_learner_close(&l);
}

static void test_golden(void **state)
{
    (void)state;
    world w;
    open_world(&w, LEARNED_N, LEARNED_M, LEARNED_D, FR_DEVICE_REF, 1);
    set(&w, "mlp.hidden=[5, 3]");
    set(&w, "mlp.l2=0.01");
    set(&w, "mirt.dim=5");
    set(&w, "embedllm_mf.dim=5");
    set(&w, "embedllm_mf.noise=0");
    set(&w, "embedllm_mf.weight_decay=0.01");
    set(&w, "routellm_mf.dim=5");
    set(&w, "routellm_mf.noise=0");
    set(&w, "routellm_mf.weight_decay=0.01");
    for (int r = 0; r < ROUTERS; r++) {
        char text[64];
        snprintf(text, sizeof text, "%s.lr=0.02", routers[r].name);
        set(&w, text);
        snprintf(text, sizeof text, "%s.epochs=%d", routers[r].name, LEARNED_STEPS);
        set(&w, text);
    }
    memcpy(w.x, learned_x, sizeof learned_x);
    memset(w.split, FR_SPLIT_TRAIN, LEARNED_N);
    const golden all[] = {
        {"mlp", &fr_learned_mlp, mlp_before, mlp_gradient, mlp_after, mlp_scores, mlp_loss[0], learned_quality},
        {"mirt", &fr_learned_mirt, mirt_before, mirt_gradient, mirt_after, mirt_scores, mirt_loss[0], learned_quality},
        {"embedllm", &fr_learned_embedllm_mf, embedllm_before, embedllm_gradient, embedllm_after, embedllm_scores,
         embedllm_loss[0], learned_quality},
        {"routellm", &fr_learned_routellm_mf, routellm_before, routellm_gradient, routellm_after, routellm_scores,
         routellm_loss[0], learned_pairs},
    };
    for (size_t g = 0; g < sizeof all / sizeof all[0]; g++) {
        memcpy(w.quality, all[g].quality, sizeof learned_quality);
        check_golden(&all[g], &w.input);
    }
    close_world(&w);
}

/* ---- bits and edges ---- */

/* The same bits again, with another number of threads, and whatever stands where nobody may look: the qualities of the
 * test split, and costs of answers that were not observed. */
static void test_fixed_bits(void **state)
{
    (void)state;
    world first, again, threads, hidden;
    world *all[] = {&first, &again, &threads, &hidden};
    for (int i = 0; i < 4; i++) {
        open_world(all[i], 300, 4, 16, FR_DEVICE_CPU, i == 2 ? 1 : 2);
        set(all[i], "mlp.epochs=4");
        set(all[i], "mirt.epochs=4");
        set(all[i], "embedllm_mf.epochs=4");
        set(all[i], "routellm_mf.epochs=4");
    }
    for (int64_t i = 0; i < 300 * 4; i++)
        if (hidden.split[i / 4] == FR_SPLIT_TEST)
            hidden.quality[i] = (float)fr_rng_normal(6, 1, (uint64_t)i);
        else if (isnan(hidden.quality[i]))
            hidden.cost[i] = NAN;
    for (int r = 0; r < ROUTERS; r++) {
        fr_scores want = score(&first, &routers[r]);
        for (int i = 1; i < 4; i++) {
            fr_scores got = score(all[i], &routers[r]);
            if (memcmp(got.score, want.score, 300 * 4 * sizeof(float)) != 0)
                fail_msg("%s: other scores in run %d", routers[r].name, i);
            fr_scores_close(&got);
        }
        fr_scores_close(&want);
    }
    first.config.top.seed++;
    for (int r = 0; r < ROUTERS; r++) { /* and the seed is read */
        fr_scores want = score(&again, &routers[r]), got = score(&first, &routers[r]);
        assert_true(memcmp(got.score, want.score, 300 * 4 * sizeof(float)) != 0);
        fr_scores_close(&got);
        fr_scores_close(&want);
    }
    for (int i = 0; i < 4; i++)
        close_world(all[i]);
}

/* Fewer prompts than a batch, two models, every prompt tied, one hidden layer, no dev split, no training prompt, no
 * embedding but zeros. */
static void test_edges(void **state)
{
    (void)state;
    for (int edge = 0; edge < 6; edge++) {
        world w;
        open_world(&w, edge == 0 ? 4 : 40, edge == 1 ? 2 : 3, 8, FR_DEVICE_CPU, 2);
        make_small(&w);
        set(&w, "mlp.hidden=[7]");
        set(&w, "embedllm_mf.batch=1"); /* less than a prompt's entries */
        for (int64_t i = 0; i < w.data.N * w.data.M; i++) {
            if (edge == 2)
                w.quality[i] = 0.5f;
            if (edge == 3 || edge == 4)
                w.split[i / w.data.M] = edge == 3 ? FR_SPLIT_TRAIN : FR_SPLIT_TEST;
        }
        if (edge == 5)
            memset(w.x, 0, (size_t)(w.data.N * 8) * sizeof(float));
        for (int r = 0; r < ROUTERS; r++) {
            fr_scores scores = score(&w, &routers[r]);
            fr_scores_close(&scores);
        }
        close_world(&w);
    }
}

/* The last test: the wish to stop stays. */
static void test_interruption(void **state)
{
    (void)state;
    world w;
    open_world(&w, 40, 3, 8, FR_DEVICE_CPU, 1);
    fr_interrupt_install();
    raise(SIGINT);
    for (int r = 0; r < ROUTERS; r++) {
        fr_scores scores = {0};
        assert_fails(fr_baseline_find(routers[r].name)->score(&scores, &w.input), FR_INTERRUPTED, "stopped as asked");
        fr_scores_close(&scores);
    }
    close_world(&w);
}

int main(void)
{
    fr_log_level(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted_rule), cmocka_unit_test(test_gradients),  cmocka_unit_test(test_unobserved),
        cmocka_unit_test(test_golden),       cmocka_unit_test(test_fixed_bits), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_interruption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
