/* import_routereval.c - RouterEval's router data as a .npz: model (M texts), and for each split of train, val, test the
 * arrays <split>_score (N, M) and <split>_prompt (N texts); or score and prompt without splits. Optional: <split>_id,
 * <split>_source, <split>_cost (N, M), and embeddings of the prompts <split>_embed (N, d), for every split or for none.
 *
 * RouterEval's own pickle is {model, data {<split>_score ...}, prompt {<split>_prompt ...}}. Which group holds its
 * embeddings, and whether every file of it has them, is published nowhere we found; so the line of `import --help`
 * takes all arrays of both groups over, and the names embed, embedding, prompt_embed and prompt_embedding, singular and
 * plural, are known here. What made them (RouterEval offers four encoders) the file does not say. */
#include "long.h"

#include "finerouter/log.h"
#include "io/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    return strcmp(look->ending, ".npz") == 0;
}

static const char *const splits[] = {"", "train_", "val_", "dev_", "test_"};
enum { SPLITS = sizeof splits / sizeof *splits };

/* The arrays of one split; those that are not there have no data. */
typedef struct npz_part {
    const char *split; /* "" or "train_" ... */
    fr_npy score, prompt, id, source, cost, embedding;
} npz_part;

static void part_close(npz_part *part)
{
    fr_npy_close(&part->score);
    fr_npy_close(&part->prompt);
    fr_npy_close(&part->id);
    fr_npy_close(&part->source);
    fr_npy_close(&part->cost);
    fr_npy_close(&part->embedding);
}

/* <split><name> or its plural, whichever is there, malloc'd; else NULL. */
static char *array_name(const fr_zip *npz, const char *split, const char *name)
{
    static const char *const ends[] = {"", "s"};
    for (int i = 0; i < 2; i++) {
        char *whole = fr_format("%s%s%s", split, name, ends[i]);
        if (fr_npz_has(npz, whole))
            return whole;
        free(whole);
    }
    return NULL;
}

static char *embedding_name(const fr_zip *npz, const char *split)
{
    static const char *const names[] = {"embed", "embedding", "prompt_embed", "prompt_embedding"};
    char *whole = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && !whole; i++)
        whole = array_name(npz, split, names[i]);
    return whole;
}

/* Reads the array where it is there. */
static fr_status read_optional(fr_npy *array, fr_zip *npz, const char *split, const char *name)
{
    char *whole = array_name(npz, split, name);
    fr_status status = whole ? fr_npz_read(array, npz, whole) : FR_OK;
    free(whole);
    return status;
}

static fr_status check_shape(const fr_npy *array, int rank, int64_t N, int64_t M, bool text)
{
    if (fr_npy_is_text(array) != text)
        return fr_fail(FR_FAILED, "%s: holds %s, want %s", array->name, text ? "numbers" : "texts",
                       text ? "texts (str)" : "numbers");
    if (array->rank == rank && array->shape[0] == N && (rank == 1 || array->shape[1] == M))
        return FR_OK;
    if (rank == 1)
        return fr_fail(FR_FAILED, "%s: has %d dimensions, the first of %lld, want (%lld), one for each prompt",
                       array->name, array->rank, (long long)(array->rank ? array->shape[0] : 0), (long long)N);
    return fr_fail(FR_FAILED, "%s: is %lld x %lld (%d dimensions), want prompts x models, %lld x %lld", array->name,
                   (long long)(array->rank ? array->shape[0] : 0), (long long)(array->rank > 1 ? array->shape[1] : 0),
                   array->rank, (long long)N, (long long)M);
}

