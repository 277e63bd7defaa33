/* RouterDC and GraphRouter: losses by hand, gradients against differences, what may be seen, planted clusters. */
#include "eval/baselines/graphrouter.h"
#include "eval/baselines/routerdc.h"
#include "finerouter/log.h"
#include "finerouter/tokenizer.h"
#include "gradients.h"
#include "nn/encoder.h"
#include "train_data.h"

#include <signal.h>

typedef fr_status (*baseline)(fr_scores *scores, const fr_eval_input *input);

static const struct {
    const char *name;
    baseline score;
} routers[] = {{"routerdc", fr_baseline_routerdc}, {"graphrouter", fr_baseline_graphrouter}};
enum { ROUTERS = sizeof routers / sizeof *routers };

static fr_eval_input input_of(const planted *p)
{
    return (fr_eval_input){.config = &p->config,
                           .data = &p->data,
                           .device = p->device,
                           .embedding = p->embedding,
                           .d = p->d,
                           .training = &p->training};
}

/* Model k % M answers cluster k, the others do not; a share of the scores is missing, never all of a prompt. */
static void plant_answers(planted *p, double missing)
{
    int64_t M = p->data.M;
    for (int64_t i = 0; i < p->data.N; i++)
        for (int64_t m = 0; m < M; m++) {
            bool gone = fr_rng_uniform(15, 0, (uint64_t)(i * M + m)) < missing && i % M != m;
            p->data.quality[i * M + m] = gone ? NAN : p->label[i] % M == m;
            p->data.cost[i * M + m] = i % 5 ? (float)(.001 * (double)(m + 1)) : NAN;
        }
}

