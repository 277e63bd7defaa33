/* train_data.h - small planted data sets for the tests of training. */
#ifndef FR_TEST_TRAIN_DATA_H
#define FR_TEST_TRAIN_DATA_H

#include "test.h"

#include "base/memory.h"
#include "base/rng.h"
#include "data/build.h"
#include "device/device.h"
#include "finerouter/train.h"

/* K clusters of unit rows around random centres; prompt i belongs to cluster i % K; of ten prompts of a cluster eight
 * are train, one dev, one test. */
typedef struct planted {
    fr_dataset data;
    fr_config config;
    fr_device *device;
    fr_training training;
    int64_t K, d;
    float *embedding, *centre; /* (N, d), (K, d) */
    int32_t *label;            /* (N) cluster */
    uint8_t *role;             /* (N) by split */
} planted;

/* One thread: these sizes are too small to share. */
static int test_threads = 1;

static inline void unit(float *row, int64_t d)
{
    double norm = 0;
    for (int64_t j = 0; j < d; j++)
        norm += (double)row[j] * row[j];
    for (int64_t j = 0; j < d; j++)
        row[j] = (float)(row[j] / sqrt(norm));
}

static inline void planted_open(planted *p, int64_t N, int64_t M, int64_t K, int64_t d, double noise, int device)
{
    *p = (planted){.K = K, .d = d};
    fr_config_defaults(&p->config);
    assert_ok(fr_device_open(&p->device, device, test_threads));
    fr_dataset_allocate(&p->data, N, M);
    p->embedding = FR_NEW(float, N *d);
    p->centre = FR_NEW(float, K *d);
    p->label = FR_NEW(int32_t, N);
    p->role = FR_NEW(uint8_t, N);
    for (int64_t i = 0; i < K * d; i++)
        p->centre[i] = (float)fr_rng_normal(11, 0, (uint64_t)i);
    for (int64_t k = 0; k < K; k++)
        unit(p->centre + k * d, d);
    for (int64_t i = 0; i < N; i++) {
        char text[48];
        int bytes = snprintf(text, sizeof text, "prompt number %lld", (long long)i);
        p->data.text[i] = fr_strings_add(fr_dataset_strings(&p->data), text, (size_t)bytes);
        p->label[i] = (int32_t)(i % K);
        int64_t turn = i / K % 10;
        p->data.split[i] = turn < 8 ? FR_SPLIT_TRAIN : turn == 8 ? FR_SPLIT_DEV : FR_SPLIT_TEST;
        p->role[i] = (uint8_t)p->data.split[i];
        for (int64_t j = 0; j < d; j++)
            p->embedding[i * d + j] = p->centre[p->label[i] * d + j] +
                                      (float)(noise / sqrt((double)d) * fr_rng_normal(12, 0, (uint64_t)(i * d + j)));
        unit(p->embedding + i * d, d);
    }
    p->training =
        (fr_training){.config = &p->config, .data = &p->data, .device = p->device, .embedding = p->embedding, .d = d};
}

static inline void planted_close(planted *p)
{
    fr_dataset_close(&p->data);
    fr_config_close(&p->config);
    fr_device_close(p->device);
    free(p->embedding);
    free(p->centre);
    free(p->label);
    free(p->role);
}

/* q[i,m] = .5 + w_m . x_i + noise with random w_m */
static inline void plant_linear(planted *p, double slope, double noise)
{
    for (int64_t i = 0; i < p->data.N; i++)
        for (int64_t m = 0; m < p->data.M; m++) {
            double q = .5 + noise * fr_rng_normal(14, 0, (uint64_t)(i * p->data.M + m));
            for (int64_t j = 0; j < p->d; j++)
                q += slope * fr_rng_normal(13, (uint64_t)m, (uint64_t)j) * p->embedding[i * p->d + j];
            p->data.quality[i * p->data.M + m] = (float)q;
        }
}

#endif
