/* import.c - from a table of texts and scores to a data set: the rules common to all layouts. */
#include "base/options.h"
#include "build.h"
#include "table.h"

#include "finerouter/log.h"
#include "io/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[FR_SPLITS] = {"train", "dev", "test"};

/* ---- from table to data set ---- */

static fr_status fail_repeated(const fr_table *table, const fr_cells *cells, const fr_cell *cell, const char *what,
                               float before)
{
    const fr_cell *first = cells->cell;
    while (first->row != cell->row || first->model != cell->model)
        first++;
    char id[FR_EXCERPT], model[FR_EXCERPT], where[FR_WHERE], values[64] = "";
    if (table->repeats == FR_REPEAT_EQUAL)
        snprintf(values, sizeof values, " with another value (%g, here %g)", before, cell->value);
    return fr_table_fail_at(table, cell->place, "%s of prompt \"%s\" and model \"%s\" stands in %s already%s", what,
                            fr_utf8_excerpt(id, table->ids.text[cell->row]),
                            fr_utf8_excerpt(model, table->models.text[cell->model]),
                            fr_table_where(where, table, first->place, cell->place), values);
}

/* Takes a value that stands there again after table->repeats; false where it is an error. */
static bool take_again(const fr_table *table, float *matrix, float value)
{
    if (table->repeats == FR_REPEAT_FAILS)
        return false;
    if (isnan(*matrix) || (table->repeats == FR_REPEAT_HIGHEST && value > *matrix))
        *matrix = value;
    return isnan(value) || value == *matrix || table->repeats == FR_REPEAT_HIGHEST;
}

/* Spreads cells into an (N, M) matrix. */
static fr_status scatter(fr_table *table, float *matrix, const fr_cells *cells, const char *what)
{
    int64_t M = table->models.count;
    unsigned char *seen = FR_NEW(unsigned char, table->rows *M);
    fr_status status = FR_OK;
    int64_t again = 0;
    for (int64_t i = 0; i < cells->count && status == FR_OK; i++) {
        const fr_cell *cell = &cells->cell[i];
        int64_t at = cell->row * M + cell->model;
        if (!seen[at])
            matrix[at] = cell->value;
        else if (take_again(table, &matrix[at], cell->value))
            again++;
        else
            status = fail_repeated(table, cells, cell, what, matrix[at]);
        seen[at] = 1;
    }
    free(seen);
    if (status == FR_OK && again)
        fr_log_warn("%s: %lld values of %s stand there more than once; %s", table->whole, (long long)again, what,
                    table->repeats == FR_REPEAT_HIGHEST ? "the highest counts" : "they agree");
    return status;
}

static fr_status check_observed(const fr_table *table)
{
    char shown[FR_EXCERPT];
    int64_t M = table->models.count;
    const float *quality = table->data->quality;
    bool *observed = FR_NEW(bool, M);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < table->rows && status == FR_OK; i++) {
        bool any = false;
        for (int64_t m = 0; m < M; m++)
            if (!isnan(quality[i * M + m]))
                any = observed[m] = true;
        if (!any)
            status = fr_table_fail_at(table, table->row[i].place, "prompt \"%s\" has no observed quality",
                                      fr_utf8_excerpt(shown, table->ids.text[i]));
    }
    for (int64_t m = 0; m < M && status == FR_OK; m++)
        if (!observed[m])
            status = fr_fail(FR_FAILED, "%s: model \"%s\"%s%s has no observed quality here", table->whole,
                             fr_utf8_excerpt(shown, table->models.text[m]), table->models_path ? " of " : "",
                             table->models_path ? table->models_path : "");
    free(observed);
    return status;
}

/* cost = (characters / 4 x input + answer_tokens x output) / 1e6 */
static void fill_costs(fr_dataset *data, double answer_tokens)
{
    for (int64_t i = 0; i < data->N; i++) {
        double prompt_tokens = (double)fr_utf8_length(data->text[i]) / 4;
        for (int64_t m = 0; m < data->M; m++) {
            float *cost = &data->cost[i * data->M + m];
            if (isnan(*cost))
                *cost = (float)((prompt_tokens * data->input_price[m] + answer_tokens * data->output_price[m]) / 1e6);
        }
    }
}

/* Splits given by the table are taken as they are; equal prompts on both sides of a split flatter the test, so they are
 * told. */
