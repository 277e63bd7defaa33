/* import_csv.c - long CSV tables: one line for each prompt and model. */
#include "long.h"

#include "finerouter/log.h"
#include "io/csv.h"
#include "io/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const fr_long fr_long_own = {
    .name = {"prompt_id", "prompt", "model", "quality", "cost", "description", "source", "split"}, .tell_others = true};

/* Columns by name; -1 where there is none. */
typedef struct csv_columns {
    int64_t at[FR_COLUMNS], model_id;
} csv_columns;

static bool may_lack(const fr_long *wanted, int c)
{
    return c > FR_QUALITY || (c == FR_PROMPT && wanted->prompts) || (c == FR_MODEL && wanted->model_id);
}

static fr_status read_header(fr_table *table, const char *const *fields, int64_t count, const fr_long *wanted,
                             csv_columns *columns)
{
    char shown[FR_EXCERPT];
    for (int c = 0; c < FR_COLUMNS; c++)
        columns->at[c] = -1;
    columns->model_id = -1;
    for (int64_t i = 0; i < count; i++) {
        int c = 0;
        while (c < FR_COLUMNS && (!wanted->name[c] || strcmp(fields[i], wanted->name[c]) != 0))
            c++;
        if (c < FR_COLUMNS && columns->at[c] >= 0)
            return fr_table_fail(table, "column %s stands there twice", wanted->name[c]);
        if (c < FR_COLUMNS)
            columns->at[c] = i;
        else if (wanted->model_id && strcmp(fields[i], wanted->model_id) == 0)
            columns->model_id = i;
        else if (wanted->tell_others)
            fr_table_unknown(table, fields[i]);
    }
    for (int c = FR_ID; c <= FR_QUALITY; c++)
        if (columns->at[c] < 0 && !(may_lack(wanted, c) && (c != FR_MODEL || columns->model_id >= 0)))
            return fr_table_fail(table, "the header \"%s%s\" lacks the column %s; want %s, %s, %s, %s",
                                 fr_utf8_excerpt(shown, fields[0]), count > 1 ? ",..." : "", wanted->name[c],
                                 wanted->name[FR_ID], wanted->name[FR_PROMPT], wanted->name[FR_MODEL],
                                 wanted->name[FR_QUALITY]);
    return FR_OK;
}

/* The value that a dictionary has under `key`. */
static fr_status look_up(const fr_table *table, const fr_lookup *lookup, const char *what, const char *key,
                         const char **value)
{
    char shown[FR_EXCERPT];
    int64_t found = fr_names_find(&lookup->key, key);
    if (found < 0)
        return fr_table_fail(table, "%s \"%s\" is not in the file beside that lists them", what,
                             fr_utf8_excerpt(shown, key));
    *value = lookup->value[found];
    return FR_OK;
}

static fr_status add_record(fr_table *table, const char *value[FR_COLUMNS], const char *model_id, const fr_long *wanted,
                            const csv_columns *columns)
{
    int64_t row;
    double quality, cost;
    if (columns->at[FR_PROMPT] < 0)
        FR_TRY(look_up(table, wanted->prompts, wanted->name[FR_ID], value[FR_ID], &value[FR_PROMPT]));
    if (columns->at[FR_MODEL] < 0 && wanted->models)
        FR_TRY(look_up(table, wanted->models, wanted->model_id, model_id, &value[FR_MODEL]));
    else if (columns->at[FR_MODEL] < 0)
        value[FR_MODEL] = model_id;
    const fr_prompt prompt = {.id = value[FR_ID],
                              .text = value[FR_PROMPT],
                              .description = value[FR_DESCRIPTION],
                              .source = value[FR_SOURCE],
                              .split = wanted->split ? wanted->split : value[FR_SPLIT]};
    FR_TRY(fr_table_prompt(table, &prompt, &row));
    FR_TRY(fr_table_number(table, wanted->name[FR_QUALITY], value[FR_QUALITY], &quality));
    FR_TRY(fr_table_quality(table, row, value[FR_MODEL], quality));
    FR_TRY(fr_table_number(table, "cost", value[FR_COST], &cost));
    return isnan(cost) ? FR_OK : fr_table_cost(table, row, value[FR_MODEL], cost);
}

