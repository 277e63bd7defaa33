/* Knows the benchmark a prompt comes from, which no router may: the best model of each source by its training mean. A
 * source without training prompts takes the means over all sources. */
#include "eval/internal.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

fr_status fr_baseline_dataset_oracle(fr_scores *scores, const fr_eval_input *input)
{
    const fr_dataset *data = input->data;
    int64_t M = data->M;
    double *overall = FR_NEW(double, M), *mean = FR_NEW(double, data->sources *M);
    fr_train_means(overall, data, -1);
    for (int64_t s = 0; s < data->sources; s++) {
        double *row = mean + s * M;
        bool some = false;
        fr_train_means(row, data, (int32_t)s);
        for (int64_t m = 0; m < M; m++)
            some = some || !isnan(row[m]);
        for (int64_t m = 0; m < M && !some; m++)
            row[m] = overall[m];
    }
    fr_scores_begin(scores, "dataset_oracle", data);
    for (int64_t i = 0; i < data->N; i++)
        for (int64_t m = 0; m < M; m++)
            scores->score[i * M + m] = (float)mean[data->source[i] * M + m];
    scores->reference = true;
    free(overall);
    free(mean);
    return FR_OK;
}
