#include "sweep_group.h"

#include "base/files.h"
#include "base/memory.h"
#include "choose.h"
#include "finerouter/log.h"
#include "nn/encoder.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a result depends on ---- */

static fr_status add_data(fr_hash *hash, const fr_config *config, const char *known)
{
    fr_dataset data = {0};
    char hex[FR_HASH_CHARS] = "";
    fr_status status = FR_OK;
    if (config->data.file[0] && !known) {
        status = fr_dataset_read(&data, config->data.file);
        known = data.hash;
    }
    if (status == FR_OK && config->data.file[0])
        fr_hash_add_text(hash, known);
    const char *const imported[] = {config->data.import, config->data.models};
    for (int i = 0; i < 2 && status == FR_OK; i++)
        if (imported[i][0]) {
            status = fr_hash_file(hex, imported[i]);
            fr_hash_add_text(hash, hex);
        }
    fr_dataset_close(&data);
    return status;
}

fr_status fr_sweep_input_hash(char hex[FR_HASH_CHARS], const fr_config *config, const char *data)
{
    char encoder[FR_HASH_CHARS] = "";
    char *folder = config->encoder.path[0] ? fr_strdup(config->encoder.path) : fr_encoder_default_folder();
    fr_status status = FR_OK;
    if (fr_is_folder(folder))
        status = fr_encoder_folder_hash(encoder, folder);
    free(folder);
    FR_TRY(status);
    fr_hash *hash = fr_hash_create();
    fr_hash_add_text(hash, encoder);
    status = add_data(hash, config, data);
    fr_hash_end(hash, hex);
    return status;
}

const char *fr_sweep_inputs_of(fr_sweep_inputs *last, const fr_config *config)
{
    char *files =
        fr_format("%s\n%s\n%s\n%s", config->data.file, config->data.import, config->data.models, config->encoder.path);
    if (last->files && strcmp(files, last->files) == 0) {
        free(files);
        return last->hex;
    }
    free(last->files);
    last->files = files;
    if (fr_sweep_input_hash(last->hex, config, NULL) != FR_OK)
        last->hex[0] = 0; /* the job will say what is wrong with them */
    return last->hex;
}

int64_t fr_sweep_threads(const fr_config *config)
{
    return config->top.threads > 0 ? config->top.threads : omp_get_num_procs();
}

void fr_sweep_point_hash(char hex[FR_HASH_CHARS], const fr_config *config, const char *inputs, int64_t threads)
{
    char text[128];
    snprintf(text, sizeof text, "point 1 %d %lld %lld", (int)threads, (long long)config->eval.seeds,
             (long long)config->eval.folds);
    fr_hash *hash = fr_hash_create();
    fr_hash_add_text(hash, text);
    fr_hash_add_text(hash, config->llm.url);
    fr_hash_add_text(hash, config->llm.model);
    fr_hash_add_text(hash, inputs);
    fr_config_hash(config, "DEGC12SKOR", hash);
    fr_hash_end(hash, hex);
}

/* ---- a group ---- */

typedef struct member {
    int64_t point;
    fr_config config;
    fr_result *test;                          /* (passes) */
    double dev, alpha, theta, tasks, seconds; /* sums over the passes */
    char *error;
    char order[2 * FR_HASH_CHARS]; /* members with equal heads and choices stand together */
    bool written;
} member;

typedef struct group {
    member *at;
    int64_t count, seeds, folds, passes, seed;
    double shared; /* seconds of what they make together */
    const fr_sweep *sweep;
    const char *folder;
    char inputs[FR_HASH_CHARS];
    char device[160]; /* what makes them */
} group;

static void fail_member(member *m)
{
    free(m->error);
    m->error = fr_strdup(fr_error_text());
}

static void fail_all(group *g)
{
    for (int64_t i = 0; i < g->count; i++)
        if (!g->at[i].error && !g->at[i].written)
            fail_member(&g->at[i]);
}

static int by_order(const void *a, const void *b)
{
    const member *x = a, *y = b;
    int order = strcmp(x->order, y->order);
    return order ? order : (x->point > y->point) - (x->point < y->point);
}

static void group_open(group *g, const fr_sweep *sweep, int64_t first, const char *folder)
{
    *g = (group){.at = FR_NEW(member, sweep->points), .sweep = sweep, .folder = folder};
    for (int64_t p = first; p < sweep->points; p++)
        if (sweep->group[p] == first) {
            g->at[g->count].point = p;
            fr_sweep_config(&g->at[g->count++].config, sweep, p);
        }
    for (int64_t i = 0; i < g->count; i++) {
        const fr_config *own = &g->at[i].config;
        fr_key heads = fr_key_make("heads", 1, own, "2K", NULL, 0, NULL),
               choices = fr_key_make("choice", 1, own, "O", NULL, 0, NULL);
        snprintf(g->at[i].order, sizeof g->at[i].order, "%s%s", heads.hex, choices.hex);
    }
    qsort(g->at, (size_t)g->count, sizeof *g->at, by_order);
    const fr_config *config = &g->at[0].config;
    g->seed = config->top.seed;
    g->seeds = config->eval.seeds;
    g->folds = config->eval.folds > 0 ? config->eval.folds : 1;
    g->passes = g->seeds * g->folds;
    for (int64_t i = 0; i < g->count; i++)
        g->at[i].test = FR_NEW(fr_result, g->passes);
}