static void settings(planted *p, const char *const *setting, int count)
{
    for (int i = 0; i < count; i++)
        assert_ok(fr_config_set(&p->config, setting[i]));
}
#define SETTINGS(p, ...)                                                                                               \
    settings(p, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* ---- RouterDC's losses ---- */

static double llm_loss(double *ds, const double *s, const float *quality, int64_t B, int64_t M, int64_t positives,
                       int64_t negatives)
{
    return fr_routerdc_llm_loss(ds, s, quality, B, M, positives, negatives, (fr_routerdc_draw){1, 0});
}

/* exp(s) = 4, 2, 1. One positive, the first; its negatives the two others, of quality .4 and 0:
 *   loss = log((4 + 2 + 1) / 4),  ds = 4/7 - 1, 2/7, 1/7
 * and with a second prompt that no model answers, half of it. */
static void test_llm_loss(void **state)
{
    (void)state;
    double s[6] = {log(4), log(2), 0, 1, 2, 3}, ds[6];
    float quality[6] = {1, .4f, 0, 0, 0, 0};
    assert_close(llm_loss(ds, s, quality, 1, 3, 1, 2), log(7 / 4.0), 1e-14);
    assert_close(ds[0], 4 / 7.0 - 1, 1e-14);
    assert_close(ds[1], 2 / 7.0, 1e-14);
    assert_close(ds[2], 1 / 7.0, 1e-14);
    assert_close(llm_loss(ds, s, quality, 2, 3, 1, 2), log(7 / 4.0) / 2, 1e-14);
    assert_close(ds[1], 1 / 7.0, 1e-14);
    assert_close(fabs(ds[3]) + fabs(ds[4]) + fabs(ds[5]), 0, 0);
    /* one negative: the worst, so that the loss is log((4 + 1) / 4) */
    assert_close(llm_loss(ds, s, quality, 1, 3, 1, 1), log(5 / 4.0), 1e-14);
    assert_close(ds[1], 0, 0);
}

/* Quality 1, .8, 0: as a negative .8 is masked, as a second positive it counts:
 *   loss = log((4 + 1) / 4) + log((2 + 1) / 2),  ds = 4/5 - 1, 2/3 - 1, 1/5 + 1/3 */
static void test_llm_masks(void **state)
{
    (void)state;
    double s[3] = {log(4), log(2), 0}, ds[3];
    float masked[3] = {1, .8f, 0};
    assert_close(llm_loss(ds, s, masked, 1, 3, 2, 2), log(5 / 4.0) + log(3 / 2.0), 1e-14);
    assert_close(ds[0], -1 / 5.0, 1e-14);
    assert_close(ds[1], -1 / 3.0, 1e-14);
    assert_close(ds[2], 8 / 15.0, 1e-14);
    /* the third of three positives has quality 0 */
    assert_close(llm_loss(ds, s, masked, 1, 3, 3, 2), log(5 / 4.0) + log(3 / 2.0), 1e-14);
    /* .5 is not above .5: e^0 / (e^0 + e^log 2) at the positive */
    float half[3] = {NAN, .5f, .6f};
    assert_close(llm_loss(ds, s, half, 1, 3, 1, 2), log(3), 1e-14);
    assert_close(ds[0], 0, 0);
    /* unobserved: neither; the one negative left is masked, and a positive alone costs nothing */
    float unobserved[3] = {NAN, 1, .9f};
    assert_close(llm_loss(ds, s, unobserved, 1, 3, 3, 3), 0, 0);
    assert_close(fabs(ds[0]) + fabs(ds[1]) + fabs(ds[2]), 0, 0);
    /* two models, three of each wanted, qualities .4 and .2: each is positive against the other, never against itself
     *   log((4 + 2) / 4) + log((2 + 4) / 2) */
    float two[2] = {.4f, .2f};
    assert_close(llm_loss(ds, s, two, 1, 2, 3, 3), log(1.5) + log(3), 1e-14);
}

/* Equal models take turns, so that none is preferred for its place in the list. */
static void test_llm_ties(void **state)
{
    (void)state;
    double s[3] = {0, 0, 0}, ds[3];
    float quality[3] = {1, 1, 0};
    int first = 0;
    for (int64_t step = 0; step < 400; step++) {
        fr_routerdc_llm_loss(ds, s, quality, 1, 3, 1, 1, (fr_routerdc_draw){1, step});
        assert_close(ds[0] + ds[1], -.5, 1e-14);
        first += ds[0] < 0;
    }
    assert_in_range(first, 160, 240);
}

/* Clusters 0 0 1: prompts 0 and 1 are each other's positive and 2 is their negative; 2 has no partner.
 *   loss = (log(1 + e^(g02 - g01)) + log(1 + e^(g12 - g10))) / 2 */
static void test_sample_loss(void **state)
{
    (void)state;
    double g[9] = {9, 0, log(3), 0, 9, log(2), log(3), log(2), 9}, dg[9];
    int32_t cluster[3] = {0, 0, 1}, one[3] = {4, 4, 4};
    fr_routerdc_draw draw = {1, 0};
    assert_close(fr_routerdc_sample_loss(dg, g, cluster, 3, 3, draw), (log(4) + log(3)) / 2, 1e-14);
    assert_close(dg[1], (1 / 4.0 - 1) / 2, 1e-14);
    assert_close(dg[2], 3 / 8.0, 1e-14);
    assert_close(dg[3], (1 / 3.0 - 1) / 2, 1e-14);
    assert_close(fabs(dg[0]) + fabs(dg[4]) + fabs(dg[6]) + fabs(dg[7]), 0, 0);
    assert_close(fr_routerdc_sample_loss(dg, g, one, 3, 3, draw), 0, 0);
    /* two negatives wanted, two there: both, whatever is drawn; of one wanted, each now and then */
    double flat[16] = {0}, d[16];
    int32_t pairs[4] = {0, 0, 1, 1};
    int third = 0;
    for (int64_t step = 0; step < 200; step++) {
        draw.step = step;
        assert_close(fr_routerdc_sample_loss(d, flat, pairs, 4, 2, draw), log(3), 1e-14);
        assert_close(d[2], 1 / 12.0, 1e-14);
        assert_close(d[3], 1 / 12.0, 1e-14);
        assert_close(fr_routerdc_sample_loss(d, flat, pairs, 4, 1, draw), log(2), 1e-14);
        third += d[2] > 0;
    }
    assert_in_range(third, 70, 130);
}

static void test_loss_differences(void **state)
{
    (void)state;
    enum { B = 7, M = 6 };
    double x[B * B], dx[B * B], unused[B * B];
    float quality[B * M];
    int32_t cluster[B];
    for (int i = 0; i < B * B; i++)
        x[i] = fr_rng_normal(1, 1, (uint64_t)i);
    for (int i = 0; i < B * M; i++)
        quality[i] = i % 9 == 4 ? NAN : (float)fr_rng_below(1, 2, (uint64_t)i, 5) / 4;
    for (int b = 0; b < B; b++)
        cluster[b] = (int32_t)fr_rng_below(1, 3, (uint64_t)b, 3);
    fr_routerdc_draw draw = {3, 17};
    for (int which = 0; which < 2; which++) {
        for (int i = 0; i < (which ? B * B : B * M); i++) {
            double value = x[i], loss[2];
            for (int side = 0; side < 2; side++) {
                x[i] = value + (side ? -1e-6 : 1e-6);
                loss[side] = which ? fr_routerdc_sample_loss(unused, x, cluster, B, 3, draw)
                                   : fr_routerdc_llm_loss(unused, x, quality, B, M, 3, 3, draw);
            }
            x[i] = value;
            which ? fr_routerdc_sample_loss(dx, x, cluster, B, 3, draw)
                  : fr_routerdc_llm_loss(dx, x, quality, B, M, 3, 3, draw);
            assert_close(dx[i], (loss[0] - loss[1]) / 2e-6, 1e-8);
        }
    }
}

/* ---- gradients of whole steps ---- */

typedef struct stepping {
    fr_params *params;
    double (*step)(void *model, const int64_t *rows, int64_t count, int64_t step);
    void *model;
    int64_t rows[20];
} stepping;

/* The loss alone: what a step adds to the gradient is taken back. */
static double loss_of(void *context)
{
    stepping *s = context;
    double *before = test_values(s->params->grad_block);
    double loss = s->step(s->model, s->rows, 20, 5);
    fr_tensor_set_f64(s->params->grad_block, before);
    free(before);
    return loss;
}

static void check_step(stepping *s, int64_t stride)
{
    for (int64_t i = 0; i < 20; i++)
        s->rows[i] = 3 * i;
    test_poison_gradients(s->params);
    assert_true(s->step(s->model, s->rows, 20, 5) > 0);
    assert_gradients(s->params, loss_of, s, stride);
}

static double routerdc_step(void *model, const int64_t *rows, int64_t count, int64_t step)
{
    return fr_routerdc_step(model, rows, count, step);
}

static void test_step_gradients(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 100, 4, 3, 12, .5, FR_DEVICE_REF);
    plant_answers(&p, .2);
    SETTINGS(&p, "graphrouter.hidden=10", "graphrouter.batch=20", "routerdc.batch=20", "routerdc.clusters=3");
    fr_eval_input input = input_of(&p);
    const char *edges[] = {"graphrouter.edges=add", "graphrouter.edges=gate"};
    for (int k = 0; k < 2; k++) {
        SETTINGS(&p, edges[k]);
        fr_learner l;
        fr_learning how;
        fr_graphrouter_open(&l, &how, &input);
        stepping s = {.params = &l.params, .step = how.step, .model = how.model};
        check_step(&s, 1);
        fr_graphrouter_close(how.model);
        fr_learner_close(&l);
    }
    fr_routerdc *r;
    assert_ok(fr_routerdc_open(&r, &input));
    stepping s = {.params = fr_routerdc_params(r), .step = routerdc_step, .model = r};
    check_step(&s, 1);
    fr_routerdc_close(r);
    planted_close(&p);
}

