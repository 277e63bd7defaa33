#include "heads.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W1, WU, B1, W2, B2, KINDS };
static const int WEIGHTS[] = {W1, WU, W2}; /* what the penalty acts on */

struct fr_heads {
    fr_heads_shape shape;
    int64_t H; /* hidden, 1 when linear */
    fr_params *params;
    int64_t index[KINDS], u_index, max_batch; /* index -1: linear heads lack it */
    int64_t *model;                           /* (M) row of u each head reads */
    bool train_u, trainable;

    fr_arena *arena;
    fr_tensor rows, u;     /* I64 (M); (M, U) the rows of u read */
    fr_tensor beta, dbeta; /* (M, H) */
    fr_tensor du;          /* (M, U) */
    fr_tensor x, z, a, da; /* (B, d) h after dropout; (B, M H) before and after GELU (and dropout) */
    fr_tensor difference;  /* (H d) or (H U), whichever is longer */
    fr_dropout_key key;    /* of the last forward */
};

fr_heads *fr_heads_create(const fr_heads_shape *shape, fr_params *params, const char *prefix, int64_t u_index,
                          const int64_t *model, bool train_u, bool trainable, int64_t max_batch)
{
    fr_heads *heads = FR_NEW(fr_heads, 1);
    int64_t M = shape->M, d = shape->d, U = shape->U, H = shape->hidden ? shape->hidden : 1;
    heads->shape = *shape;
    heads->H = H;
    heads->params = params;
    heads->u_index = u_index;
    heads->max_batch = max_batch;
    heads->train_u = train_u;
    heads->trainable = trainable;
    heads->model = FR_NEW(int64_t, M);
    for (int64_t m = 0; m < M; m++) {
        heads->model[m] = model ? model[m] : m;
        FR_CHECK(heads->model[m] >= 0 && heads->model[m] < params->item[u_index].value.shape[0],
                 "head %lld reads LLM embedding %lld of %lld", (long long)m, (long long)heads->model[m],
                 (long long)params->item[u_index].value.shape[0]);
    }
    const struct {
        const char *name;
        int rank;
        int64_t shape[3];
        bool decay;
    } list[KINDS] = {{"w1", 2, {M * H, d}, true},
                     {"wu", 3, {M, H, U}, true},
                     {"b1", 2, {M, H}, false},
                     {"w2", 2, {M, H}, true},
                     {"b2", 1, {M}, false}};
    for (int i = 0; i < KINDS; i++) {
        char name[sizeof params->item->name];
        snprintf(name, sizeof name, "%s%s", prefix, list[i].name);
        heads->index[i] = i >= W2 && !shape->hidden ? -1
                                                    : fr_params_add(params, name, list[i].rank, list[i].shape,
                                                                    trainable, list[i].decay, FR_GROUP_HEAD);
    }
    return heads;
}

static void layout(fr_heads *heads)
{
    int64_t M = heads->shape.M, d = heads->shape.d, U = heads->shape.U, H = heads->H, B = heads->max_batch;
    fr_dtype wide = heads->params->device->wide;
    fr_arena *arena = heads->arena;
    heads->rows = fr_arena_tensor(arena, FR_I64, FR_SHAPE(M));
    heads->u = fr_arena_tensor(arena, wide, FR_SHAPE(M, U));
    heads->beta = fr_arena_tensor(arena, wide, FR_SHAPE(M, H));
    heads->x = fr_arena_tensor(arena, wide, FR_SHAPE(B, d));
    heads->difference = fr_arena_tensor(arena, wide, FR_SHAPE(H * (d > U ? d : U)));
    if (heads->shape.hidden) {
        heads->z = fr_arena_tensor(arena, wide, FR_SHAPE(B, M * H));
        heads->a = fr_arena_tensor(arena, wide, FR_SHAPE(B, M * H));
    }
    if (heads->trainable) {
        heads->dbeta = fr_arena_tensor(arena, wide, FR_SHAPE(M, H));
        heads->du = fr_arena_tensor(arena, wide, FR_SHAPE(M, U));
        if (heads->shape.hidden)
            heads->da = fr_arena_tensor(arena, wide, FR_SHAPE(B, M * H));
    }
}

