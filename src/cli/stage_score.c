#include "stages.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "finerouter/route.h"

#include <math.h>
#include <stdlib.h>

/* alpha on the dev split, 0, .05, ... 1, smoothed with its neighbours. */
static double choose_alpha(const fr_dataset *data, const fr_products *products)
{
    enum { STEPS = 21 };
    double quality[STEPS], *cost = FR_NEW(double, data->M);
    fr_expected_cost(cost, data);
    for (int i = 0; i < STEPS; i++) {
        fr_mix(products->score, products->s1, products->s2, data->N, data->M, i / (double)(STEPS - 1));
        quality[i] = fr_routed_quality(products->score, products->s2, data, cost, FR_SPLIT_DEV);
    }
    free(cost);
    return (double)fr_choose_smoothed(quality, STEPS) / (STEPS - 1);
}

void fr_stage_score(fr_run *run, const fr_dataset *data, fr_products *products)
{
    double began = fr_seconds();
    const fr_config *config = products->config;
    const fr_tasks *tasks = &products->tasks;
    products->s1 = FR_NEW(float, data->N * data->M);
    products->score = FR_NEW(float, data->N * data->M);
    fr_stage1_scores(products->s1, tasks->stage1, products->logits, products->assignment, data->N, tasks->T, data->M,
                     config->route.assignment, products->theta, config->route.temperature);
    products->alpha = isnan(config->route.alpha) ? choose_alpha(data, products) : config->route.alpha;
    fr_mix(products->score, products->s1, products->s2, data->N, data->M, products->alpha);
    fr_run_seconds(run, "score", fr_seconds() - began);
}

void fr_products_close(fr_products *products)
{
    fr_tasks_close(&products->tasks);
    fr_classifier_close(products->classifier);
    fr_estimator_close(products->estimator);
    free(products->grid_quality);
    free(products->logits);
    free(products->assignment);
    free(products->probability);
    free(products->hidden);
    free(products->general);
    free(products->s2);
    free(products->s1);
    free(products->score);
    *products = (fr_products){0};
}
