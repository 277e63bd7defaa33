#include "run_folder.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "finerouter/report.h"
#include "io/h5.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

fr_run fr_run_fork(const fr_run *run)
{
    fr_run fork = *run;
    fork.stage = NULL;
    fork.stages = 0;
    return fork;
}

void fr_run_close(fr_run *run)
{
    free(run->stage);
    run->stage = NULL;
    run->stages = 0;
}

void fr_run_seconds(fr_run *run, const char *stage, double seconds)
{
    fr_stage_time time = {.seconds = seconds};
    snprintf(time.name, sizeof time.name, "%s%s", run->variant, stage);
    for (int i = 0; i < run->stages; i++)
        if (strcmp(run->stage[i].name, time.name) == 0) {
            run->stage[i].seconds += seconds;
            return;
        }
    run->stage = fr_realloc(run->stage, (size_t)(run->stages + 1) * sizeof time);
    run->stage[run->stages++] = time;
    fr_comm_cost spent = fr_comm_spent();
    fr_log_event("stage", "stage=s seconds=f comm_seconds=f comm_bytes=d", time.name, seconds,
                 spent.seconds - run->comm.seconds, spent.bytes - run->comm.bytes);
    run->comm = spent;
}

double fr_run_spent(const fr_run *run, const char *const *stages)
{
    double sum = 0;
    size_t skip = strlen(run->variant);
    for (int i = 0; i < run->stages; i++)
        for (const char *const *stage = stages; *stage; stage++)
            if (strncmp(run->stage[i].name, run->variant, skip) == 0 && strcmp(run->stage[i].name + skip, *stage) == 0)
                sum += run->stage[i].seconds;
    return sum;
}

/* ---- artefacts of one run: the root's ---- */

/* embeddings.h5: what discovery reads, and h as the heads read it. */
static fr_status write_embeddings(const fr_run *run, const fr_texts *texts, const fr_products *products)
{
    if (!fr_is_root())
        return FR_OK;
    char *path = fr_path_join(run->out, "embeddings.h5");
    fr_h5 *file;
    fr_status status = fr_h5_create(&file, path, "finerouter-embeddings", 1);
    free(path);
    FR_TRY(status);
    const int64_t shape[2] = {texts->N, texts->d};
    FR_TRY_GOTO(fr_h5_set_text(file, "encoder", fr_texts_origin(texts)), fail);
    FR_TRY_GOTO(fr_h5_write(file, "/prompt", FR_H5_F32, 2, shape, texts->prompt), fail);
    FR_TRY_GOTO(fr_h5_write(file, "/description", FR_H5_F32, 2, shape, texts->description), fail);
    if (products && products->hidden)
        FR_TRY_GOTO(fr_h5_write(file, "/hidden", FR_H5_F32, 2, shape, products->hidden), fail);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}

static fr_status write_tasks(const fr_run *run, const fr_dataset *data, const fr_products *products)
{
    if (!fr_is_root())
        return FR_OK;
    char *path = fr_path_join(run->out, "tasks.h5"), *cards = fr_path_join(run->out, "cards.json"),
         *markdown = fr_path_join(run->out, "cards.md");
    fr_status status = fr_tasks_write(&products->tasks, path);
    if (status == FR_OK)
        status = fr_cards_write(cards, &products->tasks, data);
    fr_buffer text = {0};
    fr_buffer_addf(&text, "# Tasks\n\n");
    for (int64_t t = 0; t < products->tasks.T; t++) {
        char *card = fr_task_card(&products->tasks, data, t);
        fr_buffer_addf(&text, "%s\n", card);
        free(card);
    }
    if (status == FR_OK)
        status = fr_file_write(markdown, text.data, text.bytes);
    fr_buffer_close(&text);
    free(path);
    free(cards);
    free(markdown);
    return status;
}

static fr_status write_router(const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                              const fr_products *products)
{
    if (!fr_is_root())
        return FR_OK;
    char *path = fr_path_join(run->out, "router.h5");
    fr_status status = fr_router_write(path, run, data, texts, products);
    free(path);
    if (status != FR_OK || run->config->encoder.train == FR_TRAIN_FROZEN)
        return status;
    fr_training training = fr_run_training(run, run->config, data, texts);
    path = fr_path_join(run->out, "encoder");
    status = fr_make_folders(path);
    if (status == FR_OK)
        status = fr_estimator_export(products->estimator, &training, path);
    free(path);
    return status;
}

static fr_status write_predictions(const fr_run *run, const fr_dataset *data, const fr_products *products)
{
    if (!run->config->eval.predictions || !fr_is_root())
        return FR_OK;
    char *path = fr_path_join(run->out, "predictions.jsonl");
    fr_status status = fr_predictions_write(path, data, &products->tasks, products->assignment, products->probability,
                                            products->s1, products->s2, products->score);
    free(path);
    return status;
}

