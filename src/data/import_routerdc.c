/* import_routerdc.c - RouterDC and LLMRouter's copies of its layout: a JSON list or JSON Lines of {question, scores
 * {model: score}} or {query, llm_name_list, perf_list}. A folder gives its .json and .jsonl files, with splits by their
 * names. */
#include "long.h"

#include "base/files.h"
#include "io/tree.h"

#include <stdio.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    return (fr_look_key(look, "question") && fr_look_key(look, "scores")) ||
           (fr_look_key(look, "llm_name_list") && fr_look_key(look, "perf_list"));
}

typedef struct routerdc {
    const char *split; /* of the file being read, "" if it has none */
    int64_t prompts;
} routerdc;

static fr_status add_by_model(fr_table *table, int64_t row, json_t *scores)
{
    const char *model;
    json_t *value;
    json_object_foreach(scores, model, value)
    {
        double score;
        FR_TRY(fr_entry_score(table, "scores", model, value, &score));
        FR_TRY(fr_table_quality(table, row, model, score));
    }
    return FR_OK;
}

static fr_status add_by_lists(fr_table *table, int64_t row, const json_t *models, const json_t *scores)
{
    size_t count = json_array_size(models);
    if (!json_is_array(models) || !json_is_array(scores) || json_array_size(scores) != count)
        return fr_table_fail(table, "llm_name_list has %zu entries and perf_list %zu, want two lists of one length",
                             count, json_array_size(scores));
    for (size_t m = 0; m < count; m++) {
        const char *model = json_string_value(json_array_get(models, m));
        double score;
        if (!model)
            return fr_table_fail(table, "llm_name_list: entry %zu is %s, want a text", m + 1,
                                 fr_json_kind(json_array_get(models, m)));
        FR_TRY(fr_entry_score(table, "perf_list", model, json_array_get(scores, m), &score));
        FR_TRY(fr_table_quality(table, row, model, score));
    }
    return FR_OK;
}

static fr_status add_prompt(fr_table *table, json_t *entry, void *context)
{
    routerdc *state = context;
    char id[32];
    const char *text, *source;
    int64_t row;
    const char *key = json_object_get(entry, "question") ? "question" : "query";
    if (!json_object_get(entry, key))
        return fr_table_fail(table, "question is missing");
    FR_TRY(fr_entry_text(table, entry, key, &text));
    FR_TRY(fr_entry_text(table, entry, json_object_get(entry, "task_name") ? "task_name" : "dataset", &source));
    snprintf(id, sizeof id, "%lld", (long long)state->prompts++);
    const fr_prompt prompt = {.id = id, .text = text, .description = "", .source = source, .split = state->split};
    FR_TRY(fr_table_prompt(table, &prompt, &row));
    json_t *scores = json_object_get(entry, "scores");
    if (json_is_object(scores))
        return add_by_model(table, row, scores);
    if (scores)
        return fr_table_fail(table, "scores is %s, want an object {model: number}", fr_json_kind(scores));
    if (!json_object_get(entry, "perf_list"))
        return fr_table_fail(table, "scores is missing, want an object {model: number}");
    return add_by_lists(table, row, json_object_get(entry, "llm_name_list"), json_object_get(entry, "perf_list"));
}

static fr_status read_file(fr_table *table, const char *path, routerdc *state)
{
    if (fr_ends_with(path, ".jsonl") || fr_ends_with(path, ".jsonl.gz"))
        return fr_import_lines(table, path, add_prompt, state);
    json_t *list;
    fr_table_begin(table, path, "record");
    FR_TRY(fr_json_read(&list, path));
    fr_status status = json_is_array(list)
                           ? fr_import_entries(table, list, add_prompt, state)
                           : fr_table_fail(table, "holds %s, want a list of objects", fr_json_kind(list));
    json_decref(list);
    return status;
}

static fr_status read_routerdc(fr_table *table)
{
    routerdc state = {.split = ""};
    fr_tree files;
    FR_TRY(fr_tree_open(&files, table->whole));
    bool folder = fr_is_folder(table->whole);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < files.count && status == FR_OK; i++) {
        const char *path = files.path[i];
        if (folder && !fr_json_file(path))
            continue;
        state.split = folder ? fr_split_by_name(path) : "";
        status = read_file(table, path, &state);
    }
    fr_tree_close(&files);
    return status;
}

const fr_importer fr_importer_routerdc = {.name = "routerdc",
                                          .what = "RouterDC JSON",
                                          .matches = matches,
                                          .read = read_routerdc,
                                          .repeats = FR_REPEAT_EQUAL,
                                          .loose = true};