static void warn_straddling(const fr_table *table)
{
    const fr_dataset *data = table->data;
    int64_t *group = FR_NEW(int64_t, data->N), count = fr_dataset_text_groups(group, data), straddling = 0, one = -1,
            other = -1;
    int64_t *first = FR_NEW(int64_t, count);
    for (int64_t g = 0; g < count; g++)
        first[g] = -1;
    for (int64_t i = 0; i < data->N; i++) {
        int64_t *f = &first[group[i]];
        if (*f < 0) {
            *f = i;
        } else if (data->split[i] != data->split[*f]) {
            if (!straddling++) {
                one = *f;
                other = i;
            }
        }
    }
    if (straddling) {
        char first_place[FR_WHERE], other_place[FR_WHERE];
        fr_log_warn("%s: %lld prompts repeat the text of a prompt in another split; the first pair stands in %s (%s) "
                    "and %s (%s)",
                    table->whole, (long long)straddling,
                    fr_table_where(first_place, table, table->row[one].place, table->row[other].place),
                    split_names[data->split[one]],
                    fr_table_where(other_place, table, table->row[other].place, table->row[one].place),
                    split_names[data->split[other]]);
    }
    free(first);
    free(group);
}

/* Public tables often have train and test alone: dev then comes out of train, as fr_make_splits would take it from
 * these prompts. */
static void carve_dev(fr_table *table, const fr_config *config)
{
    fr_dataset *data = table->data;
    int64_t count[FR_SPLITS] = {0}, at = 0;
    for (int64_t i = 0; i < data->N; i++)
        count[data->split[i]]++;
    if (!count[FR_SPLIT_TRAIN] || count[FR_SPLIT_DEV] || !count[FR_SPLIT_TEST])
        return;
    fr_config shares = *config;
    shares.data.test_share = 0;
    fr_dataset train = {.N = count[FR_SPLIT_TRAIN], .sources = data->sources, .source_name = data->source_name};
    train.text = FR_NEW(const char *, train.N);
    train.source = FR_NEW(int32_t, train.N);
    train.split = FR_NEW(int8_t, train.N);
    for (int64_t i = 0; i < data->N; i++)
        if (data->split[i] == FR_SPLIT_TRAIN) {
            train.text[at] = data->text[i];
            train.source[at++] = data->source[i];
        }
    fr_make_splits(&train, &shares);
    at = 0;
    for (int64_t i = 0; i < data->N; i++)
        if (data->split[i] == FR_SPLIT_TRAIN)
            data->split[i] = train.split[at++];
    fr_log("%s: has train and test alone; %g of train became dev (data.dev_share)", table->whole,
           config->data.dev_share);
    free(train.text);
    free(train.source);
    free(train.split);
}

static fr_status set_splits(fr_table *table, const fr_config *config)
{
    fr_dataset *data = table->data;
    int64_t with = -1, without = -1;
    for (int64_t i = 0; i < table->rows; i++) {
        int64_t *side = table->row[i].split >= 0 ? &with : &without;
        if (*side < 0)
            *side = i;
    }
    if (with >= 0 && without >= 0) {
        char where[FR_WHERE];
        fr_place place = table->row[without].place;
        return fr_table_fail_at(table, place, "has no split, though %s has one; give it for all prompts or for none",
                                fr_table_where(where, table, table->row[with].place, place));
    }
    if (with < 0) {
        fr_make_splits(data, config);
        return FR_OK;
    }
    for (int64_t i = 0; i < table->rows; i++)
        data->split[i] = (int8_t)table->row[i].split;
    if (table->loose)
        carve_dev(table, config);
    warn_straddling(table);
    return FR_OK;
}

/* Embeddings go on into the data set, where every prompt came with one or none did. */
static fr_status take_embeddings(fr_table *table)
{
    if (!table->embedding)
        return FR_OK;
    int64_t with = 0;
    while (!table->row[with].embedded)
        with++;
    for (int64_t i = 0; i < table->rows; i++)
        if (!table->row[i].embedded) {
            char where[FR_WHERE];
            fr_place place = table->row[i].place;
            return fr_table_fail_at(table, place,
                                    "has no embedding, though %s has one; give it for all prompts or for none",
                                    fr_table_where(where, table, table->row[with].place, place));
        }
    table->data->embedding = table->embedding;
    table->data->embedding_width = table->embedding_width;
    table->embedding = NULL;
    return FR_OK;
}

