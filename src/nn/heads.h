/* heads.h - the quality estimation heads: for each of M models a two-layer MLP on [h; u_m] with one output, or a linear
 * head when hidden = 0.
 *
 *   z[i,m,:] = W1_m h_i + (Wu_m u_m + b1_m)     the u_m half of the first layer is a bias per model: one GEMM over h
 *   y[i,m]   = w2_m . gelu(z[i,m,:]) + b2_m     linear: y[i,m] = w1_m . h_i + wu_m . u_m + b1_m
 *
 * Letters: B prompts, M models, d embedding width, U width of an LLM embedding, H hidden width (1 when linear).
 * Names (prefix e.g. "general." or "task.12."): <prefix>w1 (M H, d), wu (M, H, U), b1 (M, H), w2 (M, H), b2 (M); linear
 * heads have no w2 and b2. */
#ifndef FR_NN_HEADS_H
#define FR_NN_HEADS_H

#include "nn/params.h"
#include "ops/ops.h"

typedef struct fr_heads_shape {
    int64_t M, d, U, hidden; /* models, embedding width, LLM embedding width, hidden width (0 = linear) */
} fr_heads_shape;

typedef struct fr_heads fr_heads;

/* u_index: index in params of the LLM embeddings (rows are models, M or more of them). model (M) or NULL: which row
 * each head reads, none twice (task heads: the candidates). train_u: backward adds to u's gradient. Heads that are not
 * trainable only go forward. max_batch bounds B; the workspace is about 3 B M H + B d reals. Call fr_params_commit,
 * then fr_heads_commit; `params` must outlive the heads. */
fr_heads *fr_heads_create(const fr_heads_shape *shape, fr_params *params, const char *prefix, int64_t u_index,
                          const int64_t *model, bool train_u, bool trainable, int64_t max_batch);
void fr_heads_commit(fr_heads *heads);
void fr_heads_close(fr_heads *heads); /* accepts NULL */

/* Weights N(0, 1/fan_in), fan_in d + U for the first layer and H for the second; biases 0, but the output's is the
 * model's mean training quality, mean_quality (M) in the order of the heads, or NULL: 0. */
void fr_heads_init(fr_heads *heads, uint64_t seed, const double *mean_quality);

/* A copy of the general heads of the same models (equal d, U, hidden; `general` has a head for each of these models).
 */
void fr_heads_init_from(fr_heads *heads, const fr_heads *general);

/* h (B, d) -> y (B, M). Dropout acts on h and on the hidden layer. */
void fr_heads_forward(fr_heads *heads, fr_tensor y, fr_tensor h, fr_dropout_key key);

/* dy (B, M) -> adds to the gradients; dh (B, d), FR_NONE: not wanted. h is that of the last forward. */
void fr_heads_backward(fr_heads *heads, fr_tensor dh, fr_tensor dy, fr_tensor h);

/* Adds the gradient of c/2 |w - w0|^2 over the weights (not the biases). reference NULL: w0 = 0, else the heads of the
 * same models they are pulled to. */
void fr_heads_pull(fr_heads *heads, const fr_heads *reference, double c);
double fr_heads_penalty(const fr_heads *heads, const fr_heads *reference, double c); /* its value, for the log */

#endif
