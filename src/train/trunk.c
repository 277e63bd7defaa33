#include "trunk.h"

#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

struct fr_trunk {
    const fr_training *training;
    fr_params *params;
    fr_encoder *encoder; /* NULL when frozen */
    int64_t projection;  /* index in params, -1 none */
    bool trainable;
    int64_t d, most_rows, most_tokens;
    fr_arena *arena;
    fr_tensor x, h, dh, identity; /* (most_rows, d) each; identity (d, d) */
    fr_tensor x_used, h_used;     /* of the last forward */
    float *staging;               /* (most_rows, d) */
    int32_t *ids, *cu;            /* (most_tokens), (most_rows + 1) */
};

static fr_status create_encoder(fr_trunk *t)
{
    const fr_config *config = t->training->config;
    fr_encoder_shape shape;
    FR_TRY(fr_encoder_shape_read(&shape, t->training->encoder_folder, config));
    if (shape.hidden != t->d)
        return fr_fail(FR_FAILED, "%s: embeddings are %lld wide, the cached ones %lld; embed again",
                       t->training->encoder_folder, (long long)shape.hidden, (long long)t->d);
    int64_t layers = config->encoder.train == FR_TRAIN_FULL ? -1 : config->encoder.top_layers;
    if (layers > shape.layers)
        layers = shape.layers;
    int64_t budget = fr_encoder_batch_tokens(config, t->params->device, &shape, t->trainable),
            whole = t->most_rows * shape.max_tokens;
    t->most_tokens = whole < budget ? whole : budget;
    t->encoder = fr_encoder_create(&shape, t->params, "", t->trainable ? layers : 0, t->most_tokens, t->most_rows);
    t->ids = FR_NEW(int32_t, t->most_tokens);
    t->cu = FR_NEW(int32_t, t->most_rows + 1);
    return fr_encoder_check_memory(t->encoder);
}

fr_status fr_trunk_create(fr_trunk **trunk, fr_params *params, const fr_training *training, bool frozen, bool trainable,
                          int64_t most_rows)
{
    fr_trunk *t = FR_NEW(fr_trunk, 1);
    *t = (fr_trunk){.training = training,
                    .params = params,
                    .projection = -1,
                    .trainable = trainable,
                    .d = training->d,
                    .most_rows = most_rows};
    *trunk = t;
    if (!frozen && training->config->encoder.train != FR_TRAIN_FROZEN) {
        fr_status status = create_encoder(t);
        if (status != FR_OK) {
            fr_trunk_close(t);
            *trunk = NULL;
        }
        return status;
    }
    if (training->config->encoder.projection)
        t->projection = fr_params_add(params, "projection", FR_SHAPE(t->d, t->d), trainable, true, FR_GROUP_HEAD);
    t->staging = FR_NEW(float, most_rows * t->d);
    return FR_OK;
}

static void layout(fr_trunk *t)
{
    fr_dtype wide = t->params->device->wide;
    t->h = fr_arena_tensor(t->arena, wide, FR_SHAPE(t->most_rows, t->d));
    if (!t->encoder)
        t->x = fr_arena_tensor(t->arena, wide, FR_SHAPE(t->most_rows, t->d));
    if (t->trainable && (t->encoder || t->projection >= 0))
        t->dh = fr_arena_tensor(t->arena, wide, FR_SHAPE(t->most_rows, t->d));
    if (t->projection >= 0)
        t->identity = fr_arena_tensor(t->arena, wide, FR_SHAPE(t->d, t->d));
}

void fr_trunk_commit(fr_trunk *t)
{
    t->arena = fr_arena_create(t->params->device);
    layout(t);
    fr_arena_commit(t->arena);
    layout(t);
    if (t->encoder)
        fr_encoder_commit(t->encoder);
    if (t->projection >= 0) {
        float *eye = FR_NEW(float, t->d * t->d);
        for (int64_t i = 0; i < t->d; i++)
            eye[i * t->d + i] = 1;
        fr_tensor_set(t->identity, eye);
        free(eye);
    }
}