/* ---- what may be seen ---- */

/* Nodes after a step, or (step < 0) of the graph of all training prompts; malloc'd. */
static double *nodes_of(const planted *p, int64_t step, bool *held)
{
    fr_eval_input input = input_of(p);
    fr_learner l;
    fr_learning how;
    fr_graphrouter_open(&l, &how, &input);
    int64_t n = p->data.M * p->config.graphrouter.hidden;
    if (step < 0)
        how.prepare(how.model);
    else
        how.step(how.model, l.train, l.trains, step);
    double *nodes = FR_NEW(double, n);
    memcpy(nodes, fr_graphrouter_nodes(how.model), (size_t)n * sizeof *nodes);
    for (int64_t k = 0; held && k < p->data.N * p->data.M; k++)
        held[k] = fr_graphrouter_held(how.model, k / p->data.M, k % p->data.M, step);
    fr_graphrouter_close(how.model);
    fr_learner_close(&l);
    return nodes;
}

static void test_held_out(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 120, 3, 3, 8, .5, FR_DEVICE_REF);
    plant_answers(&p, .2);
    int64_t entries = p.data.N * p.data.M, n;
    bool *held = FR_NEW(bool, entries);
    const char *edges[] = {"graphrouter.edges=add", "graphrouter.edges=gate"};
    for (int k = 0; k < 2; k++) {
        SETTINGS(&p, edges[k], "graphrouter.hidden=6");
        n = p.data.M * 6;
        double *before = nodes_of(&p, 4, held), share = 0;
        for (int64_t e = 0; e < entries; e++) {
            share += held[e] / (double)entries;
            if (held[e] && !isnan(p.data.quality[e]))
                p.data.quality[e] = 1 - p.data.quality[e];
        }
        assert_close(share, .3, .08);
        double *after = nodes_of(&p, 4, NULL), *other = nodes_of(&p, 5, NULL);
        assert_memory_equal(after, before, (size_t)n * sizeof *after);
        assert_memory_not_equal(other, before, (size_t)n * sizeof *after); /* there other edges are held out */
        free(before);
        free(after);
        free(other);
        /* all training edges are in the graph at the end, and no other */
        before = nodes_of(&p, -1, NULL);
        for (int64_t e = 0; e < entries; e++)
            if (p.data.split[e / p.data.M] != FR_SPLIT_TRAIN)
                p.data.quality[e] = isnan(p.data.quality[e]) ? 1 : NAN;
        after = nodes_of(&p, -1, NULL);
        assert_memory_equal(after, before, (size_t)n * sizeof *after);
        free(after);
        p.data.quality[0] = 1 - p.data.quality[0];
        after = nodes_of(&p, -1, NULL);
        assert_memory_not_equal(after, before, (size_t)n * sizeof *after);
        free(before);
        free(after);
    }
    free(held);
    planted_close(&p);
}

