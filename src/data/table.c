/* table.c - what importers fill: rows by id, texts, scores by prompt and model. */
#include "table.h"

#include "build.h"
#include "io/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const split_names[FR_SPLITS] = {"train", "dev", "test"};
static const char unknown_source[] = "unknown";

void fr_table_begin(fr_table *table, const char *path, const char *unit)
{
    int64_t number = fr_names_find(&table->files, path), before = table->files.count;
    if (number < 0)
        number = fr_names_add(&table->files, fr_table_keep(table, path));
    if (table->files.count > before)
        table->units = fr_realloc(table->units, (size_t)table->files.count * sizeof *table->units);
    table->units[number] = unit;
    table->file = number;
    table->path = table->files.text[number];
    table->unit = unit;
    table->line = 0;
}

fr_place fr_table_here(const fr_table *table)
{
    return table->file << FR_PLACE_BITS | table->line;
}

static fr_status fail_at(const char *path, const char *unit, int64_t line, const char *text)
{
    if (line == 0)
        return fr_fail(FR_FAILED, "%s: %s", path, text);
    if (strcmp(unit, "line") == 0)
        return fr_fail(FR_FAILED, "%s:%lld: %s", path, (long long)line, text);
    return fr_fail(FR_FAILED, "%s: %s %lld: %s", path, unit, (long long)line, text);
}

fr_status fr_table_fail(const fr_table *table, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail_at(table->path, table->unit, table->line, text);
}

fr_status fr_table_fail_at(const fr_table *table, fr_place place, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int64_t file = place >> FR_PLACE_BITS;
    return fail_at(table->files.text[file], table->units[file], place & (((fr_place)1 << FR_PLACE_BITS) - 1), text);
}

const char *fr_table_where(char out[FR_WHERE], const fr_table *table, fr_place place, fr_place from)
{
    int64_t file = place >> FR_PLACE_BITS;
    int length = snprintf(out, FR_WHERE, "%s %lld", table->units[file],
                          (long long)(place & (((fr_place)1 << FR_PLACE_BITS) - 1)));
    if (file != from >> FR_PLACE_BITS)
        snprintf(out + length, FR_WHERE - (size_t)length, " of %s", table->files.text[file]);
    return out;
}

const char *fr_table_keep(fr_table *table, const char *text)
{
    return fr_strings_add(fr_dataset_strings(table->data), text, strlen(text));
}

/* Number of a name whose text may not outlive the line. */
static int64_t intern(fr_table *table, fr_names *names, const char *text)
{
    int64_t found = fr_names_find(names, text);
    return found >= 0 ? found : fr_names_add(names, fr_table_keep(table, text));
}

fr_status fr_table_add(fr_table *table, const char *id, int64_t *row)
{
    char shown[FR_EXCERPT], where[FR_WHERE];
    if (fr_utf8_blank(id))
        return fr_table_fail(table, "the prompt's id is empty");
    int64_t number = intern(table, &table->ids, id);
    if (number < table->rows)
        return fr_table_fail(table, "id \"%s\" stands in %s already; ids must be unique", fr_utf8_excerpt(shown, id),
                             fr_table_where(where, table, table->row[number].place, fr_table_here(table)));
    if (table->rows == table->room) {
        table->room = table->room ? 2 * table->room : 1024;
        table->row = fr_realloc(table->row, (size_t)table->room * sizeof *table->row);
    }
    table->row[number] =
        (fr_row){.description = "", .source = unknown_source, .place = fr_table_here(table), .split = -1};
    table->rows++;
    *row = number;
    return FR_OK;
}

fr_status fr_table_set_text(fr_table *table, int64_t row, const char *text)
{
    if (fr_utf8_blank(text))
        return fr_table_fail(table, "the prompt is empty");
    table->row[row].text = fr_table_keep(table, text);
    return FR_OK;
}

void fr_table_set_description(fr_table *table, int64_t row, const char *text)
{
    table->row[row].description = fr_utf8_blank(text) ? "" : fr_table_keep(table, text);
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
    if (table->loose && (strcmp(name, "validation") == 0 || strcmp(name, "val") == 0 || strcmp(name, "valid") == 0)) {
        table->row[row].split = FR_SPLIT_DEV;
        return FR_OK;
    }
    return fr_table_fail(table, "split is \"%s\", want train, dev or test", fr_utf8_excerpt(shown, name));
}

