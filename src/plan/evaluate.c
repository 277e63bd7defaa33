/* The stage that evaluates. A baseline is one rank's, so the ranks' time is the larger of their mean and the longest
 * one; variants of the method are shared out as the run's own stages are. */
#include "costs.h"

#include "finerouter/eval.h"

#include <math.h>
#include <string.h>

/* Baselines that learn, roughly: batches of dense layers of `params` parameters. */
typedef struct learner {
    double epochs, batch, params, rows; /* rows: of a prompt in a batch */
} learner;

static bool find_learner(learner *l, const char *name, const fr_workload *w)
{
    const fr_config *c = w->config;
    double d = (double)w->shape.hidden, M = w->models;
    if (strcmp(name, "mlp") == 0) {
        double below = d, params = 0;
        for (int64_t i = 0; i < c->mlp.hidden.count; below = c->mlp.hidden.value[i++])
            params += below * c->mlp.hidden.value[i];
        *l = (learner){(double)c->mlp.epochs, (double)c->mlp.batch, params + below * M, 1};
    } else if (strcmp(name, "routellm_mf") == 0) {
        *l = (learner){(double)c->routellm_mf.epochs, (double)c->routellm_mf.batch,
                       (double)c->routellm_mf.dim * (d + M), 1};
    } else if (strcmp(name, "embedllm_mf") == 0) {
        *l = (learner){(double)c->embedllm_mf.epochs, (double)c->embedllm_mf.batch / M,
                       (double)c->embedllm_mf.dim * (d + M), 1};
    } else if (strcmp(name, "routerdc") == 0) {
        *l = (learner){(double)c->routerdc.epochs, (double)c->routerdc.batch, d * (d + M), 1};
    } else if (strcmp(name, "graphrouter") == 0) {
        *l = (learner){(double)c->graphrouter.epochs, (double)c->graphrouter.batch,
                       (double)c->graphrouter.hidden * (d + 4 * (double)c->graphrouter.hidden), 1 + M};
    } else if (strcmp(name, "mirt") == 0) {
        *l = (learner){(double)c->mirt.epochs, (double)c->mirt.batch, (double)c->mirt.dim * (2 * d + M), 1};
    } else {
        return false;
    }
    return true;
}

/* 3 x 2 operations a parameter, prompt and epoch, and an AdamW step of all parameters a batch. */
static void of_learner(const bill *b, fr_stage_cost *cost, const learner *l)
{
    double prompts = l->epochs * b->work->training, steps = prompts / l->batch,
           flops = 6 * l->params * l->rows * prompts;
    double own = b->rates->gpu ? 1 : b->threads;
    cost->seconds += flops / (b->rates->value[FR_RATE_small_gemm] * own) +
                     steps * (b->rates->value[FR_RATE_step] + l->params / (b->rates->value[FR_RATE_optimizer] * own));
    cost->flops += flops;
}

static void of_products(const bill *b, fr_stage_cost *cost, double flops)
{
    cost->seconds += flops / (b->rates->value[FR_RATE_knn] * (b->rates->gpu ? 1 : b->threads));
    cost->flops += flops;
}

/* Linear: a d x d system a penalty. Avengers: k-means,
 * some 20 turns of k n products. */
static void of_baseline(const bill *b, fr_stage_cost *cost, const char *name)
{
    const fr_workload *w = b->work;
    const fr_config *c = w->config;
    double d = (double)w->shape.hidden, n = w->training;
    learner l;
    if (strcmp(name, "linear") == 0) {
        of_products(b, cost, n * d * d + (double)c->linear.ridge.count * d * d * (d / 3 + 2 * w->models));
    } else if (strncmp(name, "avengers", 8) == 0) {
        double clusters = 0;
        for (int64_t g = 0; g < c->avengers.k.count; g++)
            clusters += c->avengers.k.value[g];
        of_products(b, cost, 2 * d * n * clusters * 20 * (double)c->avengers.restarts);
    } else if (find_learner(&l, name, w)) {
        of_learner(b, cost, &l);
    }
}

