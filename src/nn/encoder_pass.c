/* The encoder's forward and backward pass. */
#include "base/rng.h"
#include "encoder_internal.h"

#include <math.h>

/* Uses of random numbers: 0 the embeddings, then three a layer. */
enum { SITE_EMBEDDINGS, SITE_ATTENTION = 1, SITE_OUT = 2, SITE_FFN = 3, SITES_PER_LAYER = 3 };

static fr_dropout_key dropout_key(const fr_encoder *e, int64_t layer, int site)
{
    const fr_encoder_randomness *r = &e->randomness;
    return (fr_dropout_key){.p = r->p,
                            .seed = r->seed,
                            .stream = fr_stream("encoder dropout", r->step, (uint64_t)(layer * SITES_PER_LAYER + site)),
                            .first = r->first_token};
}

static fr_tensor top(fr_tensor tensor, int64_t rows)
{
    return fr_tensor_rows(tensor, 0, rows);
}

/* (N, n H D) as (N, n, H, D), or (N, H, D) for n = 1. */
static fr_tensor by_head(const fr_encoder *e, fr_tensor tensor, int64_t n)
{
    int64_t N = tensor.shape[0], H = e->shape.heads, D = e->shape.hidden / H;
    return n == 1 ? fr_tensor_view(tensor, FR_SHAPE(N, H, D)) : fr_tensor_view(tensor, FR_SHAPE(N, n, H, D));
}

static double attention_scale(const fr_encoder *e)
{
    return 1 / sqrt((double)e->shape.hidden / (double)e->shape.heads);
}

static fr_tensor batch_cu(const fr_encoder *e)
{
    return top(e->cu, e->B + 1);
}

/* Whether this layer goes on with first tokens only once attention is done: no other row of the last layer is pooled.
 * Not under dropout, whose numbers are keyed by token. */
static bool goes_on_with_first(const fr_encoder *e, int64_t l)
{
    return l == e->shape.layers - 1 && e->only_first;
}

static fr_tensor forward_embeddings(fr_encoder *e)
{
    fr_tensor x = top(e->x, e->N), s0 = top(e->s0, e->N);
    fr_embedding_forward(s0, e->word.value, e->position.value, e->type.value, top(e->ids, e->N), batch_cu(e));
    fr_layernorm_forward(x, s0, top(e->mean0, e->N), top(e->rstd0, e->N), s0, FR_NONE, e->ln0.value, e->ln0_bias.value,
                         e->shape.layernorm_epsilon);
    fr_dropout(x, x, dropout_key(e, 0, SITE_EMBEDDINGS));
    return x;
}

/* x (N, C) in, y2 out: (N, C), or (B, C) when only first tokens go on. */
static fr_tensor forward_layer(fr_encoder *e, int64_t l, fr_tensor x)
{
    const fr_layer_weights *w = &e->layer[l];
    const fr_layer_state *s = &e->state[l];
    double epsilon = e->shape.layernorm_epsilon;
    int64_t n = e->N;

    fr_tensor qkv = top(s->qkv, n), att = top(s->att, n);
    fr_linear_forward(qkv, x, w->qkv.value, w->qkv_bias.value);
    fr_attention_forward(by_head(e, att, 1), top(s->lse, n), by_head(e, qkv, 3), batch_cu(e), e->longest,
                         attention_scale(e), dropout_key(e, l, SITE_ATTENTION));
    if (goes_on_with_first(e, l)) {
        n = e->B;
        fr_pool_forward(top(e->cls_att, n), att, batch_cu(e), true);
        fr_pool_forward(top(e->cls_x, n), x, batch_cu(e), true);
        att = top(e->cls_att, n);
        x = top(e->cls_x, n);
    }

    fr_tensor s1 = top(s->s1, n), y1 = top(s->y1, n), f1 = top(s->f1, n), g = top(s->g, n);
    fr_linear_forward(s1, att, w->out.value, w->out_bias.value);
    fr_dropout(s1, s1, dropout_key(e, l, SITE_OUT));
    fr_layernorm_forward(y1, s1, top(s->mean1, n), top(s->rstd1, n), s1, x, w->ln1.value, w->ln1_bias.value, epsilon);

    fr_tensor s2 = top(s->s2, n), y2 = top(s->y2, n);
    fr_linear_forward(f1, y1, w->ffn1.value, w->ffn1_bias.value);
    fr_gelu_forward(g, f1);
    fr_linear_forward(s2, g, w->ffn2.value, w->ffn2_bias.value);
    fr_dropout(s2, s2, dropout_key(e, l, SITE_FFN));
    fr_layernorm_forward(y2, s2, top(s->mean2, n), top(s->rstd2, n), s2, y1, w->ln2.value, w->ln2_bias.value, epsilon);
    return y2;
}