static fr_status read_records(fr_table *table, fr_csv *csv, const fr_long *wanted, fr_progress *progress)
{
    const char **fields;
    int64_t count, width;
    csv_columns columns;
    FR_TRY(fr_csv_next(csv, &fields, &width));
    if (!fields)
        return fr_fail(FR_FAILED, "%s: is empty, want a header line", table->path);
    table->line = fr_csv_line(csv);
    FR_TRY(read_header(table, fields, width, wanted, &columns));
    for (;;) {
        FR_TRY(fr_csv_next(csv, &fields, &count));
        if (!fields)
            return FR_OK;
        table->line = fr_csv_line(csv);
        if (count != width)
            return fr_table_fail(table, "has %lld fields, want %lld as in the header", (long long)count,
                                 (long long)width);
        const char *value[FR_COLUMNS];
        for (int c = 0; c < FR_COLUMNS; c++)
            value[c] = columns.at[c] < 0 ? "" : fields[columns.at[c]];
        FR_TRY(add_record(table, value, columns.model_id < 0 ? "" : fields[columns.model_id], wanted, &columns));
        fr_progress_add(progress, 1);
        if (fr_interrupt_wanted())
            return fr_interrupted();
    }
}

fr_status fr_import_csv(fr_table *table, const char *path, const fr_long *columns)
{
    fr_csv *csv;
    fr_table_begin(table, path, "line");
    FR_TRY(fr_csv_open(&csv, path));
    fr_progress progress;
    fr_progress_begin(&progress, "import", "lines", -1);
    fr_status status = read_records(table, csv, columns, &progress);
    fr_progress_end(&progress);
    fr_csv_close(csv);
    return status;
}

/* ---- dictionaries ---- */

static fr_status read_lookup(fr_lookup *lookup, fr_table *table, fr_csv *csv, const char *key, const char *value)
{
    char shown[FR_EXCERPT];
    const char **fields;
    int64_t count, width, at[2] = {-1, -1}, room = 0;
    FR_TRY(fr_csv_next(csv, &fields, &width));
    if (!fields)
        return fr_table_fail(table, "is empty, want a header line with %s and %s", key, value);
    table->line = fr_csv_line(csv);
    for (int64_t i = 0; i < width; i++) {
        if (strcmp(fields[i], key) == 0)
            at[0] = i;
        else if (strcmp(fields[i], value) == 0)
            at[1] = i;
    }
    if (at[0] < 0 || at[1] < 0)
        return fr_table_fail(table, "the header lacks the column %s; want %s and %s", at[0] < 0 ? key : value, key,
                             value);
    for (;;) {
        FR_TRY(fr_csv_next(csv, &fields, &count));
        if (!fields)
            return FR_OK;
        table->line = fr_csv_line(csv);
        if (count != width)
            return fr_table_fail(table, "has %lld fields, want %lld as in the header", (long long)count,
                                 (long long)width);
        if (fr_names_find(&lookup->key, fields[at[0]]) >= 0)
            return fr_table_fail(table, "%s \"%s\" stands there twice", key, fr_utf8_excerpt(shown, fields[at[0]]));
        if (lookup->key.count == room) {
            room = room ? 2 * room : 1024;
            lookup->value = fr_realloc(lookup->value, (size_t)room * sizeof *lookup->value);
        }
        int64_t number = fr_names_add(&lookup->key, fr_table_keep(table, fields[at[0]]));
        lookup->value[number] = fr_table_keep(table, fields[at[1]]);
    }
}

fr_status fr_lookup_read(fr_lookup *lookup, fr_table *table, const char *path, const char *key, const char *value)
{
    fr_csv *csv;
    *lookup = (fr_lookup){0};
    fr_table_begin(table, path, "line");
    FR_TRY(fr_csv_open(&csv, path));
    fr_status status = read_lookup(lookup, table, csv, key, value);
    fr_csv_close(csv);
    return status;
}

void fr_lookup_close(fr_lookup *lookup)
{
    fr_names_close(&lookup->key);
    free(lookup->value);
    *lookup = (fr_lookup){0};
}