/* ---- metrics ---- */

static fr_status write_metrics(const fr_run *run, fr_result *results, int64_t count, const fr_dataset *data,
                               const fr_texts *texts, const fr_products *products, const fr_run_trust *trust)
{
    const fr_config *config = run->config;
    fr_key key = fr_key_make("config", 1, config, "DEGC12SKOR", NULL, 0, NULL);
    int64_t full = -1;
    for (int64_t i = 0; i < count; i++)
        if (strcmp(results[i].name, "full") == 0)
            full = i;
    if (full >= 0 && config->eval.bootstrap > 0)
        fr_bootstrap(results, count, full, data, config->eval.bootstrap, (uint64_t)config->top.seed);
    if (!fr_is_root())
        return FR_OK;
    fr_run_facts facts = {.tasks = &products->tasks,
                          .assignment = products->assignment,
                          .theta = products->theta,
                          .alpha = products->alpha,
                          .stages = run->stages,
                          .truncated = texts->truncated,
                          .encoder = fr_texts_origin(texts),
                          .device = run->device->description,
                          .config_hash = key.hex,
                          .classifier_accuracy = trust->classifier.accuracy,
                          .trust = trust,
                          .seeds = config->eval.seeds,
                          .folds = config->eval.folds};
    const char **names = FR_NEW(const char *, run->stages);
    double *seconds = FR_NEW(double, run->stages);
    for (int i = 0; i < run->stages; i++) {
        names[i] = run->stage[i].name;
        seconds[i] = run->stage[i].seconds;
    }
    facts.stage_name = names;
    facts.stage_seconds = seconds;
    char *path = fr_path_join(run->out, "metrics.json");
    fr_status status = fr_metrics_write(path, results, count, data, &facts, config);
    free(path);
    free(names);
    free(seconds);
    return status;
}

/* ---- one pass over the stages ---- */

/* What a pass leaves for pooling. */
typedef struct pass_result {
    fr_result *results;
    int64_t count;
    fr_texts texts;
    fr_products products;
    fr_pass_trust trust;
} pass_result;

static void pass_close(pass_result *pass)
{
    for (int64_t i = 0; pass->results && i < pass->count; i++)
        fr_result_close(&pass->results[i]);
    free(pass->results);
    fr_products_close(&pass->products);
    fr_texts_close(&pass->texts);
}

static fr_status run_pass(fr_run *run, const fr_dataset *data, fr_stage last, pass_result *pass)
{
    pass->products.config = run->config;
    if (last < FR_STAGE_EMBED)
        return FR_OK;
    FR_TRY(fr_stage_embed(run, data, &pass->texts));
    if (last == FR_STAGE_EMBED)
        return write_embeddings(run, &pass->texts, NULL);
    FR_TRY(fr_stage_discover(run, data, &pass->texts, &pass->products));
    if (last == FR_STAGE_DISCOVER) {
        fr_stage1_of_members(&pass->products.tasks, data, run->config);
        FR_TRY(write_embeddings(run, &pass->texts, NULL));
        return write_tasks(run, data, &pass->products);
    }
    FR_TRY(fr_stage_train(run, data, &pass->texts, &pass->products));
    fr_stage_score(run, data, &pass->products);
    FR_TRY(write_embeddings(run, &pass->texts, &pass->products));
    FR_TRY(write_tasks(run, data, &pass->products));
    FR_TRY(write_router(run, data, &pass->texts, &pass->products));
    if (last == FR_STAGE_TRAIN)
        return FR_OK;
    FR_TRY(write_predictions(run, data, &pass->products));
    FR_TRY(fr_stage_evaluate(run, data, &pass->texts, &pass->products, &pass->results, &pass->count));
    fr_results_compare(pass->results, pass->count, data);
    fr_trust_of_pass(&pass->trust, data, &pass->products);
    fr_run_trust trust;
    fr_pool_trust(&trust, &pass->trust, 1, 1);
    return write_metrics(run, pass->results, pass->count, data, &pass->texts, &pass->products, &trust);
}

/* ---- several passes ---- */

static const char *const shared_artefacts[] = {"embeddings.h5", "tasks.h5", "router.h5", "cards.json", "cards.md"};

static fr_status link_artefacts(const char *from, const char *to)
{
    if (!fr_is_root())
        return FR_OK;
    for (size_t i = 0; i < sizeof shared_artefacts / sizeof shared_artefacts[0]; i++) {
        char *a = fr_path_join(from, shared_artefacts[i]), *b = fr_path_join(to, shared_artefacts[i]);
        fr_status status = fr_file_link(a, b);
        free(a);
        free(b);
        FR_TRY(status);
    }
    return FR_OK;
}

