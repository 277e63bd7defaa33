/* import_embedllm.c - EmbedLLM: CSV with one line for each question and model (prompt_id, prompt, model_name, label,
 * and category as the source). A folder gives train.csv, val.csv and test.csv with these splits. Where a file lacks the
 * prompt or the model's name, question_order.csv and model_order.csv beside it have them. The data repeats some
 * answers; as its authors do, the highest label counts. */
#include "long.h"

#include "base/files.h"
#include "io/tree.h"

#include <stdlib.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    return strcmp(look->ending, ".csv") == 0 &&
           ((fr_look_column(look, "prompt_id") && fr_look_column(look, "label")) ||
            (look->folder && fr_look_column(look, "model_id") && fr_look_column(look, "model_name")));
}

static bool is_order(const char *path)
{
    const char *name = fr_path_base(path);
    return strcmp(name, "question_order.csv") == 0 || strcmp(name, "model_order.csv") == 0;
}

/* Reads <folder>/<name> where it is there. */
static fr_status read_order(fr_lookup *lookup, bool *there, fr_table *table, const char *folder, const char *name,
                            const char *key, const char *value)
{
    char *path = fr_path_join(folder, name);
    *there = fr_file_exists(path);
    fr_status status = *there ? fr_lookup_read(lookup, table, path, key, value) : FR_OK;
    free(path);
    return status;
}

static fr_status read_files(fr_table *table, const fr_tree *files, const fr_long *columns)
{
    int64_t read = 0;
    for (int64_t i = 0; i < files->count; i++) {
        const char *path = files->path[i];
        fr_long these = *columns;
        const char *split = fr_split_by_name(path);
        if (files->count > 1) {
            if (is_order(path) || !(fr_ends_with(path, ".csv") || fr_ends_with(path, ".csv.gz")) || !split[0])
                continue;
            these.split = split;
        }
        FR_TRY(fr_import_csv(table, path, &these));
        read++;
    }
    return read ? FR_OK
                : fr_fail(FR_FAILED, "%s: holds neither train.csv nor val.csv nor test.csv of EmbedLLM", table->whole);
}

static fr_status read_embedllm(fr_table *table)
{
    fr_long columns = {.name = {"prompt_id", "prompt", "model_name", "label", NULL, NULL, "category", NULL},
                       .model_id = "model_id"};
    fr_lookup prompts = {0}, models = {0};
    fr_tree files = {0};
    bool there;
    char *folder = fr_is_folder(table->whole) ? fr_strdup(table->whole) : fr_path_folder(table->whole);
    fr_status status;
    FR_TRY_GOTO(read_order(&prompts, &there, table, folder, "question_order.csv", "prompt_id", "prompt"), done);
    columns.prompts = there ? &prompts : NULL;
    FR_TRY_GOTO(read_order(&models, &there, table, folder, "model_order.csv", "model_id", "model_name"), done);
    columns.models = there ? &models : NULL;
    FR_TRY_GOTO(fr_tree_open(&files, table->whole), done);
    status = read_files(table, &files, &columns);
done:
    fr_lookup_close(&prompts);
    fr_lookup_close(&models);
    fr_tree_close(&files);
    free(folder);
    return status;
}

const fr_importer fr_importer_embedllm = {.name = "embedllm",
                                          .what = "EmbedLLM CSV",
                                          .matches = matches,
                                          .read = read_embedllm,
                                          .repeats = FR_REPEAT_HIGHEST,
                                          .loose = true};
