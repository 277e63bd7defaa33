#include "variants.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void without_task_heads(fr_config *config, const fr_products *own)
{
    (void)own;
    config->qe.task_epochs = 0;
    config->qe.task_head_init = FR_HEAD_INIT_GENERAL;
}

static void by_source(fr_config *config, const fr_products *own)
{
    (void)own;
    config->discover.method = FR_TASKS_SOURCE;
}

static void by_kmeans(fr_config *config, const fr_products *own)
{
    config->discover.method = FR_TASKS_KMEANS;
    config->discover.clusters = own->tasks.T > 0 ? own->tasks.T : 1;
}

static void by_meaning(fr_config *config, const fr_products *own)
{
    (void)own;
    config->discover.method = FR_TASKS_LEIDEN;
    config->discover.weight = FR_WEIGHT_COSINE;
    config->discover.tau = 0;
}

static void by_preference(fr_config *config, const fr_products *own)
{
    (void)own;
    config->discover.method = FR_TASKS_LEIDEN;
    config->discover.weight = FR_WEIGHT_RBO;
}

static void as_published(fr_config *config, const fr_products *own)
{
    (void)own;
    fr_config_apply_paper(config);
}

static const fr_variant table[] = {
    {"no_task_heads", "no_task_heads ", "stage 2 has general heads alone", without_task_heads},
    {"source_tasks", "source_tasks ", "a prompt's source is its task", by_source},
    {"kmeans_tasks", "kmeans_tasks ", "as many tasks, made by k-means of the embeddings", by_kmeans},
    {"semantic_graph", "semantic_graph ", "edges weighed by cosine alone, none dropped by RBO", by_meaning},
    {"rbo_graph", "rbo_graph ", "edges weighed by RBO alone", by_preference},
    {"full_paper", "paper ", "the method as published", as_published},
};

int64_t fr_variant_count(void)
{
    return sizeof table / sizeof *table;
}

const fr_variant *fr_variant_at(int64_t index)
{
    FR_CHECK(index >= 0 && index < fr_variant_count(), "variant %lld of %lld", (long long)index,
             (long long)fr_variant_count());
    return &table[index];
}

const fr_variant *fr_variant_find(const char *name)
{
    for (int64_t v = 0; v < fr_variant_count(); v++)
        if (strcmp(table[v].name, name) == 0)
            return &table[v];
    return NULL;
}

static float *copy_scores(const float *from, int64_t count)
{
    float *copy = FR_NEW(float, count);
    memcpy(copy, from, (size_t)count * sizeof(float));
    return copy;
}

void fr_products_scores(fr_scores *scores, const char *name, const fr_dataset *data, const fr_products *products)
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

fr_status fr_variant_scores(fr_scores *scores, double *seconds, const fr_variant *variant, fr_run *run,
                            const fr_dataset *data, const fr_texts *texts, const fr_products *own)
{
    static const char *const stages[] = {"discover", "names",       "classifier", "stage1",
                                         "phase1",   "out of fold", "phase2",     NULL};
    fr_config config;
    fr_config_copy(&config, run->config);
    variant->change(&config, own);
    fr_products products = {.config = &config};
    run->variant = variant->stage;
    fr_status status;
    FR_TRY_GOTO(fr_stage_discover(run, data, texts, &products), done);
    FR_TRY_GOTO(fr_stage_train(run, data, texts, &products), done);
    fr_stage_score(run, data, &products);
    fr_products_scores(scores, variant->name, data, &products);
    *seconds = fr_run_spent(run, stages);
done:
    run->variant = "";
    fr_products_close(&products);
    fr_config_close(&config);
    return status;
}