/* The stages that a variant does not find in the cache; everything after the embeddings for full_paper. */
static void of_variant(const bill *b, fr_stage_cost *cost, const char *name)
{
    fr_config config;
    fr_config_copy(&config, b->work->config);
    bool paper = strcmp(name, "full_paper") == 0, heads = strcmp(name, "no_task_heads") == 0;
    if (paper)
        fr_config_apply_paper(&config);
    if (heads)
        config.qe.task_epochs = 0;
    fr_workload work = *b->work;
    work.config = &config;
    if (config.discover.coverage < 1 && work.candidates > 4)
        work.candidates = 4;
    bill own = *b;
    own.work = &work;
    for (fr_plan_stage stage = heads ? FR_PLAN_PHASE2 : FR_PLAN_NEIGHBOURS; stage <= FR_PLAN_SCORE; stage++) {
        fr_stage_cost part;
        if (stage == FR_PLAN_PHASE1 && !paper)
            continue;
        fr_plan_stage_cost(&own, stage, &part);
        cost->seconds += part.seconds - part.comm_seconds;
        cost->comm_seconds += part.comm_seconds;
        cost->comm_bytes += part.comm_bytes;
        cost->flops += part.flops;
        cost->bytes += part.bytes;
    }
    fr_config_close(&config);
}

static const char *const variants[] = {"no_task_heads",  "source_tasks", "kmeans_tasks",
                                       "semantic_graph", "rbo_graph",    "full_paper"};
enum { VARIANTS = sizeof variants / sizeof *variants };

static bool all_routers(const fr_config *config)
{
    const fr_words *names = &config->eval.routers;
    return names->count == 1 && strcmp(names->word[0], "all") == 0;
}

int64_t fr_plan_routers(const fr_config *config)
{
    return all_routers(config) ? fr_baseline_count() + VARIANTS + 3 : config->eval.routers.count;
}

/* (dev + test) n products, shared out as all searches are, their lists united; votes of all k of the grid. */
static void of_knn(const bill *b, fr_stage_cost *cost)
{
    const fr_workload *w = b->work;
    const fr_reals *grid = &w->config->eval.knn_k;
    double asked = w->dev + w->test, votes = 0, most = 1;
    for (int64_t g = 0; g < grid->count; g++) {
        votes += grid->value[g] * asked * w->models;
        most = fmax(most, grid->value[g]);
    }
    fr_stage_cost search = {0};
    of_products(b, &search, 2 * (double)w->shape.hidden * asked * w->training);
    cost->flops += search.flops;
    cost->seconds +=
        fr_plan_screening(b) * search.seconds / b->R + votes / (b->rates->value[FR_RATE_rows] * b->threads);
    fr_plan_add_united(b, cost, asked * fmin(most, w->training) * 8, 1);
}

static void of_router(const bill *b, fr_stage_cost *cost, const char *name, double *longest, double *sum)
{
    const fr_workload *w = b->work;
    for (int i = 0; i < VARIANTS; i++)
        if (strcmp(name, variants[i]) == 0)
            of_variant(b, cost, name);
    if (strcmp(name, "knn") == 0)
        of_knn(b, cost);
    fr_stage_cost own = {0};
    of_baseline(b, &own, name);
    *longest = fmax(*longest, own.seconds);
    *sum += own.seconds;
    cost->flops += own.flops;
    /* Every router: its curve over the test prompts. */
    cost->seconds +=
        w->test * w->models * (double)w->config->eval.tolerances.count / (b->rates->value[FR_RATE_rows] * b->threads);
}

void fr_plan_evaluate(const bill *b, fr_stage_cost *cost)
{
    const fr_words *names = &b->work->config->eval.routers;
    double longest = 0, sum = 0;
    if (!all_routers(b->work->config)) {
        for (int64_t i = 0; i < names->count; i++)
            of_router(b, cost, names->word[i], &longest, &sum);
    } else {
        for (int64_t i = 0; i < fr_baseline_count(); i++)
            of_router(b, cost, fr_baseline_at(i)->name, &longest, &sum);
        for (int i = 0; i < VARIANTS; i++)
            of_router(b, cost, variants[i], &longest, &sum);
    }
    cost->seconds += fmax(longest, sum / b->R);
}
