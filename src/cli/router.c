#include "finerouter/router.h"

#include "base/files.h"
#include "base/memory.h"
#include "finerouter/route.h"
#include "io/h5.h"
#include "io/utf8.h"
#include "nn/encoder.h"
#include "stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUTER_FORMAT "finerouter-router"
#define ROUTER_VERSION 1
#define ROUTE_BATCH 256 /* prompts the models are laid out for at once */

/* ---- writing ---- */

static fr_status write_facts(fr_h5 *file, const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                             const fr_products *products)
{
    const fr_tasks *tasks = &products->tasks;
    char hash[FR_HASH_CHARS] = "";
    if (texts->encoder_folder)
        FR_TRY(fr_encoder_folder_hash(hash, texts->encoder_folder));
    FR_TRY(fr_h5_set_text(file, "encoder", fr_texts_origin(texts)));
    FR_TRY(fr_h5_set_text(file, "encoder_hash", hash));
    FR_TRY(fr_h5_set_number(file, "theta", products->theta));
    FR_TRY(fr_h5_set_number(file, "alpha", products->alpha));
    FR_TRY(fr_h5_set_integer(file, "d", texts->d));
    FR_TRY(fr_h5_set_integer(file, "T", tasks->T));
    FR_TRY(fr_h5_set_integer(file, "M", data->M));
    char *text = fr_config_text(run->config);
    fr_status status = fr_h5_write_text(file, "/config", text);
    free(text);
    FR_TRY(status);
    const int64_t models[1] = {data->M}, sets[2] = {tasks->T, data->M}, rows[2] = {tasks->T + 1, data->M};
    double *cost = FR_NEW(double, data->M);
    fr_expected_cost(cost, data);
    status = fr_h5_write(file, "/models/expected_cost", FR_H5_F64, 1, models, cost);
    free(cost);
    FR_TRY(status);
    FR_TRY(fr_h5_write_texts(file, "/models/name", data->M, data->model));
    FR_TRY(fr_h5_write(file, "/models/input_usd_per_mtok", FR_H5_F64, 1, models, data->input_price));
    FR_TRY(fr_h5_write(file, "/models/output_usd_per_mtok", FR_H5_F64, 1, models, data->output_price));
    FR_TRY(fr_h5_write_texts(file, "/tasks/name", tasks->T, (const char *const *)tasks->name));
    FR_TRY(fr_h5_write(file, "/tasks/candidates", FR_H5_U8, 2, sets, tasks->candidates));
    return fr_h5_write(file, "/stage1", FR_H5_F32, 2, rows, tasks->stage1);
}

fr_status fr_router_write(const char *path, const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                          const fr_products *products)
{
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, ROUTER_FORMAT, ROUTER_VERSION));
    fr_status status;
    FR_TRY_GOTO(write_facts(file, run, data, texts, products), fail);
    FR_TRY_GOTO(fr_classifier_save(products->classifier, file), fail);
    FR_TRY_GOTO(fr_estimator_save(products->estimator, file), fail);
    FR_TRY_GOTO(fr_estimator_save_tasks(products->estimator, file), fail);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}

/* ---- reading ---- */

struct fr_router {
    fr_config config;
    fr_device *device;
    fr_tokenizer *tokenizer;
    fr_params params; /* of the untrained encoder */
    fr_encoder *encoder;
    fr_classifier *classifier;
    fr_estimator *estimator;
    fr_training training;
    fr_dataset models; /* only M, names and prices */
    char **model_names, **task_names;
    char *encoder_folder;
    int64_t T, M, d, max_tokens, batch_tokens;
    uint8_t *candidates;
    float *stage1;
    double *cost, theta, alpha, tolerance;
};

void fr_router_close(fr_router *router)
{
    if (!router)
        return;
    fr_classifier_close(router->classifier);
    fr_estimator_close(router->estimator);
    fr_encoder_close(router->encoder);
    fr_params_close(&router->params);
    fr_tokenizer_close(router->tokenizer);
    fr_device_close(router->device);
    fr_config_close(&router->config);
    fr_h5_texts_free(router->model_names, router->M);
    fr_h5_texts_free(router->task_names, router->T);
    free(router->encoder_folder);
    free(router->candidates);
    free(router->stage1);
    free(router->cost);
    free(router);
}