void fr_table_unknown(fr_table *table, const char *key)
{
    if (!table->unknown_values++)
        table->unknown_place = fr_table_here(table);
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
    cells->cell[cells->count++] = (fr_cell){row, fr_table_here(table), model, (float)value};
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

/* What the lines of one prompt say of it must agree. */
static fr_status check_same(const fr_table *table, int64_t row, const char *what, const char *first, const char *now)
{
    char id[FR_EXCERPT], where[FR_WHERE];
    if (now[0] && strcmp(first, now) != 0)
        return fr_table_fail(table, "%s of prompt \"%s\" differs from the one in %s", what,
                             fr_utf8_excerpt(id, table->ids.text[row]),
                             fr_table_where(where, table, table->row[row].place, fr_table_here(table)));
    return FR_OK;
}

static fr_status check_prompt(fr_table *table, const fr_prompt *prompt, int64_t row)
{
    fr_row first = table->row[row];
    FR_TRY(check_same(table, row, "prompt", first.text, prompt->text));
    FR_TRY(check_same(table, row, "description", first.description, prompt->description));
    FR_TRY(check_same(table, row, "source", first.source, prompt->source));
    if (!prompt->split[0])
        return FR_OK;
    FR_TRY(fr_table_set_split(table, row, prompt->split));
    if (table->row[row].split != first.split)
        return check_same(table, row, "split", "", prompt->split);
    return FR_OK;
}

fr_status fr_table_prompt(fr_table *table, const fr_prompt *prompt, int64_t *row)
{
    *row = fr_names_find(&table->ids, prompt->id);
    if (*row >= 0)
        return check_prompt(table, prompt, *row);
    FR_TRY(fr_table_add(table, prompt->id, row));
    FR_TRY(fr_table_set_text(table, *row, prompt->text));
    fr_table_set_description(table, *row, prompt->description);
    fr_table_set_source(table, *row, prompt->source);
    return prompt->split[0] ? fr_table_set_split(table, *row, prompt->split) : FR_OK;
}

fr_status fr_table_embedding(fr_table *table, int64_t row, const float *value, int64_t width)
{
    char shown[FR_EXCERPT], where[FR_WHERE];
    const char *id = fr_utf8_excerpt(shown, table->ids.text[row]);
    if (width < 1 || width > FR_EMBEDDING_WIDEST)
        return fr_table_fail(table, "the embedding of prompt \"%s\" holds %lld numbers, want 1 to %d", id,
                             (long long)width, FR_EMBEDDING_WIDEST);
    if (table->embedding && width != table->embedding_width)
        return fr_table_fail(table, "the embedding of prompt \"%s\" holds %lld numbers, want %lld as those before it",
                             id, (long long)width, (long long)table->embedding_width);
    if (table->embedding_room <= row) {
        table->embedding_room = 2 * row + 16;
        table->embedding_width = width;
        table->embedding =
            fr_realloc(table->embedding, (size_t)(table->embedding_room * width) * sizeof *table->embedding);
    }
    float *mine = table->embedding + row * width;
    size_t bytes = (size_t)width * sizeof *mine;
    if (table->row[row].embedded && memcmp(mine, value, bytes) != 0)
        return fr_table_fail(table, "the embedding of prompt \"%s\" differs from the one in %s", id,
                             fr_table_where(where, table, table->row[row].place, fr_table_here(table)));
    memcpy(mine, value, bytes);
    table->row[row].embedded = true;
    return FR_OK;
}

fr_status fr_table_number(const fr_table *table, const char *what, const char *text, double *value)
{
    char shown[FR_EXCERPT], *end;
    if (!text[0])
        *value = NAN;
    else if (strcmp(text, "true") == 0 || strcmp(text, "True") == 0)
        *value = 1;
    else if (strcmp(text, "false") == 0 || strcmp(text, "False") == 0)
        *value = 0;
    else if (text[strspn(text, "+-.0123456789eE")] || (*value = strtod(text, &end), end == text || *end))
        return fr_table_fail(table, "%s is \"%s\", want a finite number, or nothing where it is unknown", what,
                             fr_utf8_excerpt(shown, text));
    return FR_OK;
}