void fr_trunk_close(fr_trunk *t)
{
    if (!t)
        return;
    if (t->encoder)
        fr_encoder_close(t->encoder);
    fr_arena_close(t->arena);
    free(t->staging);
    free(t->ids);
    free(t->cu);
    free(t);
}

fr_status fr_trunk_start(fr_trunk *t)
{
    if (t->encoder)
        return fr_encoder_load(t->encoder, t->training->encoder_folder);
    if (t->projection >= 0)
        fr_tensor_copy(t->params->item[t->projection].value, t->identity);
    return FR_OK;
}

fr_encoder *fr_trunk_encoder(const fr_trunk *t)
{
    return t->encoder;
}

static int64_t length_of(const fr_tokens *tokens, int64_t row)
{
    return tokens->offset[row + 1] - tokens->offset[row];
}

int64_t fr_trunk_slice(const fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count,
                       int64_t *tokens)
{
    int64_t most = count < t->most_rows ? count : t->most_rows, taken = 0;
    *tokens = 0;
    if (!t->encoder)
        return most;
    while (taken < most) {
        int64_t length = length_of(prompts->tokens, rows[taken]);
        FR_CHECK(length <= t->most_tokens, "a prompt of %lld tokens, the encoder takes %lld", (long long)length,
                 (long long)t->most_tokens);
        if (*tokens + length > t->most_tokens)
            break;
        *tokens += length;
        taken++;
    }
    return taken;
}

fr_share fr_trunk_share(const fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count)
{
    int rank = fr_comm_rank(), ranks = fr_comm_ranks();
    if (ranks == 1)
        return (fr_share){0, count, 0};
    double *weight = NULL;
    if (t->encoder) {
        weight = FR_NEW(double, count);
        for (int64_t i = 0; i < count; i++)
            weight[i] = (double)length_of(prompts->tokens, rows[i]);
    }
    int64_t *first = FR_NEW(int64_t, ranks + 1);
    fr_shares(first, weight, count, ranks);
    fr_share share = {first[rank], first[rank + 1] - first[rank], 0};
    for (int64_t i = 0; i < share.first && t->encoder; i++)
        share.first_token += length_of(prompts->tokens, rows[i]);
    free(weight);
    free(first);
    return share;
}

static void encode(fr_trunk *t, const fr_tokens *tokens, const int64_t *rows, int64_t count,
                   fr_encoder_randomness randomness)
{
    FR_CHECK(tokens, "a trained encoder needs token ids");
    int64_t used = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t length = length_of(tokens, rows[i]);
        FR_CHECK(used + length <= t->most_tokens, "slice of more than %lld tokens", (long long)t->most_tokens);
        memcpy(t->ids + used, tokens->ids + tokens->offset[rows[i]], (size_t)length * sizeof *t->ids);
        t->cu[i] = (int32_t)used;
        used += length;
    }
    t->cu[count] = (int32_t)used;
    fr_encoder_forward(t->encoder, t->h_used, t->ids, t->cu, count, randomness);
}

fr_tensor fr_trunk_forward(fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count,
                           fr_encoder_randomness randomness)
{
    FR_CHECK(count <= t->most_rows, "slice of %lld rows, want at most %lld", (long long)count, (long long)t->most_rows);
    t->h_used = fr_tensor_rows(t->h, 0, count);
    if (t->encoder) {
        encode(t, prompts->tokens, rows, count, randomness);
        return t->h_used;
    }
    for (int64_t i = 0; i < count; i++)
        memcpy(t->staging + i * t->d, prompts->embedding + rows[i] * t->d, (size_t)t->d * sizeof(float));
    t->x_used = fr_tensor_rows(t->x, 0, count);
    fr_tensor_set(t->x_used, t->staging);
    if (t->projection < 0)
        return t->h_used = t->x_used;
    fr_linear_forward(t->h_used, t->x_used, t->params->item[t->projection].value, FR_NONE);
    return t->h_used;
}

