/* Candidate sets: the first models of the fused order that hold most prompts' best model. */
#include "discover_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* In fused order until covered / prompts > coverage; a prompt is covered once any of its best models is in. A prompt
 * without a single score is no prompt here. */
static float choose(uint8_t *candidates, const int32_t *order, const fr_dataset *data, const int64_t *rows,
                    int64_t count, double coverage)
{
    int64_t M = data->M, prompts = 0, covered = 0;
    float *best = FR_NEW(float, count); /* NaN: covered, or nothing observed */
    for (int64_t i = 0; i < count; i++) {
        best[i] = NAN;
        for (int64_t m = 0; m < M; m++) {
            float q = data->quality[rows[i] * M + m];
            if (!isnan(q) && !(best[i] >= q))
                best[i] = q;
        }
        prompts += !isnan(best[i]);
    }
    double share = prompts ? 0 : 1;
    for (int64_t r = 0; r < M && (r == 0 || !(share > coverage)); r++) {
        int32_t m = order[r];
        candidates[m] = 1;
        for (int64_t i = 0; i < count; i++) {
            if (isnan(best[i]) || data->quality[rows[i] * M + m] != best[i])
                continue;
            covered++;
            best[i] = NAN;
        }
        share = prompts ? (double)covered / (double)prompts : 1;
    }
    free(best);
    return (float)share;
}

void fr_tasks_candidates(fr_tasks *tasks, const fr_dataset *data, double coverage)
{
    FR_CHECK(data->N == tasks->N && data->M == tasks->M, "tasks are (%lld, %lld), the data is (%lld, %lld)",
             (long long)tasks->N, (long long)tasks->M, (long long)data->N, (long long)data->M);
    int64_t M = tasks->M;
    memset(tasks->candidates, 0, (size_t)(tasks->T * M));
    if (tasks->T == 0)
        return;
    fr_groups groups = fr_groups_create(tasks->membership + (tasks->rounds - 1) * tasks->N, tasks->N, tasks->T);
    for (int64_t t = 0; t < tasks->T; t++)
        tasks->coverage[t] = choose(tasks->candidates + t * M, tasks->fused_order + t * M, data,
                                    groups.member + groups.start[t], groups.start[t + 1] - groups.start[t], coverage);
    fr_groups_close(&groups);
}
