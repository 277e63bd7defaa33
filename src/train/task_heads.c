/* task_heads.c - the heads of the tasks: memory, estimates, files. Each task has a parameter list of its own, with a
 * frozen copy of the LLM embeddings. phase2.c trains them. */
#include "estimator_internal.h"

#include "base/memory.h"
#include "model_file.h"
#include "ops/ops.h"

#include <stdlib.h>
#include <string.h>

static const char u_name[] = "llm_embedding";

static void open_task(fr_estimator *e, fr_task_heads *task, const uint8_t *candidate, bool trainable, int64_t most_rows)
{
    *task = (fr_task_heads){.most_rows = most_rows, .model = FR_NEW(int64_t, e->M)};
    for (int64_t m = 0; m < e->M; m++)
        if (candidate[m])
            task->model[task->count++] = m;
    if (task->count == 0)
        return;
    fr_params_create(&task->params, e->params.device);
    fr_tensor u = e->params.item[e->u].value;
    int64_t index = fr_params_add(&task->params, u_name, u.rank, u.shape, false, false, FR_GROUP_HEAD);
    fr_heads_shape shape = fr_estimator_heads_shape(e, task->count);
    task->heads = fr_heads_create(&shape, &task->params, "", index, task->model, false, trainable, most_rows);
    fr_params_commit(&task->params);
    fr_heads_commit(task->heads);
    fr_tensor_copy(task->params.item[index].value, u);
}

static void close_task(fr_task_heads *task)
{
    if (task->heads) {
        fr_heads_close(task->heads);
        fr_params_close(&task->params);
    }
    free(task->model);
    *task = (fr_task_heads){0};
}

void fr_task_heads_close(fr_estimator *e)
{
    for (int64_t t = 0; t < e->T; t++)
        close_task(&e->task[t]);
    free(e->task);
    e->task = NULL;
    e->T = 0;
}

fr_tensor fr_estimator_shaped(fr_tensor buffer, int64_t rows, int64_t columns)
{
    FR_CHECK(rows * columns <= fr_tensor_count(&buffer), "%lld x %lld do not fit into %lld elements", (long long)rows,
             (long long)columns, (long long)fr_tensor_count(&buffer));
    buffer.rank = 2;
    buffer.shape[0] = rows;
    buffer.shape[1] = columns;
    return buffer;
}

fr_tensor fr_estimator_input(fr_estimator *e, const float *h, const int64_t *rows, int64_t count)
{
    int64_t d = e->training.d;
    for (int64_t i = 0; i < count; i++)
        memcpy(e->host_x + i * d, h + rows[i] * d, (size_t)d * sizeof(float));
    fr_tensor x = fr_tensor_rows(e->x, 0, count);
    fr_tensor_set(x, e->host_x);
    return x;
}

void fr_task_heads_apply(fr_estimator *e, int64_t t, float *estimate, const float *h, const int64_t *rows,
                         int64_t count)
{
    fr_task_heads *task = &e->task[t];
    if (!task->heads)
        return;
    for (int64_t done = 0, taken; done < count; done += taken) {
        taken = count - done < task->most_rows ? count - done : task->most_rows;
        fr_tensor x = fr_estimator_input(e, h, rows + done, taken), y = fr_estimator_shaped(e->y, taken, task->count);
        fr_heads_forward(task->heads, y, x, (fr_dropout_key){0});
        fr_tensor_get(y, e->host_y);
        for (int64_t i = 0; i < taken; i++)
            for (int64_t k = 0; k < task->count; k++)
                estimate[rows[done + i] * e->M + task->model[k]] = e->host_y[i * task->count + k];
    }
}

void fr_task_heads_open(fr_estimator *e, const uint8_t *candidates, int64_t T, bool trainable)
{
    fr_task_heads_close(e);
    e->T = T;
    e->task = FR_NEW(fr_task_heads, T);
    int64_t batch = e->training.config->qe.batch < e->most_rows ? e->training.config->qe.batch : e->most_rows;
    for (int64_t t = 0; t < T; t++)
        open_task(e, &e->task[t], candidates + t * e->M, trainable, batch);
}

void fr_task_heads_settle(fr_estimator *e)
{
    uint8_t *candidate = FR_NEW(uint8_t, e->M);
    for (int64_t t = 0; t < e->T; t++) {
        fr_task_heads trained = e->task[t];
        memset(candidate, 0, (size_t)e->M);
        for (int64_t k = 0; k < trained.count; k++)
            candidate[trained.model[k]] = 1;
        open_task(e, &e->task[t], candidate, false, trained.most_rows);
        for (int64_t i = 0; trained.heads && i < trained.params.count; i++)
            fr_tensor_copy(e->task[t].params.item[i].value, trained.params.item[i].value);
        close_task(&trained);
    }
    free(candidate);
}

/* ---- files ---- */

fr_status fr_estimator_save_tasks(const fr_estimator *e, struct fr_h5 *file)
{
    for (int64_t t = 0; t < e->T; t++)
        if (e->task[t].heads) {
            char *group = fr_format("/task_heads/%lld", (long long)t);
            fr_status status = fr_params_save(&e->task[t].params, file, group, u_name);
            free(group);
            FR_TRY(status);
        }
    return FR_OK;
}

fr_status fr_estimator_restore_tasks(fr_estimator *e, const fr_training *training, const uint8_t *candidates, int64_t T,
                                     struct fr_h5 *file)
{
    e->training = *training;
    fr_task_heads_open(e, candidates, T, false);
    fr_status status = FR_OK;
    for (int64_t t = 0; t < T && status == FR_OK; t++)
        if (e->task[t].heads) {
            char *group = fr_format("/task_heads/%lld", (long long)t);
            status = fr_params_restore(&e->task[t].params, file, group, u_name);
            free(group);
        }
    if (status != FR_OK)
        fr_task_heads_close(e);
    return status;
}
