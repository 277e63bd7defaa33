#include "matcher.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { W, E, BIAS, S, KINDS };

struct fr_matcher {
    int64_t T, d, max_batch, index[KINDS];
    fr_params *params;
    fr_arena *arena;
    fr_tensor x, p, m; /* (B, d) h after dropout; (B, d) x W; (B, T) p e^T */
    fr_tensor dm, dp;  /* (B, T), (B, d) */
    fr_dropout_key key;
};

fr_matcher *fr_matcher_create(fr_params *params, const char *prefix, int64_t T, int64_t d, int64_t max_batch)
{
    fr_matcher *matcher = FR_NEW(fr_matcher, 1);
    matcher->T = T;
    matcher->d = d;
    matcher->max_batch = max_batch;
    matcher->params = params;
    const struct {
        const char *name;
        int rank;
        int64_t shape[2];
        bool decay;
    } list[KINDS] = {{"W", 2, {d, d}, true}, {"e", 2, {T, d}, true}, {"b", 1, {T}, false}, {"s", 1, {1}, false}};
    for (int i = 0; i < KINDS; i++) {
        char name[sizeof params->item->name];
        snprintf(name, sizeof name, "%s%s", prefix, list[i].name);
        matcher->index[i] =
            fr_params_add(params, name, list[i].rank, list[i].shape, true, list[i].decay, FR_GROUP_HEAD);
    }
    return matcher;
}

static void layout(fr_matcher *matcher)
{
    int64_t B = matcher->max_batch, T = matcher->T, d = matcher->d;
    fr_dtype wide = matcher->params->device->wide;
    matcher->x = fr_arena_tensor(matcher->arena, wide, FR_SHAPE(B, d));
    matcher->p = fr_arena_tensor(matcher->arena, wide, FR_SHAPE(B, d));
    matcher->m = fr_arena_tensor(matcher->arena, wide, FR_SHAPE(B, T));
    matcher->dm = fr_arena_tensor(matcher->arena, wide, FR_SHAPE(B, T));
    matcher->dp = fr_arena_tensor(matcher->arena, wide, FR_SHAPE(B, d));
}

void fr_matcher_commit(fr_matcher *matcher)
{
    matcher->arena = fr_arena_create(matcher->params->device);
    layout(matcher);
    fr_arena_commit(matcher->arena);
    layout(matcher);
}

void fr_matcher_close(fr_matcher *matcher)
{
    if (!matcher)
        return;
    fr_arena_close(matcher->arena);
    free(matcher);
}

static fr_param *param_of(const fr_matcher *matcher, int kind)
{
    return &matcher->params->item[matcher->index[kind]];
}

void fr_matcher_init(fr_matcher *matcher, const float *e, double s, double b)
{
    int64_t d = matcher->d;
    float *identity = FR_NEW(float, d *d);
    for (int64_t i = 0; i < d; i++)
        identity[i * d + i] = 1;
    fr_tensor_set(param_of(matcher, W)->value, identity);
    free(identity);
    fr_tensor_set(param_of(matcher, E)->value, e);
    fr_param_init_constant(param_of(matcher, S), s);
    fr_param_init_constant(param_of(matcher, BIAS), b);
}

/* What the first GEMM reads: h, or its dropped copy. */
static fr_tensor input(const fr_matcher *matcher, fr_tensor h)
{
    return matcher->key.p > 0 ? fr_tensor_rows(matcher->x, 0, h.shape[0]) : h;
}

void fr_matcher_forward(fr_matcher *matcher, fr_tensor logits, fr_tensor h, fr_dropout_key key)
{
    int64_t B = h.shape[0];
    FR_CHECK(B <= matcher->max_batch, "a batch of %lld, room for %lld", (long long)B, (long long)matcher->max_batch);
    fr_tensor p = fr_tensor_rows(matcher->p, 0, B), m = fr_tensor_rows(matcher->m, 0, B);
    matcher->key = key;
    if (key.p > 0)
        fr_dropout(input(matcher, h), h, key);
    fr_gemm(p, input(matcher, h), false, param_of(matcher, W)->value, false, FR_NONE, 1, 0);
    fr_linear_forward(m, p, param_of(matcher, E)->value, FR_NONE);
    fr_scale_bias_forward(logits, m, param_of(matcher, S)->value, param_of(matcher, BIAS)->value);
}

void fr_matcher_backward(fr_matcher *matcher, fr_tensor dh, fr_tensor dlogits, fr_tensor h)
{
    int64_t B = dlogits.shape[0];
    fr_tensor p = fr_tensor_rows(matcher->p, 0, B), m = fr_tensor_rows(matcher->m, 0, B);
    fr_tensor dp = fr_tensor_rows(matcher->dp, 0, B), dm = fr_tensor_rows(matcher->dm, 0, B);
    fr_param *w = param_of(matcher, W), *e = param_of(matcher, E);
    fr_scale_bias_backward(dm, param_of(matcher, S)->grad, param_of(matcher, BIAS)->grad, dlogits, m,
                           param_of(matcher, S)->value);
    fr_linear_backward(dp, e->grad, FR_NONE, dm, p, e->value);
    fr_gemm(w->grad, input(matcher, h), true, dp, false, FR_NONE, 1, 1);
    if (!dh.data)
        return;
    fr_gemm(dh, dp, false, w->value, true, FR_NONE, 1, 0);
    fr_dropout(dh, dh, matcher->key);
}