static fr_status finish(fr_table *table, const fr_config *config)
{
    fr_dataset *data = table->data;
    int64_t N = table->rows, M = table->models.count;
    if (N == 0)
        return fr_fail(FR_FAILED, "%s: has no prompts", table->whole);
    if (M < 2)
        return fr_fail(FR_FAILED, "%s: has %lld model%s, want at least 2 to route between", table->whole, (long long)M,
                       M == 1 ? "" : "s");
    void *pool = data->owned;
    fr_dataset_allocate(data, N, M);
    data->owned = pool;
    const char **source = FR_NEW(const char *, N);
    for (int64_t i = 0; i < N; i++) {
        data->id[i] = table->ids.text[i];
        data->text[i] = table->row[i].text;
        data->description[i] = table->row[i].description;
        source[i] = table->row[i].source;
    }
    fr_dataset_set_sources(data, source);
    free(source);
    for (int64_t m = 0; m < M; m++) {
        data->model[m] = table->models.text[m];
        if (table->models_path) {
            data->input_price[m] = table->input_price[m];
            data->output_price[m] = table->output_price[m];
        }
    }
    FR_TRY(scatter(table, data->quality, &table->quality, "quality"));
    FR_TRY(scatter(table, data->cost, &table->cost, "cost"));
    FR_TRY(check_observed(table));
    FR_TRY(take_embeddings(table));
    fill_costs(data, config->data.answer_tokens);
    FR_TRY(set_splits(table, config));
    FR_TRY(fr_dataset_check(data, table->whole));
    fr_dataset_seal(data);
    return FR_OK;
}

static void warn_unknown(const fr_table *table)
{
    if (!table->unknown_values)
        return;
    char shown[FR_EXCERPT];
    fr_buffer list = {0};
    for (int64_t i = 0; i < table->unknown.count && i < 5; i++)
        fr_buffer_addf(&list, "%s\"%s\"", i ? ", " : "", fr_utf8_excerpt(shown, table->unknown.text[i]));
    fr_log_warn("%s:%lld: ignored what has no meaning here: %s%s (%lld values)",
                table->files.text[table->unknown_place >> FR_PLACE_BITS],
                (long long)(table->unknown_place & (((fr_place)1 << FR_PLACE_BITS) - 1)), list.data,
                table->unknown.count > 5 ? ", ..." : "", (long long)table->unknown_values);
    fr_buffer_close(&list);
}

static void table_close(fr_table *table)
{
    fr_names_close(&table->ids);
    fr_names_close(&table->models);
    fr_names_close(&table->sources);
    fr_names_close(&table->unknown);
    fr_names_close(&table->files);
    free(table->units);
    free(table->row);
    free(table->quality.cell);
    free(table->cost.cell);
    free(table->embedding);
    free(table->input_price);
    free(table->output_price);
}

/* The importer that data.format names, or the one whose layout is seen. */
static fr_status choose(const fr_importer **chosen, const char *path, const fr_config *config)
{
    const char *name;
    int length = fr_choice_text(fr_option_find("data.format")->choices, config->data.format, &name);
    *chosen = NULL;
    for (const fr_importer *const *i = fr_importers; *i && !*chosen; i++)
        if (strlen((*i)->name) == (size_t)length && strncmp((*i)->name, name, (size_t)length) == 0)
            *chosen = *i;
    if (config->data.map.count && *chosen && *chosen != &fr_importer_table)
        return fr_fail(FR_USAGE, "data.map goes with data.format table, not with %s, whose layout is fixed",
                       (*chosen)->name);
    if (config->data.map.count)
        *chosen = &fr_importer_table;
    if (*chosen)
        return FR_OK;
    FR_TRY(fr_importer_see(chosen, path));
    fr_log("%s: taken as %s (%s)", path, (*chosen)->name, (*chosen)->what);
    return FR_OK;
}

fr_status fr_import(fr_dataset *data, const char *path, const char *models_path, const fr_config *config)
{
    *data = (fr_dataset){0};
    if (models_path && !models_path[0])
        models_path = NULL;
    fr_table table = {.whole = path, .models_path = models_path, .config = config, .data = data};
    fr_table_begin(&table, path, "line");
    const fr_importer *importer = NULL;
    fr_status status = choose(&importer, path, config);
    if (status == FR_OK) {
        table.repeats = importer->repeats;
        table.loose = importer->loose || config->data.map.count > 0;
        status = models_path ? fr_import_models(&table) : FR_OK;
    }
    if (status == FR_OK)
        status = importer->read(&table);
    if (status == FR_OK)
        status = finish(&table, config);
    if (status == FR_OK)
        warn_unknown(&table);
    table_close(&table);
    if (status != FR_OK)
        fr_dataset_close(data);
    return status;
}