/* A node does not grow with the number of training prompts: the same prompts twice give the same nodes. */
static void test_degree(void **state)
{
    (void)state;
    double *nodes[2];
    for (int times = 1; times <= 2; times++) {
        planted p;
        planted_open(&p, 60 * times, 3, 3, 8, .5, FR_DEVICE_REF);
        plant_answers(&p, 0);
        SETTINGS(&p, "graphrouter.hidden=5");
        for (int64_t i = 0; i < p.data.N; i++) {
            p.data.split[i] = FR_SPLIT_TRAIN;
            for (int64_t j = 0; j < 8; j++)
                p.embedding[i * 8 + j] = p.embedding[i % 60 * 8 + j];
            for (int64_t m = 0; m < 3; m++) {
                p.data.quality[i * 3 + m] = p.data.quality[i % 60 * 3 + m];
                p.data.cost[i * 3 + m] = p.data.cost[i % 60 * 3 + m];
            }
        }
        nodes[times - 1] = nodes_of(&p, -1, NULL);
        planted_close(&p);
    }
    for (int i = 0; i < 15; i++)
        assert_close(nodes[1][i], nodes[0][i], 1e-10);
    free(nodes[0]);
    free(nodes[1]);
}

/* ---- routing ---- */

static fr_scores route(const planted *p, baseline score)
{
    fr_eval_input input = input_of(p);
    fr_scores scores = {0};
    assert_ok(score(&scores, &input));
    assert_int_equal(scores.N, p->data.N);
    assert_true(scores.setting[0] != 0);
    for (int64_t i = 0; i < scores.N * scores.M; i++)
        assert_true(isfinite(scores.score[i]));
    return scores;
}

