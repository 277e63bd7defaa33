/* Training on cached embeddings at the paper's scale: the task classifier, general heads, all task heads. */
#include "bench.h"

#include "data/build.h"
#include "finerouter/train.h"

enum { D = 384, MODELS = 11, PAPER_PROMPTS = 278977, PAPER_TASKS = 300 };

typedef struct problem {
    fr_dataset data;
    float *embedding, *centre;
    int32_t *task;
    uint8_t *role, *candidate;
} problem;

static void make_prompt(problem *p, int64_t i, int64_t T)
{
    p->task[i] = (int32_t)fr_rng_below(1, 2, (uint64_t)i, T);
    p->data.split[i] = i % 10 < 8 ? FR_SPLIT_TRAIN : i % 10 == 8 ? FR_SPLIT_DEV : FR_SPLIT_TEST;
    p->role[i] = (uint8_t)p->data.split[i];
    p->data.text[i] = "";
    for (int64_t j = 0; j < D; j++)
        p->embedding[i * D + j] =
            .7f * p->centre[p->task[i] * D + j] + .7f * (float)(fr_rng_normal(1, 3, (uint64_t)(i * D + j)) / sqrt(D));
    for (int64_t m = 0; m < MODELS; m++)
        p->data.quality[i * MODELS + m] = fr_rng_uniform(1, 4, (uint64_t)(i * MODELS + m)) <
                                          .3 + .4 * fr_rng_uniform(1, 5, (uint64_t)(p->task[i] * MODELS + m));
}

static void make(problem *p, int64_t N, int64_t T)
{
    fr_dataset_allocate(&p->data, N, MODELS);
    p->embedding = FR_NEW(float, N *D);
    p->centre = FR_NEW(float, T *D);
    p->task = FR_NEW(int32_t, N);
    p->role = FR_NEW(uint8_t, N);
    p->candidate = FR_NEW(uint8_t, T * MODELS);
    for (int64_t i = 0; i < T * D; i++)
        p->centre[i] = (float)(fr_rng_normal(1, 1, (uint64_t)i) / sqrt(D));
    memset(p->candidate, 1, (size_t)(T * MODELS));
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < N; i++)
        make_prompt(p, i, T);
}

/* One epoch of the classifier and of phase 1, ten of all task heads (linear, every model a candidate, batches of 64:
 * the defaults). */
void bench_heads(bench *b)
{
    int64_t N = b->prompts > 0 ? b->prompts : b->small ? 600 : PAPER_PROMPTS, T = b->small ? 4 : PAPER_TASKS;
    problem p = {0};
    make(&p, N, T);
    fr_config config;
    fr_config_defaults(&config);
    config.classifier.epochs = config.qe.epochs = 1;
    config.qe.task_epochs = 10;
    config.classifier.patience = config.qe.patience = 0;
    fr_training training = {.config = &config, .data = &p.data, .device = b->device, .embedding = p.embedding, .d = D};
    fr_classifier *classifier;
    fr_estimator *estimator;
    double at[4];
    at[0] = fr_seconds();
    bench_ok(fr_classifier_train(&classifier, &training, p.task, p.role, T, p.centre, false, NULL, NULL, true));
    at[1] = fr_seconds();
    bench_ok(fr_estimator_train(&estimator, &training, NULL, NULL));
    at[2] = fr_seconds();
    bench_ok(fr_estimator_train_tasks(estimator, &training, p.task, p.candidate, T, NULL, NULL));
    at[3] = fr_seconds();
    double steps = ceil(.8 * (double)N / 64);
    bench_line(b, "heads",
               "\"prompts\": %ld, \"tasks\": %ld, \"models\": %d, \"classifier_epoch_seconds\": %.4f, "
               "\"classifier_steps_per_s\": %.0f, \"phase1_epoch_seconds\": %.4f, \"phase1_steps_per_s\": %.0f, "
               "\"task_epochs\": %ld, \"seconds\": %.4f",
               (long)N, (long)T, MODELS, at[1] - at[0], steps / (at[1] - at[0]), at[2] - at[1], steps / (at[2] - at[1]),
               (long)config.qe.task_epochs, at[3] - at[2]);
    fr_classifier_close(classifier);
    fr_estimator_close(estimator);
    fr_dataset_close(&p.data);
    fr_config_close(&config);
    free(p.embedding);
    free(p.centre);
    free(p.task);
    free(p.role);
    free(p.candidate);
}