void fr_heads_commit(fr_heads *heads)
{
    heads->arena = fr_arena_create(heads->params->device);
    layout(heads);
    fr_arena_commit(heads->arena);
    layout(heads);
    fr_tensor_set_raw(heads->rows, heads->model);
}

void fr_heads_close(fr_heads *heads)
{
    if (!heads)
        return;
    fr_arena_close(heads->arena);
    free(heads->model);
    free(heads);
}

static fr_param *param_of(const fr_heads *heads, int kind)
{
    return &heads->params->item[heads->index[kind]];
}

static fr_tensor value_of(const fr_heads *heads, int kind)
{
    return param_of(heads, kind)->value;
}

void fr_heads_init(fr_heads *heads, uint64_t seed, const double *mean_quality)
{
    double first = 1 / sqrt((double)(heads->shape.d + heads->shape.U));
    fr_param_init_normal(param_of(heads, W1), first, seed);
    fr_param_init_normal(param_of(heads, WU), first, seed);
    fr_param_init_constant(param_of(heads, B1), 0);
    if (heads->shape.hidden) {
        fr_param_init_normal(param_of(heads, W2), 1 / sqrt((double)heads->H), seed);
        fr_param_init_constant(param_of(heads, B2), 0);
    }
    if (mean_quality)
        fr_tensor_set_f64(value_of(heads, heads->shape.hidden ? B2 : B1), mean_quality);
}

/* The block of head m in a tensor whose leading dimension counts heads, or heads times H. */
static fr_tensor block_of(const fr_heads *heads, fr_tensor tensor, int64_t m)
{
    int64_t each = tensor.shape[0] / heads->shape.M;
    return fr_tensor_rows(tensor, m * each, each);
}

static int64_t head_of_model(const fr_heads *heads, int64_t model)
{
    for (int64_t m = 0; m < heads->shape.M; m++)
        if (heads->model[m] == model)
            return m;
    FR_CHECK(false, "the heads to start from have none for model %lld", (long long)model);
    return -1;
}

static void check_alike(const fr_heads *a, const fr_heads *b)
{
    FR_CHECK(a->shape.d == b->shape.d && a->shape.U == b->shape.U && a->shape.hidden == b->shape.hidden,
             "heads of d %lld, U %lld, hidden %lld beside d %lld, U %lld, hidden %lld", (long long)a->shape.d,
             (long long)a->shape.U, (long long)a->shape.hidden, (long long)b->shape.d, (long long)b->shape.U,
             (long long)b->shape.hidden);
}

void fr_heads_init_from(fr_heads *heads, const fr_heads *general)
{
    check_alike(heads, general);
    for (int kind = 0; kind < KINDS; kind++)
        for (int64_t m = 0; m < heads->shape.M && heads->index[kind] >= 0; m++)
            fr_tensor_copy(block_of(heads, value_of(heads, kind), m),
                           block_of(general, value_of(general, kind), head_of_model(general, heads->model[m])));
}

static fr_dropout_key hidden_key(fr_dropout_key key)
{
    key.stream = fr_stream("hidden layer of the heads", key.stream, 0);
    return key;
}

static fr_tensor flat(fr_tensor tensor)
{
    return fr_tensor_view(tensor, FR_SHAPE(fr_tensor_count(&tensor)));
}

static fr_tensor by_model(const fr_heads *heads, fr_tensor hidden)
{
    return fr_tensor_view(hidden, FR_SHAPE(hidden.shape[0], heads->shape.M, heads->H));
}

void fr_heads_forward(fr_heads *heads, fr_tensor y, fr_tensor h, fr_dropout_key key)
{
    int64_t B = h.shape[0];
    FR_CHECK(B <= heads->max_batch, "a batch of %lld, room for %lld", (long long)B, (long long)heads->max_batch);
    heads->key = key;
    fr_gather_rows(heads->u, heads->params->item[heads->u_index].value, heads->rows);
    fr_head_bias_forward(heads->beta, heads->u, value_of(heads, WU), value_of(heads, B1));
    if (key.p > 0) {
        fr_tensor x = fr_tensor_rows(heads->x, 0, B);
        fr_dropout(x, h, key);
        h = x;
    }
    if (!heads->shape.hidden) {
        fr_linear_forward(y, h, value_of(heads, W1), flat(heads->beta));
        return;
    }
    fr_tensor z = fr_tensor_rows(heads->z, 0, B), a = fr_tensor_rows(heads->a, 0, B);
    fr_linear_forward(z, h, value_of(heads, W1), flat(heads->beta));
    fr_gelu_forward(a, z);
    fr_dropout(a, a, hidden_key(key));
    fr_head_out_forward(y, by_model(heads, a), value_of(heads, W2), value_of(heads, B2));
}

