#include "choose.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "finerouter/route.h"

#include <math.h>
#include <stdlib.h>

static const double thetas[FR_THETAS] = {0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95};

void fr_theta_qualities(double quality[FR_THETAS], const fr_dataset *on, const fr_products *products,
                        const double *cost)
{
    const fr_tasks *tasks = &products->tasks;
    const fr_config *config = products->config;
    float *s1 = FR_NEW(float, on->N * on->M);
    int32_t *assignment = FR_NEW(int32_t, on->N);
    for (int k = 0; k < FR_THETAS; k++) {
        fr_assign(assignment, NULL, products->logits, on->N, tasks->T, thetas[k]);
        fr_stage1_scores(s1, tasks->stage1, products->logits, assignment, on->N, tasks->T, on->M,
                         config->route.assignment, thetas[k], config->route.temperature);
        quality[k] = fr_routed_quality(s1, NULL, on, cost, FR_SPLIT_DEV);
    }
    free(s1);
    free(assignment);
}

double fr_best_theta(const double quality[FR_THETAS])
{
    for (int k = 0; k < FR_THETAS; k++)
        fr_log_event("theta", "theta=f quality=f", thetas[k], quality[k]);
    return thetas[fr_choose_smoothed(quality, FR_THETAS)];
}

double fr_best_alpha(double *quality, const fr_dataset *on, const float *s1, const float *s2, const double *cost)
{
    enum { STEPS = 21, PRIOR = 6 };
    float *score = FR_NEW(float, on->N * on->M), *routed = FR_NEW(float, STEPS * on->N);
    double mean[STEPS];
    for (int k = 0; k < STEPS; k++) {
        fr_mix(score, s1, s2, on->N, on->M, k / (double)(STEPS - 1));
        fr_routed_prompts(routed + k * on->N, score, s2, on, cost, FR_SPLIT_DEV);
        mean[k] = fr_routed_quality(score, s2, on, cost, FR_SPLIT_DEV);
        fr_log_event("alpha", "alpha=f quality=f", k / (double)(STEPS - 1), mean[k]);
    }
    int64_t best = fr_choose_plateau(routed, STEPS, on->N, PRIOR);
    if (quality)
        *quality = mean[best];
    free(score);
    free(routed);
    return (double)best / (STEPS - 1);
}

/* A trained encoder would be trained again for every fold: dev stands in. */
static bool out_of_fold(const fr_config *config)
{
    bool wanted = config->route.choose_by == FR_CHOOSE_OUT_OF_FOLD, frozen = config->encoder.train == FR_TRAIN_FROZEN;
    if (wanted && !frozen)
        fr_log("theta and alpha are chosen on dev: the encoder is trained, and out of fold it would be %lld times more",
               (long long)config->route.choose_folds);
    return wanted && frozen;
}

fr_status fr_choose_theta(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    const fr_config *config = products->config;
    products->theta = config->classifier.theta;
    products->alpha = config->route.alpha;
    if ((isnan(products->theta) || isnan(products->alpha)) && out_of_fold(config))
        return fr_choose_out_of_fold(run, data, texts, products);
    if (isnan(products->theta)) {
        double quality[FR_THETAS], *cost = FR_NEW(double, data->M);
        fr_expected_cost(cost, data);
        fr_theta_qualities(quality, data, products, cost);
        products->theta = fr_best_theta(quality);
        free(cost);
    }
    return FR_OK;
}

void fr_choose_alpha(const fr_dataset *data, fr_products *products)
{
    if (!isnan(products->alpha))
        return;
    double *cost = FR_NEW(double, data->M);
    fr_expected_cost(cost, data);
    products->alpha = fr_best_alpha(NULL, data, products->s1, products->s2, cost);
    free(cost);
}
