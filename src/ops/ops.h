/* ops.h - operations on tensors: check shapes, types and device (FR_CHECK with the values), then one call through the
 * kernel table. The formulas stand in kernels/kernels.h. */
#ifndef FR_OPS_H
#define FR_OPS_H

#include "device/device.h"

/* Randomness of one use of dropout: keyed by the global element index, so that slices of a batch on several ranks draw
 * what one rank draws. */
typedef struct fr_dropout_key {
    double p; /* 0 = off */
    uint64_t seed, stream;
    int64_t first; /* global index of the first row in this batch */
} fr_dropout_key;

/* Types: an operation takes its element type from its first tensor: the device's real inside the encoder, else wide.
 * Statistics (mean, rstd, lse, norm) and gradients of parameters are always wide. */

/* An f64 scalar on the device for a result that is read at once, and its value. One at a time. */
fr_tensor fr_device_scalar(fr_device *device);
double fr_scalar_get(fr_tensor scalar);

/* c = alpha op(a) op(b) + beta c + bias; rank-2 tensors; bias.data NULL = none. a and b of one type, c of that or (a
 * gradient of a parameter) wide. */
void fr_gemm(fr_tensor c, fr_tensor a, bool ta, fr_tensor b, bool tb, fr_tensor bias, double alpha, double beta);
/* y (B, out) = x (B, in) w^T + bias, w (out, in) as in torch.nn.Linear. */
void fr_linear_forward(fr_tensor y, fr_tensor x, fr_tensor w, fr_tensor bias);
/* dx = dy w (dx.data NULL: not wanted); dw += dy^T x; dbias += column sums (dw.data / dbias.data NULL: not wanted). */
void fr_linear_backward(fr_tensor dx, fr_tensor dw, fr_tensor dbias, fr_tensor dy, fr_tensor x, fr_tensor w);

void fr_gelu_forward(fr_tensor y, fr_tensor x);
void fr_gelu_backward(fr_tensor dx, fr_tensor dy, fr_tensor x);
/* kind: FR_RELU or FR_SOFTPLUS. In place is fine. */
void fr_activate_forward(fr_tensor y, fr_tensor x, int kind);
void fr_activate_backward(fr_tensor dx, fr_tensor dy, fr_tensor x, int kind);
void fr_dropout(fr_tensor y, fr_tensor x, fr_dropout_key key); /* rank >= 2: element index = (first + row) * columns +
                                                                  column; p 0 copies (nothing when in place) */

void fr_layernorm_forward(fr_tensor y, fr_tensor s, fr_tensor mean, fr_tensor rstd, fr_tensor x, fr_tensor r,
                          fr_tensor w, fr_tensor b, double epsilon);
void fr_layernorm_backward(fr_tensor ds, fr_tensor dw, fr_tensor db, fr_tensor dy, fr_tensor s, fr_tensor mean,
                           fr_tensor rstd, fr_tensor w);

/* ids (N) I32, cu (B+1) I32 */
void fr_embedding_forward(fr_tensor y, fr_tensor word, fr_tensor position, fr_tensor type, fr_tensor ids, fr_tensor cu);
void fr_embedding_backward(fr_tensor dword, fr_tensor dposition, fr_tensor dtype, fr_tensor dy, fr_tensor ids,
                           fr_tensor cu);

/* qkv (N, 3, H, D), out (N, H, D), lse (N, H). longest: no sequence has more tokens; 0: find out, which only the host
 * can (a device takes N). */
void fr_attention_forward(fr_tensor out, fr_tensor lse, fr_tensor qkv, fr_tensor cu, int64_t longest, double scale,
                          fr_dropout_key key);
void fr_attention_backward(fr_tensor dqkv, fr_tensor dout, fr_tensor out, fr_tensor lse, fr_tensor qkv, fr_tensor cu,
                           int64_t longest, double scale, fr_dropout_key key);

/* y of x's type or wide; dy likewise. */
void fr_pool_forward(fr_tensor y, fr_tensor x, fr_tensor cu, bool cls);
void fr_pool_backward(fr_tensor dx, fr_tensor dy, fr_tensor cu, bool cls);
void fr_l2norm_forward(fr_tensor y, fr_tensor norm, fr_tensor x);
void fr_l2norm_backward(fr_tensor dx, fr_tensor dy, fr_tensor y, fr_tensor norm);