static fr_status read_facts(fr_router *r, fr_h5 *file)
{
    char *config_text;
    FR_TRY(fr_h5_read_text(file, "/config", &config_text));
    fr_config_defaults(&r->config);
    fr_status status = fr_config_read_text(&r->config, config_text, fr_h5_path(file));
    free(config_text);
    if (status != FR_OK)
        return FR_FAILED;
    int64_t names = 0, tasks = 0;
    FR_TRY(fr_h5_get_number(file, "theta", &r->theta));
    FR_TRY(fr_h5_get_number(file, "alpha", &r->alpha));
    FR_TRY(fr_h5_get_integer(file, "d", &r->d));
    FR_TRY(fr_h5_read_texts(file, "/models/name", &names, &r->model_names));
    r->M = names;
    FR_TRY(fr_h5_read_texts(file, "/tasks/name", &tasks, &r->task_names));
    r->T = tasks;
    if (r->M < 2 || r->d < 1)
        return fr_fail(FR_FAILED, "%s: holds %lld models and d = %lld, want at least 2 and 1", fr_h5_path(file),
                       (long long)r->M, (long long)r->d);
    const int64_t models[1] = {r->M}, sets[2] = {r->T, r->M}, rows[2] = {r->T + 1, r->M};
    r->cost = FR_NEW(double, r->M);
    r->candidates = FR_NEW(uint8_t, r->T * r->M);
    r->stage1 = FR_NEW(float, (r->T + 1) * r->M);
    FR_TRY(fr_h5_read(file, "/models/expected_cost", FR_H5_F64, 1, models, r->cost));
    FR_TRY(fr_h5_read(file, "/tasks/candidates", FR_H5_U8, 2, sets, r->candidates));
    FR_TRY(fr_h5_read(file, "/stage1", FR_H5_F32, 2, rows, r->stage1));
    r->tolerance = r->config.route.tolerance;
    return FR_OK;
}

static fr_status open_encoder(fr_router *r, fr_h5 *file, const char *encoder)
{
    char *recorded_hash, hash[FR_HASH_CHARS];
    if (r->config.encoder.embeddings == FR_EMBEDDINGS_DATA)
        return fr_fail(FR_FAILED,
                       "%s: was trained on embeddings that came with the data (encoder.embeddings: data) and has no "
                       "text encoder to embed a new prompt; want a router of a run with encoder.embeddings: text",
                       fr_h5_path(file));
    if (encoder)
        r->encoder_folder = fr_strdup(encoder);
    else
        FR_TRY(fr_h5_get_text(file, "encoder", &r->encoder_folder));
    if (!fr_is_folder(r->encoder_folder))
        return fr_fail(FR_FAILED, "%s: the text encoder of this router is not there; give its folder with --encoder",
                       r->encoder_folder);
    FR_TRY(fr_encoder_folder_hash(hash, r->encoder_folder));
    FR_TRY(fr_h5_get_text(file, "encoder_hash", &recorded_hash));
    bool same = strcmp(hash, recorded_hash) == 0;
    free(recorded_hash);
    if (!same)
        return fr_fail(FR_FAILED, "%s: is not the text encoder that %s was trained on (its content differs)",
                       r->encoder_folder, fr_h5_path(file));
    FR_TRY(fr_device_open(&r->device, r->config.top.device, (int)r->config.top.threads));
    fr_encoder_shape shape;
    FR_TRY(fr_encoder_shape_read(&shape, r->encoder_folder, &r->config));
    if (shape.hidden != r->d)
        return fr_fail(FR_FAILED, "%s: width %lld, want %lld as in %s", r->encoder_folder, (long long)shape.hidden,
                       (long long)r->d, fr_h5_path(file));
    FR_TRY(fr_tokenizer_open(&r->tokenizer, r->encoder_folder));
    r->max_tokens = shape.max_tokens;
    int64_t batch = r->batch_tokens = fr_encoder_batch_tokens(&r->config, r->device, &shape, false);
    fr_params_create(&r->params, r->device);
    r->encoder = fr_encoder_create(&shape, &r->params, "", 0, batch, batch / 2);
    FR_TRY(fr_encoder_check_memory(r->encoder));
    fr_params_commit(&r->params);
    fr_encoder_commit(r->encoder);
    return fr_encoder_load(r->encoder, r->encoder_folder);
}

static fr_status open_parts(fr_router *r, fr_h5 *file, const char *encoder)
{
    FR_TRY(read_facts(r, file));
    FR_TRY(open_encoder(r, file, encoder));
    r->models = (fr_dataset){.N = ROUTE_BATCH, .M = r->M, .model = (const char **)r->model_names};
    r->training = (fr_training){
        .config = &r->config, .data = &r->models, .device = r->device, .d = r->d, .encoder_folder = r->encoder_folder};
    FR_TRY(fr_classifier_restore(&r->classifier, &r->training, r->T, file));
    FR_TRY(fr_estimator_restore(&r->estimator, &r->training, file));
    return fr_estimator_restore_tasks(r->estimator, &r->training, r->candidates, r->T, file);
}

fr_status fr_router_open(fr_router **router, const char *folder_or_file, const char *encoder)
{
    char *path = fr_is_folder(folder_or_file) ? fr_path_join(folder_or_file, "router.h5") : fr_strdup(folder_or_file);
    fr_h5 *file;
    fr_status status = fr_h5_open(&file, path, ROUTER_FORMAT, ROUTER_VERSION);
    free(path);
    FR_TRY(status);
    fr_router *r = FR_NEW(fr_router, 1);
    status = open_parts(r, file, encoder);
    fr_h5_close(file);
    if (status != FR_OK) {
        fr_router_close(r);
        r = NULL;
    }
    *router = r;
    return status;
}

