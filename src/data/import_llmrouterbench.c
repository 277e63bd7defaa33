/* import_llmrouterbench.c - LLMRouterBench: a folder of result files
 * <dataset>/<split>/<model>/<...>_<date>_<time>.json, each with dataset_name, split, model_name and records of {index,
 * origin_query, prompt, score, cost}. Where a file does not name dataset, split or model, the folders do.
 *
 * As its authors do: of several runs of one dataset, split and model the newest by the name counts, and demo runs do
 * not. The prompt is `prompt`, or origin_query where it is empty; a prompt that is a list or an object stands as its
 * JSON. The split there is the benchmark's own (all of it is to be routed), so it is part of the prompt's id, not our
 * split. */
#include "long.h"

#include "base/files.h"
#include "finerouter/log.h"
#include "io/tree.h"
#include "io/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    return strcmp(look->ending, ".json") == 0 && fr_look_key(look, "records");
}

/* What the records of a file share; texts live as long as the file's JSON. */
typedef struct bench_file {
    const char *dataset, *split, *model;
    int64_t *others; /* counts records whose prompt is not the one that their index had before */
} bench_file;

/* "dataset/split/index", with "#2" and so on behind it where that is the id of another text; malloc'd. */
static char *id_of(const fr_table *table, const bench_file *bench, const char *index, const char *text)
{
    char *id = fr_format("%s/%s/%s", bench->dataset, bench->split, index);
    for (int64_t n = 2;; n++) {
        int64_t row = fr_names_find(&table->ids, id);
        if (row < 0 || strcmp(table->row[row].text, text) == 0)
            return id;
        *bench->others += n == 2;
        free(id);
        id = fr_format("%s/%s/%s#%lld", bench->dataset, bench->split, index, (long long)n);
    }
}

/* A text of the file, else the folder `up` levels above it. */
static fr_status name_of(const fr_table *table, const json_t *file, const char *key, int up, const char **name)
{
    FR_TRY(fr_entry_text(table, file, key, name));
    if ((*name)[0])
        return FR_OK;
    const char *end = strrchr(table->path, '/');
    for (; up > 1 && end; up--)
        end = memrchr(table->path, '/', (size_t)(end - table->path));
    const char *begin = end ? memrchr(table->path, '/', (size_t)(end - table->path)) : NULL;
    begin = begin ? begin + 1 : table->path;
    if (!end || end <= begin)
        return fr_table_fail(table, "%s is missing, and no folder above names it", key);
    char *text = fr_strndup(begin, (size_t)(end - begin));
    *name = fr_table_keep((fr_table *)table, text);
    free(text);
    return FR_OK;
}

/* The text of a prompt, which may be a conversation; *owned is to be freed. */
static const char *prompt_text(const json_t *record, char **owned)
{
    static const char *const keys[] = {"prompt", "origin_query"};
    *owned = NULL;
    for (int i = 0; i < 2; i++) {
        const json_t *value = json_object_get(record, keys[i]);
        if (json_is_string(value) && !fr_utf8_blank(json_string_value(value)))
            return json_string_value(value);
        if ((json_is_array(value) && json_array_size(value)) || (json_is_object(value) && json_object_size(value)))
            *owned = json_dumps(value, JSON_COMPACT);
        if (*owned)
            return *owned;
    }
    return "";
}

static fr_status add_record(fr_table *table, json_t *record, void *context)
{
    const bench_file *bench = context;
    char number[32], *owned;
    const char *index;
    double score, cost;
    int64_t row;
    if (!json_object_get(record, "index"))
        return fr_table_fail(table, "index is missing");
    if (!json_object_get(record, "score"))
        return fr_table_fail(table, "score is missing, want a number or null");
    FR_TRY(fr_entry_label(table, record, "index", number, &index));
    FR_TRY(fr_entry_score(table, "score", bench->model, json_object_get(record, "score"), &score));
    FR_TRY(fr_entry_number(table, record, "cost", &cost));
    const char *text = prompt_text(record, &owned);
    char *id = id_of(table, bench, index, text);
    const fr_prompt prompt = {.id = id, .text = text, .description = "", .source = bench->dataset, .split = ""};
    fr_status status = fr_table_prompt(table, &prompt, &row);
    if (status == FR_OK)
        status = fr_table_quality(table, row, bench->model, score);
    if (status == FR_OK && !isnan(cost))
        status = fr_table_cost(table, row, bench->model, cost);
    free(id);
    free(owned);
    return status;
}

