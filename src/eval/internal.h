/* internal.h - what the files of src/eval share. */
#ifndef FR_EVAL_INTERNAL_H
#define FR_EVAL_INTERNAL_H

#include "finerouter/eval.h"

/* Mean quality of each model over its observed training prompts, (M); NaN if there is none. source >= 0: of that source
 * only. */
void fr_train_means(double *mean, const fr_dataset *data, int32_t source);

/* The model of highest training mean; equal ones by cost, then order. */
int64_t fr_best_single(const fr_dataset *data);

/* The same out of training means and costs (M), leaving out the model `except` (-1: none). */
int64_t fr_best_model(const double *mean, const double *cost, int64_t M, int64_t except);

/* Best observed quality of a prompt; NaN if there is none. */
float fr_prompt_oracle(const fr_dataset *data, int64_t i);

/* All NaN. */
void fr_metrics_unknown(fr_router_metrics *metrics);

/* Names of routers that read the answers or the source: upper bounds, no competitors. */
bool fr_router_is_bound(const char *name);

/* The best of the results that are no bounds, by quality; -1 if none was scored. */
int64_t fr_best_router(const fr_result *results, int64_t count);

/* fr_scores with a zeroed table of the data's size. */
void fr_scores_begin(fr_scores *scores, const char *name, const fr_dataset *data);

/* Rows (n, d) of unit length; a zero row stays zero. */
void fr_unit_rows(float *unit, const float *x, int64_t n, int64_t d);

/* fr_routed_quality of chosen rows alone: score (count, M) by the order of `rows`. */
double fr_routed_rows(const float *score, const fr_dataset *data, const double *cost, const int64_t *rows,
                      int64_t count);

/* The baselines, for the table. */
fr_status fr_baseline_best_single(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_cheapest(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_random(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_oracle(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_dataset_oracle(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_knn(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_linear(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_routerdc(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_graphrouter(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_avengers(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_avengers_pro(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_mlp(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_mirt(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_embedllm_mf(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_routellm_mf(fr_scores *scores, const fr_eval_input *input);
fr_status fr_baseline_ipr(fr_scores *scores, const fr_eval_input *input);

#endif
