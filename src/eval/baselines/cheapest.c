/* Always the model of lowest expected cost. Without a known cost no model has a score, and the first one stands in. */
#include "eval/internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

fr_status fr_baseline_cheapest(fr_scores *scores, const fr_eval_input *input)
{
    const fr_dataset *data = input->data;
    double *cost = FR_NEW(double, data->M);
    fr_expected_cost(cost, data);
    fr_scores_begin(scores, "cheapest", data);
    int64_t best = -1;
    for (int64_t m = 0; m < data->M; m++)
        if (!isnan(cost[m]) && (best < 0 || cost[m] < cost[best]))
            best = m;
    for (int64_t i = 0; i < data->N; i++)
        for (int64_t m = 0; m < data->M; m++)
            scores->score[i * data->M + m] = (float)-cost[m];
    snprintf(scores->setting, sizeof scores->setting, "%s", best >= 0 ? data->model[best] : "no cost is known");
    free(cost);
    return FR_OK;
}
