/* import_routerbench.c - RouterBench: the CSV made from its pickle, one line for each prompt, and for each model the
 * columns MODEL (score), MODEL|total_cost (USD) and MODEL|model_response (not read).
 *
 * A prompt is there as Python prints a list of texts. Its texts are joined by an empty line, one that stands there
 * again (several turns repeat the first) taken once; what does not read as such a list is the prompt itself. */
#include "long.h"

#include "finerouter/log.h"
#include "io/csv.h"
#include "io/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    if (look->folder || !fr_look_column(look, "sample_id"))
        return false;
    size_t line = strcspn(look->head, "\r\n");
    const char *cost = strstr(look->head, "|total_cost"), *response = strstr(look->head, "|model_response");
    return (cost && (size_t)(cost - look->head) < line) || (response && (size_t)(response - look->head) < line);
}

/* ---- prompts ---- */

/* Surrogates, NUL and what lies beyond Unicode become U+FFFD. */
static void add_point(fr_buffer *out, uint32_t point)
{
    char utf8[4];
    size_t bytes = fr_utf8_write(utf8, point ? point : 0xFFFD);
    if (!bytes)
        bytes = fr_utf8_write(utf8, 0xFFFD);
    fr_buffer_add(out, utf8, bytes);
}

/* One escape of a Python text behind its backslash; false where it is none that repr writes. */
static bool read_escape(fr_buffer *out, const char **at)
{
    static const char from[] = "nrt\\'\"", to[] = "\n\r\t\\'\"";
    const char *plain = **at ? strchr(from, **at) : NULL;
    if (plain) {
        fr_buffer_add(out, &to[plain - from], 1);
        ++*at;
        return true;
    }
    int digits = **at == 'x' ? 2 : **at == 'u' ? 4 : **at == 'U' ? 8 : 0;
    uint32_t point = 0;
    if (!digits)
        return false;
    ++*at;
    for (int i = 0; i < digits; i++, ++*at) {
        const char *hex = "0123456789abcdef", *digit = **at ? strchr(hex, **at | 0x20) : NULL;
        if (!digit)
            return false;
        point = point << 4 | (uint32_t)(digit - hex);
    }
    add_point(out, point);
    return true;
}

/* One quoted text; *at stands behind it. */
static bool read_text(fr_buffer *out, const char **at)
{
    char quote = **at;
    if (quote != '\'' && quote != '"')
        return false;
    for (++*at; **at && **at != quote;) {
        if (**at == '\\') {
            ++*at;
            if (!read_escape(out, at))
                return false;
            continue;
        }
        fr_buffer_add(out, (*at)++, 1);
    }
    if (**at != quote)
        return false;
    ++*at;
    return true;
}

/* The texts of "['a', \"b\"]" into out; false where it is no such list, or has no text at all. */
static bool read_list(fr_buffer *out, const char *text)
{
    const char *at = text;
    fr_names seen = {0};
    fr_strings pool = {0};
    bool good = *at++ == '[';
    while (good && *at != ']') {
        fr_buffer one = {0};
        good = read_text(&one, &at);
        if (good && one.bytes && fr_names_find(&seen, one.data) < 0) {
            fr_names_add(&seen, fr_strings_add(&pool, one.data, one.bytes));
            fr_buffer_addf(out, "%s", out->bytes ? "\n\n" : "");
            fr_buffer_add(out, one.data, one.bytes);
        }
        fr_buffer_close(&one);
        if (good && at[0] == ',' && at[1] == ' ')
            at += 2;
        else
            good = good && *at == ']';
    }
    fr_names_close(&seen);
    fr_strings_close(&pool);
    return good && at[1] == 0 && out->bytes > 0;
}

/* ---- columns ---- */

typedef struct wide_model {
    const char *name;
    int64_t score, cost; /* columns; cost -1: none */
} wide_model;

typedef struct wide_header {
    int64_t width, id, prompt, source;
    wide_model *model;
    int64_t models;
} wide_header;

/* The column of this name, -1 where there is none. */
static int64_t find(const fr_names *names, const char *name, const char *end)
{
    char *whole = fr_format("%s%s", name, end);
    int64_t found = fr_names_find(names, whole);
    free(whole);
    return found;
}

