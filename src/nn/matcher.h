/* matcher.h - the task classifier's top: logits[i,t] = s * h_i^T W e_t + b_t.  h (B, d), W (d, d) starts at I, e (T, d) starts at given embeddings, b (T) 0, s (1).
 * Names: <prefix>W, e, b, s. */
#ifndef FR_NN_MATCHER_H
#define FR_NN_MATCHER_H

#include "nn/params.h"
#include "ops/ops.h"

typedef struct fr_matcher fr_matcher;

fr_matcher *fr_matcher_create(fr_params *params, const char *prefix, int64_t T, int64_t d, int64_t max_batch);
void fr_matcher_commit(fr_matcher *matcher);
void fr_matcher_close(fr_matcher *matcher);
void fr_matcher_init(fr_matcher *matcher, const float *e, double s, double b); /* e (T, d) */
void fr_matcher_forward(fr_matcher *matcher, fr_tensor logits, fr_tensor h, fr_dropout_key key);
void fr_matcher_backward(fr_matcher *matcher, fr_tensor dh, fr_tensor dlogits, fr_tensor h); /* dh.data NULL: not wanted */

#endif
