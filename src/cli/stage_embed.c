#include "data_cache.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"
#include "io/h5.h"
#include "nn/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EMBED_VERSION 1

void fr_texts_close(fr_texts *texts)
{
    free(texts->prompt);
    free(texts->description);
    free(texts->encoder_folder);
    fr_tokens_close(&texts->tokens);
    *texts = (fr_texts){0};
}

const char *fr_texts_origin(const fr_texts *texts)
{
    return texts->encoder_folder ? texts->encoder_folder : "embeddings of the data";
}

/* Hash of what is embedded, so that other splits or scores over the same texts embed nothing again. */
static void texts_hash(char hex[FR_HASH_CHARS], const fr_dataset *data)
{
    fr_hash *hash = fr_hash_create();
    for (int64_t i = 0; i < data->N; i++) {
        fr_hash_add_text(hash, data->text[i]);
        fr_hash_add_text(hash, data->description[i]);
    }
    fr_hash_end(hash, hex);
}

static fr_status write_fresh(const fr_run *run, const fr_tokenizer *tokenizer, const char *folder)
{
    fr_encoder_shape shape;
    fr_encoder_shape_fresh(&shape, run->config, fr_tokenizer_size(tokenizer));
    fr_params params;
    fr_params_create(&params, run->device);
    fr_encoder *encoder = fr_encoder_create(&shape, &params, "", 0, shape.max_tokens, 1);
    fr_params_commit(&params);
    fr_encoder_commit(encoder);
    fr_encoder_init(encoder, (uint64_t)run->config->top.seed);
    fr_status status = fr_encoder_export(encoder, tokenizer, folder);
    fr_encoder_close(encoder);
    fr_params_close(&params);
    return status;
}

/* encoder.init random: writes a fresh encoder with its tokenizer as a folder of the cache, once. */
static fr_status fresh_folder(char **folder, const fr_run *run, const fr_dataset *data, const char *texts)
{
    const fr_config *config = run->config;
    fr_tokenizer *tokenizer = NULL;
    if (config->encoder.path[0])
        FR_TRY(fr_tokenizer_open(&tokenizer, config->encoder.path));
    else
        FR_TRY(fr_tokenizer_build(&tokenizer, data->text, data->N, config->encoder.vocabulary));
    char seed[32];
    snprintf(seed, sizeof seed, "%lld", (long long)config->top.seed);
    fr_key key = FR_KEY("encoder", EMBED_VERSION, config, "E", NULL, fr_tokenizer_hash(tokenizer), texts, seed);
    *folder = fr_cache_path(run->cache, "encoder", key, "");
    char *weights = fr_path_join(*folder, "model.safetensors"); /* the last file that is written */
    bool made = false;
    fr_cache_lock lock = {0};
    fr_status status = fr_make_folders(*folder);
    if (status == FR_OK)
        status = fr_cache_take(&lock, &made, weights);
    if (status == FR_OK && !made)
        status = fr_comm_agree(fr_is_root() ? write_fresh(run, tokenizer, *folder) : FR_OK);
    fr_cache_release(&lock);
    free(weights);
    fr_tokenizer_close(tokenizer);
    return status;
}

typedef struct open_encoder {
    fr_params params;
    fr_encoder *encoder;
    int64_t batch;
} open_encoder;

static fr_status encoder_open(open_encoder *open, const fr_run *run, const fr_encoder_shape *shape, const char *folder)
{
    open->batch = fr_encoder_batch_tokens(run->config, run->device, shape, false);
    fr_params_create(&open->params, run->device);
    open->encoder = fr_encoder_create(shape, &open->params, "", 0, open->batch, open->batch / 2);
    FR_TRY(fr_encoder_check_memory(open->encoder));
    fr_params_commit(&open->params);
    fr_encoder_commit(open->encoder);
    return fr_encoder_load(open->encoder, folder);
}

static void encoder_close(open_encoder *open)
{
    fr_encoder_close(open->encoder);
    fr_params_close(&open->params);
}

