/* The encoder's parameters and workspace. */
#include "base/memory.h"
#include "encoder_internal.h"

#include <stdlib.h>
#include <string.h>

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Names, shapes and order of the parameters: one list for declaring and for finding them again. */
typedef struct declaration {
    const char *name;
    int rank;
    int64_t shape[2];
    bool joined;
    size_t at; /* of the fr_weight in fr_encoder or fr_layer_weights; joined ones widen the one before */
} declaration;

#define AT(member) offsetof(struct fr_encoder, member)
#define IN(member) offsetof(fr_layer_weights, member)

#define EMBEDDING_PARAMS 5
static void embedding_declarations(declaration d[EMBEDDING_PARAMS], const fr_encoder_shape *s)
{
    int64_t C = s->hidden;
    const declaration list[EMBEDDING_PARAMS] = {
        {"embeddings.word_embeddings.weight", 2, {s->vocabulary, C}, false, AT(word)},
        {"embeddings.position_embeddings.weight", 2, {s->positions, C}, false, AT(position)},
        {"embeddings.token_type_embeddings.weight", 2, {s->types, C}, false, AT(type)},
        {"embeddings.LayerNorm.weight", 1, {C}, false, AT(ln0)},
        {"embeddings.LayerNorm.bias", 1, {C}, false, AT(ln0_bias)},
    };
    memcpy(d, list, sizeof list);
}

#define LAYER_PARAMS 16
static void layer_declarations(declaration d[LAYER_PARAMS], const fr_encoder_shape *s)
{
    int64_t C = s->hidden, F = s->intermediate;
    const declaration list[LAYER_PARAMS] = {
        {"attention.self.query.weight", 2, {C, C}, false, IN(qkv)},
        {"attention.self.key.weight", 2, {C, C}, true, IN(qkv)},
        {"attention.self.value.weight", 2, {C, C}, true, IN(qkv)},
        {"attention.self.query.bias", 1, {C}, false, IN(qkv_bias)},
        {"attention.self.key.bias", 1, {C}, true, IN(qkv_bias)},
        {"attention.self.value.bias", 1, {C}, true, IN(qkv_bias)},
        {"attention.output.dense.weight", 2, {C, C}, false, IN(out)},
        {"attention.output.dense.bias", 1, {C}, false, IN(out_bias)},
        {"attention.output.LayerNorm.weight", 1, {C}, false, IN(ln1)},
        {"attention.output.LayerNorm.bias", 1, {C}, false, IN(ln1_bias)},
        {"intermediate.dense.weight", 2, {F, C}, false, IN(ffn1)},
        {"intermediate.dense.bias", 1, {F}, false, IN(ffn1_bias)},
        {"output.dense.weight", 2, {C, F}, false, IN(ffn2)},
        {"output.dense.bias", 1, {C}, false, IN(ffn2_bias)},
        {"output.LayerNorm.weight", 1, {C}, false, IN(ln2)},
        {"output.LayerNorm.bias", 1, {C}, false, IN(ln2_bias)},
    };
    memcpy(d, list, sizeof list);
}

static void declare(fr_params *params, const char *prefix, const declaration *d, bool trainable)
{
    char name[sizeof params->item->name];
    snprintf(name, sizeof name, "%s%s", prefix, d->name);
    (d->joined ? fr_params_add_joined : fr_params_add)(params, name, d->rank, d->shape, trainable, d->rank == 2,
                                                       FR_GROUP_ENCODER);
}

fr_encoder *fr_encoder_create(const fr_encoder_shape *shape, fr_params *params, const char *prefix,
                              int64_t trainable_layers, int64_t max_tokens_in_batch, int64_t max_batch)
{
    FR_CHECK(shape->hidden % shape->heads == 0, "hidden %lld is not a multiple of heads %lld", (long long)shape->hidden,
             (long long)shape->heads);
    FR_CHECK(max_batch >= 1 && max_tokens_in_batch >= 1, "room for %lld tokens in %lld sequences",
             (long long)max_tokens_in_batch, (long long)max_batch);
    int64_t L = shape->layers;
    fr_encoder *encoder = FR_NEW(fr_encoder, 1);
    encoder->shape = *shape;
    encoder->params = params;
    static uint64_t serial;
    encoder->serial = ++serial;
    encoder->first_param = params->count;
    encoder->prefix_length = (int64_t)strlen(prefix);
    encoder->train_embeddings = trainable_layers < 0;
    encoder->first_trainable = trainable_layers < 0 ? 0 : L - (trainable_layers < L ? trainable_layers : L);
    encoder->max_N = max_tokens_in_batch;
    encoder->max_B = max_batch;
    encoder->layer = FR_NEW(fr_layer_weights, L);
    encoder->state = FR_NEW(fr_layer_state, L);

    declaration embedding[EMBEDDING_PARAMS], layer[LAYER_PARAMS];
    embedding_declarations(embedding, shape);
    layer_declarations(layer, shape);
    for (int i = 0; i < EMBEDDING_PARAMS; i++)
        declare(params, prefix, &embedding[i], encoder->train_embeddings);
    for (int64_t l = 0; l < L; l++) {
        char within[sizeof params->item->name];
        snprintf(within, sizeof within, "%sencoder.layer.%lld.", prefix, (long long)l);
        for (int i = 0; i < LAYER_PARAMS; i++)
            declare(params, within, &layer[i], l >= encoder->first_trainable);
    }
    encoder->param_count = params->count - encoder->first_param;
    return encoder;
}