/* Returns the longest sequence. */
static int64_t check_batch(const fr_encoder *e, const int32_t *ids, const int32_t *cu, int64_t B)
{
    FR_CHECK(B >= 1 && B <= e->max_B, "%lld sequences, room for 1 to %lld", (long long)B, (long long)e->max_B);
    int64_t longest = 0;
    FR_CHECK(cu[0] == 0, "cu starts at %d, want 0", cu[0]);
    for (int64_t b = 0; b < B; b++) {
        FR_CHECK(cu[b + 1] > cu[b] && cu[b + 1] - cu[b] <= e->shape.positions,
                 "sequence %lld has %d tokens, want 1 to %lld", (long long)b, cu[b + 1] - cu[b],
                 (long long)e->shape.positions);
        longest = cu[b + 1] - cu[b] > longest ? cu[b + 1] - cu[b] : longest;
    }
    FR_CHECK(cu[B] <= e->max_N, "%d tokens, room for %lld", cu[B], (long long)e->max_N);
    for (int64_t i = 0; i < cu[B]; i++)
        FR_CHECK(ids[i] >= 0 && ids[i] < e->shape.vocabulary, "token %lld has id %d, want 0 to %lld", (long long)i,
                 ids[i], (long long)e->shape.vocabulary - 1);
    return longest;
}

/* Where a forward of B sequences leaves the pooled vectors, before any normalisation. */
static fr_tensor pooled_of(const fr_encoder *e)
{
    const fr_layer_state *last = &e->state[e->shape.layers - 1];
    return top(e->only_first && last->y2.dtype == e->pooled.dtype ? last->y2 : e->pooled, e->B);
}

static void run_pass(void *context)
{
    fr_encoder *e = context;
    fr_tensor x = forward_embeddings(e), pooled = pooled_of(e);
    for (int64_t l = 0; l < e->shape.layers; l++)
        x = forward_layer(e, l, x);
    if (!e->only_first)
        fr_pool_forward(pooled, x, batch_cu(e), e->shape.cls);
    else if (x.data != pooled.data)
        fr_cast(pooled, x);
    if (e->shape.normalize)
        fr_l2norm_forward(top(e->unit, e->B), top(e->norm, e->B), pooled);
}

fr_tensor fr_encoder_run(fr_encoder *encoder, const int32_t *ids, const int32_t *cu, int64_t B,
                         fr_encoder_randomness randomness)
{
    fr_encoder *e = encoder;
    e->longest = check_batch(e, ids, cu, B);
    e->N = cu[B];
    e->B = B;
    e->randomness = randomness;
    e->only_first = e->shape.cls && randomness.p == 0;
    fr_tensor_set_raw(top(e->ids, e->N), ids);
    fr_tensor_set_raw(batch_cu(e), cu);

    if (B == 1 && randomness.p == 0) /* a single prompt: launching would take longer than computing */
        fr_device_replay(e->params->device, e->serial << 32 | (uint64_t)e->N, run_pass, e);
    else
        run_pass(e);
    return e->shape.normalize ? top(e->unit, B) : pooled_of(e);
}
void fr_encoder_forward(fr_encoder *encoder, fr_tensor h, const int32_t *ids, const int32_t *cu, int64_t B,
                        fr_encoder_randomness randomness)
{
    fr_tensor_copy(h, fr_encoder_run(encoder, ids, cu, B, randomness));
}

/* The gradient of x in y = LN(dropout(f(...)) + x) is ds; that of f's output is ds dropped the same way. Without
 * dropout they are one tensor. */
static fr_tensor dropped(fr_tensor room, fr_tensor ds, fr_dropout_key key)
{
    if (key.p == 0)
        return ds;
    fr_dropout(room, ds, key);
    return room;
}

/* dy in e->dx (n rows: those of y2); leaves the gradient of the layer's input in e->dx (N rows) when wanted. e->scratch
 * and e->wide hold nothing of the forward that is still needed. */