static double test_quality(const fr_scores *scores, const planted *p)
{
    double *cost = FR_NEW(double, p->data.M);
    fr_expected_cost(cost, &p->data);
    double quality = fr_routed_quality(scores->score, NULL, &p->data, cost, FR_SPLIT_TEST);
    free(cost);
    return quality;
}

static void test_planted(void **state)
{
    (void)state;
    for (int k = 0; k < ROUTERS; k++)
        for (int missing = 0; missing < 2; missing++) {
            planted p;
            planted_open(&p, 600, 4, 6, 16, .5, FR_DEVICE_CPU);
            plant_answers(&p, missing ? .4 : 0);
            SETTINGS(&p, "graphrouter.batch=128", "graphrouter.lr=0.01");
            fr_scores scores = route(&p, routers[k].score);
            double quality = test_quality(&scores, &p);
            print_message("%s, %s: %.3f\n", routers[k].name, missing ? "some scores missing" : "all scores", quality);
            assert_string_equal(scores.name, routers[k].name);
            assert_true(quality > .95);
            fr_scores_close(&scores);
            planted_close(&p);
        }
}

static void short_runs(planted *p)
{
    SETTINGS(p, "graphrouter.epochs=5", "routerdc.epochs=5", "graphrouter.batch=64", "routerdc.clusters=4");
}

/* Equal runs, on one thread and on two; the scores on two differ by the rounding of oneDNN at most. */
static void test_determinism(void **state)
{
    (void)state;
    for (int k = 0; k < ROUTERS; k++) {
        fr_scores scores[4];
        for (int run = 0; run < 4; run++) {
            planted p;
            test_threads = 1 + run / 2;
            planted_open(&p, 300, 4, 6, 16, .5, FR_DEVICE_CPU);
            plant_answers(&p, .2);
            short_runs(&p);
            scores[run] = route(&p, routers[k].score);
            planted_close(&p);
        }
        size_t bytes = 300 * 4 * sizeof(float);
        assert_memory_equal(scores[0].score, scores[1].score, bytes);
        assert_memory_equal(scores[2].score, scores[3].score, bytes);
        for (int i = 0; i < 300 * 4; i++)
            assert_close(scores[2].score[i], scores[0].score[i], 1e-4);
        for (int run = 0; run < 4; run++)
            fr_scores_close(&scores[run]);
    }
    test_threads = 1;
}

/* With one epoch there is nothing for dev to choose: then only training quality enters the scores. */
static void test_unread(void **state)
{
    (void)state;
    for (int k = 0; k < ROUTERS; k++) {
        fr_scores scores[2];
        for (int run = 0; run < 2; run++) {
            planted p;
            planted_open(&p, 200, 3, 4, 8, .5, FR_DEVICE_CPU);
            plant_answers(&p, 0);
            SETTINGS(&p, "graphrouter.epochs=1", "routerdc.epochs=1", "routerdc.frozen_lr=0.01",
                     "routerdc.frozen_llm_lr=0.01");
            for (int64_t e = 0; run && e < 200 * 3; e++)
                if (p.data.split[e / 3] != FR_SPLIT_TRAIN)
                    p.data.quality[e] = 1 - p.data.quality[e];
            scores[run] = route(&p, routers[k].score);
            planted_close(&p);
        }
        assert_memory_equal(scores[0].score, scores[1].score, 200 * 3 * sizeof(float));
        fr_scores_close(&scores[0]);
        fr_scores_close(&scores[1]);
    }
}

