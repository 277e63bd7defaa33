/* Always the model that is best on the training prompts: scores are its training means, whatever the prompt. */
#include "eval/internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

fr_status fr_baseline_best_single(fr_scores *scores, const fr_eval_input *input)
{
    const fr_dataset *data = input->data;
    double *mean = FR_NEW(double, data->M);
    fr_train_means(mean, data, -1);
    fr_scores_begin(scores, "best_single", data);
    for (int64_t i = 0; i < data->N; i++)
        for (int64_t m = 0; m < data->M; m++)
            scores->score[i * data->M + m] = (float)mean[m];
    scores->reference = true;
    snprintf(scores->setting, sizeof scores->setting, "%s", data->model[fr_best_single(data)]);
    free(mean);
    return FR_OK;
}
