#include "choose.h"

#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "finerouter/route.h"
#include "io/h5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "finerouter-out-of-fold"
#define VERSION 1

typedef struct held_out {
    fr_run run; /* stages of the folds leave their seconds here */
    fr_config config;
    const fr_dataset *data;
    const fr_texts *texts;
    int64_t *fold;  /* (N) -1: neither training nor dev */
    fr_dataset all; /* the data, its split FR_SPLIT_DEV where there is a fold and FR_SPLIT_TEST elsewhere */
    double *cost;   /* (M) */
    double theta;
    double quality[FR_THETAS]; /* mean over the prompts of the folds; summed while they run */
    int64_t prompts;
    float *s1, *s2; /* (N, M) of prompts with a fold, else NaN */
    fr_progress progress;
} held_out;

/* The data with other splits; split (N) belongs to the caller. */
static fr_dataset with_splits(const fr_dataset *data, int8_t *split)
{
    fr_dataset view = *data;
    view.split = split;
    return view;
}

static held_out *held_out_open(const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                               const fr_products *products)
{
    held_out *h = FR_NEW(held_out, 1);
    h->run = fr_run_fork(run);
    h->run.variant = "out of fold ";
    fr_config_copy(&h->config, products->config);
    h->run.config = &h->config;
    h->config.discover.resolution = products->tasks.resolution;
    h->data = data;
    h->texts = texts;
    h->theta = products->theta;
    int64_t N = data->N, cells = N * data->M;
    h->fold = FR_NEW(int64_t, N);
    fr_deal_folds(h->fold, data, true, h->config.route.choose_folds, (uint64_t)h->config.top.seed);
    int8_t *split = FR_NEW(int8_t, N);
    for (int64_t i = 0; i < N; i++)
        split[i] = h->fold[i] >= 0 ? FR_SPLIT_DEV : FR_SPLIT_TEST;
    h->all = with_splits(data, split);
    h->cost = FR_NEW(double, data->M);
    fr_expected_cost(h->cost, data);
    h->s1 = FR_NEW(float, cells);
    h->s2 = FR_NEW(float, cells);
    for (int64_t c = 0; c < cells; c++)
        h->s1[c] = h->s2[c] = NAN;
    return h;
}

static void held_out_close(held_out *h)
{
    fr_run_close(&h->run);
    fr_config_close(&h->config);
    free(h->fold);
    free(h->all.split);
    free(h->cost);
    free(h->s1);
    free(h->s2);
    free(h);
}

/* theta as far as fold f can tell. */
static void ask_theta(held_out *h, const fr_products *products, int64_t f)
{
    int8_t *split = FR_NEW(int8_t, h->data->N);
    int64_t prompts = 0;
    for (int64_t i = 0; i < h->data->N; i++) {
        split[i] = h->fold[i] == f ? FR_SPLIT_DEV : FR_SPLIT_TEST;
        prompts += h->fold[i] == f;
    }
    fr_dataset on = with_splits(h->data, split);
    double quality[FR_THETAS];
    fr_theta_qualities(quality, &on, products, h->cost);
    for (int k = 0; k < FR_THETAS && prompts > 0; k++)
        h->quality[k] += (double)prompts * quality[k];
    h->prompts += prompts;
    free(split);
}

/* Scores of both stages for the prompts of fold f. */
static fr_status take_scores(held_out *h, const fr_dataset *data, fr_products *products, int64_t f)
{
    const fr_config *config = &h->config;
    products->theta = h->theta;
    FR_TRY(fr_stage_heads(&h->run, data, h->texts, products));
    int64_t M = data->M;
    float *s1 = FR_NEW(float, data->N *M);
    fr_stage1_scores(s1, products->tasks.stage1, products->logits, products->assignment, data->N, products->tasks.T, M,
                     config->route.assignment, h->theta, config->route.temperature);
    for (int64_t i = 0; i < data->N; i++)
        if (h->fold[i] == f) {
            memcpy(h->s1 + i * M, s1 + i * M, (size_t)M * sizeof *s1);
            memcpy(h->s2 + i * M, products->s2 + i * M, (size_t)M * sizeof *s1);
        }
    free(s1);
    return FR_OK;
}

/* The pipeline without fold f, up to theta where that is open, else to the scores. */
static fr_status one_fold(held_out *h, int64_t f)
{
    int8_t *split = FR_NEW(int8_t, h->data->N);
    for (int64_t i = 0; i < h->data->N; i++)
        split[i] = h->fold[i] == f ? FR_SPLIT_TEST : h->data->split[i];
    fr_dataset without = with_splits(h->data, split);
    fr_dataset_seal(&without);
    fr_products products = {.config = &h->config};
    fr_status status;
    FR_TRY_GOTO(fr_stage_discover(&h->run, &without, h->texts, &products), done);
    FR_TRY_GOTO(fr_stage_models(&h->run, &without, h->texts, &products), done);
    if (isnan(h->theta))
        ask_theta(h, &products, f);
    else
        status = take_scores(h, &without, &products, f);
done:
    fr_products_close(&products);
    free(split);
    return status;
}

