/* tiny_training.h - the training of a whole model in small: encoder with dropout, quality heads and task classifier on
 * it, AdamW; one loss a step. Every device draws the same numbers, so the curves of two devices may differ by rounding
 * alone. */
#ifndef FR_TEST_TINY_TRAINING_H
#define FR_TEST_TINY_TRAINING_H

#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "finerouter/config.h"
#include "nn/encoder.h"
#include "nn/heads.h"
#include "nn/matcher.h"

enum { TINY_STEPS = 40, TINY_B = 12, TINY_M = 5, TINY_T = 3, TINY_U = 6, TINY_LONGEST = 40, TINY_WORDS = 50 };

typedef struct tiny {
    fr_device *device;
    fr_params params;
    fr_encoder *encoder;
    fr_heads *heads;
    fr_matcher *matcher;
    fr_arena *arena;
    int64_t C;
    fr_tensor h, dh, y, dy, target, logits, dlogits, label, pos_weight;
    int32_t ids[TINY_B * TINY_LONGEST], cu[TINY_B + 1];
} tiny;

static inline void tiny_layout(tiny *t)
{
    fr_dtype wide = t->device->wide;
    t->h = fr_arena_tensor(t->arena, wide, FR_SHAPE(TINY_B, t->C));
    t->dh = fr_arena_tensor(t->arena, wide, FR_SHAPE(TINY_B, t->C));
    t->y = fr_arena_tensor(t->arena, wide, FR_SHAPE(TINY_B, TINY_M));
    t->dy = fr_arena_tensor(t->arena, wide, FR_SHAPE(TINY_B, TINY_M));
    t->logits = fr_arena_tensor(t->arena, wide, FR_SHAPE(TINY_B, TINY_T));
    t->dlogits = fr_arena_tensor(t->arena, wide, FR_SHAPE(TINY_B, TINY_T));
    t->target = fr_arena_tensor(t->arena, FR_F32, FR_SHAPE(TINY_B, TINY_M));
    t->label = fr_arena_tensor(t->arena, FR_I32, FR_SHAPE(TINY_B));
    t->pos_weight = fr_arena_tensor(t->arena, FR_F32, FR_SHAPE(TINY_T));
}

/* head_width: of the attention, 32 and 64 have kernels of their own. */
static inline void tiny_open(tiny *t, fr_device *device, int64_t head_width)
{
    *t = (tiny){.device = device, .C = 2 * head_width, .arena = fr_arena_create(device)};
    fr_encoder_shape shape = {.vocabulary = TINY_WORDS,
                              .positions = TINY_LONGEST,
                              .types = 2,
                              .layers = 2,
                              .hidden = t->C,
                              .heads = 2,
                              .intermediate = 3 * t->C,
                              .layernorm_epsilon = 1e-12,
                              .max_tokens = TINY_LONGEST,
                              .normalize = true};
    fr_params_create(&t->params, device);
    t->encoder = fr_encoder_create(&shape, &t->params, "", -1, TINY_B * TINY_LONGEST, TINY_B);
    int64_t u = fr_params_add(&t->params, "u", FR_SHAPE(TINY_M, TINY_U), true, true, FR_GROUP_HEAD);
    fr_heads_shape heads = {.M = TINY_M, .d = t->C, .U = TINY_U, .hidden = 16};
    t->heads = fr_heads_create(&heads, &t->params, "general.", u, NULL, true, true, TINY_B);
    t->matcher = fr_matcher_create(&t->params, "matcher.", TINY_T, t->C, TINY_B);
    fr_params_commit(&t->params);
    fr_encoder_commit(t->encoder);
    fr_heads_commit(t->heads);
    fr_matcher_commit(t->matcher);
    fr_encoder_init(t->encoder, 3);
    fr_param_init_normal(&t->params.item[u], 1 / sqrt((double)TINY_U), 3);
    fr_heads_init(t->heads, 3, NULL);
    float e[TINY_T * 2 * 64];
    for (int64_t i = 0; i < TINY_T * t->C; i++)
        e[i] = (float)(fr_rng_normal(4, 0, (uint64_t)i) / sqrt((double)t->C));
    fr_matcher_init(t->matcher, e, 10, -1);
    fr_params_refresh(&t->params);
    tiny_layout(t);
    fr_arena_commit(t->arena);
    tiny_layout(t);
    float weight[TINY_T] = {1, 2, 1.5f};
    fr_tensor_set(t->pos_weight, weight);
}