static void group_close(group *g)
{
    for (int64_t i = 0; i < g->count; i++) {
        for (int64_t p = 0; p < g->passes; p++)
            fr_result_close(&g->at[i].test[p]);
        free(g->at[i].test);
        free(g->at[i].error);
        fr_config_close(&g->at[i].config);
    }
    free(g->at);
}

/* What was last chosen by, and made of it. */
typedef struct choice {
    bool made;
    fr_key key, heads; /* of what theta is chosen by; of what task heads depend on beside it */
    double theta;
} choice;

/* theta and alpha, candidates, heads and s1, each made again only where this point asks for another. Out of fold, theta
 * and alpha come together; on dev, alpha waits for the mix. */
static fr_status prepare(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products,
                         choice *last)
{
    const fr_config *config = products->config;
    /* What is chosen out of fold depends on the folds' heads too. */
    bool out_of_fold = config->route.choose_by == FR_CHOOSE_OUT_OF_FOLD;
    choice now = {.made = true,
                  .key = fr_key_make("choice", 1, config, out_of_fold ? "O2K" : "O", NULL, 0, NULL),
                  .heads = fr_key_make("heads", 1, config, "2K", NULL, 0, NULL)};
    bool same = last->made && strcmp(now.key.hex, last->key.hex) == 0;
    bool same_heads = last->made && strcmp(now.heads.hex, last->heads.hex) == 0;
    last->made = false;
    products->alpha = config->route.alpha;
    if (!same || (isnan(config->route.alpha) && out_of_fold))
        FR_TRY(fr_choose_theta(run, data, texts, products));
    now.theta = products->theta;
    if (!same_heads)
        fr_tasks_candidates(&products->tasks, data, config->discover.coverage);
    if (!same_heads || now.theta != last->theta) {
        free(products->assignment);
        free(products->probability);
        free(products->s2);
        products->assignment = NULL;
        products->probability = products->s2 = NULL;
        FR_TRY(fr_stage_heads(run, data, texts, products));
    }
    if (!same || !products->s1 || now.theta != last->theta)
        fr_stage_stage1(data, products);
    *last = now;
    return FR_OK;
}

static void measure(member *m, int64_t pass, const fr_dataset *data, const fr_products *products)
{
    fr_scores scores = {.name = "full", .N = data->N, .M = data->M, .score = products->score, .tie = products->s2};
    fr_result dev;
    fr_evaluate(&dev, &scores, data, &m->config, FR_SPLIT_DEV);
    fr_evaluate(&m->test[pass], &scores, data, &m->config, FR_SPLIT_TEST);
    m->dev += dev.quality;
    m->alpha += products->alpha;
    m->theta += products->theta;
    m->tasks += (double)products->tasks.T;
    fr_result_close(&dev);
}

/* Test prompts of the folds are pooled, then seeds averaged, as a run does; the rest is the mean over passes. */
static fr_sweep_result result_of(const group *g, member *m, const fr_dataset *data, const char *hash)
{
    double passes = (double)g->passes;
    fr_sweep_result result = {.done = true,
                              .error = m->error,
                              .seconds = m->seconds + g->shared / (double)g->count,
                              .threads = fr_sweep_threads(&m->config)};
    memcpy(result.hash, hash, sizeof result.hash);
    memcpy(result.device, g->device, sizeof result.device);
    if (m->error)
        return result;
    fr_result **runs = FR_NEW(fr_result *, g->passes), pooled;
    for (int64_t p = 0; p < g->passes; p++)
        runs[p] = &m->test[p];
    fr_pool_passes(&pooled, runs, 1, g->seeds, g->folds, data);
    result.dev_quality = m->dev / passes;
    result.test_quality = pooled.quality;
    result.test_quality_by_source = pooled.quality_by_source;
    result.test_cost = pooled.cost;
    result.tasks = round(m->tasks / passes);
    result.alpha = m->alpha / passes;
    result.theta = m->theta / passes;
    fr_result_close(&pooled);
    free(runs);
    return result;
}