/* Reads a result file; *taken tells whether it counts. */
static fr_status add_file(fr_table *table, const json_t *file, bool *taken, int64_t *others)
{
    json_t *records = json_object_get(file, "records");
    bench_file bench = {.others = others};
    *taken = !json_is_true(json_object_get(file, "demo"));
    if (!*taken)
        return FR_OK;
    if (!json_is_array(records))
        return fr_table_fail(table, "records is %s, want a list", records ? fr_json_kind(records) : "missing");
    FR_TRY(name_of(table, file, "model_name", 1, &bench.model));
    FR_TRY(name_of(table, file, "split", 2, &bench.split));
    FR_TRY(name_of(table, file, "dataset_name", 3, &bench.dataset));
    return fr_import_entries(table, records, add_record, &bench);
}

/* Where "20251104_093015.json" begins in a name, NULL where it has no time. */
static const char *time_of(const char *path)
{
    static const char form[] = "dddddddd_dddddd";
    const char *name = fr_path_base(path), *end = name + strlen(name);
    size_t tail = strlen(fr_ends_with(path, ".gz") ? ".json.gz" : ".json"), length = sizeof form - 1;
    if ((size_t)(end - name) < length + tail)
        return NULL;
    const char *begin = end - tail - length;
    for (size_t i = 0; i < length; i++)
        if (form[i] == 'd' ? !isdigit((unsigned char)begin[i]) : begin[i] != form[i])
            return NULL;
    return begin;
}

/* Whether two files are runs of the same: equal paths up to the time. */
static bool same_run(const char *a, const char *b)
{
    const char *ta = time_of(a), *tb = time_of(b);
    return ta && tb && ta - a == tb - b && strncmp(a, b, (size_t)(ta - a)) == 0;
}

static fr_status read_run(fr_table *table, const char *path, bool *taken, int64_t *others)
{
    json_t *file;
    fr_table_begin(table, path, "record");
    FR_TRY(fr_json_read(&file, path));
    fr_status status = json_is_object(file)
                           ? add_file(table, file, taken, others)
                           : fr_table_fail(table, "holds %s, want an object with records", fr_json_kind(file));
    json_decref(file);
    return status;
}

static bool is_json(const char *path)
{
    return fr_ends_with(path, ".json") || fr_ends_with(path, ".json.gz");
}

static fr_status read_llmrouterbench(fr_table *table)
{
    fr_tree files;
    FR_TRY(fr_tree_open(&files, table->whole));
    bool folder = fr_is_folder(table->whole);
    int64_t older = 0, demos = 0, others = 0;
    fr_status status = FR_OK;
    /* Sorted by path, runs of the same follow each other by time: the last one that counts is taken. */
    for (int64_t i = 0, end; i < files.count && status == FR_OK; i = end) {
        for (end = i + 1; end < files.count && same_run(files.path[i], files.path[end]); end++)
            ;
        bool taken = folder && !is_json(files.path[i]);
        for (int64_t j = end - 1; j >= i && !taken; j--) {
            FR_TRY_GOTO(read_run(table, files.path[j], &taken, &others), done);
            demos += !taken;
            older += taken ? j - i : 0;
        }
    }
    if (older || demos)
        fr_log("%s: left out %lld older runs and %lld demo runs", table->whole, (long long)older, (long long)demos);
    if (others)
        fr_log_warn("%s: %lld records have another prompt than the one that their index had before; they count as "
                    "prompts of their own",
                    table->whole, (long long)others);
done:
    fr_tree_close(&files);
    return status;
}

const fr_importer fr_importer_llmrouterbench = {.name = "llmrouterbench",
                                                .what = "LLMRouterBench results",
                                                .matches = matches,
                                                .read = read_llmrouterbench,
                                                .repeats = FR_REPEAT_EQUAL,
                                                .loose = true};
