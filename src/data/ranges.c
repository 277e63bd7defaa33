#include "ranges.h"

#include "base/memory.h"
#include "io/h5.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE = 4 << 20 }; /* bytes read at once */

void fr_ranges_close(fr_ranges *r)
{
    fr_h5_close(r->file);
    free(r->key);
    free(r->embedding);
    *r = (fr_ranges){0};
}

/* Counts training prompts, and notes where first .. first+count-1 of them stand (row NULL: none). */
static fr_status scan_splits(const fr_ranges *r, int64_t *row, int64_t first, int64_t count, int64_t *training)
{
    int8_t *split = fr_alloc(PIECE);
    fr_status status = FR_OK;
    *training = 0;
    for (int64_t at = 0; at < r->N && status == FR_OK; at += PIECE) {
        int64_t rows = r->N - at < PIECE ? r->N - at : PIECE;
        status = fr_h5_read_rows(r->file, "/prompts/split", FR_H5_I8, at, rows, split);
        for (int64_t i = 0; i < rows && status == FR_OK; i++) {
            if (split[i] != FR_SPLIT_TRAIN)
                continue;
            if (row && *training >= first && *training < first + count)
                row[*training - first] = at + i;
            ++*training;
        }
    }
    free(split);
    return status;
}

fr_status fr_ranges_training(const fr_ranges *r, int64_t *row, int64_t first, int64_t count)
{
    int64_t training;
    FR_TRY(scan_splits(r, row, first, count, &training));
    FR_CHECK(first >= 0 && first + count <= training, "training prompts %lld to %lld of %lld", (long long)first,
             (long long)(first + count), (long long)training);
    return FR_OK;
}

static fr_status check_matrix(const fr_ranges *r, const char *name, int64_t columns, int64_t *found)
{
    int rank;
    int64_t shape[8] = {0};
    FR_TRY(fr_h5_shape(r->file, name, &rank, shape));
    if (rank != 2 || shape[0] != r->N || (columns >= 0 && shape[1] != columns))
        return fr_fail(FR_FAILED, "%s: %s: is %lld x %lld (%d dimensions), want %lld prompts in 2 dimensions",
                       fr_h5_path(r->file), name, (long long)shape[0], (long long)shape[1], rank, (long long)r->N);
    *found = shape[1];
    return FR_OK;
}

static fr_status read_sizes(fr_ranges *r)
{
    static const char *const names[] = {"/prompts/split", "/models/name"};
    int64_t *const sizes[] = {&r->N, &r->M};
    int64_t columns;
    for (int i = 0; i < 2; i++) {
        int rank;
        int64_t shape[8];
        FR_TRY(fr_h5_shape(r->file, names[i], &rank, shape));
        if (rank != 1)
            return fr_fail(FR_FAILED, "%s: %s: has %d dimensions, want 1", fr_h5_path(r->file), names[i], rank);
        *sizes[i] = shape[0];
    }
    FR_TRY(check_matrix(r, "/quality", r->M, &columns));
    FR_TRY(check_matrix(r, "/cost", r->M, &columns));
    FR_TRY(scan_splits(r, NULL, 0, 0, &r->training));
    if (r->M < 1 || r->training < 1)
        return fr_fail(FR_FAILED, "%s: has %lld models and %lld training prompts, want at least one of each",
                       fr_h5_path(r->file), (long long)r->M, (long long)r->training);
    return FR_OK;
}