fr_status fr_texts_embed(float *out, const fr_run *run, const fr_texts *texts, const char *const *text, int64_t count)
{
    fr_encoder_shape shape;
    FR_TRY(fr_encoder_shape_read(&shape, texts->encoder_folder, run->config));
    fr_tokenizer *tokenizer;
    FR_TRY(fr_tokenizer_open(&tokenizer, texts->encoder_folder));
    fr_tokens tokens = {0};
    fr_tokenize(&tokens, tokenizer, text, count, shape.max_tokens);
    open_encoder open;
    fr_status status = encoder_open(&open, run, &shape, texts->encoder_folder);
    if (status == FR_OK)
        status = fr_encoder_embed(open.encoder, out, &tokens, "embed names", open.batch);
    encoder_close(&open);
    fr_tokens_close(&tokens);
    fr_tokenizer_close(tokenizer);
    return status;
}

static fr_status embed_texts(fr_texts *texts, const fr_run *run, const fr_dataset *data, const fr_tokenizer *tokenizer,
                             const fr_encoder_shape *shape)
{
    fr_tokens descriptions = {0};
    fr_tokenize(&descriptions, tokenizer, data->description, data->N, shape->max_tokens);
    open_encoder open;
    fr_status status;
    FR_TRY_GOTO(encoder_open(&open, run, shape, texts->encoder_folder), done);
    FR_TRY_GOTO(fr_encoder_embed(open.encoder, texts->prompt, &texts->tokens, "embed prompts", open.batch), done);
    FR_TRY_GOTO(fr_encoder_embed(open.encoder, texts->description, &descriptions, "embed descriptions", open.batch),
                done);
    for (int64_t i = 0; i < data->N; i++)
        if (!data->description[i][0])
            memcpy(texts->description + i * texts->d, texts->prompt + i * texts->d, (size_t)texts->d * sizeof(float));
done:
    encoder_close(&open);
    fr_tokens_close(&descriptions);
    return status;
}

static fr_status write_cached(const fr_texts *texts, const char *path)
{
    if (!fr_is_root())
        return FR_OK;
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, "finerouter-embeddings", EMBED_VERSION));
    const int64_t shape[2] = {texts->N, texts->d};
    fr_status status = fr_h5_write(file, "/prompt", FR_H5_F32, 2, shape, texts->prompt);
    if (status == FR_OK)
        status = fr_h5_write(file, "/description", FR_H5_F32, 2, shape, texts->description);
    if (status == FR_OK)
        return fr_h5_commit(file);
    fr_h5_close(file);
    return status;
}

static fr_status read_cached(const fr_texts *texts, const char *path)
{
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, "finerouter-embeddings", EMBED_VERSION));
    const int64_t shape[2] = {texts->N, texts->d};
    fr_status status = fr_h5_read(file, "/prompt", FR_H5_F32, 2, shape, texts->prompt);
    if (status == FR_OK)
        status = fr_h5_read(file, "/description", FR_H5_F32, 2, shape, texts->description);
    fr_h5_close(file);
    return status;
}

/* Token ids out of the data file where it holds them, else made. */
static fr_status take_tokens(fr_texts *texts, const fr_run *run, const fr_dataset *data, const fr_tokenizer *tokenizer)
{
    bool found = false;
    if (run->config->data.file[0])
        FR_TRY(fr_data_cache_read_tokens(&found, texts, tokenizer, run->config->data.file));
    if (!found)
        fr_tokenize(&texts->tokens, tokenizer, data->text, data->N, texts->max_tokens);
    texts->truncated = texts->tokens.truncated;
    if (texts->truncated)
        fr_log("%lld of %lld prompts are longer than %lld tokens and were cut", (long long)texts->truncated,
               (long long)data->N, (long long)texts->max_tokens);
    return FR_OK;
}

/* Embeddings out of the run cache or the data file, else made and cached. */
static fr_status take_embeddings(bool *reused, fr_texts *texts, const fr_run *run, const fr_dataset *data,
                                 const fr_tokenizer *tokenizer, const fr_encoder_shape *shape)
{
    char *cached = fr_cache_path(run->cache, "embed", texts->key, ".h5");
    fr_cache_lock lock;
    fr_status status = fr_cache_take(&lock, reused, cached);
    if (status == FR_OK && *reused)
        status = read_cached(texts, cached);
    else if (status == FR_OK && run->config->data.file[0])
        status = fr_data_cache_read(reused, texts, run->config->data.file);
    if (status == FR_OK && !*reused) {
        status = embed_texts(texts, run, data, tokenizer, shape);
        if (status == FR_OK)
            status = write_cached(texts, cached);
    }
    fr_cache_release(&lock);
    free(cached);
    return status;
}

