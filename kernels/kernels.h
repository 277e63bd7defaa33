/* kernels.h - the table of kernels: the math of every operation, raw pointers and sizes only.
 *
 * A kernel is a row of FR_KERNELS, a foo.c here and (for GPUs) a foo.cu: same name, same argument order, outputs first.
 * foo.c is the readable definition. It is compiled once with FR_REAL = double (backend ref, ground truth) and once per
 * instruction set with FR_REAL = float (backend cpu; base, AVX2, AVX-512), each time under another suffix: define a
 * kernel as `void FR_KERNEL(name)(...)`. foo.cu is compiled for f32 and for bf16 (backends cuda and cuda-bf16).
 *
 * Two element types: `real` of the encoder's activations and the parameters it computes with, and `wide` of everything
 * else: gradients of parameters, statistics (mean, rstd, lse, norm), and all that follows pooling. They are the same
 * but for bf16, where wide is f32. `void *` holds real, or wide where the row says so; everything else has its type.
 * The rows of FR_WIDE_KERNELS work on wide alone.
 *
 * Rules: gradients of parameters are added (+=), gradients of activations are set (=). Arguments are trusted: src/ops
 * checks them. A fixed thread count gives fixed bits: reductions run in a fixed order, random numbers are Philox keyed
 * by (seed, stream, element index). Sizes are elements, int64_t. Letters: N packed tokens, B sequences, C channels, H
 * heads, D head width, M models, T tasks, U width of an LLM embedding. */
#ifndef FR_KERNELS_H
#define FR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fr_queue fr_queue; /* a stream of the device; NULL on the CPU */

enum { FR_RELU, FR_SOFTPLUS }; /* kinds of activate_forward and activate_backward */

#define FR_TRUNK_KERNELS(X)                                                                                            \
    /* c (m,n) = alpha op(a) op(b) + beta c + bias.  row-major; op(a) (m,k): a is (m,k), or (k,m) when ta; op(b)       \
     * (k,n): b is (k,n), or (n,k) when tb; lda, ldb, ldc row strides; bias (n) or NULL. beta 0 does not read c. wide: \
     * c holds wide (and bias is NULL). */                                                                             \
    X(gemm, (fr_queue * q, void *c, const void *a, const void *b, const void *bias, int64_t m, int64_t n, int64_t k,   \
             bool ta, bool tb, int64_t lda, int64_t ldb, int64_t ldc, double alpha, double beta, bool wide))           \
    /* dbias[j] += sum_i dy[i,j].  dy (m,n), dbias (n) wide */                                                         \
    X(column_sum, (fr_queue * q, void *dbias, const void *dy, int64_t m, int64_t n))                                   \
    /* y[i] = x[i] * 0.5 (1 + erf(x[i] / sqrt 2)) */                                                                   \
    X(gelu_forward, (fr_queue * q, void *y, const void *x, int64_t n))                                                 \
    X(gelu_backward, (fr_queue * q, void *dx, const void *dy, const void *x, int64_t n))                               \
    /* y[i] = keep(first + i) ? x[i] / (1 - p) : 0; its own backward (dx from dy). In place is fine. */                \
    X(dropout,                                                                                                         \
      (fr_queue * q, void *y, const void *x, int64_t n, double p, uint64_t seed, uint64_t stream, int64_t first))      \
    /* s = x + r (r NULL: s = x);  y = (s - mean) rstd w + b.  x, r, s, y (N,C), mean, rstd (N) wide */                \
    X(layernorm_forward, (fr_queue * q, void *y, void *s, void *mean, void *rstd, const void *x, const void *r,        \
                          const void *w, const void *b, int64_t N, int64_t C, double epsilon))                         \
    /* ds is the gradient of x and of r alike. dw, db (C) wide */                                                      \
    X(layernorm_backward, (fr_queue * q, void *ds, void *dw, void *db, const void *dy, const void *s,                  \
                           const void *mean, const void *rstd, const void *w, int64_t N, int64_t C))                   \
    /* y[n] = word[ids[n]] + position[n - start of its sequence] + type[0].  word (V,C), position (P,C), type (>=1,C), \
     * cu (B+1); gradients of the three wide */                                                                        \
    X(embedding_forward, (fr_queue * q, void *y, const void *word, const void *position, const void *type,             \
                          const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t C))                     \
    X(embedding_backward, (fr_queue * q, void *dword, void *dposition, void *dtype, const void *dy,                    \
                           const int32_t *ids, const int32_t *cu, int64_t B, int64_t N, int64_t C))                    \
    /* Self attention inside each packed sequence. qkv (N, 3, H, D), out (N, H, D), lse (N, H) wide, log-sum-exp of    \
     * the scaled scores. longest: no sequence has more tokens. p: dropout of the probabilities, keyed by (first + n)  \
     * * H + h (query row and head) and the key's position in its sequence. */                                         \
    X(attention_forward,                                                                                               \
      (fr_queue * q, void *out, void *lse, const void *qkv, const int32_t *cu, int64_t B, int64_t N, int64_t H,        \
       int64_t D, double scale, int64_t longest, double p, uint64_t seed, uint64_t stream, int64_t first))             \
    X(attention_backward, (fr_queue * q, void *dqkv, const void *dout, const void *out, const void *lse,               \
                           const void *qkv, const int32_t *cu, int64_t B, int64_t N, int64_t H, int64_t D,             \
                           double scale, int64_t longest, double p, uint64_t seed, uint64_t stream, int64_t first))    \
    /* y (B,C) = mean over a sequence's tokens, or its first token when cls.  x (N,C); wide: y (and dy) hold wide */   \
    X(pool_forward,                                                                                                    \
      (fr_queue * q, void *y, const void *x, const int32_t *cu, int64_t B, int64_t N, int64_t C, bool cls, bool wide)) \
    X(pool_backward, (fr_queue * q, void *dx, const void *dy, const int32_t *cu, int64_t B, int64_t N, int64_t C,      \
                      bool cls, bool wide))                                                                            \
    /* index[0] = the first i with x[i] not finite, else -1 */                                                         \
    X(find_nonfinite, (fr_queue * q, int64_t * index, const void *x, int64_t n))                                       \
    /* Between f32 and real. */                                                                                        \
    X(from_f32, (fr_queue * q, void *y, const float *x, int64_t n))                                                    \
    X(to_f32, (fr_queue * q, float *y, const void *x, int64_t n))