fr_tensor fr_trunk_dh(fr_trunk *t, int64_t count)
{
    return t->dh.data ? fr_tensor_rows(t->dh, 0, count) : FR_NONE;
}

void fr_trunk_backward(fr_trunk *t, fr_tensor dh)
{
    if (!dh.data)
        return;
    if (t->encoder) {
        fr_encoder_backward(t->encoder, dh);
        return;
    }
    fr_param *projection = &t->params->item[t->projection];
    fr_linear_backward(FR_NONE, projection->grad, FR_NONE, dh, t->x_used, projection->value);
}

void fr_trunk_pull(fr_trunk *t, double c)
{
    if (t->projection >= 0 && c > 0)
        fr_pull(t->params->item[t->projection].grad, t->params->item[t->projection].value, t->identity, c);
}

const char *fr_trunk_first_bad(const fr_trunk *t)
{
    if (t->x_used.data && fr_find_nonfinite(t->x_used) >= 0)
        return "x (cached prompt embeddings)";
    return t->h_used.data && fr_find_nonfinite(t->h_used) >= 0 ? "h (trunk output)" : NULL;
}

typedef struct by_length {
    int64_t length, place;
} by_length;

static int compare_length(const void *a, const void *b)
{
    const by_length *x = a, *y = b;
    return x->length != y->length ? (x->length > y->length ? -1 : 1) : (x->place > y->place) - (x->place < y->place);
}

/* Places in the order of work: longest first for encoders, as they come for cached embeddings. */
static int64_t *order_of(const fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count)
{
    by_length *key = FR_NEW(by_length, count);
    for (int64_t i = 0; i < count; i++)
        key[i] = (by_length){t->encoder ? length_of(prompts->tokens, rows ? rows[i] : i) : 0, i};
    if (t->encoder)
        qsort(key, (size_t)count, sizeof *key, compare_length);
    int64_t *place = FR_NEW(int64_t, count);
    for (int64_t i = 0; i < count; i++)
        place[i] = key[i].place;
    free(key);
    return place;
}

/* Every ranks-th slice, from number `rank` on. */
static fr_status apply(fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count, fr_trunk_take take,
                       void *context, int rank, int ranks)
{
    FR_CHECK(!t->encoder || prompts->tokens, "a trained encoder needs token ids");
    int64_t *place = order_of(t, prompts, rows, count), *row = FR_NEW(int64_t, count);
    for (int64_t i = 0; i < count; i++)
        row[i] = rows ? rows[place[i]] : place[i];
    fr_status status = FR_OK;
    for (int64_t done = 0, slice = 0, taken, tokens; done < count && status == FR_OK; done += taken, slice++) {
        taken = fr_trunk_slice(t, prompts, row + done, count - done, &tokens);
        if (slice % ranks != rank)
            continue;
        fr_tensor h = fr_trunk_forward(t, prompts, row + done, taken, (fr_encoder_randomness){0});
        take(context, h, place + done, taken);
        if (fr_interrupt_wanted() && done + taken < count)
            status = fr_interrupted();
    }
    free(place);
    free(row);
    return status;
}

fr_status fr_trunk_apply(fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count, fr_trunk_take take,
                         void *context)
{
    return apply(t, prompts, rows, count, take, context, 0, 1);
}

fr_status fr_trunk_apply_shared(fr_trunk *t, const fr_prompts *prompts, const int64_t *rows, int64_t count,
                                fr_trunk_take take, void *context, float *out, int64_t width)
{
    if (fr_comm_ranks() == 1)
        return fr_trunk_apply(t, prompts, rows, count, take, context);
    if (out)
        memset(out, 0, (size_t)(count * width) * sizeof *out);
    FR_TRY(fr_comm_agree(apply(t, prompts, rows, count, take, context, fr_comm_rank(), fr_comm_ranks())));
    if (out)
        fr_comm_unite(out, (size_t)(count * width) * sizeof *out);
    return FR_OK;
}