/* unit = x / |x|; no row is all zero (fr_dataset_check).   x, unit (d) */
static void unit_row(float *unit, const float *x, int64_t d)
{
    double square = 0;
    for (int64_t c = 0; c < d; c++)
        square += (double)x[c] * x[c];
    for (int64_t c = 0; c < d; c++)
        unit[c] = (float)(x[c] / sqrt(square));
}

/* encoder.embeddings: data. A prompt's own stands for its description too. */
static fr_status take_from_data(const fr_run *run, const fr_dataset *data, fr_texts *texts)
{
    const fr_config *config = run->config;
    int64_t N = data->N, d = data->embedding_width;
    if (!data->embedding)
        return fr_fail(FR_FAILED,
                       "%s: has no /prompts/embedding; want encoder.embeddings: text, or a data file with them",
                       config->data.file[0]     ? config->data.file
                       : config->data.import[0] ? config->data.import
                                                : "synthetic data");
    char content[FR_HASH_CHARS];
    fr_hash *hash = fr_hash_create();
    fr_hash_add(hash, &d, sizeof d);
    fr_hash_add(hash, data->embedding, (size_t)(N * d) * sizeof(float));
    fr_hash_end(hash, content);
    texts->key = FR_KEY("embeddings of the data", EMBED_VERSION, config, "E", NULL, content);
    texts->N = N;
    texts->d = d;
    texts->prompt = FR_NEW(float, N *d);
    texts->description = FR_NEW(float, N *d);
    size_t bytes = (size_t)(N * d) * sizeof(float);
    if (config->encoder.normalize == FR_NORMALIZE_FALSE)
        memcpy(texts->prompt, data->embedding, bytes);
    else
        for (int64_t i = 0; i < N; i++)
            unit_row(texts->prompt + i * d, data->embedding + i * d, d);
    memcpy(texts->description, texts->prompt, bytes);
    return FR_OK;
}

/* encoder.embeddings: text. */
static fr_status make_from_text(fr_run *run, const fr_dataset *data, fr_texts *texts, bool *reused)
{
    const fr_config *config = run->config;
    char texts_hex[FR_HASH_CHARS], folder_hex[FR_HASH_CHARS];
    texts_hash(texts_hex, data);
    if (config->encoder.init == FR_INIT_RANDOM)
        FR_TRY(fresh_folder(&texts->encoder_folder, run, data, texts_hex));
    else
        texts->encoder_folder = config->encoder.path[0] ? fr_strdup(config->encoder.path) : fr_encoder_default_folder();
    if (!fr_is_folder(texts->encoder_folder))
        return fr_fail(
            FR_FAILED,
            "%s: no encoder there; run scripts/get-encoder.sh, or set encoder.path to a sentence-transformers folder",
            texts->encoder_folder);
    FR_TRY(fr_encoder_folder_hash(folder_hex, texts->encoder_folder));
    fr_encoder_shape shape;
    FR_TRY(fr_encoder_shape_read(&shape, texts->encoder_folder, config));
    fr_tokenizer *tokenizer;
    FR_TRY(fr_tokenizer_open(&tokenizer, texts->encoder_folder));
    texts->key = FR_KEY("embed", EMBED_VERSION, config, "E", run->device, texts_hex, folder_hex);
    texts->N = data->N;
    texts->d = shape.hidden;
    texts->max_tokens = shape.max_tokens;
    texts->prompt = FR_NEW(float, data->N *shape.hidden);
    texts->description = FR_NEW(float, data->N *shape.hidden);
    fr_status status = take_tokens(texts, run, data, tokenizer);
    if (status == FR_OK)
        status = take_embeddings(reused, texts, run, data, tokenizer, &shape);
    if (status == FR_OK && config->encoder.store && config->data.file[0] && fr_is_root())
        status = fr_data_cache_write(texts, tokenizer, config->data.file);
    fr_tokenizer_close(tokenizer);
    return status;
}

fr_status fr_stage_embed(fr_run *run, const fr_dataset *data, fr_texts *texts)
{
    double start = fr_seconds();
    bool reused = false;
    fr_status status = run->config->encoder.embeddings == FR_EMBEDDINGS_DATA
                           ? take_from_data(run, data, texts)
                           : make_from_text(run, data, texts, &reused);
    fr_run_seconds(run, "embed", reused ? 0 : fr_seconds() - start);
    return status;
}