#define FR_WIDE_KERNELS(X)                                                                                             \
    /* y = x / max(|x|, 1e-12) by rows; norm (B) = |x| */                                                              \
    X(l2norm_forward, (fr_queue * q, void *y, void *norm, const void *x, int64_t B, int64_t C))                        \
    X(l2norm_backward,                                                                                                 \
      (fr_queue * q, void *dx, const void *dy, const void *y, const void *norm, int64_t B, int64_t C))                 \
    /* y[i] = x[rows[i]].  x (?,C), y (n,C) */                                                                         \
    X(gather_rows, (fr_queue * q, void *y, const void *x, const int64_t *rows, int64_t n, int64_t C))                  \
    /* y += alpha x */                                                                                                 \
    X(axpy, (fr_queue * q, void *y, const void *x, int64_t n, double alpha))                                           \
    /* y[i] = max(x[i], 0) (FR_RELU) or log(1 + e^x[i]) (FR_SOFTPLUS). In place is fine. */                            \
    X(activate_forward, (fr_queue * q, void *y, const void *x, int64_t n, int kind))                                   \
    X(activate_backward, (fr_queue * q, void *dx, const void *dy, const void *x, int64_t n, int kind))                 \
    /* logits = s[0] x + b.  x, logits (B,T), s (1), b (T) */                                                          \
    X(scale_bias_forward,                                                                                              \
      (fr_queue * q, void *logits, const void *x, const void *s, const void *b, int64_t B, int64_t T))                 \
    X(scale_bias_backward, (fr_queue * q, void *dx, void *ds, void *db, const void *dlogits, const void *x,            \
                            const void *s, int64_t B, int64_t T))                                                      \
    /* Multi-label cross-entropy with y[i,t] = (label[i] == t); label -1 has no positive.                              \
     * loss[0] += scale * sum_it -(pos_weight[t] y log sigmoid(l) + (1-y) log sigmoid(-l)); dlogits its gradient       \
     * (NULL: loss only). loss is f64. */                                                                              \
    X(bce, (fr_queue * q, double *loss, void *dlogits, const void *logits, const int32_t *label,                       \
            const float *pos_weight, int64_t B, int64_t T, double scale))                                              \
    /* loss[0] += scale * sum over entries with a target of (y - target)^2; dy its gradient, 0 where target is NaN     \
     * (NULL: loss only). */                                                                                           \
    X(mse, (fr_queue * q, double *loss, void *dy, const void *y, const float *target, int64_t n, double scale))        \
    /* beta[m,h] = b1[m,h] + sum_k wu[m,h,k] u[m,k].  u (M,U), wu (M,H,U), b1, beta (M,H) */                           \
    X(head_bias_forward,                                                                                               \
      (fr_queue * q, void *beta, const void *u, const void *wu, const void *b1, int64_t M, int64_t H, int64_t U))      \
    X(head_bias_backward, (fr_queue * q, void *du, void *dwu, void *db1, const void *dbeta, const void *u,             \
                           const void *wu, int64_t M, int64_t H, int64_t U))                                           \
    /* y[i,m] = b2[m] + sum_h a[i,m,h] w2[m,h].  a (B,M,H), w2 (M,H), b2 (M), y (B,M) */                               \
    X(head_out_forward,                                                                                                \
      (fr_queue * q, void *y, const void *a, const void *w2, const void *b2, int64_t B, int64_t M, int64_t H))         \
    X(head_out_backward, (fr_queue * q, void *da, void *dw2, void *db2, const void *dy, const void *a, const void *w2, \
                          int64_t B, int64_t M, int64_t H))                                                            \
    /* One AdamW step (Loshchilov & Hutter 2019) with the gradient taken times grad_scale and factor[0] (NULL: 1);     \
     * where factor[0] is NaN nothing changes: m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  w -= lr (m / c1 / (sqrt(v \
     * / c2) + epsilon) + decay w), c1 = 1 - b1^step, c2 = 1 - b2^step. copy (n) or NULL: w rounded to bf16; NULL on   \
     * the CPU. */                                                                                                     \
    X(adamw, (fr_queue * q, void *w, void *m, void *v, void *copy, const void *g, int64_t n, double lr, double b1,     \
              double b2, double epsilon, double decay, int64_t step, double grad_scale, const double *factor))         \
    /* out[0] += sum x^2 (f64), in a fixed order */                                                                    \
    X(sum_squares, (fr_queue * q, double *out, const void *x, int64_t n))                                              \
    /* What clipping by the norm makes of a gradient: factor[0] = min(1, clip / sqrt(squares[n-1])), 1 with clip 0.    \
     * squares (n): sums of squares of the gradients of the last steps, this one's last; losses (n) or NULL: theirs.                 \
     * NaN unless all are finite. */                                                                                                        \
    X(clip_factor,                                                                                                     \
      (fr_queue * q, double *factor, const double *squares, const double *losses, int64_t n, double clip))             \
    /* g += c (w - w0); w0 NULL: c w.  The gradient of an L2 penalty c/2 |w - w0|^2. */                                \
    X(pull, (fr_queue * q, void *g, const void *w, const void *w0, int64_t n, double c))                               \
    /* Merges scores (rows, n) of candidates first .. first+n-1 into a running top-k per row, sorted: value (rows,k)   \
     * descending, equal values by smaller index; unfilled entries are -infinity, -1. skip[r] (or NULL): a candidate   \
     * never taken for row r, -1 none. */                                                                              \
    X(topk_merge, (fr_queue * q, float *value, int32_t *index, const float *scores, int64_t rows, int64_t n,           \
                   int64_t stride, int64_t first, int64_t k, const int32_t *skip))                                     \
    /* Rank-biased overlap of the two ends of each edge. top, bottom (n, M): first and last rank (1-based) of the tie  \
     * group of each model, 0 where the model is not ranked. Models missing in either list are left out of both (ranks \
     * close up). corrected: variant b, else a (src/discover/discover_internal.h). rbo (E) in [0, 1]; fewer than one   \
     * common model: 0. */                                                                                             \
    X(rbo, (fr_queue * q, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom, int64_t E,      \
            int64_t M, double p, bool corrected))                                                                      \
    /* Exact k nearest rows of corpus (nc,d) for each row of queries (nq,d) by inner product: value (nq,k) descending, \
     * equal values by smaller index; unfilled entries -infinity, -1. skip (nq) or NULL as above. Never nq x nc in     \
     * memory. */                                                                                                      \
    X(knn, (fr_queue * q, float *value, int32_t *index, const float *queries, const float *corpus, int64_t nq,         \
            int64_t nc, int64_t d, int64_t k, const int32_t *skip))

#define FR_KERNELS(X) FR_TRUNK_KERNELS(X) FR_WIDE_KERNELS(X)

typedef struct fr_kernels {
    const char *name; /* "f64", "f32", "f32 AVX2", "f32 AVX-512", "cuda f32", "cuda bf16" */
#define FR_ROW(kernel, arguments) void(*kernel) arguments;
    FR_KERNELS(FR_ROW)
#undef FR_ROW
} fr_kernels;

/* The tables (src/device/tables.c). The f32 table is the best the processor runs; FINEROUTER_ISA=base|avx2|avx512 in
 * the environment forces a lesser one. */
const fr_kernels *fr_kernels_ref(void);
const fr_kernels *fr_kernels_cpu(void);

/* Inside a kernel file. */
#ifdef FR_REAL
typedef FR_REAL real;
#define FR_PASTE_(a, b) fr_##a##_##b
#define FR_PASTE(a, b) FR_PASTE_(a, b)
#define FR_KERNEL(kernel) FR_PASTE(kernel, FR_SUFFIX)
#define FR_ROW(kernel, arguments) void FR_KERNEL(kernel) arguments;
FR_KERNELS(FR_ROW)
#undef FR_ROW
#endif

#ifdef __cplusplus
}
#endif
#endif