/* Two models, a handful of prompts, no dev split, no known cost, a batch larger than the data. */
static void test_tiny(void **state)
{
    (void)state;
    for (int k = 0; k < ROUTERS; k++)
        for (int64_t N = 3; N <= 40; N += 37) {
            planted p;
            planted_open(&p, N, 2, 2, 4, .3, FR_DEVICE_CPU);
            plant_answers(&p, 0);
            for (int64_t i = 0; i < N; i++) {
                p.data.split[i] = i == N - 1 ? FR_SPLIT_TEST : FR_SPLIT_TRAIN;
                p.data.cost[2 * i] = p.data.cost[2 * i + 1] = NAN;
            }
            SETTINGS(&p, "graphrouter.hidden=1", "routerdc.positives=5", "graphrouter.epochs=4", "routerdc.epochs=4");
            fr_scores scores = route(&p, routers[k].score);
            fr_scores_close(&scores);
            SETTINGS(&p, "graphrouter.edges=gate", "graphrouter.mask=0.99", "routerdc.batch=2", "graphrouter.batch=1",
                     "routerdc.sample_weight=0", "routerdc.clusters=1");
            p.training.embedding = NULL; /* input->embedding is what is read */
            scores = route(&p, routers[k].score);
            fr_scores_close(&scores);
            planted_close(&p);
        }
}

/* ---- the text encoder ---- */

static const char *folder;

typedef struct texts {
    planted p;
    fr_tokens tokens;
} texts;

/* Prompts of 3 to 20 words, those of cluster 1 with the word "zebra" among them, which cached embeddings do not know;
 * an encoder of two layers in `folder`. */
static void texts_open(texts *t, int device)
{
    enum { N = 320, WORDS = 6 };
    static const char *word[WORDS] = {"sum", "of", "the", "river", "code", "list"};
    planted_open(&t->p, N, 2, 2, 16, 50, device);
    plant_answers(&t->p, 0);
    SETTINGS(&t->p, "encoder.init=random", "encoder.layers=2", "encoder.hidden=16", "encoder.heads=2",
             "encoder.intermediate=32", "encoder.max_tokens=32", "routerdc.encoder=full", "routerdc.batch=20",
             "routerdc.lr=5e-3", "routerdc.epochs=20", "routerdc.clusters=2");
    for (int64_t i = 0; i < N; i++) {
        fr_buffer text = {0};
        int64_t words = 3 + fr_rng_below(21, 0, (uint64_t)i, 18), zebra = fr_rng_below(21, 1, (uint64_t)i, words);
        for (int64_t k = 0; k < words; k++)
            fr_buffer_addf(&text, "%s ",
                           t->p.label[i] == 1 && k == zebra ? "zebra"
                                                            : word[fr_rng_below(22, (uint64_t)i, (uint64_t)k, WORDS)]);
        t->p.data.text[i] = fr_strings_add(fr_dataset_strings(&t->p.data), text.data, text.bytes);
        fr_buffer_close(&text);
    }
    fr_tokenizer *tokenizer;
    assert_ok(fr_tokenizer_build(&tokenizer, t->p.data.text, N, 100));
    fr_encoder_shape shape;
    fr_encoder_shape_fresh(&shape, &t->p.config, fr_tokenizer_size(tokenizer));
    fr_params params;
    fr_params_create(&params, t->p.device);
    fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, 32, 1);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    fr_encoder_init(encoder, 1);
    assert_ok(fr_encoder_export(encoder, tokenizer, folder));
    fr_encoder_close(encoder);
    fr_params_close(&params);
    fr_tokenize(&t->tokens, tokenizer, t->p.data.text, N, 32);
    fr_tokenizer_close(tokenizer);
    t->p.training.tokens = &t->tokens;
    t->p.training.encoder_folder = folder;
}

static void texts_close(texts *t)
{
    fr_tokens_close(&t->tokens);
    planted_close(&t->p);
}

