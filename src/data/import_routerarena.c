/* import_routerarena.c - RouterArena: prediction files (a JSON list of {global index, prompt, prediction, accuracy,
 * cost,
 * ...}) and its cached results (JSON Lines of {global_index, question, llm_selected, evaluation_result {score,
 * inference_cost}}). A file names one model for each prompt, so a table is a folder of such files: one a model, or
 * several routers' predictions. An entry that was not evaluated is not observed. The source is the index without its
 * number ("AIME" of "AIME_112"). */
#include "long.h"

#include "base/files.h"
#include "io/tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    return fr_look_key(look, "global index") || fr_look_key(look, "global_index");
}

/* The first of these keys that is there. */
static const char *first_key(const json_t *object, const char *a, const char *b)
{
    return json_object_get(object, a) ? a : b;
}

/* Score and cost; cached results have them one level deeper. */
static fr_status read_result(const fr_table *table, const json_t *entry, double *score, double *cost)
{
    const json_t *result = json_object_get(entry, "evaluation_result");
    if (json_is_object(result)) {
        FR_TRY(fr_entry_number(table, result, "score", score));
        return fr_entry_number(table, result, "inference_cost", cost);
    }
    FR_TRY(fr_entry_number(table, entry, "accuracy", score));
    return fr_entry_number(table, entry, "cost", cost);
}

/* An index as the prompt's id, and what stands before its last '_' as its source (malloc'd). */
static char *source_of(const char *index)
{
    const char *bar = strrchr(index, '_');
    return fr_strndup(index, bar ? (size_t)(bar - index) : strlen(index));
}

static fr_status add_entry(fr_table *table, json_t *entry, void *context)
{
    (void)context;
    char number[32];
    const char *index, *text, *model, *name = first_key(entry, "prediction", "llm_selected"),
                                      *key = first_key(entry, "global index", "global_index");
    if (!json_object_get(entry, key))
        return fr_table_fail(table, "\"global index\" is missing");
    FR_TRY(fr_entry_label(table, entry, key, number, &index));
    FR_TRY(fr_entry_text(table, entry,
                         json_object_get(entry, "prompt") ? "prompt" : first_key(entry, "prompt_formatted", "question"),
                         &text));
    FR_TRY(fr_entry_text(table, entry, name, &model));
    if (!model[0])
        return fr_table_fail(table, "prediction is missing, want the name of the model that answered");
    double score, cost;
    int64_t row;
    FR_TRY(read_result(table, entry, &score, &cost));
    char *source = source_of(index);
    const fr_prompt prompt = {.id = index, .text = text, .description = "", .source = source, .split = ""};
    fr_status status = fr_table_prompt(table, &prompt, &row);
    free(source);
    if (status == FR_OK)
        status = fr_table_quality(table, row, model, score);
    return status != FR_OK || isnan(cost) ? status : fr_table_cost(table, row, model, cost);
}

static fr_status read_file(fr_table *table, const char *path)
{
    if (fr_ends_with(path, ".jsonl") || fr_ends_with(path, ".jsonl.gz"))
        return fr_import_lines(table, path, add_entry, NULL);
    json_t *list;
    fr_table_begin(table, path, "record");
    FR_TRY(fr_json_read(&list, path));
    fr_status status = json_is_array(list)
                           ? fr_import_entries(table, list, add_entry, NULL)
                           : fr_table_fail(table, "holds %s, want a list of predictions", fr_json_kind(list));
    json_decref(list);
    return status;
}

static fr_status read_routerarena(fr_table *table)
{
    fr_tree files;
    FR_TRY(fr_tree_open(&files, table->whole));
    fr_status status = FR_OK;
    for (int64_t i = 0; i < files.count && status == FR_OK; i++)
        if (files.count == 1 || fr_json_file(files.path[i]))
            status = read_file(table, files.path[i]);
    fr_tree_close(&files);
    return status;
}

const fr_importer fr_importer_routerarena = {.name = "routerarena",
                                             .what = "RouterArena predictions or cached results",
                                             .matches = matches,
                                             .read = read_routerarena,
                                             .repeats = FR_REPEAT_EQUAL,
                                             .loose = true};
