/* Speed of training on cached embeddings: classifier, phase 1 and phase 2, as steps (phase 2: task epochs) per second.
 *
 *     bench_train [--threads n] [--prompts n] [--models n] [--tasks n] [--candidates n] [--epochs n] [key=value ...]
 *
 * Random embeddings of 384 dimensions around one centre per task. Prints one JSON line; `cpu_share` below 1 says that
 * the machine was busy with other work. */
#include "base/memory.h"
#include "base/rng.h"
#include "data/build.h"
#include "device/device.h"
#include "finerouter/log.h"
#include "finerouter/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { D = 384 };

static void ok(fr_status status)
{
    if (status == FR_OK)
        return;
    fprintf(stderr, "%s\n", fr_error_text());
    exit((int)status);
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

typedef struct sizes {
    int64_t threads, prompts, models, tasks, candidates, epochs;
} sizes;

typedef struct problem {
    fr_dataset data;
    float *embedding, *centre;
    int32_t *task;
    uint8_t *role, *candidate;
} problem;

static void make(problem *p, const sizes *s)
{
    int64_t N = s->prompts, M = s->models, T = s->tasks;
    fr_dataset_allocate(&p->data, N, M);
    p->embedding = FR_NEW(float, N *D);
    p->centre = FR_NEW(float, T *D);
    p->task = FR_NEW(int32_t, N);
    p->role = FR_NEW(uint8_t, N);
    p->candidate = FR_NEW(uint8_t, T * M);
    for (int64_t i = 0; i < T * D; i++)
        p->centre[i] = (float)(fr_rng_normal(1, 1, (uint64_t)i) / sqrt(D));
    for (int64_t i = 0; i < T * M; i++)
        p->candidate[i] = i % M < s->candidates;
    for (int64_t i = 0; i < N; i++) {
        p->task[i] = (int32_t)fr_rng_below(1, 2, (uint64_t)i, T);
        p->data.split[i] = i % 10 < 8 ? FR_SPLIT_TRAIN : i % 10 == 8 ? FR_SPLIT_DEV : FR_SPLIT_TEST;
        p->role[i] = (uint8_t)p->data.split[i];
        p->data.text[i] = "";
        for (int64_t j = 0; j < D; j++)
            p->embedding[i * D + j] = .7f * p->centre[p->task[i] * D + j] +
                                      .7f * (float)(fr_rng_normal(1, 3, (uint64_t)(i * D + j)) / sqrt(D));
        for (int64_t m = 0; m < M; m++)
            p->data.quality[i * M + m] = fr_rng_uniform(1, 4, (uint64_t)(i * M + m)) <
                                         .3 + .4 * fr_rng_uniform(1, 5, (uint64_t)(p->task[i] * M + m));
    }
}

static void parse(sizes *s, fr_config *config, int argc, char **argv)
{
    const struct {
        const char *name;
        int64_t *value;
    } option[] = {{"--threads", &s->threads}, {"--prompts", &s->prompts},       {"--models", &s->models},
                  {"--tasks", &s->tasks},     {"--candidates", &s->candidates}, {"--epochs", &s->epochs}};
    for (int i = 1; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof option / sizeof *option && i + 1 < argc; k++)
            if (strcmp(argv[i], option[k].name) == 0) {
                *option[k].value = atoll(argv[++i]);
                known = true;
                break;
            }
        if (!known)
            ok(fr_config_set(config, argv[i]));
    }
}

int main(int argc, char **argv)
{
    sizes s = {.prompts = 12000, .models = 13, .tasks = 24, .candidates = 4, .epochs = 5};
    fr_config config;
    fr_config_defaults(&config);
    parse(&s, &config, argc, argv);
    config.classifier.epochs = config.qe.epochs = config.qe.task_epochs = s.epochs;
    config.classifier.patience = config.qe.patience = 0;
    fr_log_level(0);
    fr_device *device;
    ok(fr_device_open(&device, FR_DEVICE_CPU, (int)s.threads));
    problem p = {0};
    make(&p, &s);
    fr_training training = {.config = &config, .data = &p.data, .device = device, .embedding = p.embedding, .d = D};
    fr_classifier *classifier;
    fr_estimator *estimator;
    double at[4], cpu = cpu_seconds();
    at[0] = fr_seconds();
    ok(fr_classifier_train(&classifier, &training, p.task, p.role, s.tasks, p.centre, false, NULL, NULL, true));
    at[1] = fr_seconds();
    ok(fr_estimator_train(&estimator, &training, NULL, NULL));
    at[2] = fr_seconds();
    ok(fr_estimator_train_tasks(estimator, &training, p.task, p.candidate, s.tasks, NULL, NULL));
    at[3] = fr_seconds();
    double train = ceil(.8 * (double)s.prompts), epochs = (double)s.epochs;
    printf("{\"bench\":\"train\",\"device\":\"%s\",\"prompts\":%lld,\"models\":%lld,\"tasks\":%lld,\"candidates\":%lld,"
           "\"epochs\":%lld,"
           "\"classifier_seconds\":%.3f,\"classifier_steps_per_s\":%.0f,\"phase1_seconds\":%.3f,\"phase1_steps_per_s\":"
           "%.0f,"
           "\"phase2_seconds\":%.3f,\"task_epochs_per_s\":%.0f,\"cpu_share\":%.2f}\n",
           device->description, (long long)s.prompts, (long long)s.models, (long long)s.tasks, (long long)s.candidates,
           (long long)s.epochs, at[1] - at[0], epochs * ceil(train / (double)config.classifier.batch) / (at[1] - at[0]),
           at[2] - at[1], epochs * ceil(train / (double)config.qe.batch) / (at[2] - at[1]), at[3] - at[2],
           epochs * (double)s.tasks / (at[3] - at[2]), (cpu_seconds() - cpu) / (at[3] - at[0]) / device->threads);
    fr_classifier_close(classifier);
    fr_estimator_close(estimator);
    fr_device_close(device);
    fr_dataset_close(&p.data);
    fr_config_close(&config);
    free(p.embedding);
    free(p.centre);
    free(p.task);
    free(p.role);
    free(p.candidate);
    return 0;
}