/* A batch in one slice and in many has the same gradient, dropout included, and it is that of differences. */
static void test_encoder_gradients(void **state)
{
    (void)state;
    texts t;
    texts_open(&t, FR_DEVICE_REF);
    double *gradient[2], loss[2];
    int64_t count = 0;
    const char *tokens[] = {"encoder.batch_tokens=8192", "encoder.batch_tokens=40"};
    for (int k = 0; k < 2; k++) {
        SETTINGS(&t.p, tokens[k]);
        fr_eval_input input = input_of(&t.p);
        fr_routerdc *r;
        assert_ok(fr_routerdc_open(&r, &input));
        stepping s = {.params = fr_routerdc_params(r), .step = routerdc_step, .model = r};
        for (int64_t i = 0; i < 20; i++)
            s.rows[i] = 3 * i;
        fr_params_zero_grad(s.params);
        loss[k] = s.step(r, s.rows, 20, 5);
        gradient[k] = test_values(s.params->grad_block);
        count = fr_tensor_count(&s.params->grad_block);
        if (k == 1)
            check_step(&s, 97);
        fr_routerdc_close(r);
    }
    assert_close(loss[1], loss[0], 1e-12);
    assert_all_close("gradient", gradient[1], gradient[0], count, 1e-9, 1e-3);
    free(gradient[0]);
    free(gradient[1]);
    texts_close(&t);
}

static void test_encoder_trained(void **state)
{
    (void)state;
    texts t;
    texts_open(&t, FR_DEVICE_CPU);
    fr_scores scores = route(&t.p, fr_baseline_routerdc);
    double trained = test_quality(&scores, &t.p);
    assert_non_null(strstr(scores.setting, "encoder trained"));
    fr_scores_close(&scores);
    SETTINGS(&t.p, "routerdc.encoder=frozen");
    scores = route(&t.p, fr_baseline_routerdc);
    assert_non_null(strstr(scores.setting, "frozen"));
    print_message("encoder trained %.3f, frozen %.3f\n", trained, test_quality(&scores, &t.p));
    assert_true(trained > .95);
    fr_scores_close(&scores);

    SETTINGS(&t.p, "routerdc.encoder=full");
    fr_eval_input input = input_of(&t.p);
    input.training = NULL;
    assert_fails(fr_baseline_routerdc(&scores, &input), FR_FAILED, "routerdc.encoder: full");
    t.p.training.encoder_folder = "/nonexistent";
    input = input_of(&t.p);
    assert_fails(fr_baseline_routerdc(&scores, &input), FR_FAILED, "/nonexistent");
    texts_close(&t);
}

/* Last, for the wish to stop stays. */
static void test_interrupted(void **state)
{
    (void)state;
    planted p;
    planted_open(&p, 200, 3, 4, 8, .5, FR_DEVICE_CPU);
    plant_answers(&p, 0);
    fr_eval_input input = input_of(&p);
    fr_interrupt_install();
    raise(SIGTERM);
    for (int k = 0; k < ROUTERS; k++) {
        fr_scores scores = {0};
        assert_int_equal(routers[k].score(&scores, &input), FR_INTERRUPTED);
        assert_null(scores.score);
    }
    planted_close(&p);
}

int main(void)
{
    folder = strdup(test_folder());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llm_loss),
        cmocka_unit_test(test_llm_masks),
        cmocka_unit_test(test_llm_ties),
        cmocka_unit_test(test_sample_loss),
        cmocka_unit_test(test_loss_differences),
        cmocka_unit_test(test_step_gradients),
        cmocka_unit_test(test_held_out),
        cmocka_unit_test(test_degree),
        cmocka_unit_test(test_planted),
        cmocka_unit_test(test_determinism),
        cmocka_unit_test(test_unread),
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_encoder_gradients),
        cmocka_unit_test(test_encoder_trained),
        cmocka_unit_test(test_interrupted),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free((char *)folder);
    return failed;
}