/* Test lines of the passes of the first seed, each with its fold. */
static fr_status pool_predictions(const char *out, char *const *folders, int64_t folds)
{
    if (!fr_is_root())
        return FR_OK;
    fr_buffer all = {0};
    fr_status status = FR_OK;
    for (int64_t f = 0; f < folds && status == FR_OK; f++) {
        char *path = fr_path_join(folders[f], "predictions.jsonl"), *text = NULL;
        status = fr_file_read(&text, NULL, path, 0);
        char *rest = NULL;
        for (char *line = status == FR_OK ? strtok_r(text, "\n", &rest) : NULL; line;
             line = strtok_r(NULL, "\n", &rest)) {
            json_t *object = json_loads(line, 0, NULL);
            const char *split = json_string_value(json_object_get(object, "split"));
            if (folds == 1 || (split && strcmp(split, "test") == 0)) {
                json_object_set_new(object, "fold", json_integer(f));
                char *dumped = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
                fr_buffer_addf(&all, "%s\n", dumped);
                free(dumped);
            }
            json_decref(object);
        }
        free(text);
        free(path);
    }
    char *path = fr_path_join(out, "predictions.jsonl");
    if (status == FR_OK)
        status = fr_file_write(path, all.data ? all.data : "", all.bytes);
    free(path);
    fr_buffer_close(&all);
    return status;
}

static fr_status open_folder(const char *folder, const fr_config *config)
{
    if (!fr_is_root())
        return FR_OK;
    FR_TRY(fr_make_folders(folder));
    char *text = fr_config_text(config), *path = fr_path_join(folder, "config.yaml");
    fr_status status = fr_file_write(path, text, strlen(text));
    free(text);
    free(path);
    return status;
}

/* A pass of its own seed and splits in a folder below the run's. */
static fr_status sub_pass(fr_run *run, fr_config *config, const fr_dataset *data, int64_t seed, int64_t fold,
                          const char *folder, pass_result *pass)
{
    const fr_config *base = run->config;
    fr_config_copy(config, base);
    int32_t strong, weak;
    FR_TRY(fr_pair_find(&strong, &weak, data, base)); /* one pair for all folds, whatever each one trains on */
    config->eval.strong = data->model[strong];
    config->eval.weak = data->model[weak];
    config->top.seed = base->top.seed + seed;
    config->eval.seeds = 1;
    config->eval.folds = 0;
    fr_dataset mine = *data;
    mine.split = fr_alloc((size_t)data->N);
    memcpy(mine.split, data->split, (size_t)data->N);
    if (base->eval.folds > 0)
        fr_make_fold(&mine, fold, base->eval.folds, (uint64_t)base->top.seed);
    fr_run sub = fr_run_fork(run);
    sub.config = config;
    sub.out = folder;
    fr_status status = open_folder(folder, config);
    if (status == FR_OK)
        status = run_pass(&sub, &mine, FR_STAGE_EVAL, pass);
    run->comm = fr_comm_spent(); /* told with the stages of the pass */
    for (int i = 0; i < sub.stages; i++)
        fr_run_seconds(run, sub.stage[i].name, sub.stage[i].seconds);
    fr_run_close(&sub);
    free(mine.split);
    return status;
}