static fr_status read_embedding(npz_part *part, fr_zip *npz, int64_t N)
{
    fr_npy *array = &part->embedding;
    char *name = embedding_name(npz, part->split);
    fr_status status = fr_npz_read(array, npz, name);
    free(name);
    FR_TRY(status);
    if (fr_npy_is_text(array))
        return fr_fail(FR_FAILED, "%s: holds texts (str), want numbers", array->name);
    if (array->rank == 2 && array->shape[0] == N && array->shape[1] > 0)
        return FR_OK;
    return fr_fail(FR_FAILED, "%s: is %lld x %lld (%d dimensions), want prompts x width, %lld x d", array->name,
                   (long long)(array->rank ? array->shape[0] : 0), (long long)(array->rank > 1 ? array->shape[1] : 0),
                   array->rank, (long long)N);
}

static fr_status read_part(npz_part *part, fr_zip *npz, int64_t M, bool embedded)
{
    FR_TRY(read_optional(&part->score, npz, part->split, "score"));
    if (!part->score.data)
        return FR_OK;
    FR_TRY(read_optional(&part->prompt, npz, part->split, "prompt"));
    if (!part->prompt.data)
        return fr_fail(FR_FAILED, "%s: has no array %sprompt, want the prompts' texts beside their scores",
                       fr_zip_path(npz), part->split);
    FR_TRY(read_optional(&part->id, npz, part->split, "id"));
    FR_TRY(read_optional(&part->source, npz, part->split, "source"));
    FR_TRY(read_optional(&part->cost, npz, part->split, "cost"));
    int64_t N = part->prompt.count;
    FR_TRY(check_shape(&part->prompt, 1, N, M, true));
    FR_TRY(check_shape(&part->score, 2, N, M, false));
    if (part->id.data)
        FR_TRY(check_shape(&part->id, 1, N, M, fr_npy_is_text(&part->id)));
    if (part->source.data)
        FR_TRY(check_shape(&part->source, 1, N, M, true));
    if (part->cost.data)
        FR_TRY(check_shape(&part->cost, 2, N, M, false));
    return embedded ? read_embedding(part, npz, N) : FR_OK;
}

/* The text of an element in place of what the buffer held. */
static fr_status text_at(const fr_npy *array, int64_t i, fr_buffer *text)
{
    text->bytes = 0;
    return fr_npy_text(array, i, text);
}

static fr_status add_prompt(fr_table *table, const npz_part *part, int64_t i, fr_buffer room[3], int64_t *row)
{
    static const struct {
        const char *prefix, *split;
    } names[] = {{"", ""}, {"train_", "train"}, {"val_", "val"}, {"dev_", "dev"}, {"test_", "test"}};
    fr_prompt prompt = {.description = "", .source = "", .split = ""};
    for (int s = 0; s < SPLITS; s++)
        if (strcmp(part->split, names[s].prefix) == 0)
            prompt.split = names[s].split;
    room[0].bytes = 0;
    if (part->id.data && fr_npy_is_text(&part->id))
        FR_TRY(text_at(&part->id, i, &room[0]));
    else if (part->id.data)
        fr_buffer_addf(&room[0], "%.17g", fr_npy_number(&part->id, i));
    else
        fr_buffer_addf(&room[0], "%s%lld", part->split, (long long)i);
    FR_TRY(text_at(&part->prompt, i, &room[1]));
    if (part->source.data)
        FR_TRY(text_at(&part->source, i, &room[2]));
    prompt.id = room[0].data;
    prompt.text = room[1].data;
    prompt.source = room[2].data ? room[2].data : "";
    return fr_table_prompt(table, &prompt, row);
}

static fr_status add_embedding(fr_table *table, const npz_part *part, int64_t i, int64_t row, float *room)
{
    int64_t d = part->embedding.shape[1];
    for (int64_t c = 0; c < d; c++)
        room[c] = (float)fr_npy_number(&part->embedding, i * d + c);
    return fr_table_embedding(table, row, room, d);
}