static void backward_layer(fr_encoder *e, int64_t l, fr_tensor x, bool want_dx)
{
    const fr_layer_weights *w = &e->layer[l];
    const fr_layer_state *s = &e->state[l];
    bool only_first = goes_on_with_first(e, l);
    int64_t N = e->N, n = only_first ? e->B : N, C = e->shape.hidden, F = e->shape.intermediate;
    fr_tensor a = top(e->dx, n), b = top(e->scratch, n), part;
    fr_tensor wide = e->wide, df = fr_tensor_view(top(wide, n * F), FR_SHAPE(n, F));

    fr_layernorm_backward(b, w->ln2.grad, w->ln2_bias.grad, a, top(s->s2, n), top(s->mean2, n), top(s->rstd2, n),
                          w->ln2.value);
    part = dropped(a, b, dropout_key(e, l, SITE_FFN));
    fr_linear_backward(df, w->ffn2.grad, w->ffn2_bias.grad, part, top(s->g, n), w->ffn2.value);
    fr_gelu_backward(df, df, top(s->f1, n));
    fr_linear_backward(FR_NONE, w->ffn1.grad, w->ffn1_bias.grad, df, top(s->y1, n), w->ffn1.value);
    fr_gemm(b, df, false, w->ffn1.value, false, FR_NONE, 1, 1); /* joins the gradient along the residual */

    fr_layernorm_backward(a, w->ln1.grad, w->ln1_bias.grad, b, top(s->s1, n), top(s->mean1, n), top(s->rstd1, n),
                          w->ln1.value);
    part = dropped(b, a, dropout_key(e, l, SITE_OUT));
    fr_tensor dqkv = fr_tensor_view(top(wide, 3 * N * C), FR_SHAPE(N, 3 * C));
    fr_tensor datt = fr_tensor_view(fr_tensor_rows(wide, 3 * N * C, N * C), FR_SHAPE(N, C));
    if (only_first) {
        fr_tensor datt_first = top(e->cls_d, n);
        fr_linear_backward(datt_first, w->out.grad, w->out_bias.grad, part, top(e->cls_att, n), w->out.value);
        fr_pool_backward(datt, datt_first, batch_cu(e), true);
        fr_tensor_copy(datt_first, a);
        a = top(e->dx, N);
        fr_pool_backward(a, datt_first, batch_cu(e), true);
    } else {
        fr_linear_backward(datt, w->out.grad, w->out_bias.grad, part, top(s->att, n), w->out.value);
    }
    fr_attention_backward(by_head(e, dqkv, 3), by_head(e, datt, 1), by_head(e, top(s->att, N), 1), top(s->lse, N),
                          by_head(e, top(s->qkv, N), 3), batch_cu(e), e->longest, attention_scale(e),
                          dropout_key(e, l, SITE_ATTENTION));
    fr_linear_backward(FR_NONE, w->qkv.grad, w->qkv_bias.grad, dqkv, x, w->qkv.value);
    if (want_dx)
        fr_gemm(a, dqkv, false, w->qkv.value, false, FR_NONE, 1, 1);
}

static void backward_embeddings(fr_encoder *e)
{
    fr_tensor dx = top(e->dx, e->N), ds = top(e->scratch, e->N);
    fr_dropout(dx, dx, dropout_key(e, 0, SITE_EMBEDDINGS));
    fr_layernorm_backward(ds, e->ln0.grad, e->ln0_bias.grad, dx, top(e->s0, e->N), top(e->mean0, e->N),
                          top(e->rstd0, e->N), e->ln0.value);
    fr_embedding_backward(e->word.grad, e->position.grad, e->type.grad, ds, top(e->ids, e->N), batch_cu(e));
}

void fr_encoder_backward(fr_encoder *encoder, fr_tensor dh)
{
    fr_encoder *e = encoder;
    int64_t L = e->shape.layers;
    FR_CHECK(e->dx.data, "backward of an encoder of which nothing is trainable");
    FR_CHECK(e->B > 0, "backward before any forward");
    if (e->shape.normalize) {
        fr_l2norm_backward(top(e->dpooled, e->B), dh, top(e->unit, e->B), top(e->norm, e->B));
        dh = top(e->dpooled, e->B);
    }
    if (e->only_first)
        fr_cast(top(e->dx, e->B), dh);
    else
        fr_pool_backward(top(e->dx, e->N), dh, batch_cu(e), e->shape.cls);
    for (int64_t l = L - 1; l >= e->first_trainable; l--) {
        fr_tensor x = top(l > e->first_trainable ? e->state[l - 1].y2 : e->x, e->N);
        backward_layer(e, l, x, l > e->first_trainable || e->train_embeddings);
    }
    if (e->train_embeddings)
        backward_embeddings(e);
}