static fr_status run_several(fr_run *run, const fr_dataset *data, fr_result **pooled, int64_t *count)
{
    const fr_config *config = run->config;
    int64_t seeds = config->eval.seeds, folds = config->eval.folds > 0 ? config->eval.folds : 1, passes = seeds * folds;
    pass_result *pass = FR_NEW(pass_result, passes);
    fr_config *configs = FR_NEW(fr_config, passes);
    char **folders = FR_NEW(char *, passes);
    fr_result **runs = FR_NEW(fr_result *, passes);
    fr_pass_trust *trusts = FR_NEW(fr_pass_trust, passes);
    fr_status status = FR_OK;
    for (int64_t p = 0; p < passes; p++) {
        int64_t seed = p / folds, fold = p % folds;
        folders[p] = config->eval.folds ? (seeds > 1 ? fr_format("%s/seed-%lld-fold-%lld", run->out,
                                                                 (long long)(config->top.seed + seed), (long long)fold)
                                                     : fr_format("%s/fold-%lld", run->out, (long long)fold))
                                        : fr_format("%s/seed-%lld", run->out, (long long)(config->top.seed + seed));
        fr_log("-- %s (%lld of %lld)", fr_path_base(folders[p]), (long long)p + 1, (long long)passes);
        FR_TRY_GOTO(sub_pass(run, &configs[p], data, seed, fold, folders[p], &pass[p]), done);
        runs[p] = pass[p].results;
        if (p > 0) { /* only the first pass's products are described in the pooled metrics */
            fr_products_close(&pass[p].products);
            fr_texts_close(&pass[p].texts);
        }
    }
    *count = pass[0].count;
    *pooled = FR_NEW(fr_result, *count);
    fr_pool_passes(*pooled, runs, *count, seeds, folds, data);
    for (int64_t p = 0; p < passes; p++)
        trusts[p] = pass[p].trust;
    fr_run_trust trust;
    fr_pool_trust(&trust, trusts, seeds, folds);
    FR_TRY_GOTO(link_artefacts(folders[0], run->out), done);
    if (config->eval.predictions)
        FR_TRY_GOTO(pool_predictions(run->out, folders, folds), done);
    FR_TRY_GOTO(write_metrics(run, *pooled, *count, data, &pass[0].texts, &pass[0].products, &trust), done);
done:
    for (int64_t p = 0; p < passes; p++) {
        pass_close(&pass[p]);
        fr_config_close(&configs[p]);
        free(folders[p]);
    }
    free(pass);
    free(configs);
    free(folders);
    free(runs);
    free(trusts);
    return status;
}

/* ---- the whole ---- */

static bool verbose(void)
{
    int level = fr_log_level(0);
    fr_log_level(level);
    return level >= 2;
}

static fr_status finish(const fr_run *run, const fr_result *results, int64_t count, const fr_dataset *data,
                        fr_stage last)
{
    if (!fr_is_root())
        return FR_OK;
    char *table = fr_metrics_table(results, count, data);
    printf("%s", table);
    free(table);
    if (verbose()) {
        table = fr_metrics_peers_table(results, count, data);
        printf("\n%s", table);
        free(table);
    }
    fflush(stdout);
    if (last < FR_STAGE_REPORT || !run->config->report.html)
        return FR_OK;
    FR_TRY(fr_report_write(run->out, run->config->report.title[0] ? run->config->report.title : run->config->top.name));
    fr_log("report: %s/report.html", run->out);
    return FR_OK;
}

static fr_status run_stages(fr_run *run, fr_stage last)
{
    const fr_config *config = run->config;
    fr_dataset data = {0};
    fr_result *results = NULL;
    int64_t count = 0;
    fr_status status = fr_stage_data(run, &data);
    if (status == FR_OK)
        status = fr_comm_same("data set (hash)", data.hash);
    if (status == FR_OK)
        fr_log("%s: %lld prompts, %lld models, %lld sources", run->out, (long long)data.N, (long long)data.M,
               (long long)data.sources);
    int32_t strong, weak;
    if (status == FR_OK && last >= FR_STAGE_EVAL) /* a wrong name fails now, not after training */
        status = fr_pair_find(&strong, &weak, &data, config);
    bool several = last >= FR_STAGE_EVAL && (config->eval.seeds > 1 || config->eval.folds > 0);
    if (status == FR_OK && several) {
        status = run_several(run, &data, &results, &count);
    } else if (status == FR_OK) {
        pass_result pass = {0};
        status = run_pass(run, &data, last, &pass);
        results = pass.results;
        count = pass.count;
        pass.results = NULL;
        pass_close(&pass);
    }
    if (status == FR_OK && last >= FR_STAGE_EVAL)
        status = finish(run, results, count, &data, last);
    for (int64_t i = 0; i < count; i++)
        fr_result_close(&results[i]);
    free(results);
    fr_dataset_close(&data);
    return status;
}

fr_status fr_pipeline(const fr_config *config, const char *out, fr_stage last)
{
    FR_TRY(fr_config_check(config));
    FR_TRY(fr_check_routers(config));
    fr_device *device;
    FR_TRY(fr_run_device_open(&device, config, out));
    char *cache = fr_cache_folder(config, out);
    int lock;
    fr_status status = fr_run_folder_open(&lock, config, out, cache, device);
    if (status == FR_OK) {
        if (fr_comm_ranks() > 1)
            fr_log("%s; %d ranks, %d on this node", device->description, fr_comm_ranks(), fr_comm_local_ranks());
        else
            fr_log("%s", device->description);
        fr_run run = {.config = config, .out = out, .cache = cache, .variant = "", .device = device};
        status = run_stages(&run, last);
        fr_run_close(&run);
        if (status != FR_OK && status != FR_INTERRUPTED)
            fr_log_event("failed", "error=s", fr_error_text());
        fr_run_folder_close(lock);
    }
    free(cache);
    fr_device_close(device);
    return status;
}