static fr_status all_folds(held_out *h)
{
    fr_status status = FR_OK;
    for (int64_t f = 0; f < h->config.route.choose_folds && status == FR_OK; f++) {
        int level = fr_log_level(0); /* what the stages of a fold say is of no interest */
        status = one_fold(h, f);
        fr_log_level(level);
        fr_progress_add(&h->progress, status == FR_OK);
    }
    return status;
}

/* The folds twice where theta is open: it decides which prompts a task head learns from. What stands before the task
 * heads comes from the cache then. */
static fr_status compute(held_out *h)
{
    bool open = isnan(h->theta);
    FR_TRY(fr_config_set(&h->config, "llm.url=")); /* tasks of a fold need no name */
    fr_progress_begin(&h->progress, "out of fold", "folds", h->config.route.choose_folds * (open ? 2 : 1));
    fr_status status = open ? all_folds(h) : FR_OK;
    for (int k = 0; k < FR_THETAS && open; k++)
        h->quality[k] /= (double)h->prompts;
    if (status == FR_OK && open)
        h->theta = fr_best_theta(h->quality);
    if (status == FR_OK)
        status = all_folds(h);
    fr_progress_end(&h->progress);
    return status;
}

static fr_status read_scores(held_out *h, const char *path)
{
    const int64_t shape[2] = {h->data->N, h->data->M};
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, FORMAT, VERSION));
    fr_status status = fr_h5_get_number(file, "theta", &h->theta);
    if (status == FR_OK)
        status = fr_h5_read(file, "/s1", FR_H5_F32, 2, shape, h->s1);
    if (status == FR_OK)
        status = fr_h5_read(file, "/s2", FR_H5_F32, 2, shape, h->s2);
    fr_h5_close(file);
    return status;
}

static fr_status write_scores(const held_out *h, const char *path)
{
    const int64_t shape[2] = {h->data->N, h->data->M};
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, FORMAT, VERSION));
    fr_status status;
    FR_TRY_GOTO(fr_h5_set_number(file, "theta", h->theta), fail);
    FR_TRY_GOTO(fr_h5_write(file, "/s1", FR_H5_F32, 2, shape, h->s1), fail);
    FR_TRY_GOTO(fr_h5_write(file, "/s2", FR_H5_F32, 2, shape, h->s2), fail);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}

/* What all prompts of the folds say, in the log. */
static void choose(held_out *h, fr_products *products)
{
    double mixed = NAN, stage1 = fr_routed_quality(h->s1, NULL, &h->all, h->cost, FR_SPLIT_DEV),
           stage2 = fr_routed_quality(h->s2, NULL, &h->all, h->cost, FR_SPLIT_DEV),
           best = fr_best_alpha(&mixed, &h->all, h->s1, h->s2, h->cost);
    products->theta = h->theta;
    if (isnan(products->alpha)) {
        products->alpha = best;
    } else {
        float *score = FR_NEW(float, h->data->N * h->data->M);
        fr_mix(score, h->s1, h->s2, h->data->N, h->data->M, products->alpha);
        mixed = fr_routed_quality(score, h->s2, &h->all, h->cost, FR_SPLIT_DEV);
        free(score);
    }
    fr_log("out of fold: theta %.2g, alpha %.2g; training and dev prompts are routed to %.4f (stage 1 %.4f, stage 2 "
           "%.4f)",
           products->theta, products->alpha, mixed, stage1, stage2);
    fr_log_event("chosen", "theta=f alpha=f quality=f stage1=f stage2=f", products->theta, products->alpha, mixed,
                 stage1, stage2);
}

fr_status fr_choose_out_of_fold(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products)
{
    double began = fr_seconds();
    held_out *h = held_out_open(run, data, texts, products);
    /* The folds discover at the resolution that the run has chosen, so that its choice is part of the key. */
    fr_key key = FR_KEY("out-of-fold", VERSION, &h->config, "GC12SKO", run->device, data->hash, texts->key.hex);
    char *path = fr_cache_path(run->cache, "out-of-fold", key, ".h5");
    bool reused;
    fr_cache_lock lock;
    fr_status status = fr_cache_take(&lock, &reused, path);
    if (status == FR_OK)
        status = reused ? read_scores(h, path) : compute(h);
    if (status == FR_OK && !reused && fr_is_root())
        status = write_scores(h, path);
    fr_cache_release(&lock);
    if (status == FR_OK) {
        choose(h, products);
        fr_run_seconds(run, "out of fold", reused ? 0 : fr_seconds() - began);
    }
    free(path);
    held_out_close(h);
    return status;
}
