/* import_csv.c - long CSV tables: one line for each prompt and model. */
#include "table.h"

#include "finerouter/log.h"
#include "io/csv.h"
#include "io/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ID, PROMPT, MODEL, QUALITY, COST, DESCRIPTION, SOURCE, SPLIT, COLUMNS };

static const char *const column_names[COLUMNS] = {"prompt_id", "prompt",      "model",  "quality",
                                                  "cost",      "description", "source", "split"};

static fr_status read_header(fr_table *table, const char *const *fields, int64_t count, int64_t column[COLUMNS])
{
    char shown[FR_EXCERPT];
    for (int c = 0; c < COLUMNS; c++)
        column[c] = -1;
    for (int64_t i = 0; i < count; i++) {
        int c = 0;
        while (c < COLUMNS && strcmp(fields[i], column_names[c]) != 0)
            c++;
        if (c == COLUMNS)
            fr_table_unknown(table, fields[i]);
        else if (column[c] >= 0)
            return fr_table_fail(table, "column %s stands there twice", column_names[c]);
        else
            column[c] = i;
    }
    for (int c = ID; c <= QUALITY; c++)
        if (column[c] < 0)
            return fr_table_fail(table,
                                 "the header \"%s%s\" lacks the column %s; want prompt_id, prompt, model, quality",
                                 fr_utf8_excerpt(shown, fields[0]), count > 1 ? ",..." : "", column_names[c]);
    return FR_OK;
}

/* A decimal number; true and false are 1 and 0, an empty field is NaN. */
static fr_status read_number(const fr_table *table, const char *what, const char *text, double *value)
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

/* What the lines of one prompt say of it must agree; an empty field says nothing. */
static fr_status check_same(const fr_table *table, int64_t row, const char *what, const char *first, const char *now)
{
    char id[FR_EXCERPT];
    if (now[0] && strcmp(first, now) != 0)
        return fr_table_fail(table, "%s of prompt \"%s\" differs from the one in line %lld", what,
                             fr_utf8_excerpt(id, table->ids.text[row]), (long long)table->row[row].line);
    return FR_OK;
}

static fr_status add_prompt(fr_table *table, const char *const value[COLUMNS], int64_t *row)
{
    FR_TRY(fr_table_add(table, value[ID], row));
    FR_TRY(fr_table_set_text(table, *row, value[PROMPT]));
    fr_table_set_description(table, *row, value[DESCRIPTION]);
    fr_table_set_source(table, *row, value[SOURCE]);
    return value[SPLIT][0] ? fr_table_set_split(table, *row, value[SPLIT]) : FR_OK;
}

static fr_status check_prompt(fr_table *table, const char *const value[COLUMNS], int64_t row)
{
    fr_row first = table->row[row];
    FR_TRY(check_same(table, row, "prompt", first.text, value[PROMPT]));
    FR_TRY(check_same(table, row, "description", first.description, value[DESCRIPTION]));
    FR_TRY(check_same(table, row, "source", first.source, value[SOURCE]));
    if (!value[SPLIT][0])
        return FR_OK;
    FR_TRY(fr_table_set_split(table, row, value[SPLIT]));
    if (table->row[row].split != first.split)
        return check_same(table, row, "split", "", value[SPLIT]);
    return FR_OK;
}

static fr_status add_record(fr_table *table, const char *const value[COLUMNS])
{
    int64_t row = fr_names_find(&table->ids, value[ID]);
    double quality, cost;
    FR_TRY(row < 0 ? add_prompt(table, value, &row) : check_prompt(table, value, row));
    FR_TRY(read_number(table, "quality", value[QUALITY], &quality));
    FR_TRY(fr_table_quality(table, row, value[MODEL], quality));
    FR_TRY(read_number(table, "cost", value[COST], &cost));
    return isnan(cost) ? FR_OK : fr_table_cost(table, row, value[MODEL], cost);
}

static fr_status read_records(fr_table *table, fr_csv *csv, fr_progress *progress)
{
    const char **fields;
    int64_t count, width, column[COLUMNS];
    FR_TRY(fr_csv_next(csv, &fields, &width));
    if (!fields)
        return fr_fail(FR_FAILED, "%s: is empty, want a header line", table->path);
    table->line = fr_csv_line(csv);
    FR_TRY(read_header(table, fields, width, column));
    for (;;) {
        FR_TRY(fr_csv_next(csv, &fields, &count));
        if (!fields)
            return FR_OK;
        table->line = fr_csv_line(csv);
        if (count != width)
            return fr_table_fail(table, "has %lld fields, want %lld as in the header", (long long)count,
                                 (long long)width);
        const char *value[COLUMNS];
        for (int c = 0; c < COLUMNS; c++)
            value[c] = column[c] < 0 ? "" : fields[column[c]];
        FR_TRY(add_record(table, value));
        fr_progress_add(progress, 1);
        if (fr_interrupt_wanted())
            return fr_interrupted();
    }
}

fr_status fr_import_csv(fr_table *table)
{
    fr_csv *csv;
    FR_TRY(fr_csv_open(&csv, table->path));
    fr_progress progress;
    fr_progress_begin(&progress, "import", "lines", -1);
    fr_status status = read_records(table, csv, &progress);
    fr_progress_end(&progress);
    fr_csv_close(csv);
    return status;
}
