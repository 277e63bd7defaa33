/* import_json.c - JSON for the importers: lines, whole files, lists, values. */
#include "long.h"

#include "finerouter/log.h"
#include "io/lines.h"
#include "io/utf8.h"

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

const char *fr_json_kind(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a text", [JSON_INTEGER] = "a number",
        [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",   [JSON_NULL] = "null"};
    return names[json_typeof(value)];
}

fr_status fr_entry_text(const fr_table *table, const json_t *object, const char *key, const char **text)
{
    const json_t *value = json_object_get(object, key);
    *text = "";
    if (!value || json_is_null(value))
        return FR_OK;
    if (!json_is_string(value))
        return fr_table_fail(table, "%s is %s, want a text", key, fr_json_kind(value));
    *text = json_string_value(value);
    return FR_OK;
}

fr_status fr_entry_label(const fr_table *table, const json_t *object, const char *key, char room[32], const char **text)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return fr_entry_text(table, object, key, text);
    if (json_is_integer(value))
        snprintf(room, 32, "%lld", (long long)json_integer_value(value));
    else
        snprintf(room, 32, "%.10g", json_real_value(value));
    *text = room;
    return FR_OK;
}

fr_status fr_entry_score(const fr_table *table, const char *key, const char *model, const json_t *value, double *score)
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
                             fr_utf8_excerpt(shown, model), fr_json_kind(value));
    return FR_OK;
}

fr_status fr_entry_number(const fr_table *table, const json_t *object, const char *key, double *number)
{
    const json_t *value = json_object_get(object, key);
    *number = NAN;
    if (!value || json_is_null(value))
        return FR_OK;
    if (!json_is_number(value) && !json_is_boolean(value))
        return fr_table_fail(table, "%s is %s, want a number or null", key, fr_json_kind(value));
    *number = json_is_boolean(value) ? json_is_true(value) : json_number_value(value);
    return FR_OK;
}

fr_status fr_entry_embedding(fr_table *table, int64_t row, const json_t *list)
{
    if (!list || json_is_null(list))
        return FR_OK;
    if (!json_is_array(list))
        return fr_table_fail(table, "embedding is %s, want a list of numbers", fr_json_kind(list));
    size_t width = json_array_size(list);
    float *value = FR_NEW(float, (int64_t)width);
    fr_status status = FR_OK;
    for (size_t c = 0; c < width && status == FR_OK; c++) {
        const json_t *entry = json_array_get(list, c);
        if (json_is_number(entry))
            value[c] = (float)json_number_value(entry);
        else
            status = fr_table_fail(table, "embedding: entry %zu is %s, want a number", c, fr_json_kind(entry));
    }
    if (status == FR_OK)
        status = fr_table_embedding(table, row, value, (int64_t)width);
    free(value);
    return status;
}

static fr_status add_line(fr_table *table, const char *text, size_t bytes,
                          fr_status (*add)(fr_table *, json_t *, void *), void *context)
{
    json_error_t error;
    json_t *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!object) {
        char reason[160];
        return fr_table_fail(table, "no valid JSON at byte %d: %s", error.position,
                             fr_json_reason(reason, json_error_code(&error), error.text));
    }
    fr_status status = json_is_object(object)
                           ? add(table, object, context)
                           : fr_table_fail(table, "the line is %s, want a JSON object", fr_json_kind(object));
    json_decref(object);
    return status;
}

fr_status fr_import_lines(fr_table *table, const char *path, fr_status (*add)(fr_table *, json_t *, void *),
                          void *context)
{
    fr_lines *lines;
    fr_table_begin(table, path, "line");
    FR_TRY(fr_lines_open(&lines, path));
    fr_progress progress;
    fr_progress_begin(&progress, "import", "lines", -1);
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
        FR_TRY_GOTO(add_line(table, text, bytes, add, context), done);
        fr_progress_add(&progress, 1);
        if (fr_interrupt_wanted())
            FR_TRY_GOTO(fr_interrupted(), done);
    }
done:
    fr_progress_end(&progress);
    fr_lines_close(lines);
    return status;
}

/* The text of a whole file, checked. */
static fr_status read_text(fr_buffer *all, const char *path)
{
    fr_lines *lines;
    FR_TRY(fr_lines_open(&lines, path));
    fr_status status;
    for (;;) {
        char *text;
        size_t bytes;
        FR_TRY_GOTO(fr_lines_next(lines, &text, &bytes), done);
        if (!text)
            break;
        FR_TRY_GOTO(fr_lines_check(lines, text, bytes), done);
        fr_buffer_add(all, "\n", fr_lines_number(lines) > 1); /* lines as in the file, for errors */
        fr_buffer_add(all, text, bytes);
    }
done:
    fr_lines_close(lines);
    return status;
}

fr_status fr_json_read(json_t **json, const char *path)
{
    fr_buffer text = {0};
    json_error_t error;
    *json = NULL;
    fr_status status = read_text(&text, path);
    if (status == FR_OK) {
        *json = json_loadb(text.data ? text.data : "", text.bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        char reason[160];
        if (!*json)
            status = fr_fail(FR_FAILED, "%s:%d: no valid JSON: %s", path, error.line,
                             fr_json_reason(reason, json_error_code(&error), error.text));
    }
    fr_buffer_close(&text);
    return status;
}

fr_status fr_import_entries(fr_table *table, json_t *list, fr_status (*add)(fr_table *, json_t *, void *),
                            void *context)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *entry = json_array_get(list, i);
        table->line = (int64_t)i + 1;
        if (!json_is_object(entry))
            return fr_table_fail(table, "is %s, want an object", fr_json_kind(entry));
        FR_TRY(add(table, entry, context));
        if (fr_interrupt_wanted())
            return fr_interrupted();
    }
    return FR_OK;
}
