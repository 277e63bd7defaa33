#include "choose.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "finerouter/route.h"
#include "io/h5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRAIN_VERSION 1
#define STAGE1_VERSION 2

fr_training fr_run_training(const fr_run *run, const fr_config *config, const fr_dataset *data, const fr_texts *texts)
{
    return (fr_training){
        .config = config,
        .data = data,
        .device = run->device,
        .embedding = texts->prompt,
        .d = texts->d,
        .tokens = config->encoder.train == FR_TRAIN_FROZEN ? NULL : &texts->tokens,
        .encoder_folder = texts->encoder_folder,
    };
}

/* Where a stage's result and its checkpoint lie. */
typedef struct stage_files {
    char *result, *checkpoint;
    bool reused;
    fr_cache_lock lock; /* held while the result is made */
} stage_files;

static fr_status stage_open(stage_files *files, const fr_run *run, const char *stage, fr_key key)
{
    *files = (stage_files){.result = fr_cache_path(run->cache, stage, key, ".h5"),
                           .checkpoint = fr_cache_path(run->cache, stage, key, ".checkpoint.h5")};
    return fr_cache_take(&files->lock, &files->reused, files->result);
}

static void stage_close(stage_files *files)
{
    fr_cache_release(&files->lock);
    free(files->result);
    free(files->checkpoint);
}

/* One matrix of a stage's result file. */
static fr_status read_matrix(fr_h5 *file, const char *name, float *data, int64_t rows, int64_t columns)
{
    const int64_t shape[2] = {rows, columns};
    return fr_h5_read(file, name, FR_H5_F32, 2, shape, data);
}

static fr_status write_matrix(fr_h5 *file, const char *name, const float *data, int64_t rows, int64_t columns)
{
    const int64_t shape[2] = {rows, columns};
    return fr_h5_write(file, name, FR_H5_F32, 2, shape, data);
}

/* ---- classifier ---- */

/* Task encodings start at the embedding of the task's name: an LLM's sentence, or a prompt's description. */
static float *task_start(const fr_tasks *tasks, const fr_texts *texts)
{
    float *start = FR_NEW(float, tasks->T * texts->d);
    for (int64_t t = 0; t < tasks->T; t++)
        memcpy(start + t * texts->d,
               tasks->name_embedding ? tasks->name_embedding + t * texts->d
                                     : texts->description + tasks->name_row[t] * texts->d,
               (size_t)texts->d * sizeof(float));
    return start;
}

static fr_status classifier_fresh(const fr_dataset *data, const fr_training *training, const float *start,
                                  fr_products *products, const stage_files *files)
{
    const fr_tasks *tasks = &products->tasks;
    uint8_t *role = FR_NEW(uint8_t, data->N);
    for (int64_t i = 0; i < data->N; i++)
        role[i] = (uint8_t)data->split[i]; /* train, watch, leave alone: the same numbers */
    fr_status status = fr_classifier_train(&products->classifier, training, tasks->vote, role, tasks->T, start, false,
                                           files->checkpoint, products->classifier_key.hex, false);
    free(role);
    FR_TRY(status);
    FR_TRY(fr_classifier_logits(products->classifier, products->logits, NULL, data->N));
    if (!fr_is_root())
        return FR_OK;
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, files->result, "finerouter-classifier", TRAIN_VERSION));
    FR_TRY_GOTO(fr_classifier_save(products->classifier, file), fail);
    FR_TRY_GOTO(write_matrix(file, "/logits", products->logits, data->N, tasks->T), fail);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}

static fr_status classifier_reused(const fr_dataset *data, const fr_training *training, fr_products *products,
                                   const stage_files *files)
{
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, files->result, "finerouter-classifier", TRAIN_VERSION));
    fr_status status = fr_classifier_restore(&products->classifier, training, products->tasks.T, file);
    if (status == FR_OK)
        status = read_matrix(file, "/logits", products->logits, data->N, products->tasks.T);
    fr_h5_close(file);
    return status;
}

/* ---- stage-1 scores ---- */

static fr_status stage1_write(const fr_dataset *data, const fr_tasks *tasks, const stage_files *files)
{
    if (!fr_is_root())
        return FR_OK;
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, files->result, "finerouter-stage1", STAGE1_VERSION));
    fr_status status = write_matrix(file, "/stage1", tasks->stage1, tasks->T + 1, data->M);
    if (status == FR_OK)
        status = fr_h5_write(file, "/task", FR_H5_I32, 1, &data->N, tasks->stage1_task);
    if (status == FR_OK)
        return fr_h5_commit(file);
    fr_h5_close(file);
    return status;
}

/* A prompt belongs to the task whose log odds are highest, or to none below even odds when theta is still open (it is
 * chosen with these scores). */