static fr_status read_columns(fr_table *table, wide_header *head, const fr_names *names)
{
    head->id = find(names, "sample_id", "");
    head->prompt = find(names, "prompt", "");
    head->source = find(names, "eval_name", "");
    if (head->id < 0 || head->prompt < 0)
        return fr_table_fail(table,
                             "the header lacks the column %s; want sample_id, prompt, eval_name, and for each "
                             "model MODEL, MODEL|total_cost",
                             head->id < 0 ? "sample_id" : "prompt");
    head->model = FR_NEW(wide_model, names->count);
    for (int64_t i = 0; i < names->count; i++) {
        const char *name = names->text[i];
        int64_t cost = find(names, name, "|total_cost"), response = find(names, name, "|model_response");
        if (cost >= 0 || response >= 0)
            head->model[head->models++] = (wide_model){fr_table_keep(table, name), i, cost};
    }
    return head->models ? FR_OK
                        : fr_table_fail(table, "the header has no model: no column MODEL beside MODEL|total_cost");
}

static fr_status read_header(fr_table *table, wide_header *head, const char *const *fields)
{
    char shown[FR_EXCERPT];
    fr_names names = {0};
    fr_status status = FR_OK;
    for (int64_t i = 0; i < head->width && status == FR_OK; i++)
        if (fr_names_add(&names, fields[i]) != i)
            status = fr_table_fail(table, "column %s stands there twice", fr_utf8_excerpt(shown, fields[i]));
    if (status == FR_OK)
        status = read_columns(table, head, &names);
    fr_names_close(&names);
    return status;
}

static fr_status add_scores(fr_table *table, const wide_header *head, int64_t row, const char *const *fields)
{
    char shown[FR_EXCERPT], what[FR_EXCERPT + 32];
    for (int64_t m = 0; m < head->models; m++) {
        const wide_model *model = &head->model[m];
        double value;
        snprintf(what, sizeof what, "score of model \"%s\"", fr_utf8_excerpt(shown, model->name));
        FR_TRY(fr_table_number(table, what, fields[model->score], &value));
        FR_TRY(fr_table_quality(table, row, model->name, value));
        if (model->cost < 0)
            continue;
        snprintf(what, sizeof what, "total_cost of model \"%s\"", shown);
        FR_TRY(fr_table_number(table, what, fields[model->cost], &value));
        if (!isnan(value))
            FR_TRY(fr_table_cost(table, row, model->name, value));
    }
    return FR_OK;
}

static fr_status add_record(fr_table *table, const wide_header *head, const char *const *fields)
{
    int64_t row;
    fr_buffer text = {0};
    bool list = read_list(&text, fields[head->prompt]);
    const fr_prompt prompt = {.id = fields[head->id],
                              .text = list ? text.data : fields[head->prompt],
                              .description = "",
                              .source = head->source < 0 ? "" : fields[head->source],
                              .split = ""};
    fr_status status = fr_table_prompt(table, &prompt, &row);
    if (status == FR_OK)
        status = add_scores(table, head, row, fields);
    fr_buffer_close(&text);
    return status;
}

static fr_status read_records(fr_table *table, fr_csv *csv, wide_header *head, fr_progress *progress)
{
    const char **fields;
    int64_t count;
    FR_TRY(fr_csv_next(csv, &fields, &head->width));
    if (!fields)
        return fr_table_fail(table, "is empty, want a header line");
    table->line = fr_csv_line(csv);
    FR_TRY(read_header(table, head, fields));
    for (;;) {
        FR_TRY(fr_csv_next(csv, &fields, &count));
        if (!fields)
            return FR_OK;
        table->line = fr_csv_line(csv);
        if (count != head->width)
            return fr_table_fail(table, "has %lld fields, want %lld as in the header", (long long)count,
                                 (long long)head->width);
        FR_TRY(add_record(table, head, fields));
        fr_progress_add(progress, 1);
        if (fr_interrupt_wanted())
            return fr_interrupted();
    }
}

static fr_status read_routerbench(fr_table *table)
{
    fr_csv *csv;
    wide_header head = {0};
    FR_TRY(fr_csv_open(&csv, table->whole));
    fr_progress progress;
    fr_progress_begin(&progress, "import", "prompts", -1);
    fr_status status = read_records(table, csv, &head, &progress);
    fr_progress_end(&progress);
    fr_csv_close(csv);
    free(head.model);
    return status;
}

const fr_importer fr_importer_routerbench = {.name = "routerbench",
                                             .what = "RouterBench CSV",
                                             .matches = matches,
                                             .read = read_routerbench,
                                             .repeats = FR_REPEAT_EQUAL,
                                             .loose = true};