static fr_status choose_key(fr_ranges *r, const char *begin, char **key, int64_t keys)
{
    const char *path = fr_h5_path(r->file);
    int64_t fits = 0;
    for (int64_t i = 0; i < keys; i++)
        if (!begin || strncmp(key[i], begin, strlen(begin)) == 0) {
            fits++;
            free(r->key);
            r->key = fr_strdup(key[i]);
        }
    if (keys == 0)
        return fr_fail(FR_FAILED,
                       "%s: holds no embeddings; run `finerouter embed` with encoder.store: true first, which keeps "
                       "them in the data file",
                       path);
    if (fits == 0)
        return fr_fail(FR_FAILED, "%s: none of its %lld embeddings has a key that begins with %s; one is %s", path,
                       (long long)keys, begin, key[0]);
    if (fits > 1)
        return fr_fail(FR_FAILED, "%s: holds %lld embeddings; want --embeddings with the key of one, e.g. %s", path,
                       (long long)fits, r->key);
    return FR_OK;
}

static fr_status open_embedding(fr_ranges *r, int text, const char *begin)
{
    char **key;
    int64_t keys;
    FR_TRY(fr_h5_list(r->file, "/embeddings", &keys, &key));
    fr_status status = choose_key(r, begin, key, keys);
    fr_h5_texts_free(key, keys);
    FR_TRY(status);
    r->embedding = fr_format("/embeddings/%s/%s", r->key, text == FR_TEXT_DESCRIPTION ? "description" : "prompt");
    FR_TRY(check_matrix(r, r->embedding, -1, &r->d));
    if (r->d < 1)
        return fr_fail(FR_FAILED, "%s: %s: has no columns", fr_h5_path(r->file), r->embedding);
    return FR_OK;
}

static fr_status read_hash(fr_ranges *r)
{
    char *hash;
    FR_TRY(fr_h5_get_text(r->file, "hash", &hash));
    bool fits = strlen(hash) == FR_HASH_CHARS - 1;
    if (fits)
        memcpy(r->hash, hash, FR_HASH_CHARS);
    fr_status status = fits ? FR_OK
                            : fr_fail(FR_FAILED, "%s: attribute hash is \"%.60s\", want 32 hexadecimal digits",
                                      fr_h5_path(r->file), hash);
    free(hash);
    return status;
}

fr_status fr_ranges_open(fr_ranges *r, const char *path, int text, const char *key, bool verified)
{
    *r = (fr_ranges){0};
    fr_status status = verified ? fr_h5_open_verified(&r->file, path, FR_DATA_FORMAT, FR_DATA_VERSION)
                                : fr_h5_open(&r->file, path, FR_DATA_FORMAT, FR_DATA_VERSION);
    if (status == FR_OK)
        status = read_hash(r);
    if (status == FR_OK)
        status = read_sizes(r);
    if (status == FR_OK)
        status = open_embedding(r, text, key);
    if (status != FR_OK)
        fr_ranges_close(r);
    return status;
}

/* Pieces of the file from the first to the last row that is wanted; those without one are passed over. */
static fr_status read_picked(const fr_ranges *r, const char *name, int64_t columns, float *out, const int64_t *row,
                             int64_t count)
{
    int64_t most = PIECE / (int64_t)sizeof(float) / columns;
    most = most < 1 ? 1 : most;
    float *piece = FR_NEW(float, most *columns);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < count && status == FR_OK;) {
        int64_t from = row[i], end = i;
        while (end < count && row[end] < from + most)
            end++;
        status = fr_h5_read_rows(r->file, name, FR_H5_F32, from, row[end - 1] - from + 1, piece);
        for (; i < end && status == FR_OK; i++)
            memcpy(out + i * columns, piece + (row[i] - from) * columns, (size_t)columns * sizeof *out);
    }
    free(piece);
    return status;
}

fr_status fr_ranges_embedding(const fr_ranges *r, float *out, const int64_t *row, int64_t count)
{
    return read_picked(r, r->embedding, r->d, out, row, count);
}

fr_status fr_ranges_quality(const fr_ranges *r, float *out, const int64_t *row, int64_t count)
{
    return read_picked(r, "/quality", r->M, out, row, count);
}

fr_status fr_ranges_cost(const fr_ranges *r, float *out, const int64_t *row, int64_t count)
{
    return read_picked(r, "/cost", r->M, out, row, count);
}