static fr_status stage1_fresh(const fr_dataset *data, const fr_training *training, const float *start,
                              fr_products *products)
{
    const fr_config *config = products->config;
    fr_tasks *tasks = &products->tasks;
    if (config->stage1.members == FR_MEMBERS_DISCOVERED || tasks->T == 0) {
        fr_stage1_of_members(tasks, data, config);
        return FR_OK;
    }
    float *logits = FR_NEW(float, data->N * tasks->T), *probability = FR_NEW(float, data->N);
    int32_t *assignment = tasks->stage1_task;
    fr_status status = fr_classifier_out_of_fold(logits, training, tasks->vote, tasks->T, start, true);
    if (status == FR_OK) {
        double theta = isnan(config->classifier.theta) ? 0.5 : config->classifier.theta;
        for (int64_t i = 0; i < data->N; i++) {
            assignment[i] = -1;
            if (data->split[i] == FR_SPLIT_TRAIN)
                fr_assign(&assignment[i], &probability[i], logits + i * tasks->T, 1, tasks->T, theta);
        }
        fr_tasks_stage1(tasks->stage1, data, assignment, tasks->T, config->stage1.aggregate, config->stage1.shrinkage);
    }
    free(logits);
    free(probability);
    return status;
}

void fr_stage1_of_members(fr_tasks *tasks, const fr_dataset *data, const fr_config *config)
{
    const int32_t *member = tasks->membership + (tasks->rounds - 1) * tasks->N;
    if (!tasks->stage1_task)
        tasks->stage1_task = FR_NEW(int32_t, tasks->N);
    memcpy(tasks->stage1_task, member, (size_t)tasks->N * sizeof *member);
    fr_tasks_stage1(tasks->stage1, data, member, tasks->T, config->stage1.aggregate, config->stage1.shrinkage);
}

static fr_status stage1_scores(fr_run *run, const fr_dataset *data, const fr_training *training, const float *start,
                               fr_products *products)
{
    fr_tasks *tasks = &products->tasks;
    double began = fr_seconds();
    products->stage1_key =
        FR_KEY("stage1", STAGE1_VERSION, products->config, "S", run->device, products->tasks_key.hex);
    stage_files files;
    fr_h5 *file = NULL;
    fr_status status;
    tasks->stage1_task = FR_NEW(int32_t, data->N);
    FR_TRY_GOTO(stage_open(&files, run, "stage1", products->stage1_key), done);
    if (files.reused) {
        FR_TRY_GOTO(fr_h5_open(&file, files.result, "finerouter-stage1", STAGE1_VERSION), done);
        FR_TRY_GOTO(read_matrix(file, "/stage1", tasks->stage1, tasks->T + 1, data->M), done);
        FR_TRY_GOTO(fr_h5_read(file, "/task", FR_H5_I32, 1, &data->N, tasks->stage1_task), done);
    } else {
        FR_TRY_GOTO(stage1_fresh(data, training, start, products), done);
        status = stage1_write(data, tasks, &files);
    }
    fr_run_seconds(run, "stage1", files.reused ? 0 : fr_seconds() - began);
done:
    fr_h5_close(file);
    stage_close(&files);
    return status;
}

static fr_status classify(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    fr_training training = fr_run_training(run, products->config, data, texts);
    double began = fr_seconds();
    products->logits = FR_NEW(float, data->N * products->tasks.T);
    products->classifier_key =
        FR_KEY("classifier", TRAIN_VERSION, products->config, "C", run->device, products->tasks_key.hex);
    stage_files files;
    float *start = task_start(&products->tasks, texts);
    fr_status status = stage_open(&files, run, "classifier", products->classifier_key);
    if (status == FR_OK)
        status = files.reused ? classifier_reused(data, &training, products, &files)
                              : classifier_fresh(data, &training, start, products, &files);
    fr_run_seconds(run, "classifier", files.reused ? 0 : fr_seconds() - began);
    stage_close(&files);
    if (status == FR_OK)
        status = stage1_scores(run, data, &training, start, products);
    free(start);
    return status;
}

/* ---- quality estimation ---- */

/* An estimator's parameters beside matrices of its results; tasks: of the task heads. */
static fr_status estimator_write(const fr_estimator *estimator, const stage_files *files, const char *format,
                                 fr_status (*save)(const fr_estimator *estimator, struct fr_h5 *file), int count,
                                 const char *const *name, float *const *matrix, const int64_t (*shape)[2])
{
    if (!fr_is_root())
        return FR_OK;
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, files->result, format, TRAIN_VERSION));
    fr_status status = save(estimator, file);
    for (int i = 0; i < count && status == FR_OK; i++)
        status = write_matrix(file, name[i], matrix[i], shape[i][0], shape[i][1]);
    if (status == FR_OK)
        return fr_h5_commit(file);
    fr_h5_close(file);
    return status;
}