/* Takes the committed parameters into `base`, where `d` says; joined ones make the first dimension longer. */
static void collect(void *base, const fr_param *param, const declaration *d, int n)
{
    for (int i = 0; i < n; i++) {
        fr_weight *weight = (fr_weight *)((char *)base + d[i].at);
        if (!d[i].joined) {
            *weight = (fr_weight){param[i].real, param[i].grad};
        } else {
            weight->value.shape[0] += d[i].shape[0];
            weight->grad.shape[0] += d[i].shape[0];
        }
    }
}

static fr_tensor real_tensor(fr_encoder *e, int64_t rows, int64_t columns)
{
    return columns ? fr_arena_tensor(e->arena, e->params->device->real, FR_SHAPE(rows, columns))
                   : fr_arena_tensor(e->arena, e->params->device->real, FR_SHAPE(rows));
}

static fr_tensor wide_tensor(fr_encoder *e, int64_t rows, int64_t columns)
{
    return columns ? fr_arena_tensor(e->arena, e->params->device->wide, FR_SHAPE(rows, columns))
                   : fr_arena_tensor(e->arena, e->params->device->wide, FR_SHAPE(rows));
}

/* The same memory from element `at` on, as (rows, columns). */
static fr_tensor part(fr_tensor block, int64_t at, int64_t rows, int64_t columns)
{
    if (block.data)
        block.data = (char *)block.data + (size_t)at * fr_dtype_bytes(block.dtype);
    block.rank = 2;
    block.shape[0] = rows;
    block.shape[1] = columns;
    return block;
}

static void layout_frozen(fr_encoder *e)
{
    int64_t N = e->max_N, C = e->shape.hidden, F = e->shape.intermediate;
    fr_layer_state *s = &e->frozen;
    s->qkv = part(e->wide, 0, N, 3 * C);
    s->att = part(e->wide, 3 * N * C, N, C);
    s->f1 = s->g = part(e->wide, 0, N, F);
    s->lse = wide_tensor(e, N, e->shape.heads);
    s->mean1 = s->mean2 = wide_tensor(e, N, 0);
    s->rstd1 = s->rstd2 = wide_tensor(e, N, 0);
    s->s1 = s->y1 = e->scratch;
    s->s2 = s->y2 = e->x;
}

static void layout_trainable(fr_encoder *e, fr_layer_state *s)
{
    int64_t N = e->max_N, C = e->shape.hidden, F = e->shape.intermediate;
    s->qkv = real_tensor(e, N, 3 * C);
    s->att = real_tensor(e, N, C);
    s->lse = wide_tensor(e, N, e->shape.heads);
    s->s1 = real_tensor(e, N, C);
    s->mean1 = wide_tensor(e, N, 0);
    s->rstd1 = wide_tensor(e, N, 0);
    s->y1 = real_tensor(e, N, C);
    s->f1 = real_tensor(e, N, F);
    s->g = real_tensor(e, N, F);
    s->s2 = real_tensor(e, N, C);
    s->mean2 = wide_tensor(e, N, 0);
    s->rstd2 = wide_tensor(e, N, 0);
    s->y2 = real_tensor(e, N, C);
}

/* Runs twice: to measure and to place. */
static void layout(fr_encoder *e)
{
    int64_t N = e->max_N, B = e->max_B, C = e->shape.hidden, F = e->shape.intermediate, L = e->shape.layers;
    e->ids = fr_arena_tensor(e->arena, FR_I32, FR_SHAPE(N));
    e->cu = fr_arena_tensor(e->arena, FR_I32, FR_SHAPE(B + 1));
    e->x = real_tensor(e, N, C);
    e->scratch = real_tensor(e, N, C);
    e->wide = real_tensor(e, N * larger(4 * C, F), 0);
    e->mean0 = wide_tensor(e, N, 0);
    e->rstd0 = wide_tensor(e, N, 0);
    e->s0 = e->train_embeddings ? real_tensor(e, N, C) : e->x;
    if (e->first_trainable > 0)
        layout_frozen(e);
    for (int64_t l = 0; l < L; l++) {
        e->state[l] = e->frozen;
        if (l >= e->first_trainable)
            layout_trainable(e, &e->state[l]);
    }
    e->pooled = wide_tensor(e, B, C);
    e->unit = wide_tensor(e, B, C);
    e->norm = wide_tensor(e, B, 0);
    if (e->shape.cls) {
        e->cls_x = real_tensor(e, B, C);
        e->cls_att = real_tensor(e, B, C);
    }
    if (e->first_trainable < L) {
        e->dpooled = wide_tensor(e, B, C);
        e->dx = real_tensor(e, N, C);
        if (e->shape.cls)
            e->cls_d = real_tensor(e, B, C);
    }
}

