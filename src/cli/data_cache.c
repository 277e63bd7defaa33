#include "data_cache.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "io/h5.h"

#include <stdlib.h>

static char *embedding_name(const fr_texts *texts, const char *what)
{
    return fr_format("/embeddings/%s/%s", texts->key.hex, what);
}

static char *token_name(const fr_texts *texts, const char *tokenizer_hash, const char *what)
{
    return fr_format("/tokens/%s-%lld/%s", tokenizer_hash, (long long)texts->max_tokens, what);
}

static fr_status read_matrix(fr_h5 *file, const fr_texts *texts, const char *what, float *out)
{
    char *name = embedding_name(texts, what);
    const int64_t shape[2] = {texts->N, texts->d};
    fr_status status = fr_h5_read(file, name, FR_H5_F32, 2, shape, out);
    free(name);
    return status;
}

fr_status fr_data_cache_read(bool *found, const fr_texts *texts, const char *path)
{
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    char *name = embedding_name(texts, "description");
    *found = fr_h5_has(file, name);
    free(name);
    fr_status status = FR_OK;
    if (*found)
        status = read_matrix(file, texts, "prompt", texts->prompt);
    if (*found && status == FR_OK)
        status = read_matrix(file, texts, "description", texts->description);
    fr_h5_close(file);
    return status;
}

/* Offsets rise from 0 to the number of ids and no text is longer than max_tokens; else the file was damaged or made by
 * hand. */
static fr_status check_tokens(const fr_texts *texts, int64_t vocabulary, int64_t count, const char *path)
{
    const fr_tokens *tokens = &texts->tokens;
    for (int64_t i = 0; i < tokens->count; i++) {
        int64_t length = tokens->offset[i + 1] - tokens->offset[i];
        if (length < 2 || length > texts->max_tokens)
            return fr_fail(FR_FAILED, "%s: /tokens: prompt %lld has %lld tokens, want 2 to %lld", path, (long long)i,
                           (long long)length, (long long)texts->max_tokens);
    }
    if (tokens->offset[0] != 0 || tokens->offset[tokens->count] != count)
        return fr_fail(FR_FAILED, "%s: /tokens: offsets run from %lld to %lld, want 0 to %lld", path,
                       (long long)tokens->offset[0], (long long)tokens->offset[tokens->count], (long long)count);
    for (int64_t i = 0; i < count; i++)
        if (tokens->ids[i] < 0 || tokens->ids[i] >= vocabulary)
            return fr_fail(FR_FAILED, "%s: /tokens: id %d at %lld, want 0 to %lld", path, tokens->ids[i], (long long)i,
                           (long long)vocabulary - 1);
    return FR_OK;
}

static fr_status read_tokens(fr_h5 *file, fr_texts *texts, const fr_tokenizer *tokenizer)
{
    const char *hash = fr_tokenizer_hash(tokenizer);
    char *ids = token_name(texts, hash, "ids"), *offset = token_name(texts, hash, "offset"),
         *truncated = token_name(texts, hash, "truncated");
    int64_t count = 0;
    fr_tokens *tokens = &texts->tokens;
    tokens->count = texts->N;
    tokens->offset = FR_NEW(int64_t, texts->N + 1);
    const int64_t offsets[1] = {texts->N + 1};
    void *data = NULL;
    fr_status status = fr_h5_read(file, offset, FR_H5_I64, 1, offsets, tokens->offset);
    if (status == FR_OK)
        status = fr_h5_read(file, truncated, FR_H5_I64, 0, NULL, &tokens->truncated);
    if (status == FR_OK)
        status = fr_h5_read_new(file, ids, FR_H5_I32, 1, &count, &data);
    tokens->ids = data;
    free(ids);
    free(offset);
    free(truncated);
    return status == FR_OK ? check_tokens(texts, fr_tokenizer_size(tokenizer), count, fr_h5_path(file)) : status;
}

fr_status fr_data_cache_read_tokens(bool *found, fr_texts *texts, const fr_tokenizer *tokenizer, const char *path)
{
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    char *name = token_name(texts, fr_tokenizer_hash(tokenizer), "ids");
    *found = fr_h5_has(file, name);
    free(name);
    fr_status status = *found ? read_tokens(file, texts, tokenizer) : FR_OK;
    fr_h5_close(file);
    return status;
}

static fr_status write_one(fr_h5 *file, char *name, fr_h5_type type, int rank, const int64_t *shape, const void *data)
{
    fr_status status = fr_h5_has(file, name) ? FR_OK : fr_h5_write(file, name, type, rank, shape, data);
    free(name);
    return status;
}

static fr_status all_there(bool *there, const fr_texts *texts, const fr_tokenizer *tokenizer, const char *path)
{
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    char *ids = token_name(texts, fr_tokenizer_hash(tokenizer), "ids"), *last = embedding_name(texts, "description");
    *there = fr_h5_has(file, ids) && fr_h5_has(file, last);
    free(ids);
    free(last);
    fr_h5_close(file);
    return FR_OK;
}

fr_status fr_data_cache_write(const fr_texts *texts, const fr_tokenizer *tokenizer, const char *path)
{
    bool there;
    FR_TRY(all_there(&there, texts, tokenizer, path));
    if (there)
        return FR_OK;
    fr_h5 *file;
    FR_TRY(fr_h5_extend(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    const fr_tokens *tokens = &texts->tokens;
    const int64_t matrix[2] = {texts->N, texts->d}, offsets[1] = {texts->N + 1}, ids[1] = {tokens->offset[texts->N]};
    fr_status status;
    FR_TRY_GOTO(write_one(file, embedding_name(texts, "prompt"), FR_H5_F32, 2, matrix, texts->prompt), fail);
    FR_TRY_GOTO(write_one(file, embedding_name(texts, "description"), FR_H5_F32, 2, matrix, texts->description), fail);
    FR_TRY_GOTO(write_one(file, token_name(texts, fr_tokenizer_hash(tokenizer), "offset"), FR_H5_I64, 1, offsets,
                          tokens->offset),
                fail);
    FR_TRY_GOTO(write_one(file, token_name(texts, fr_tokenizer_hash(tokenizer), "truncated"), FR_H5_I64, 0, NULL,
                          &tokens->truncated),
                fail);
    FR_TRY_GOTO(write_one(file, token_name(texts, fr_tokenizer_hash(tokenizer), "ids"), FR_H5_I32, 1, ids, tokens->ids),
                fail);
    fr_log("%s: token ids and embeddings stored", path);
    return fr_h5_commit(file);
fail:
    fr_h5_close(file);
    return status;
}
