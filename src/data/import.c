/* import.c - from a table of texts and scores to a data set: the rules common to all table formats. */
#include "build.h"
#include "table.h"

#include "finerouter/log.h"
#include "io/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[FR_SPLITS] = {"train", "dev", "test"};
static const char unknown_source[] = "unknown";

fr_status fr_table_fail(const fr_table *table, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fr_fail(FR_FAILED, "%s:%lld: %s", table->path, (long long)table->line, text);
}

static const char *keep(fr_table *table, const char *text)
{
    return fr_strings_add(fr_dataset_strings(table->data), text, strlen(text));
}

/* Number of a name whose text may not outlive the line. */
static int64_t intern(fr_table *table, fr_names *names, const char *text)
{
    int64_t found = fr_names_find(names, text);
    return found >= 0 ? found : fr_names_add(names, keep(table, text));
}

fr_status fr_table_add(fr_table *table, const char *id, int64_t *row)
{
    char shown[FR_EXCERPT];
    if (fr_utf8_blank(id))
        return fr_table_fail(table, "the prompt's id is empty");
    int64_t number = intern(table, &table->ids, id);
    if (number < table->rows)
        return fr_table_fail(table, "id \"%s\" stands in line %lld already; ids must be unique",
                             fr_utf8_excerpt(shown, id), (long long)table->row[number].line);
    if (table->rows == table->room) {
        table->room = table->room ? 2 * table->room : 1024;
        table->row = fr_realloc(table->row, (size_t)table->room * sizeof *table->row);
    }
    table->row[number] = (fr_row){.description = "", .source = unknown_source, .line = table->line, .split = -1};
    table->rows++;
    *row = number;
    return FR_OK;
}

fr_status fr_table_set_text(fr_table *table, int64_t row, const char *text)
{
    if (fr_utf8_blank(text))
        return fr_table_fail(table, "the prompt is empty");
    table->row[row].text = keep(table, text);
    return FR_OK;
}

void fr_table_set_description(fr_table *table, int64_t row, const char *text)
{
    table->row[row].description = fr_utf8_blank(text) ? "" : keep(table, text);
}

void fr_table_set_source(fr_table *table, int64_t row, const char *name)
{
    if (fr_utf8_blank(name))
        return;
    int64_t number = intern(table, &table->sources, name);
    table->row[row].source = table->sources.text[number];
}

fr_status fr_table_set_split(fr_table *table, int64_t row, const char *name)
{
    char shown[FR_EXCERPT];
    for (int s = 0; s < FR_SPLITS; s++)
        if (strcmp(name, split_names[s]) == 0) {
            table->row[row].split = s;
            return FR_OK;
        }
    return fr_table_fail(table, "split is \"%s\", want train, dev or test", fr_utf8_excerpt(shown, name));
}

void fr_table_unknown(fr_table *table, const char *key)
{
    if (!table->unknown_values++)
        table->unknown_line = table->line;
    intern(table, &table->unknown, key);
}

static fr_status find_model(fr_table *table, const char *name, int32_t *model)
{
    char shown[FR_EXCERPT], near[FR_EXCERPT];
    if (fr_utf8_blank(name))
        return fr_table_fail(table, "a model's name is empty");
    int64_t number = table->models_path ? fr_names_find(&table->models, name) : intern(table, &table->models, name);
    if (number < 0)
        return fr_table_fail(table, "model \"%s\" is not in %s; nearest there: \"%s\"", fr_utf8_excerpt(shown, name),
                             table->models_path, fr_utf8_excerpt(near, fr_names_nearest(&table->models, name)));
    *model = (int32_t)number;
    return FR_OK;
}

static void add_cell(fr_table *table, fr_cells *cells, int64_t row, int32_t model, double value)
{
    if (cells->count == cells->capacity) {
        cells->capacity = cells->capacity ? 2 * cells->capacity : 4096;
        cells->cell = fr_realloc(cells->cell, (size_t)cells->capacity * sizeof *cells->cell);
    }
    cells->cell[cells->count++] = (fr_cell){row, table->line, model, (float)value};
}

fr_status fr_table_quality(fr_table *table, int64_t row, const char *model, double value)
{
    char shown[FR_EXCERPT];
    int32_t m = -1;
    FR_TRY(find_model(table, model, &m));
    if (!isnan(value) && !isfinite((float)value))
        return fr_table_fail(table, "quality of model \"%s\" is %g, want a finite number of single precision",
                             fr_utf8_excerpt(shown, model), value);
    add_cell(table, &table->quality, row, m, value);
    return FR_OK;
}

fr_status fr_table_cost(fr_table *table, int64_t row, const char *model, double value)
{
    char shown[FR_EXCERPT];
    int32_t m = -1;
    FR_TRY(find_model(table, model, &m));
    if (!isnan(value) && (!isfinite((float)value) || value < 0))
        return fr_table_fail(table, "cost of model \"%s\" is %g, want a finite number from 0 up (USD)",
                             fr_utf8_excerpt(shown, model), value);
    add_cell(table, &table->cost, row, m, value);
    return FR_OK;
}