static inline void tiny_close(tiny *t)
{
    fr_arena_close(t->arena);
    fr_matcher_close(t->matcher);
    fr_heads_close(t->heads);
    fr_encoder_close(t->encoder);
    fr_params_close(&t->params);
}

/* Eight batches that come again and again. A text's task is the third of the vocabulary that its words are of, and a
 * model is good at some tasks. */
static inline void tiny_batch(tiny *t, int64_t step)
{
    uint64_t batch = (uint64_t)(step % 8);
    int32_t label[TINY_B];
    float target[TINY_B * TINY_M];
    for (int b = 0; b < TINY_B; b++) {
        uint64_t stream = 100 * batch + (uint64_t)b;
        int64_t length = 1 + fr_rng_below(5, 0, stream, TINY_LONGEST), third = TINY_WORDS / TINY_T;
        label[b] = (int32_t)fr_rng_below(5, 1, stream, TINY_T);
        t->cu[b + 1] = (int32_t)(t->cu[b] + length);
        for (int64_t i = t->cu[b]; i < t->cu[b + 1]; i++)
            t->ids[i] = (int32_t)(label[b] * third + fr_rng_below(6, stream, (uint64_t)i, third));
        for (int m = 0; m < TINY_M; m++)
            target[b * TINY_M + m] = (b + m) % 7 == 3 ? NAN : (m + label[b]) % TINY_T == 0;
    }
    fr_tensor_set_raw(t->label, label);
    fr_tensor_set(t->target, target);
}

static inline double tiny_step(tiny *t, int64_t step)
{
    const fr_optimizer rule = {.lr = {1e-2, 1e-3},
                               .decay = .01,
                               .beta1 = .9,
                               .beta2 = .999,
                               .epsilon = 1e-8,
                               .clip = 1,
                               .schedule = FR_SCHEDULE_COSINE,
                               .warmup = .1,
                               .steps = TINY_STEPS};
    fr_dropout_key key = {.p = .1, .seed = 8, .stream = (uint64_t)step};
    tiny_batch(t, step);
    fr_params_zero_grad(&t->params);
    fr_encoder_forward(t->encoder, t->h, t->ids, t->cu, TINY_B,
                       (fr_encoder_randomness){.p = .1, .seed = 8, .step = (uint64_t)step});
    fr_heads_forward(t->heads, t->y, t->h, key);
    double loss = fr_mse(t->dy, t->y, t->target, 1.0 / (TINY_B * TINY_M));
    fr_heads_backward(t->heads, t->dh, t->dy, t->h);
    fr_encoder_backward(t->encoder, t->dh);
    fr_matcher_forward(t->matcher, t->logits, t->h, key);
    loss += fr_bce(t->dlogits, t->logits, t->label, t->pos_weight, 1.0 / (TINY_B * TINY_T));
    fr_matcher_backward(t->matcher, FR_NONE, t->dlogits, t->h);
    assert_ok(fr_optimizer_step(&rule, &t->params, step, NULL));
    return loss;
}

/* loss (TINY_STEPS); returns all parameters at the end (malloc'd), *count of them. */
static inline float *tiny_train(double *loss, int64_t *count, fr_device *device, int64_t head_width)
{
    tiny t;
    tiny_open(&t, device, head_width);
    for (int64_t step = 0; step < TINY_STEPS; step++)
        loss[step] = tiny_step(&t, step);
    *count = fr_params_total(&t.params, false);
    float *values = FR_NEW(float, *count);
    fr_params_get(&t.params, values, false);
    tiny_close(&t);
    return values;
}

/* The curves stay within `share` of each other's loss (of a fifth of the first where it is less), and go down. */
static inline void tiny_compare(const char *name, const double *got, const double *want, double share)
{
    double worst = 0;
    for (int step = 0; step < TINY_STEPS; step++) {
        double scale = fmax(want[step], .2 * want[0]);
        worst = fmax(worst, fabs(got[step] - want[step]) / scale);
        if (!(fabs(got[step] - want[step]) <= share * scale))
            fail_msg("%s: the loss of step %d is %.9g, want %.9g within %g", name, step, got[step], want[step],
                     share * scale);
    }
    double first = 0, last = 0;
    for (int i = 0; i < 8; i++) {
        first += got[i];
        last += got[TINY_STEPS - 8 + i];
    }
    if (!(last < .7 * first))
        fail_msg("%s: the loss went from %g to %g only", name, first / 8, last / 8);
    print_message("%s: loss %.4f -> %.4f, worst step %.2g of the loss away\n", name, first / 8, last / 8, worst);
}

#endif
