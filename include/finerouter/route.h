/* finerouter/route.h - the mix of both stages, rankings and the cost rule. Pure functions on arrays; nothing is read or
 * trained here.
 *
 * Letters: n prompts, M models, T tasks. A NaN score means "cannot be chosen": it ranks last and takes no part in a
 * prompt's minimum and maximum. */
#ifndef FINEROUTER_ROUTE_H
#define FINEROUTER_ROUTE_H

#include "finerouter/config.h"
#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* norm: min-max over the M models of one prompt, into [0, 1]; zero range -> 0; NaN stays NaN. out may be in. */
void fr_minmax(float *out, const float *in, int64_t M);

/* assignment[i] = best task if sigmoid(its logit) >= theta, else -1; equal logits: the smaller task.
 * probability[i] = sigmoid of the best logit (NaN when T = 0); NULL: not wanted. logits (n, T). */
void fr_assign(int32_t *assignment, float *probability, const float *logits, int64_t n, int64_t T, double theta);

/* Stage-1 scores of prompts, s1 (n, M), out of the scores of tasks, stage1 (T + 1, M), last row Others.
 * mode FR_HARD: the row of assignment[i], the last row for -1; logits are not read.
 * mode FR_SOFT: sum_t w_t stage1[t], w = softmax([logits, logit(theta)] / temperature): a sigmoid's logit is its log
 *               odds, and Others has the odds of theta, at which hard assignment turns to Others too. assignment is not
 *               read. theta 0 gives Others no weight, theta 1 all of it. */
void fr_stage1_scores(float *s1, const float *stage1, const float *logits, const int32_t *assignment, int64_t n,
                      int64_t T, int64_t M, int mode, double theta, double temperature);

/* score = alpha norm(s2) + (1 - alpha) norm(s1), all (n, M). */
void fr_mix(float *score, const float *s1, const float *s2, int64_t n, int64_t M, double alpha);

/* Model order of one prompt, best first: by score, ties by s2, then cheaper (NaN cost last), then model order.
 * score, s2, cost (M): s2 may be NULL; cost is expected USD of an answer. ranking (M). O(M log M). */
void fr_rank(int32_t *ranking, const float *score, const float *s2, const double *cost, int64_t M);

/* IPR's rule: the cheapest model with score >= max - tolerance (max - min); equal costs: as fr_rank. A NaN cost is
 * dearer than all known. tolerance 0 is quality alone, fr_rank's first; from 1 on it is the cheapest model.
 * The cost of the choice never rises with tolerance. O(M). */
int32_t fr_choose(const float *score, const float *s2, const double *cost, int64_t M, double tolerance);

#ifdef __cplusplus
}
#endif
#endif