static fr_status write_member(const group *g, member *m, const fr_dataset *data)
{
    char hash[FR_HASH_CHARS];
    m->config.top.seed = g->seed; /* a pass has its own */
    fr_sweep_point_hash(hash, &m->config, g->inputs, fr_sweep_threads(&m->config));
    fr_sweep_result result = result_of(g, m, data, hash);
    m->written = true;
    return fr_sweep_result_write(g->folder, g->sweep, m->point, &result);
}

/* All members on one pass's data: the products once, then each member's choices, mix and figures. */
static fr_status one_pass(group *g, fr_run *run, const fr_dataset *data, int64_t pass)
{
    double began = fr_seconds();
    fr_texts texts = {0};
    fr_products products = {.config = run->config};
    choice last = {0};
    fr_status status;
    FR_TRY_GOTO(fr_stage_embed(run, data, &texts), done);
    FR_TRY_GOTO(fr_stage_discover(run, data, &texts, &products), done);
    FR_TRY_GOTO(fr_stage_models(run, data, &texts, &products), done);
    g->shared += fr_seconds() - began;
    for (int64_t i = 0; i < g->count && status == FR_OK; i++) {
        member *m = &g->at[i];
        began = fr_seconds();
        products.config = &m->config;
        fr_status own = m->error ? FR_FAILED : prepare(run, data, &texts, &products, &last);
        if (own == FR_INTERRUPTED || fr_interrupt_wanted())
            status = fr_interrupted();
        else if (own != FR_OK && !m->error)
            fail_member(m);
        if (own == FR_OK) {
            fr_stage_mix(data, &products);
            measure(m, pass, data, &products);
        }
        m->seconds += fr_seconds() - began;
        if (status == FR_OK && pass == g->passes - 1)
            status = write_member(g, m, data);
    }
done:
    fr_products_close(&products);
    fr_texts_close(&texts);
    return status;
}

static fr_status all_passes(group *g, fr_run *run, const fr_dataset *data)
{
    fr_status status = FR_OK;
    for (int64_t p = 0; p < g->passes && status == FR_OK; p++) {
        fr_dataset mine = *data;
        mine.split = fr_alloc((size_t)data->N);
        memcpy(mine.split, data->split, (size_t)data->N);
        if (g->folds > 1)
            fr_make_fold(&mine, p % g->folds, g->folds, (uint64_t)g->seed);
        for (int64_t i = 0; i < g->count; i++)
            g->at[i].config.top.seed = g->seed + p / g->folds;
        status = one_pass(g, run, &mine, p);
        free(mine.split);
    }
    return status;
}

/* Members that are finished in the folder leave the group. */
static void drop_finished(group *g)
{
    int64_t left = 0;
    for (int64_t i = 0; i < g->count; i++) {
        member m = g->at[i];
        char hash[FR_HASH_CHARS];
        fr_sweep_result result;
        fr_sweep_point_hash(hash, &m.config, g->inputs, fr_sweep_threads(&m.config));
        fr_sweep_result_read(&result, g->folder, m.point);
        if (result.done && !result.error && strcmp(result.hash, hash) == 0) {
            free(m.test);
            fr_config_close(&m.config);
        } else {
            g->at[left++] = m;
        }
        fr_sweep_result_close(&result);
    }
    g->count = left;
}

/* The rest, which did not come to its end. */
static fr_status write_rest(group *g, int64_t *failed, const fr_dataset *data)
{
    *failed = 0;
    for (int64_t i = 0; i < g->count; i++) {
        if (!g->at[i].written)
            FR_TRY(write_member(g, &g->at[i], data));
        *failed += g->at[i].error != NULL;
    }
    return FR_OK;
}

fr_status fr_sweep_run_group(int64_t *failed, const fr_sweep *sweep, int64_t first, const char *folder,
                             const char *cache)
{
    group g;
    group_open(&g, sweep, first, folder);
    fr_run run = {.config = &g.at[0].config, .cache = cache, .variant = ""};
    fr_dataset data = {0};
    fr_status status = fr_device_open(&run.device, run.config->top.device, (int)run.config->top.threads);
    if (status == FR_OK)
        memcpy(g.device, run.device->description, sizeof g.device);
    if (status == FR_OK)
        status = fr_stage_data(&run, &data);
    if (status == FR_OK)
        status = fr_sweep_input_hash(g.inputs, run.config, run.config->data.file[0] ? data.hash : NULL);
    if (status == FR_OK)
        drop_finished(&g);
    run.config = &g.at[0].config;
    if (status == FR_OK && g.count > 0)
        status = all_passes(&g, &run, &data);
    if (status != FR_OK && status != FR_INTERRUPTED) {
        fail_all(&g);
        status = FR_OK;
    }
    if (status == FR_OK)
        status = write_rest(&g, failed, &data);
    fr_run_close(&run);
    fr_dataset_close(&data);
    if (run.device)
        fr_device_close(run.device);
    group_close(&g);
    return status;
}
