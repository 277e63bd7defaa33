#include "stages.h"

#include "base/memory.h"
#include "finerouter/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Routers that are products of the stages, not of src/eval/baselines. */
static const char *const own_names[] = {"stage1", "stage2", "full", "full_paper"};
enum { OWN = sizeof own_names / sizeof own_names[0] };

static bool is_own(const char *name)
{
    for (int i = 0; i < OWN; i++)
        if (strcmp(own_names[i], name) == 0)
            return true;
    return false;
}

fr_status fr_check_routers(const fr_config *config)
{
    const fr_words *names = &config->eval.routers;
    for (int64_t i = 0; i < names->count; i++) {
        if (is_own(names->word[i]) || fr_baseline_find(names->word[i])) {
            for (int64_t j = 0; j < i; j++)
                if (strcmp(names->word[i], names->word[j]) == 0)
                    return fr_fail(FR_USAGE, "eval.routers names %s twice", names->word[i]);
            continue;
        }
        fr_buffer known = {0};
        for (int64_t b = 0; b < fr_baseline_count(); b++)
            fr_buffer_addf(&known, "%s ", fr_baseline_at(b)->name);
        for (int o = 0; o < OWN; o++)
            fr_buffer_addf(&known, o ? " %s" : "%s", own_names[o]);
        fr_status status =
            fr_fail(FR_USAGE, "eval.routers: unknown router %s, want some of: %s", names->word[i], known.data);
        fr_buffer_close(&known);
        return status;
    }
    return FR_OK;
}

static float *copy_scores(const float *from, int64_t count)
{
    float *copy = FR_NEW(float, count);
    memcpy(copy, from, (size_t)count * sizeof(float));
    return copy;
}

static void own_scores(fr_scores *scores, const char *name, const fr_dataset *data, const fr_products *products)
{
    bool stage1 = strcmp(name, "stage1") == 0, stage2 = strcmp(name, "stage2") == 0;
    const float *score = stage1 ? products->s1 : stage2 ? products->s2 : products->score;
    *scores = (fr_scores){.name = name, .N = data->N, .M = data->M, .score = copy_scores(score, data->N * data->M)};
    if (stage1)
        snprintf(scores->setting, sizeof scores->setting, "%lld tasks, theta = %.2g", (long long)products->tasks.T,
                 products->theta);
    if (stage1 || stage2)
        return;
    scores->tie = copy_scores(products->s2, data->N * data->M);
    snprintf(scores->setting, sizeof scores->setting, "%lld tasks, theta = %.2g, alpha = %.2g",
             (long long)products->tasks.T, products->theta, products->alpha);
}

/* The published method beside the run's own: same data, same embeddings, its own stages. */
static fr_status paper_scores(fr_scores *scores, fr_run *run, const fr_dataset *data, const fr_texts *texts)
{
    fr_config config;
    fr_config_copy(&config, run->config);
    fr_config_apply_paper(&config);
    fr_products paper = {.config = &config};
    run->variant = "paper ";
    fr_status status;
    FR_TRY_GOTO(fr_stage_discover(run, data, texts, &paper), done);
    FR_TRY_GOTO(fr_stage_train(run, data, texts, &paper), done);
    fr_stage_score(run, data, &paper);
    own_scores(scores, "full_paper", data, &paper);
done:
    run->variant = "";
    fr_products_close(&paper);
    fr_config_close(&config);
    return status;
}

static fr_status scores_of(fr_scores *scores, const char *name, fr_run *run, const fr_dataset *data,
                           const fr_texts *texts, const fr_products *own)
{
    if (strcmp(name, "full_paper") == 0)
        return paper_scores(scores, run, data, texts);
    if (is_own(name)) {
        own_scores(scores, name, data, own);
        return FR_OK;
    }
    fr_eval_input input = {.config = run->config,
                           .data = data,
                           .device = run->device,
                           .embedding = texts->prompt,
                           .d = texts->d,
                           .general = own->general};
    return fr_baseline_find(name)->score(scores, &input);
}

fr_status fr_stage_evaluate(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *own,
                            fr_result **results, int64_t *count)
{
    const fr_words *names = &run->config->eval.routers;
    *count = 0;
    *results = FR_NEW(fr_result, names->count);
    double began = fr_seconds(), paper = 0;
    for (int64_t i = 0; i < names->count; i++) {
        fr_scores scores = {0};
        double start = fr_seconds();
        FR_TRY(scores_of(&scores, names->word[i], run, data, texts, own));
        if (strcmp(names->word[i], "full_paper") == 0)
            paper += fr_seconds() - start;
        fr_evaluate(&(*results)[i], &scores, data, run->config, FR_SPLIT_TEST);
        fr_scores_close(&scores);
        *count = i + 1;
    }
    fr_run_seconds(run, "evaluate", fr_seconds() - began - paper);
    return FR_OK;
}
