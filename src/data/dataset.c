#include "finerouter/dataset.h"

#include "base/hash.h"
#include "build.h"
#include "names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fr_dataset_allocate(fr_dataset *data, int64_t N, int64_t M)
{
    FR_CHECK(N >= 0 && M >= 0, "%lld prompts, %lld models", (long long)N, (long long)M);
    *data = (fr_dataset){.N = N, .M = M};
    data->id = FR_NEW(const char *, N);
    data->text = FR_NEW(const char *, N);
    data->description = FR_NEW(const char *, N);
    data->source = FR_NEW(int32_t, N);
    data->split = FR_NEW(int8_t, N);
    data->model = FR_NEW(const char *, M);
    data->input_price = FR_NEW(double, M);
    data->output_price = FR_NEW(double, M);
    data->quality = FR_NEW(float, N *M);
    data->cost = FR_NEW(float, N *M);
    for (int64_t m = 0; m < M; m++)
        data->input_price[m] = data->output_price[m] = NAN;
    for (int64_t i = 0; i < N * M; i++)
        data->quality[i] = data->cost[i] = NAN;
}

fr_strings *fr_dataset_strings(fr_dataset *data)
{
    if (!data->owned)
        data->owned = FR_NEW(fr_strings, 1);
    return data->owned;
}

void fr_dataset_close(fr_dataset *data)
{
    free(data->id);
    free(data->text);
    free(data->description);
    free(data->source);
    free(data->source_name);
    free(data->split);
    free(data->planted);
    free(data->embedding);
    free(data->model);
    free(data->input_price);
    free(data->output_price);
    free(data->quality);
    free(data->cost);
    if (data->owned)
        fr_strings_close(data->owned);
    free(data->owned);
    *data = (fr_dataset){0};
}

void fr_dataset_set_sources(fr_dataset *data, const char *const *name)
{
    fr_names names = {0};
    for (int64_t i = 0; i < data->N; i++)
        data->source[i] = (int32_t)fr_names_add(&names, name[i]);
    free(data->source_name);
    data->sources = names.count;
    data->source_name = FR_NEW(const char *, names.count);
    if (names.count)
        memcpy(data->source_name, names.text, (size_t)names.count * sizeof *names.text);
    fr_names_close(&names);
}

int64_t fr_dataset_text_groups(int64_t *group, const fr_dataset *data)
{
    fr_names texts = {0};
    for (int64_t i = 0; i < data->N; i++)
        group[i] = fr_names_add(&texts, data->text[i]);
    int64_t count = texts.count;
    fr_names_close(&texts);
    return count;
}

/* NaNs differ in bits that mean nothing, and so does the sign of zero. */
static void hash_floats(fr_hash *hash, const float *value, int64_t count)
{
    float block[1024];
    for (int64_t at = 0; at < count; at += 1024) {
        int64_t size = count - at < 1024 ? count - at : 1024;
        for (int64_t i = 0; i < size; i++)
            block[i] = isnan(value[at + i]) ? NAN : value[at + i] + 0.0f;
        fr_hash_add(hash, block, (size_t)size * sizeof *block);
    }
}

static void hash_doubles(fr_hash *hash, const double *value, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double x = isnan(value[i]) ? (double)NAN : value[i] + 0.0;
        fr_hash_add(hash, &x, sizeof x);
    }
}

static void hash_texts(fr_hash *hash, const char *const *text, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        fr_hash_add_text(hash, text[i]);
}

void fr_dataset_seal(fr_dataset *data)
{
    fr_hash *hash = fr_hash_create();
    fr_hash_add_text(hash, "finerouter-data 1");
    int64_t sizes[3] = {data->N, data->M, data->planted != NULL};
    fr_hash_add(hash, sizes, sizeof sizes);
    hash_texts(hash, data->id, data->N);
    hash_texts(hash, data->text, data->N);
    hash_texts(hash, data->description, data->N);
    for (int64_t i = 0; i < data->N; i++)
        fr_hash_add_text(hash, data->source_name[data->source[i]]);
    fr_hash_add(hash, data->split, (size_t)data->N * sizeof *data->split);
    if (data->planted)
        fr_hash_add(hash, data->planted, (size_t)data->N * sizeof *data->planted);
    hash_texts(hash, data->model, data->M);
    hash_doubles(hash, data->input_price, data->M);
    hash_doubles(hash, data->output_price, data->M);
    hash_floats(hash, data->quality, data->N * data->M);
    hash_floats(hash, data->cost, data->N * data->M);
    if (data->embedding) {
        fr_hash_add(hash, &data->embedding_width, sizeof data->embedding_width);
        hash_floats(hash, data->embedding, data->N * data->embedding_width);
    }
    fr_hash_end(hash, data->hash);
}

int64_t fr_split_rows(int64_t **rows, const fr_dataset *data, int split)
{
    int64_t count = 0;
    for (int64_t i = 0; i < data->N; i++)
        count += data->split[i] == split;
    *rows = FR_NEW(int64_t, count);
    int64_t at = 0;
    for (int64_t i = 0; i < data->N; i++)
        if (data->split[i] == split)
            (*rows)[at++] = i;
    return count;
}