int64_t fr_encoder_batch_tokens(const fr_config *config, const fr_device *device, const fr_encoder_shape *shape,
                                bool training)
{
    int64_t tokens = config->encoder.batch_tokens;
    if (tokens == 0)
        tokens = training ? device->training_tokens : device->inference_tokens;
    return larger(tokens, shape->max_tokens);
}

/* Bytes of the workspace for batches of N tokens and B sequences. */
static size_t workspace(const fr_encoder *encoder, int64_t N, int64_t B)
{
    fr_encoder measured = *encoder;
    measured.max_N = N;
    measured.max_B = B;
    measured.state = FR_NEW(fr_layer_state, encoder->shape.layers + 1);
    measured.arena = fr_arena_create(encoder->params->device);
    layout(&measured);
    size_t bytes = fr_arena_bytes(measured.arena);
    fr_arena_close(measured.arena);
    free(measured.state);
    return bytes;
}

size_t fr_encoder_bytes(const fr_encoder *encoder, size_t *parameters)
{
    const fr_params *params = encoder->params;
    const fr_device *device = params->device;
    size_t wide = fr_dtype_bytes(device->wide);
    *parameters = (size_t)params->elements * (wide + (device->real == device->wide ? 0 : fr_dtype_bytes(device->real))) +
                  3 * wide * (size_t)params->state_elements;
    return workspace(encoder, encoder->max_N, encoder->max_B);
}

fr_status fr_encoder_check_memory(const fr_encoder *encoder)
{
    fr_device *device = encoder->params->device;
    if (!device->memory)
        return FR_OK;
    size_t free_bytes, total_bytes, parameters;
    device->memory(device, &free_bytes, &total_bytes);
    size_t need = fr_encoder_bytes(encoder, &parameters) + parameters;
    if (need <= free_bytes)
        return FR_OK;
    /* The workspace grows in proportion to the batch, but for a constant. */
    size_t least = workspace(encoder, 1, 1);
    double each = (double)(need - parameters - least) / (double)encoder->max_N;
    double fits = ((double)free_bytes - (double)parameters - (double)least) / each;
    const double GiB = 1073741824.0;
    if (fits < (double)encoder->shape.max_tokens)
        return fr_fail(
            FR_FAILED,
            "device: the encoder needs %.2f GiB (%.2f for its parameters) for batches of %lld tokens, %.2f of "
            "%.2f GiB are free, and not even one prompt of %lld tokens fits; want a smaller encoder, "
            "encoder.max_tokens or a GPU that nobody else uses",
            (double)need / GiB, (double)parameters / GiB, (long long)encoder->max_N, (double)free_bytes / GiB,
            (double)total_bytes / GiB, (long long)encoder->shape.max_tokens);
    return fr_fail(
        FR_FAILED,
        "device: the encoder needs %.2f GiB (%.2f for its parameters) for batches of %lld tokens, %.2f of %.2f "
        "GiB are free; want encoder.batch_tokens: %lld or less",
        (double)need / GiB, (double)parameters / GiB, (long long)encoder->max_N, (double)free_bytes / GiB,
        (double)total_bytes / GiB, (long long)(0.95 * fits));
}

void fr_encoder_commit(fr_encoder *encoder)
{
    fr_encoder *e = encoder;
    declaration embedding[EMBEDDING_PARAMS], layer[LAYER_PARAMS];
    embedding_declarations(embedding, &e->shape);
    layer_declarations(layer, &e->shape);
    const fr_param *param = e->params->item + e->first_param;
    collect(e, param, embedding, EMBEDDING_PARAMS);
    for (int64_t l = 0; l < e->shape.layers; l++)
        collect(&e->layer[l], param + EMBEDDING_PARAMS + l * LAYER_PARAMS, layer, LAYER_PARAMS);

    e->arena = fr_arena_create(e->params->device);
    layout(e);
    fr_arena_commit(e->arena);
    layout(e);
    e->host_ids = FR_NEW(int32_t, e->max_N);
    e->host_cu = FR_NEW(int32_t, e->max_B + 1);
}

void fr_encoder_close(fr_encoder *encoder)
{
    if (!encoder)
        return;
    fr_arena_close(encoder->arena);
    free(encoder->host_ids);
    free(encoder->host_cu);
    free(encoder->layer);
    free(encoder->state);
    free(encoder);
}

const fr_encoder_shape *fr_encoder_get_shape(const fr_encoder *encoder)
{
    return &encoder->shape;
}

void fr_encoder_init(fr_encoder *encoder, uint64_t seed)
{
    for (int64_t i = 0; i < encoder->param_count; i++) {
        fr_param *param = &encoder->params->item[encoder->first_param + i];
        if (param->value.rank == 2)
            fr_param_init_normal(param, 0.02, seed);
        else
            fr_param_init_constant(param, strstr(param->name, "LayerNorm.weight") != NULL);
    }
    fr_params_refresh(encoder->params);
}