/* Adds the gradient of the rows of u that were read. */
static void add_du(fr_heads *heads)
{
    fr_tensor du = heads->params->item[heads->u_index].grad;
    FR_CHECK(du.data, "heads train LLM embeddings that are not trainable");
    for (int64_t m = 0; m < heads->shape.M; m++)
        fr_axpy(fr_tensor_rows(du, heads->model[m], 1), fr_tensor_rows(heads->du, m, 1), 1);
}

void fr_heads_backward(fr_heads *heads, fr_tensor dh, fr_tensor dy, fr_tensor h)
{
    int64_t B = dy.shape[0];
    fr_tensor dz = dy;
    FR_CHECK(heads->trainable, "backward of heads that are not trainable");
    if (heads->shape.hidden) {
        dz = fr_tensor_rows(heads->da, 0, B);
        fr_head_out_backward(by_model(heads, dz), param_of(heads, W2)->grad, param_of(heads, B2)->grad, dy,
                             by_model(heads, fr_tensor_rows(heads->a, 0, B)), value_of(heads, W2));
        fr_dropout(dz, dz, hidden_key(heads->key));
        fr_gelu_backward(dz, dz, fr_tensor_rows(heads->z, 0, B));
    }
    fr_tensor_zero(heads->dbeta); /* linear_backward adds to it as to a parameter's */
    fr_linear_backward(dh, param_of(heads, W1)->grad, flat(heads->dbeta), dz,
                       heads->key.p > 0 ? fr_tensor_rows(heads->x, 0, B) : h, value_of(heads, W1));
    if (dh.data)
        fr_dropout(dh, dh, heads->key);
    if (heads->train_u)
        fr_tensor_zero(heads->du);
    fr_head_bias_backward(heads->train_u ? heads->du : FR_NONE, param_of(heads, WU)->grad, param_of(heads, B1)->grad,
                          heads->dbeta, heads->u, value_of(heads, WU));
    if (heads->train_u)
        add_du(heads);
}

void fr_heads_pull(fr_heads *heads, const fr_heads *reference, double c)
{
    FR_CHECK(heads->trainable, "pull of heads that are not trainable");
    if (reference)
        check_alike(heads, reference);
    for (size_t i = 0; i < sizeof WEIGHTS / sizeof *WEIGHTS; i++) {
        int kind = WEIGHTS[i];
        if (heads->index[kind] < 0)
            continue;
        const fr_param *param = param_of(heads, kind);
        if (!reference)
            fr_pull(param->grad, param->value, FR_NONE, c);
        for (int64_t m = 0; reference && m < heads->shape.M; m++)
            fr_pull(block_of(heads, param->grad, m), block_of(heads, param->value, m),
                    block_of(reference, value_of(reference, kind), head_of_model(reference, heads->model[m])), c);
    }
}

double fr_heads_penalty(const fr_heads *heads, const fr_heads *reference, double c)
{
    double squares = 0;
    if (reference)
        check_alike(heads, reference);
    for (size_t i = 0; i < sizeof WEIGHTS / sizeof *WEIGHTS; i++) {
        int kind = WEIGHTS[i];
        if (heads->index[kind] < 0)
            continue;
        if (!reference)
            squares += fr_sum_squares(value_of(heads, kind));
        for (int64_t m = 0; reference && m < heads->shape.M; m++) {
            fr_tensor w = flat(block_of(heads, value_of(heads, kind), m));
            fr_tensor w0 = block_of(reference, value_of(reference, kind), head_of_model(reference, heads->model[m]));
            fr_tensor difference = fr_tensor_rows(heads->difference, 0, w.shape[0]);
            fr_tensor_copy(difference, w);
            fr_axpy(difference, flat(w0), -1);
            squares += fr_sum_squares(difference);
        }
    }
    return c / 2 * squares;
}
