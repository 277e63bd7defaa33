/* matcher.h - the top of the task classifier:
 *
 *   logits[i,t] = s * h_i^T W e_t + b_t          h (B, d), W (d, d), e (T, d), b (T), s (1), logits (B, T)
 *
 * W starts at the identity, e at given embeddings (the tasks' names), b at a constant. Names: <prefix>W, e, b, s; W and
 * e decay. All of it is trainable. */
#ifndef FR_NN_MATCHER_H
#define FR_NN_MATCHER_H

#include "nn/params.h"
#include "ops/ops.h"

typedef struct fr_matcher fr_matcher;

/* max_batch bounds B. Call fr_params_commit, then fr_matcher_commit; `params` must outlive the matcher. */
fr_matcher *fr_matcher_create(fr_params *params, const char *prefix, int64_t T, int64_t d, int64_t max_batch);
void fr_matcher_commit(fr_matcher *matcher);
void fr_matcher_close(fr_matcher *matcher);                                    /* accepts NULL */
void fr_matcher_init(fr_matcher *matcher, const float *e, double s, double b); /* e (T, d) on the host */

/* Dropout acts on h. */
void fr_matcher_forward(fr_matcher *matcher, fr_tensor logits, fr_tensor h, fr_dropout_key key);

/* Adds to the gradients; dh (B, d), FR_NONE: not wanted. h is that of the last forward. */
void fr_matcher_backward(fr_matcher *matcher, fr_tensor dh, fr_tensor dlogits, fr_tensor h);

#endif
