/* import_jsonl.c - JSON Lines tables, and the JSON list of models. */
#include "table.h"

#include "base/files.h"
#include "build.h"
#include "finerouter/log.h"
#include "io/lines.h"
#include "io/utf8.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fr_json_reason(char out[160], int code, const char *text)
{
    if (code == json_error_premature_end_of_input)
        snprintf(out, 160, "it ends too early, as a truncated file does");
    else if (code == json_error_null_character || code == json_error_null_byte_in_key)
        snprintf(out, 160, "NUL characters (\\u0000) are not allowed");
    else if (strstr(text, "near 'NaN'") || strstr(text, "near 'Infinity'") || strstr(text, "near '-Infinity'") ||
             strstr(text, "near '-'"))
        snprintf(out, 160, "%.80s; JSON has no NaN or Infinity, write null for what was not observed", text);
    else
        snprintf(out, 160, "%.150s", text);
    for (char *at = out; *at; at++)
        if ((unsigned char)*at < 0x20)
            *at = ' ';
    return out;
}

static const char *kind(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a text", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",   [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

/* The text of a key; "" where it is absent or null. */
static fr_status get_text(const fr_table *table, const json_t *object, const char *key, const char **text)
{
    const json_t *value = json_object_get(object, key);
    *text = "";
    if (!value || json_is_null(value))
        return FR_OK;
    if (!json_is_string(value))
        return fr_table_fail(table, "%s is %s, want a text", key, kind(value));
    *text = json_string_value(value);
    return FR_OK;
}

/* A number, true or false (1, 0), or null (NaN). */
static fr_status get_score(const fr_table *table, const char *key, const char *model, const json_t *value,
                           double *score)
{
    char shown[FR_EXCERPT], found[FR_EXCERPT];
    if (json_is_number(value))
        *score = json_number_value(value);
    else if (json_is_boolean(value))
        *score = json_is_true(value);
    else if (json_is_null(value))
        *score = NAN;
    else if (json_is_string(value))
        return fr_table_fail(table, "%s of model \"%s\" is the text \"%s\", want a number or null", key,
                             fr_utf8_excerpt(shown, model), fr_utf8_excerpt(found, json_string_value(value)));
    else
        return fr_table_fail(table, "%s of model \"%s\" is %s, want a number or null", key,
                             fr_utf8_excerpt(shown, model), kind(value));
    return FR_OK;
}

static fr_status add_scores(fr_table *table, int64_t row, json_t *object, const char *key,
                            fr_status (*add)(fr_table *, int64_t, const char *, double))
{
    json_t *scores = json_object_get(object, key), *value;
    const char *model;
    if (!scores || json_is_null(scores))
        return FR_OK;
    if (!json_is_object(scores))
        return fr_table_fail(table, "%s is %s, want an object {model: number}", key, kind(scores));
    json_object_foreach(scores, model, value)
    {
        double score = NAN;
        FR_TRY(get_score(table, key, model, value, &score));
        FR_TRY(add(table, row, model, score));
    }
    return FR_OK;
}

static fr_status get_id(fr_table *table, const json_t *object, int64_t *row)
{
    const json_t *id = json_object_get(object, "id");
    char number[32];
    if (!id)
        return fr_table_fail(table, "id is missing");
    if (json_is_integer(id)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(id));
        return fr_table_add(table, number, row);
    }
    if (!json_is_string(id))
        return fr_table_fail(table, "id is %s, want a text", kind(id));
    return fr_table_add(table, json_string_value(id), row);
}

static void count_unknown(fr_table *table, json_t *object)
{
    static const char *const known[] = {"id", "prompt", "description", "source", "split", "quality", "cost"};
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        size_t k = 0;
        while (k < sizeof known / sizeof *known && strcmp(key, known[k]) != 0)
            k++;
        if (k == sizeof known / sizeof *known)
            fr_table_unknown(table, key);
    }
}

static fr_status add_object(fr_table *table, json_t *object)
{
    int64_t row;
    const char *text;
    if (!json_is_object(object))
        return fr_table_fail(table, "the line is %s, want a JSON object", kind(object));
    FR_TRY(get_id(table, object, &row));
    if (!json_object_get(object, "prompt"))
        return fr_table_fail(table, "prompt is missing");
    FR_TRY(get_text(table, object, "prompt", &text));
    FR_TRY(fr_table_set_text(table, row, text));
    FR_TRY(get_text(table, object, "description", &text));
    fr_table_set_description(table, row, text);
    FR_TRY(get_text(table, object, "source", &text));
    fr_table_set_source(table, row, text);
    FR_TRY(get_text(table, object, "split", &text));
    if (text[0])
        FR_TRY(fr_table_set_split(table, row, text));
    if (!json_object_get(object, "quality"))
        return fr_table_fail(table, "quality is missing, want an object {model: number}");
    FR_TRY(add_scores(table, row, object, "quality", fr_table_quality));
    FR_TRY(add_scores(table, row, object, "cost", fr_table_cost));
    count_unknown(table, object);
    return FR_OK;
}

static fr_status add_line(fr_table *table, const char *text, size_t bytes)
{
    json_error_t error;
    json_t *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!object) {
        char reason[160];
        return fr_table_fail(table, "no valid JSON at byte %d: %s", error.position,
                             fr_json_reason(reason, json_error_code(&error), error.text));
    }
    fr_status status = add_object(table, object);
    json_decref(object);
    return status;
}

