/* predictions.jsonl: what the router said to every prompt of dev and test. */
#include "eval/internal.h"
#include "eval/json.h"

#include "base/files.h"
#include "finerouter/route.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "name":{"model":value, ...}, or null where there are no values. `key` are the models as JSON strings. */
static void add_scores(fr_buffer *line, const char *name, const float *value, const fr_buffer *key, int64_t M)
{
    fr_buffer_addf(line, ",\"%s\":%s", name, value ? "{" : "null");
    for (int64_t m = 0; value && m < M; m++) {
        fr_buffer_addf(line, "%s%s:", m ? "," : "", key[m].data);
        fr_json_short(line, value[m]);
    }
    if (value)
        fr_buffer_add(line, "}", 1);
}

static void add_task(fr_buffer *line, const fr_tasks *tasks, int32_t task, double probability)
{
    if (!tasks || task < 0) {
        fr_buffer_addf(line, ",\"task\":null,\"task_name\":null");
    } else {
        fr_buffer_addf(line, ",\"task\":%d,\"task_name\":", task);
        fr_json_quote(line, tasks->name[task]);
    }
    fr_buffer_addf(line, ",\"task_probability\":");
    fr_json_short(line, probability);
}

fr_status fr_predictions_write(const char *path, const fr_dataset *data, const fr_tasks *tasks,
                               const int32_t *assignment, const float *probability, const float *s1, const float *s2,
                               const float *score)
{
    static const char *const split_name[FR_SPLITS] = {"train", "dev", "test"};
    int64_t M = data->M;
    char *temporary;
    FR_TRY(fr_replace_begin(&temporary, path));
    FILE *file = fopen(temporary, "wb");
    if (!file) {
        fr_status status = fr_fail(FR_FAILED, "%s: cannot be written: %s", path, strerror(errno));
        fr_replace_cancel(temporary);
        return status;
    }
    double *cost = FR_NEW(double, M);
    int32_t *ranking = FR_NEW(int32_t, M);
    fr_buffer line = {0}, *key = FR_NEW(fr_buffer, M);
    fr_expected_cost(cost, data);
    for (int64_t m = 0; m < M; m++)
        fr_json_quote(&key[m], data->model[m]);

    bool written = true;
    for (int64_t i = 0; i < data->N && written; i++) {
        if (data->split[i] == FR_SPLIT_TRAIN)
            continue;
        line.bytes = 0;
        fr_buffer_addf(&line, "{\"id\":");
        fr_json_quote(&line, data->id[i]);
        fr_buffer_addf(&line, ",\"split\":\"%s\"", split_name[data->split[i]]);
        add_task(&line, tasks, assignment ? assignment[i] : -1, probability ? probability[i] : NAN);
        add_scores(&line, "s1", s1 ? s1 + i * M : NULL, key, M);
        add_scores(&line, "s2", s2 ? s2 + i * M : NULL, key, M);
        add_scores(&line, "score", score + i * M, key, M);
        fr_rank(ranking, score + i * M, s2 ? s2 + i * M : NULL, cost, M);
        fr_buffer_addf(&line, ",\"ranking\":[");
        for (int64_t m = 0; m < M; m++)
            fr_buffer_addf(&line, "%s%s", m ? "," : "", key[ranking[m]].data);
        fr_buffer_addf(&line, "]}\n");
        written = fwrite(line.data, 1, line.bytes, file) == line.bytes;
    }
    int reason = errno;
    if (fclose(file) != 0 && written)
        written = false, reason = errno;
    fr_buffer_close(&line);
    for (int64_t m = 0; m < M; m++)
        fr_buffer_close(&key[m]);
    free(key);
    free(cost);
    free(ranking);
    if (written)
        return fr_replace_end(temporary, path);
    fr_replace_cancel(temporary);
    return fr_fail(FR_FAILED, "%s: cannot be written: %s", path, strerror(reason));
}
