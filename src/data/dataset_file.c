#include "finerouter/dataset.h"

#include "base/memory.h"
#include "build.h"
#include "io/h5.h"

#include <stdlib.h>
#include <string.h>

static const char embedding_name[] = "/prompts/embedding";

static fr_status write_all(fr_h5 *file, const fr_dataset *data)
{
    int64_t N = data->N, M = data->M, matrix[2] = {N, M};
    const char **source = FR_NEW(const char *, N);
    for (int64_t i = 0; i < N; i++)
        source[i] = data->source_name[data->source[i]];
    fr_status status;
    FR_TRY_GOTO(fr_h5_set_text(file, "hash", data->hash), done);
    FR_TRY_GOTO(fr_h5_write_texts(file, "/prompts/id", N, data->id), done);
    FR_TRY_GOTO(fr_h5_write_texts(file, "/prompts/text", N, data->text), done);
    FR_TRY_GOTO(fr_h5_write_texts(file, "/prompts/description", N, data->description), done);
    FR_TRY_GOTO(fr_h5_write_texts(file, "/prompts/source", N, source), done);
    FR_TRY_GOTO(fr_h5_write(file, "/prompts/split", FR_H5_I8, 1, &N, data->split), done);
    if (data->planted)
        FR_TRY_GOTO(fr_h5_write(file, "/prompts/task", FR_H5_I32, 1, &N, data->planted), done);
    if (data->embedding) {
        const int64_t shape[2] = {N, data->embedding_width};
        FR_TRY_GOTO(fr_h5_write(file, embedding_name, FR_H5_F32, 2, shape, data->embedding), done);
    }
    FR_TRY_GOTO(fr_h5_write_texts(file, "/models/name", M, data->model), done);
    FR_TRY_GOTO(fr_h5_write(file, "/models/input_usd_per_mtok", FR_H5_F64, 1, &M, data->input_price), done);
    FR_TRY_GOTO(fr_h5_write(file, "/models/output_usd_per_mtok", FR_H5_F64, 1, &M, data->output_price), done);
    FR_TRY_GOTO(fr_h5_write(file, "/quality", FR_H5_F32, 2, matrix, data->quality), done);
    FR_TRY_GOTO(fr_h5_write(file, "/cost", FR_H5_F32, 2, matrix, data->cost), done);
done:
    free(source);
    return status;
}