fr_status fr_import_jsonl(fr_table *table)
{
    fr_lines *lines;
    FR_TRY(fr_lines_open(&lines, table->path));
    fr_progress progress;
    fr_progress_begin(&progress, "import", "prompts", -1);
    fr_status status;
    for (;;) {
        char *text;
        size_t bytes;
        FR_TRY_GOTO(fr_lines_next(lines, &text, &bytes), done);
        if (!text)
            break;
        table->line = fr_lines_number(lines);
        FR_TRY_GOTO(fr_lines_check(lines, text, bytes), done);
        if (strspn(text, " \t\r") == bytes)
            continue;
        FR_TRY_GOTO(add_line(table, text, bytes), done);
        fr_progress_add(&progress, 1);
        if (fr_interrupt_wanted())
            FR_TRY_GOTO(fr_interrupted(), done);
    }
done:
    fr_progress_end(&progress);
    fr_lines_close(lines);
    return status;
}

/* ---- models ---- */

static fr_status get_price(const fr_table *table, const json_t *model, const char *name, const char *key, double *price)
{
    char shown[FR_EXCERPT];
    const json_t *value = json_object_get(model, key);
    *price = NAN;
    if (!value || json_is_null(value))
        return FR_OK;
    if (json_is_number(value))
        *price = json_number_value(value);
    if (!json_is_number(value) || !isfinite(*price) || *price < 0)
        return fr_fail(FR_FAILED, "%s: model \"%s\": %s is %s, want a number from 0 up (USD per million tokens)",
                       table->models_path, fr_utf8_excerpt(shown, name), key,
                       json_is_number(value) ? "negative" : kind(value));
    return FR_OK;
}

static fr_status add_model(fr_table *table, size_t i, const json_t *model)
{
    char shown[FR_EXCERPT];
    const char *path = table->models_path;
    if (!json_is_object(model))
        return fr_fail(FR_FAILED, "%s: entry %zu is %s, want an object {name, input_usd_per_mtok, output_usd_per_mtok}",
                       path, i + 1, kind(model));
    const json_t *name = json_object_get(model, "name");
    if (!json_is_string(name) || fr_utf8_blank(json_string_value(name)))
        return fr_fail(FR_FAILED, "%s: entry %zu has no name", path, i + 1);
    const char *text = json_string_value(name);
    int64_t there = fr_names_find(&table->models, text);
    if (there >= 0)
        return fr_fail(FR_FAILED, "%s: entries %lld and %zu have the same name \"%s\"", path, (long long)there + 1,
                       i + 1, fr_utf8_excerpt(shown, text));
    fr_names_add(&table->models, fr_strings_add(fr_dataset_strings(table->data), text, strlen(text)));
    FR_TRY(get_price(table, model, text, "input_usd_per_mtok", &table->input_price[i]));
    return get_price(table, model, text, "output_usd_per_mtok", &table->output_price[i]);
}

/* A misspelt price key makes costs unknown, so it is told. */
static void warn_unknown_keys(const fr_table *table, json_t *list)
{
    char shown[FR_EXCERPT];
    const char *key, *first = NULL;
    size_t at = 0;
    int64_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *value;
        json_object_foreach(json_array_get(list, i), key, value)
        {
            if (strcmp(key, "name") == 0 || strcmp(key, "input_usd_per_mtok") == 0 ||
                strcmp(key, "output_usd_per_mtok") == 0)
                continue;
            if (!count++) {
                first = key;
                at = i;
            }
        }
    }
    if (count)
        fr_log_warn(
            "%s: entry %zu: ignored key \"%s\" (%lld in all); known are name, input_usd_per_mtok, output_usd_per_mtok",
            table->models_path, at + 1, fr_utf8_excerpt(shown, first), (long long)count);
}

static fr_status add_models(fr_table *table, json_t *list)
{
    if (!json_is_array(list))
        return fr_fail(FR_FAILED, "%s: holds %s, want a list of models", table->models_path, kind(list));
    size_t count = json_array_size(list);
    if (count < 2)
        return fr_fail(FR_FAILED, "%s: lists %zu model%s, want at least 2 to route between", table->models_path, count,
                       count == 1 ? "" : "s");
    table->input_price = FR_NEW(double, count);
    table->output_price = FR_NEW(double, count);
    for (size_t i = 0; i < count; i++)
        FR_TRY(add_model(table, i, json_array_get(list, i)));
    warn_unknown_keys(table, list);
    return FR_OK;
}

fr_status fr_import_models(fr_table *table)
{
    const char *path = table->models_path;
    char *text;
    size_t bytes;
    FR_TRY(fr_file_read(&text, &bytes, path, (size_t)64 << 20));
    int64_t bad = fr_utf8_invalid(text, bytes);
    json_error_t error;
    json_t *list = bad < 0 ? json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error) : NULL;
    free(text);
    if (bad >= 0)
        return fr_fail(FR_FAILED, "%s: invalid UTF-8 at byte %lld", path, (long long)bad + 1);
    if (!list) {
        char reason[160];
        return fr_fail(FR_FAILED, "%s:%d: no valid JSON: %s", path, error.line,
                       fr_json_reason(reason, json_error_code(&error), error.text));
    }
    fr_status status = add_models(table, list);
    json_decref(list);
    return status;
}
