/* routerdc.h - the parts of RouterDC that its tests look at. */
#ifndef FR_EVAL_ROUTERDC_H
#define FR_EVAL_ROUTERDC_H

#include "eval/internal.h"
#include "nn/params.h"

/* Draws are keyed by (seed, step). */
typedef struct fr_routerdc_draw {
    uint64_t seed;
    int64_t step;
} fr_routerdc_draw;

/* Sample-LLM loss of s (B, M), the cosines of prompts and LLMs, with quality (B, M), NaN not observed; ds (B, M) its
 * gradient. A prompt's models are ordered by quality, equal ones by lot.
 *
 *   1/B sum_b sum_{i=1..positives} -log( exp(s_p) / (exp(s_p) + sum_n exp(s_n)) )
 *
 * p: the i-th best model of the prompt, left out unless its quality is above 0; n: those of its `negatives` worst
 * models that are of quality .5 or less, and not p. */
double fr_routerdc_llm_loss(double *ds, const double *s, const float *quality, int64_t B, int64_t M, int64_t positives,
                            int64_t negatives, fr_routerdc_draw draw);

/* Sample-sample loss of g (B, B), the cosines of prompts with each other, cluster (B); dg (B, B) its gradient.
 *
 *   mean over b of -log( exp(g_bp) / (exp(g_bp) + sum_n exp(g_bn)) )
 *
 * p: another prompt of b's cluster; n: `negatives` different ones of other clusters (fewer where the batch has fewer);
 * drawn. Prompts without such a p or n are left out of the mean. */
double fr_routerdc_sample_loss(double *dg, const double *g, const int32_t *cluster, int64_t B, int64_t negatives,
                               fr_routerdc_draw draw);

typedef struct fr_routerdc fr_routerdc;

/* Parameters at their start. Errors: no tokens for routerdc.encoder: full, the encoder's folder. */
FR_NODISCARD fr_status fr_routerdc_open(fr_routerdc **model, const fr_eval_input *input);
void fr_routerdc_close(fr_routerdc *model); /* accepts NULL */
fr_params *fr_routerdc_params(fr_routerdc *model);

/* Adds the gradient of the loss of these rows, which it returns. */
double fr_routerdc_step(fr_routerdc *model, const int64_t *rows, int64_t count, int64_t step);

#endif
