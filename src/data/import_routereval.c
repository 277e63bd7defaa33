/* import_routereval.c - RouterEval's router data as a .npz: model (M texts), and for each split of train, val, test the
 * arrays <split>_score (N, M) and <split>_prompt (N texts); or score and prompt without splits. Optional: <split>_id,
 * <split>_source, <split>_cost (N, M). Embeddings are not used: a data file keeps those of its own text encoder. */
#include "long.h"

#include "finerouter/log.h"
#include "io/npy.h"
#include "io/utf8.h"

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
    fr_npy score, prompt, id, source, cost;
} npz_part;

static void part_close(npz_part *part)
{
    fr_npy_close(&part->score);
    fr_npy_close(&part->prompt);
    fr_npy_close(&part->id);
    fr_npy_close(&part->source);
    fr_npy_close(&part->cost);
}

/* Reads <split><name> or its plural, where one is there. */
static fr_status read_optional(fr_npy *array, fr_zip *npz, const char *split, const char *name)
{
    static const char *const ends[] = {"", "s"};
    fr_status status = FR_OK;
    for (int i = 0; i < 2 && !array->data && status == FR_OK; i++) {
        char *whole = fr_format("%s%s%s", split, name, ends[i]);
        if (fr_npz_has(npz, whole))
            status = fr_npz_read(array, npz, whole);
        free(whole);
    }
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

static fr_status read_part(npz_part *part, fr_zip *npz, int64_t M)
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
    return part->cost.data ? check_shape(&part->cost, 2, N, M, false) : FR_OK;
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

static fr_status add_part(fr_table *table, const npz_part *part, const char *const *model, int64_t M)
{
    fr_buffer room[3] = {{0}};
    fr_status status = FR_OK;
    for (int64_t i = 0; i < part->prompt.count && status == FR_OK; i++) {
        int64_t row;
        table->line++;
        status = add_prompt(table, part, i, room, &row);
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

static void warn_embeddings(const fr_table *table, const fr_zip *npz)
{
    char shown[FR_EXCERPT];
    for (int64_t i = 0; i < fr_zip_count(npz); i++)
        if (strstr(fr_zip_name(npz, i), "embed")) {
            fr_log_warn("%s: %s is not used: embeddings are made by the run's own text encoder", table->whole,
                        fr_utf8_excerpt(shown, fr_zip_name(npz, i)));
            return;
        }
}

static fr_status read_parts(fr_table *table, fr_zip *npz, const char *const *model, int64_t M)
{
    int64_t parts = 0;
    fr_table_begin(table, table->whole, "row");
    for (int s = 0; s < SPLITS; s++) {
        npz_part part = {.split = splits[s]};
        fr_status status = read_part(&part, npz, M);
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
    if (status == FR_OK)
        warn_embeddings(table, npz);
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
