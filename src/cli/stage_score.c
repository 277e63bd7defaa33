#include "choose.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "finerouter/route.h"

#include <math.h>
#include <stdlib.h>

void fr_stage_stage1(const fr_dataset *data, fr_products *products)
{
    const fr_config *config = products->config;
    const fr_tasks *tasks = &products->tasks;
    free(products->s1);
    products->s1 = FR_NEW(float, data->N * data->M);
    fr_stage1_scores(products->s1, tasks->stage1, products->logits, products->assignment, data->N, tasks->T, data->M,
                     config->route.assignment, products->theta, config->route.temperature);
}

void fr_stage_mix(const fr_dataset *data, fr_products *products)
{
    free(products->score);
    products->score = FR_NEW(float, data->N * data->M);
    fr_choose_alpha(data, products);
    fr_mix(products->score, products->s1, products->s2, data->N, data->M, products->alpha);
}

void fr_stage_score(fr_run *run, const fr_dataset *data, fr_products *products)
{
    double began = fr_seconds();
    fr_stage_stage1(data, products);
    fr_stage_mix(data, products);
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