fr_status fr_dataset_write(const fr_dataset *data, const char *path)
{
    FR_CHECK(data->hash[0], "%s: the data set is not sealed", path);
    fr_h5 *file;
    FR_TRY(fr_h5_create(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    fr_status status = write_all(file, data);
    if (status != FR_OK) {
        fr_h5_close(file);
        return status;
    }
    return fr_h5_commit(file);
}

/* Reads exactly `count` strings into the pool of `data`. */
static fr_status read_strings(fr_h5 *file, const char *name, fr_dataset *data, int64_t count, const char **out)
{
    char **text;
    int64_t found;
    FR_TRY(fr_h5_read_texts(file, name, &found, &text));
    if (found != count) {
        fr_h5_texts_free(text, found);
        return fr_fail(FR_FAILED, "%s: %s: is (%lld) string, want (%lld)", fr_h5_path(file), name, (long long)found,
                       (long long)count);
    }
    fr_strings *pool = fr_dataset_strings(data);
    for (int64_t i = 0; i < count; i++)
        out[i] = fr_strings_add(pool, text[i], strlen(text[i]));
    fr_h5_texts_free(text, found);
    return FR_OK;
}

static fr_status read_length(fr_h5 *file, const char *name, int64_t *length)
{
    int rank;
    int64_t shape[8];
    FR_TRY(fr_h5_shape(file, name, &rank, shape));
    if (rank != 1)
        return fr_fail(FR_FAILED, "%s: %s: has %d dimensions, want 1", fr_h5_path(file), name, rank);
    *length = shape[0];
    return FR_OK;
}

/* N and M come from the names; the matrices must agree before memory is taken for them. */
static fr_status read_sizes(fr_h5 *file, int64_t *N, int64_t *M)
{
    static const char *const matrices[] = {"/quality", "/cost"};
    FR_TRY(read_length(file, "/prompts/id", N));
    FR_TRY(read_length(file, "/models/name", M));
    for (int i = 0; i < 2; i++) {
        int rank;
        int64_t shape[8] = {0};
        FR_TRY(fr_h5_shape(file, matrices[i], &rank, shape));
        if (rank != 2 || shape[0] != *N || shape[1] != *M)
            return fr_fail(FR_FAILED, "%s: %s: is %lld x %lld (%d dimensions), want prompts x models, %lld x %lld",
                           fr_h5_path(file), matrices[i], (long long)shape[0], (long long)shape[1], rank, (long long)*N,
                           (long long)*M);
    }
    return FR_OK;
}

static fr_status read_sources(fr_h5 *file, fr_dataset *data)
{
    const char **name = FR_NEW(const char *, data->N);
    fr_status status = read_strings(file, "/prompts/source", data, data->N, name);
    if (status == FR_OK)
        fr_dataset_set_sources(data, name);
    free(name);
    return status;
}

static fr_status read_embedding(fr_h5 *file, fr_dataset *data)
{
    int rank;
    int64_t shape[8] = {0};
    FR_TRY(fr_h5_shape(file, embedding_name, &rank, shape));
    if (rank != 2 || shape[0] != data->N || shape[1] < 1 || shape[1] > FR_EMBEDDING_WIDEST)
        return fr_fail(FR_FAILED, "%s: %s: is %lld x %lld (%d dimensions), want prompts x width, %lld x 1 to %d",
                       fr_h5_path(file), embedding_name, (long long)shape[0], (long long)shape[1], rank,
                       (long long)data->N, FR_EMBEDDING_WIDEST);
    void *rows = NULL;
    FR_TRY(fr_h5_read_new(file, embedding_name, FR_H5_F32, 2, shape, &rows));
    data->embedding = rows;
    data->embedding_width = shape[1];
    return FR_OK;
}

static fr_status read_all(fr_h5 *file, fr_dataset *data)
{
    int64_t N, M;
    FR_TRY(read_sizes(file, &N, &M));
    fr_dataset_allocate(data, N, M);
    int64_t matrix[2] = {N, M};
    FR_TRY(read_strings(file, "/prompts/id", data, N, data->id));
    FR_TRY(read_strings(file, "/prompts/text", data, N, data->text));
    FR_TRY(read_strings(file, "/prompts/description", data, N, data->description));
    FR_TRY(read_sources(file, data));
    FR_TRY(fr_h5_read(file, "/prompts/split", FR_H5_I8, 1, &N, data->split));
    if (fr_h5_has(file, "/prompts/task")) {
        data->planted = FR_NEW(int32_t, N);
        FR_TRY(fr_h5_read(file, "/prompts/task", FR_H5_I32, 1, &N, data->planted));
    }
    if (fr_h5_has(file, embedding_name))
        FR_TRY(read_embedding(file, data));
    FR_TRY(read_strings(file, "/models/name", data, M, data->model));
    FR_TRY(fr_h5_read(file, "/models/input_usd_per_mtok", FR_H5_F64, 1, &M, data->input_price));
    FR_TRY(fr_h5_read(file, "/models/output_usd_per_mtok", FR_H5_F64, 1, &M, data->output_price));
    FR_TRY(fr_h5_read(file, "/quality", FR_H5_F32, 2, matrix, data->quality));
    return fr_h5_read(file, "/cost", FR_H5_F32, 2, matrix, data->cost);
}

fr_status fr_dataset_read(fr_dataset *data, const char *path)
{
    *data = (fr_dataset){0};
    fr_h5 *file;
    FR_TRY(fr_h5_open(&file, path, FR_DATA_FORMAT, FR_DATA_VERSION));
    fr_status status = read_all(file, data);
    if (status == FR_OK)
        status = fr_dataset_check(data, path);
    fr_h5_close(file);
    if (status == FR_OK)
        fr_dataset_seal(data);
    else
        fr_dataset_close(data);
    return status;
}
