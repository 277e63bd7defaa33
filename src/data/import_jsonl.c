/* import_jsonl.c - our own JSON Lines. */
#include "long.h"

#include "io/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static fr_status add_scores(fr_table *table, int64_t row, json_t *object, const char *key,
                            fr_status (*add)(fr_table *, int64_t, const char *, double))
{
    json_t *scores = json_object_get(object, key), *value;
    const char *model;
    if (!scores || json_is_null(scores))
        return FR_OK;
    if (!json_is_object(scores))
        return fr_table_fail(table, "%s is %s, want an object {model: number}", key, fr_json_kind(scores));
    json_object_foreach(scores, model, value)
    {
        double score = NAN;
        FR_TRY(fr_entry_score(table, key, model, value, &score));
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
        return fr_table_fail(table, "id is %s, want a text", fr_json_kind(id));
    return fr_table_add(table, json_string_value(id), row);
}

static void count_unknown(fr_table *table, json_t *object)
{
    static const char *const known[] = {"id",    "prompt",  "description", "source",
                                        "split", "quality", "cost",        "embedding"};
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

static fr_status add_object(fr_table *table, json_t *object, void *context)
{
    (void)context;
    int64_t row;
    const char *text;
    FR_TRY(get_id(table, object, &row));
    if (!json_object_get(object, "prompt"))
        return fr_table_fail(table, "prompt is missing");
    FR_TRY(fr_entry_text(table, object, "prompt", &text));
    FR_TRY(fr_table_set_text(table, row, text));
    FR_TRY(fr_entry_text(table, object, "description", &text));
    fr_table_set_description(table, row, text);
    FR_TRY(fr_entry_text(table, object, "source", &text));
    fr_table_set_source(table, row, text);
    FR_TRY(fr_entry_text(table, object, "split", &text));
    if (text[0])
        FR_TRY(fr_table_set_split(table, row, text));
    if (!json_object_get(object, "quality"))
        return fr_table_fail(table, "quality is missing, want an object {model: number}");
    FR_TRY(add_scores(table, row, object, "quality", fr_table_quality));
    FR_TRY(add_scores(table, row, object, "cost", fr_table_cost));
    FR_TRY(fr_entry_embedding(table, row, json_object_get(object, "embedding")));
    count_unknown(table, object);
    return FR_OK;
}

fr_status fr_import_jsonl(fr_table *table)
{
    return fr_import_lines(table, table->whole, add_object, NULL);
}