static fr_status add_part(fr_table *table, const npz_part *part, const char *const *model, int64_t M)
{
    fr_buffer room[3] = {{0}};
    fr_status status = FR_OK;
    float *values = part->embedding.data ? FR_NEW(float, part->embedding.shape[1]) : NULL;
    for (int64_t i = 0; i < part->prompt.count && status == FR_OK; i++) {
        int64_t row;
        table->line++;
        status = add_prompt(table, part, i, room, &row);
        if (status == FR_OK && values)
            status = add_embedding(table, part, i, row, values);
        for (int64_t m = 0; m < M && status == FR_OK; m++) {
            status = fr_table_quality(table, row, model[m], fr_npy_number(&part->score, i * M + m));
            if (status == FR_OK && part->cost.data && !isnan(fr_npy_number(&part->cost, i * M + m)))
                status = fr_table_cost(table, row, model[m], fr_npy_number(&part->cost, i * M + m));
        }
        if (fr_interrupt_wanted())
            status = fr_interrupted();
    }
    for (int i = 0; i < 3; i++)
        fr_buffer_close(&room[i]);
    free(values);
    return status;
}

static fr_status read_models(fr_table *table, fr_zip *npz, fr_npy *names, const char ***model)
{
    FR_TRY(read_optional(names, npz, "", "model"));
    if (!names->data)
        FR_TRY(read_optional(names, npz, "", "model_name"));
    if (!names->data)
        return fr_fail(FR_FAILED, "%s: has no array model, want the models' names in the order of the scores' columns",
                       table->whole);
    FR_TRY(check_shape(names, 1, names->count, 0, true));
    *model = FR_NEW(const char *, names->count);
    fr_buffer text = {0};
    fr_status status = FR_OK;
    for (int64_t m = 0; m < names->count && status == FR_OK; m++) {
        status = text_at(names, m, &text);
        if (status == FR_OK)
            (*model)[m] = fr_table_keep(table, text.data);
    }
    fr_buffer_close(&text);
    return status;
}

/* Whether every split that has scores has embeddings too; those of some splits alone are of no use, which is told. */
static bool all_embedded(const fr_zip *npz)
{
    char *found = NULL;
    const char *without = NULL;
    for (int s = 0; s < SPLITS; s++) {
        char *score = array_name(npz, splits[s], "score"), *embedding = embedding_name(npz, splits[s]);
        if (score && !embedding && !without)
            without = splits[s];
        if (score && embedding && !found) {
            found = embedding;
            embedding = NULL;
        }
        free(score);
        free(embedding);
    }
    if (found && without)
        fr_log_warn("%s: %s is not used: %sscore has no embeddings beside it, want them for every split",
                    fr_zip_path(npz), found, without);
    bool all = found && !without;
    free(found);
    return all;
}

static fr_status read_parts(fr_table *table, fr_zip *npz, const char *const *model, int64_t M)
{
    int64_t parts = 0;
    bool embedded = all_embedded(npz);
    fr_table_begin(table, table->whole, "row");
    for (int s = 0; s < SPLITS; s++) {
        npz_part part = {.split = splits[s]};
        fr_status status = read_part(&part, npz, M, embedded);
        if (status == FR_OK && part.score.data) {
            parts++;
            status = add_part(table, &part, model, M);
        }
        part_close(&part);
        FR_TRY(status);
    }
    return parts ? FR_OK
                 : fr_fail(FR_FAILED, "%s: has neither an array score nor train_score, val_score or test_score",
                           table->whole);
}

static fr_status read_routereval(fr_table *table)
{
    fr_zip *npz;
    fr_npy names = {0};
    const char **model = NULL;
    FR_TRY(fr_zip_open(&npz, table->whole));
    fr_status status = read_models(table, npz, &names, &model);
    if (status == FR_OK)
        status = read_parts(table, npz, model, names.count);
    fr_npy_close(&names);
    free(model);
    fr_zip_close(npz);
    return status;
}

const fr_importer fr_importer_routereval = {.name = "routereval",
                                            .what = "RouterEval .npz",
                                            .matches = matches,
                                            .read = read_routereval,
                                            .repeats = FR_REPEAT_EQUAL,
                                            .loose = true};
