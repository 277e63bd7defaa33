/* import_models.c - the JSON list of models and prices that goes with a table. */
#include "long.h"

#include "base/files.h"
#include "build.h"
#include "finerouter/log.h"
#include "io/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
                       json_is_number(value) ? "negative" : fr_json_kind(value));
    return FR_OK;
}

static fr_status add_model(fr_table *table, size_t i, const json_t *model)
{
    char shown[FR_EXCERPT];
    const char *path = table->models_path;
    if (!json_is_object(model))
        return fr_fail(FR_FAILED, "%s: entry %zu is %s, want an object {name, input_usd_per_mtok, output_usd_per_mtok}",
                       path, i + 1, fr_json_kind(model));
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

/* LLMRouter's form {name: {input_price, output_price, ...}} as the list. */
static json_t *as_list(json_t *object)
{
    json_t *list = json_array(), *model;
    const char *name;
    json_object_foreach(object, name, model)
    {
        json_t *entry = json_object();
        json_object_set_new(entry, "name", json_string(name));
        json_t *input = json_object_get(model, "input_price"), *output = json_object_get(model, "output_price");
        if (input)
            json_object_set(entry, "input_usd_per_mtok", input);
        if (output)
            json_object_set(entry, "output_usd_per_mtok", output);
        json_array_append_new(list, entry);
    }
    return list;
}

static fr_status add_models(fr_table *table, json_t *list)
{
    if (!json_is_array(list))
        return fr_fail(FR_FAILED, "%s: holds %s, want a list of models", table->models_path, fr_json_kind(list));
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
    if (json_is_object(json_object_iter_value(json_object_iter(list)))) {
        json_t *object = list;
        list = as_list(object);
        json_decref(object);
    }
    fr_status status = add_models(table, list);
    json_decref(list);
    return status;
}