static fr_status phase1(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    fr_training training = fr_run_training(run, products->config, data, texts);
    double began = fr_seconds();
    int64_t N = data->N, M = data->M, d = texts->d;
    products->phase1_key =
        FR_KEY("phase1", TRAIN_VERSION, products->config, "1", run->device, data->hash, texts->key.hex);
    products->hidden = FR_NEW(float, N *d);
    products->general = FR_NEW(float, N *M);
    stage_files files;
    fr_h5 *file = NULL;
    fr_status status;
    FR_TRY_GOTO(stage_open(&files, run, "phase1", products->phase1_key), done);
    if (files.reused) {
        FR_TRY_GOTO(fr_h5_open(&file, files.result, "finerouter-phase1", TRAIN_VERSION), done);
        FR_TRY_GOTO(fr_estimator_restore(&products->estimator, &training, file), done);
        FR_TRY_GOTO(read_matrix(file, "/hidden", products->hidden, N, d), done);
        FR_TRY_GOTO(read_matrix(file, "/general", products->general, N, M), done);
    } else {
        FR_TRY_GOTO(fr_estimator_train(&products->estimator, &training, files.checkpoint, products->phase1_key.hex),
                    done);
        FR_TRY_GOTO(fr_estimator_hidden(products->estimator, products->hidden, NULL, N), done);
        FR_TRY_GOTO(fr_estimator_apply(products->estimator, products->general, products->hidden, NULL, N), done);
        status = estimator_write(products->estimator, &files, "finerouter-phase1", fr_estimator_save, 2,
                                 (const char *const[]){"/hidden", "/general"},
                                 (float *const[]){products->hidden, products->general},
                                 (const int64_t[][2]){{N, d}, {N, M}});
    }
    fr_run_seconds(run, "phase1", files.reused ? 0 : fr_seconds() - began);
done:
    fr_h5_close(file);
    stage_close(&files);
    return status;
}

/* Phase 2 reads the assignment and the candidates, so their content is its key: another coverage or theta that leads to
 * the same sets trains nothing again. */
static fr_key phase2_key(const fr_run *run, const fr_dataset *data, const fr_products *products)
{
    char content[FR_HASH_CHARS];
    fr_hash *hash = fr_hash_create();
    fr_hash_add(hash, products->assignment, (size_t)data->N * sizeof(int32_t));
    fr_hash_add(hash, products->tasks.candidates, (size_t)(products->tasks.T * data->M));
    fr_hash_end(hash, content);
    return FR_KEY("phase2", TRAIN_VERSION, products->config, "2", run->device, products->phase1_key.hex, content);
}

static fr_status phase2(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    fr_training training = fr_run_training(run, products->config, data, texts);
    const fr_tasks *tasks = &products->tasks;
    double began = fr_seconds();
    /* The h that phase 1 left, not one computed again: an estimator read from the cache cuts its batches at other
     * places than one just trained, which moves last bits, and a resumed run must end with the same ones. */
    training.hidden = products->hidden;
    products->phase2_key = phase2_key(run, data, products);
    products->s2 = FR_NEW(float, data->N * data->M);
    stage_files files;
    fr_h5 *file = NULL;
    fr_status status;
    FR_TRY_GOTO(stage_open(&files, run, "phase2", products->phase2_key), done);
    if (files.reused) {
        FR_TRY_GOTO(fr_h5_open(&file, files.result, "finerouter-phase2", TRAIN_VERSION), done);
        FR_TRY_GOTO(fr_estimator_restore_tasks(products->estimator, &training, tasks->candidates, tasks->T, file),
                    done);
        FR_TRY_GOTO(read_matrix(file, "/estimate", products->s2, data->N, data->M), done);
    } else {
        FR_TRY_GOTO(fr_estimator_train_tasks(products->estimator, &training, products->assignment, tasks->candidates,
                                             tasks->T, files.checkpoint, products->phase2_key.hex),
                    done);
        FR_TRY_GOTO(
            fr_estimator_apply(products->estimator, products->s2, products->hidden, products->assignment, data->N),
            done);
        status = estimator_write(products->estimator, &files, "finerouter-phase2", fr_estimator_save_tasks, 1,
                                 (const char *const[]){"/estimate"}, (float *const[]){products->s2},
                                 (const int64_t[][2]){{data->N, data->M}});
    }
    fr_run_seconds(run, "phase2", files.reused ? 0 : fr_seconds() - began);
done:
    fr_h5_close(file);
    stage_close(&files);
    return status;
}

fr_status fr_stage_models(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    FR_TRY(phase1(run, data, texts, products));
    return classify(run, data, texts, products);
}

fr_status fr_stage_heads(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    products->assignment = FR_NEW(int32_t, data->N);
    products->probability = FR_NEW(float, data->N);
    fr_assign(products->assignment, products->probability, products->logits, data->N, products->tasks.T,
              products->theta);
    return phase2(run, data, texts, products);
}

fr_status fr_stage_train(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    FR_TRY(fr_stage_models(run, data, texts, products));
    FR_TRY(fr_choose_theta(run, data, texts, products));
    return fr_stage_heads(run, data, texts, products);
}
