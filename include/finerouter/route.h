/* finerouter/route.h - the mix of both stages, rankings and the cost rule. Pure functions on arrays; nothing is read or trained here. */
#ifndef FINEROUTER_ROUTE_H
#define FINEROUTER_ROUTE_H

#include "finerouter/config.h"
#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

/* norm: min-max over the M models of one prompt; zero range -> 0. */
void fr_minmax(float *out, const float *in, int64_t M);

/* assignment[i] = best task if sigmoid(its logit) >= theta, else -1; probability[i] = sigmoid of the best logit (NaN when T = 0). logits (n, T). */
void fr_assign(int32_t *assignment, float *probability, const float *logits, int64_t n, int64_t T, double theta);

/* s1 (n, M) out of stage1 (T + 1, M).
 * hard: the row of assignment[i] (last row for -1).
 * soft: sum_t w_t stage1[t], w = softmax([logits, logit(theta)] / temperature): a sigmoid's logit is its log odds, and Others has the odds of theta, at which hard assignment turns to Others too. */
void fr_stage1_scores(float *s1, const float *stage1, const float *logits, const int32_t *assignment, int64_t n, int64_t T, int64_t M, int mode, double theta, double temperature);

/* score = alpha norm(s2) + (1 - alpha) norm(s1), (n, M). */
void fr_mix(float *score, const float *s1, const float *s2, int64_t n, int64_t M, double alpha);

/* Model order of one prompt, best first: by score, ties by s2, then cheaper (cost (M), NaN last), then model order. s2 may be NULL. */
void fr_rank(int32_t *ranking, const float *score, const float *s2, const double *cost, int64_t M);

/* IPR's rule: the cheapest model with score >= max - tolerance (max - min); equal costs by score, then as fr_rank. cost (M): expected USD, NaN = dearer than all known. */
int32_t fr_choose(const float *score, const float *s2, const double *cost, int64_t M, double tolerance);

#endif