/* ---- from table to data set ---- */

/* Spreads cells into an (N, M) matrix; a cell given twice is an error. */
static fr_status scatter(fr_table *table, float *matrix, const fr_cells *cells, const char *what)
{
    int64_t M = table->models.count;
    unsigned char *seen = FR_NEW(unsigned char, table->rows *M);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < cells->count && status == FR_OK; i++) {
        const fr_cell *cell = &cells->cell[i];
        int64_t at = cell->row * M + cell->model;
        if (!seen[at]) {
            seen[at] = 1;
            matrix[at] = cell->value;
            continue;
        }
        const fr_cell *first = cells->cell;
        while (first->row != cell->row || first->model != cell->model)
            first++;
        char id[FR_EXCERPT], model[FR_EXCERPT];
        status = fr_fail(FR_FAILED, "%s:%lld: %s of prompt \"%s\" and model \"%s\" stands in line %lld already",
                         table->path, (long long)cell->line, what, fr_utf8_excerpt(id, table->ids.text[cell->row]),
                         fr_utf8_excerpt(model, table->models.text[cell->model]), (long long)first->line);
    }
    free(seen);
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
            status = fr_fail(FR_FAILED, "%s:%lld: prompt \"%s\" has no observed quality", table->path,
                             (long long)table->row[i].line, fr_utf8_excerpt(shown, table->ids.text[i]));
    }
    for (int64_t m = 0; m < M && status == FR_OK; m++)
        if (!observed[m])
            status = fr_fail(FR_FAILED, "%s: model \"%s\"%s%s has no observed quality here", table->path,
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
    if (straddling)
        fr_log_warn(
            "%s: %lld prompts repeat the text of a prompt in another split; the first pair stands in lines %lld (%s) "
            "and %lld (%s)",
            table->path, (long long)straddling, (long long)table->row[one].line, split_names[data->split[one]],
            (long long)table->row[other].line, split_names[data->split[other]]);
    free(first);
    free(group);
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
    if (with >= 0 && without >= 0)
        return fr_fail(FR_FAILED,
                       "%s:%lld: has no split, though line %lld has one; give it for all prompts or for none",
                       table->path, (long long)table->row[without].line, (long long)table->row[with].line);
    if (with < 0) {
        fr_make_splits(data, config);
        return FR_OK;
    }
    for (int64_t i = 0; i < table->rows; i++)
        data->split[i] = (int8_t)table->row[i].split;
    warn_straddling(table);
    return FR_OK;
}

static fr_status finish(fr_table *table, const fr_config *config)
{
    fr_dataset *data = table->data;
    int64_t N = table->rows, M = table->models.count;
    if (N == 0)
        return fr_fail(FR_FAILED, "%s: has no prompts", table->path);
    if (M < 2)
        return fr_fail(FR_FAILED, "%s: has %lld model%s, want at least 2 to route between", table->path, (long long)M,
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
    fill_costs(data, config->data.answer_tokens);
    FR_TRY(set_splits(table, config));
    FR_TRY(fr_dataset_check(data, table->path));
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
    fr_log_warn("%s:%lld: ignored what has no meaning here: %s%s (%lld values)", table->path,
                (long long)table->unknown_line, list.data, table->unknown.count > 5 ? ", ..." : "",
                (long long)table->unknown_values);
    fr_buffer_close(&list);
}

static void table_close(fr_table *table)
{
    fr_names_close(&table->ids);
    fr_names_close(&table->models);
    fr_names_close(&table->sources);
    fr_names_close(&table->unknown);
    free(table->row);
    free(table->quality.cell);
    free(table->cost.cell);
    free(table->input_price);
    free(table->output_price);
}

static bool ends_with(const char *path, const char *end)
{
    size_t a = strlen(path), b = strlen(end);
    return a > b && strcmp(path + a - b, end) == 0;
}

fr_status fr_import(fr_dataset *data, const char *path, const char *models_path, const fr_config *config)
{
    *data = (fr_dataset){0};
    bool jsonl = ends_with(path, ".jsonl") || ends_with(path, ".jsonl.gz");
    if (!jsonl && !ends_with(path, ".csv") && !ends_with(path, ".csv.gz"))
        return fr_fail(FR_FAILED,
                       "%s: unknown kind of table, want a name that ends in .jsonl, .jsonl.gz, .csv or .csv.gz", path);
    if (models_path && !models_path[0])
        models_path = NULL;
    fr_table table = {.path = path, .models_path = models_path, .data = data};
    fr_status status = models_path ? fr_import_models(&table) : FR_OK;
    if (status == FR_OK)
        status = jsonl ? fr_import_jsonl(&table) : fr_import_csv(&table);
    if (status == FR_OK)
        status = finish(&table, config);
    if (status == FR_OK)
        warn_unknown(&table);
    table_close(&table);
    if (status != FR_OK)
        fr_dataset_close(data);
    return status;
}