/* y = x across types: between real and wide, or a plain copy. */
void fr_cast(fr_tensor y, fr_tensor x);

void fr_gather_rows(fr_tensor y, fr_tensor x, fr_tensor rows); /* rows (n) I64, checked on the CPU */
void fr_axpy(fr_tensor y, fr_tensor x, double alpha);

void fr_scale_bias_forward(fr_tensor logits, fr_tensor x, fr_tensor s, fr_tensor b);
void fr_scale_bias_backward(fr_tensor dx, fr_tensor ds, fr_tensor db, fr_tensor dlogits, fr_tensor x, fr_tensor s);

/* Losses return the loss, or (_add) add it to the f64 scalar `loss` of the device, which the host reads when it likes.
 * label (B) I32, pos_weight (T) F32, target F32 of y's shape. dlogits / dy with data NULL: loss only. */
void fr_bce_add(fr_tensor loss, fr_tensor dlogits, fr_tensor logits, fr_tensor label, fr_tensor pos_weight,
                double scale);
void fr_mse_add(fr_tensor loss, fr_tensor dy, fr_tensor y, fr_tensor target, double scale);
double fr_bce(fr_tensor dlogits, fr_tensor logits, fr_tensor label, fr_tensor pos_weight, double scale);
double fr_mse(fr_tensor dy, fr_tensor y, fr_tensor target, double scale);

void fr_head_bias_forward(fr_tensor beta, fr_tensor u, fr_tensor wu, fr_tensor b1);
void fr_head_bias_backward(fr_tensor du, fr_tensor dwu, fr_tensor db1, fr_tensor dbeta, fr_tensor u, fr_tensor wu);
void fr_head_out_forward(fr_tensor y, fr_tensor a, fr_tensor w2, fr_tensor b2);
void fr_head_out_backward(fr_tensor da, fr_tensor dw2, fr_tensor db2, fr_tensor dy, fr_tensor a, fr_tensor w2);

typedef struct fr_adamw_step {
    double lr, beta1, beta2, epsilon, decay;
    int64_t step; /* 1 at the first */
    double grad_scale;
    fr_tensor factor; /* f64 scalar of the device (fr_clip_factor), or FR_NONE */
} fr_adamw_step;
/* copy (or FR_NONE): bf16, gets the new w rounded. */
void fr_adamw(fr_tensor w, fr_tensor m, fr_tensor v, fr_tensor copy, fr_tensor g, fr_adamw_step step);
double fr_sum_squares(fr_tensor x);
void fr_sum_squares_add(fr_tensor sum, fr_tensor x); /* sum: an f64 scalar of the device */
/* f64: factor scalar, squares and losses (or FR_NONE) (n) */
void fr_clip_factor(fr_tensor factor, fr_tensor squares, fr_tensor losses, double clip);
void fr_pull(fr_tensor g, fr_tensor w, fr_tensor w0, double c); /* w0.data NULL = 0 */
int64_t fr_find_nonfinite(fr_tensor x);

/* Exact k nearest rows of `corpus` (nc, d) for each row of `queries` (nq, d) by inner product (cosine for unit rows),
 * host memory, f32. Never nq x nc in memory. index (nq, k) int32, -1 where the corpus is too small; similarity (nq, k)
 * descending, ties by smaller index. skip (nq) or NULL: a corpus row never taken (itself). Progress: every block calls
 * `progress` (or NULL) with rows done so far; a false answer stops early and returns false. */
bool fr_knn(fr_device *device, int32_t *index, float *similarity, const float *queries, const float *corpus, int64_t nq,
            int64_t nc, int64_t d, int64_t k, const int32_t *skip, bool (*progress)(void *context, int64_t rows),
            void *context);

/* Together: the ranks bring the same, share the work and get the same answer, to the bit what fr_knn gives. They stop
 * when the progress of one says so. */
bool fr_knn_shared(fr_device *device, int32_t *index, float *similarity, const float *queries, const float *corpus,
                   int64_t nq, int64_t nc, int64_t d, int64_t k, const int32_t *skip,
                   bool (*progress)(void *context, int64_t rows), void *context);

/* rbo (E): see kernels.h; host memory. */
void fr_rbo_edges(fr_device *device, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom,
                  int64_t E, int64_t M, double p, bool corrected);

/* A tensor that is not there. */
#define FR_NONE ((fr_tensor){0})

#endif