int64_t fr_router_models(const fr_router *router)
{
    return router->M;
}

int64_t fr_router_tasks(const fr_router *router)
{
    return router->T;
}

const char *fr_router_model_name(const fr_router *router, int64_t m)
{
    FR_CHECK(m >= 0 && m < router->M, "model %lld of %lld", (long long)m, (long long)router->M);
    return router->model_names[m];
}

const char *fr_router_task_name(const fr_router *router, int32_t t)
{
    FR_CHECK(t >= -1 && t < router->T, "task %d of %lld", t, (long long)router->T);
    return t < 0 ? "Others" : router->task_names[t];
}

double fr_router_cost(const fr_router *router, int64_t m)
{
    FR_CHECK(m >= 0 && m < router->M, "model %lld of %lld", (long long)m, (long long)router->M);
    return router->cost[m];
}

double fr_router_alpha(const fr_router *router)
{
    return router->alpha;
}

double fr_router_tolerance(const fr_router *router)
{
    return router->tolerance;
}

fr_status fr_router_set(fr_router *router, double alpha, double tolerance)
{
    if (!(alpha >= 0 && alpha <= 1))
        return fr_fail(FR_USAGE, "alpha is %g, want 0 to 1", alpha);
    if (!(tolerance >= 0 && tolerance <= 1))
        return fr_fail(FR_USAGE, "tolerance is %g, want 0 to 1", tolerance);
    router->alpha = alpha;
    router->tolerance = tolerance;
    return FR_OK;
}

void fr_decisions_create(fr_decisions *decisions, const fr_router *router, int64_t n)
{
    int64_t M = router->M;
    *decisions = (fr_decisions){.task = FR_NEW(int32_t, n),
                                .probability = FR_NEW(float, n),
                                .s1 = FR_NEW(float, n *M),
                                .s2 = FR_NEW(float, n *M),
                                .score = FR_NEW(float, n *M),
                                .ranking = FR_NEW(int32_t, n * M),
                                .choice = FR_NEW(int32_t, n)};
}

void fr_decisions_close(fr_decisions *decisions)
{
    free(decisions->task);
    free(decisions->probability);
    free(decisions->s1);
    free(decisions->s2);
    free(decisions->score);
    free(decisions->ranking);
    free(decisions->choice);
    *decisions = (fr_decisions){0};
}

fr_status fr_router_route(fr_router *router, fr_decisions *out, const char *const *text, int64_t n)
{
    int64_t T = router->T, M = router->M;
    for (int64_t i = 0; i < n; i++) {
        int64_t bad = fr_utf8_invalid(text[i], strlen(text[i]));
        if (bad >= 0)
            return fr_fail(FR_FAILED, "prompt %lld: invalid UTF-8 at byte %lld", (long long)i + 1, (long long)bad + 1);
        if (fr_utf8_blank(text[i]))
            return fr_fail(FR_FAILED, "prompt %lld is empty", (long long)i + 1);
    }
    fr_tokens tokens = {0};
    fr_tokenize(&tokens, router->tokenizer, text, n, router->max_tokens);
    float *embedding = FR_NEW(float, n * router->d), *logits = FR_NEW(float, n *T),
          *hidden = FR_NEW(float, n * router->d);
    fr_status status;
    FR_TRY_GOTO(
        fr_encoder_embed(router->encoder, embedding, &tokens, n >= 1000 ? "embed prompts" : NULL, router->batch_tokens),
        done);
    FR_TRY_GOTO(fr_classifier_apply(router->classifier, logits, embedding, &tokens, n), done);
    fr_assign(out->task, out->probability, logits, n, T, router->theta);
    FR_TRY_GOTO(fr_estimator_hidden_apply(router->estimator, hidden, embedding, &tokens, n), done);
    FR_TRY_GOTO(fr_estimator_apply(router->estimator, out->s2, hidden, out->task, n), done);
    fr_stage1_scores(out->s1, router->stage1, logits, out->task, n, T, M, router->config.route.assignment,
                     router->theta, router->config.route.temperature);
    fr_mix(out->score, out->s1, out->s2, n, M, router->alpha);
    for (int64_t i = 0; i < n; i++) {
        fr_rank(out->ranking + i * M, out->score + i * M, out->s2 + i * M, router->cost, M);
        out->choice[i] = router->tolerance > 0
                             ? fr_choose(out->score + i * M, out->s2 + i * M, router->cost, M, router->tolerance)
                             : out->ranking[i * M];
    }
done:
    fr_tokens_close(&tokens);
    free(embedding);
    free(logits);
    free(hidden);
    return status;
}
