/* import_llmrouter.c - LLMRouter's routing data: JSON Lines (or CSV with the same columns), one line for each query and
 * model: query, model_name, performance; task_name is the source. A folder gives its .jsonl and .csv files, with splits
 * by their names.
 *
 * The prompt's id is embedding_id where it is there, else query_id, else the number of the query (told apart, as there,
 * by task_name, query, ground_truth and metric). Lines without a query take it from the query files beside
 * (*query*.jsonl): by that id, which counts the different queries of all query files, those with "train" in their names
 * first. The cost is `cost`, or input_tokens and output_tokens times the listed prices. */
#include "long.h"

#include "base/files.h"
#include "finerouter/log.h"
#include "io/csv.h"
#include "io/tree.h"
#include "io/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const fr_look *look)
{
    if (fr_look_column(look, "model_name") && fr_look_column(look, "performance"))
        return true;
    return (fr_look_key(look, "model_name") && fr_look_key(look, "performance") && !fr_look_key(look, "records")) ||
           (look->folder && strcmp(look->ending, ".jsonl") == 0 && fr_look_key(look, "query") &&
            fr_look_key(look, "task_name"));
}

typedef struct llmrouter {
    fr_names queries;          /* by what tells them apart; numbered */
    fr_names files;            /* query files beside, by number: query and task */
    const char **text, **task; /* (files.count) */
    int64_t room;
    const char *split; /* of the file being read, "" if it has none */
    bool looked;       /* for query files */
} llmrouter;

static void llmrouter_close(llmrouter *state)
{
    fr_names_close(&state->queries);
    fr_names_close(&state->files);
    free(state->text);
    free(state->task);
}

/* Number of the query in `names`. */
static int64_t number_of(fr_table *table, fr_names *names, const json_t *entry, const char *query, const char *task)
{
    const char *truth = json_string_value(json_object_get(entry, "ground_truth"));
    const char *metric = json_string_value(json_object_get(entry, "metric"));
    char *whole = fr_format("%s\x1F%s\x1F%s\x1F%s", task, query, truth ? truth : "", metric ? metric : "");
    int64_t number = fr_names_find(names, whole);
    if (number < 0)
        number = fr_names_add(names, fr_table_keep(table, whole));
    free(whole);
    return number;
}

/* ---- query files ---- */

static bool is_query_file(const char *path)
{
    const char *name = fr_path_base(path);
    return strstr(name, "query") && !strstr(name, "routing") && !strstr(name, "perf") &&
           (fr_ends_with(path, ".jsonl") || fr_ends_with(path, ".jsonl.gz"));
}

static fr_status add_query(fr_table *table, json_t *entry, void *context)
{
    llmrouter *state = context;
    const char *query, *task;
    FR_TRY(fr_entry_text(table, entry, "query", &query));
    FR_TRY(fr_entry_text(table, entry, "task_name", &task));
    if (fr_utf8_blank(query))
        return fr_table_fail(table, "query is missing");
    int64_t number = number_of(table, &state->files, entry, query, task);
    if (number == state->room) {
        state->room = state->room ? 2 * state->room : 256;
        state->text = fr_realloc(state->text, (size_t)state->room * sizeof *state->text);
        state->task = fr_realloc(state->task, (size_t)state->room * sizeof *state->task);
    }
    state->text[number] = fr_table_keep(table, query);
    state->task[number] = fr_table_keep(table, task);
    return FR_OK;
}

/* Reads the query files beside the file being read; training queries are numbered first. */
static fr_status read_queries(fr_table *table, llmrouter *state)
{
    char *folder = fr_is_folder(table->whole) ? fr_strdup(table->whole) : fr_path_folder(table->whole);
    fr_tree files = {0};
    fr_status status = fr_tree_list(&files, folder);
    const char *path = table->path, *unit = table->unit;
    int64_t line = table->line;
    for (int pass = 0; pass < 2 && status == FR_OK; pass++)
        for (int64_t i = 0; i < files.count && status == FR_OK; i++)
            if (is_query_file(files.path[i]) && (strstr(fr_path_base(files.path[i]), "train") != NULL) == (pass == 0))
                status = fr_import_lines(table, files.path[i], add_query, state);
    fr_tree_close(&files);
    free(folder);
    state->looked = true;
    FR_TRY(status);
    fr_table_begin(table, path, unit);
    table->line = line;
    return FR_OK;
}

static fr_status find_query(fr_table *table, llmrouter *state, const char *id, const char **query, const char **task)
{
    if (!state->looked)
        FR_TRY(read_queries(table, state));
    if (!state->files.count)
        return fr_table_fail(table, "query is missing, and no query file (*query*.jsonl) is beside");
    char *end;
    long long number = strtoll(id, &end, 10);
    if (!id[0] || *end || number < 0 || number >= state->files.count)
        return fr_table_fail(table,
                             "query is missing, and embedding_id is \"%.40s\", want 0 to %lld as in the query files",
                             id, (long long)state->files.count - 1);
    *query = state->text[number];
    *task = state->task[number];
    return FR_OK;
}

/* ---- performance ---- */

static fr_status add_cost(fr_table *table, int64_t row, const char *model, const json_t *entry)
{
    double cost, input, output;
    FR_TRY(fr_entry_number(table, entry, "cost", &cost));
    FR_TRY(fr_entry_number(table, entry, "input_tokens", &input));
    FR_TRY(fr_entry_number(table, entry, "output_tokens", &output));
    if (isnan(cost) && table->models_path) {
        int64_t m = fr_names_find(&table->models, model);
        cost = (input * table->input_price[m] + output * table->output_price[m]) / 1e6;
    }
    return isnan(cost) ? FR_OK : fr_table_cost(table, row, model, cost);
}

static fr_status add_entry(fr_table *table, json_t *entry, void *context)
{
    llmrouter *state = context;
    char room[32], number[32];
    const char *id, *query, *task, *model;
    FR_TRY(
        fr_entry_label(table, entry, json_object_get(entry, "embedding_id") ? "embedding_id" : "query_id", room, &id));
    FR_TRY(fr_entry_text(table, entry, "query", &query));
    FR_TRY(fr_entry_text(table, entry, "task_name", &task));
    FR_TRY(fr_entry_text(table, entry, "model_name", &model));
    if (!model[0])
        return fr_table_fail(table, "model_name is missing");
    if (!json_object_get(entry, "performance"))
        return fr_table_fail(table, "performance is missing, want a number or null");
    if (!query[0])
        FR_TRY(find_query(table, state, id, &query, &task));
    if (!id[0]) {
        snprintf(number, sizeof number, "%lld", (long long)number_of(table, &state->queries, entry, query, task));
        id = number;
    }
    const fr_prompt prompt = {.id = id, .text = query, .description = "", .source = task, .split = state->split};
    int64_t row;
    double score;
    FR_TRY(fr_table_prompt(table, &prompt, &row));
    FR_TRY(fr_entry_score(table, "performance", model, json_object_get(entry, "performance"), &score));
    FR_TRY(fr_table_quality(table, row, model, score));
    return add_cost(table, row, model, entry);
}

/* ---- CSV with the same columns ---- */

/* A field as JSON: a number in the columns that hold numbers, null where it is empty. */
static fr_status field_value(json_t **value, const fr_table *table, const char *column, const char *text)
{
    static const char *const numbers[] = {"performance", "cost", "input_tokens", "output_tokens"};
    double number;
    *value = text[0] ? NULL : json_null();
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && !*value; i++)
        if (strcmp(column, numbers[i]) == 0) {
            FR_TRY(fr_table_number(table, column, text, &number));
            *value = json_real(number);
            if (!*value)
                return fr_table_fail(table, "%s is \"%.40s\", want a finite number", column, text);
        }
    if (!*value)
        *value = json_string(text);
    return FR_OK;
}

static fr_status read_csv(fr_table *table, fr_csv *csv, json_t *header, llmrouter *state)
{
    const char **fields;
    int64_t count, width;
    FR_TRY(fr_csv_next(csv, &fields, &width));
    for (int64_t i = 0; fields && i < width; i++)
        json_array_append_new(header, json_string(fields[i]));
    while (fields) {
        FR_TRY(fr_csv_next(csv, &fields, &count));
        table->line = fr_csv_line(csv);
        if (!fields)
            break;
        if (count != width)
            return fr_table_fail(table, "has %lld fields, want %lld as in the header", (long long)count,
                                 (long long)width);
        json_t *entry = json_object(), *value;
        fr_status status = FR_OK;
        for (int64_t i = 0; i < width && status == FR_OK; i++) {
            const char *column = json_string_value(json_array_get(header, (size_t)i));
            status = field_value(&value, table, column, fields[i]);
            if (status == FR_OK)
                json_object_set_new(entry, column, value);
        }
        if (status == FR_OK)
            status = add_entry(table, entry, state);
        json_decref(entry);
        FR_TRY(status);
        if (fr_interrupt_wanted())
            return fr_interrupted();
    }
    return FR_OK;
}

static fr_status read_file(fr_table *table, const char *path, llmrouter *state)
{
    if (!fr_ends_with(path, ".csv") && !fr_ends_with(path, ".csv.gz"))
        return fr_import_lines(table, path, add_entry, state);
    fr_csv *csv;
    fr_table_begin(table, path, "line");
    FR_TRY(fr_csv_open(&csv, path));
    json_t *header = json_array();
    fr_status status = read_csv(table, csv, header, state);
    json_decref(header);
    fr_csv_close(csv);
    return status;
}

static bool is_data(const char *path)
{
    return (fr_ends_with(path, ".jsonl") || fr_ends_with(path, ".jsonl.gz") || fr_ends_with(path, ".csv") ||
            fr_ends_with(path, ".csv.gz")) &&
           !is_query_file(path);
}

static fr_status read_llmrouter(fr_table *table)
{
    llmrouter state = {.split = ""};
    fr_tree files;
    FR_TRY(fr_tree_open(&files, table->whole));
    bool folder = fr_is_folder(table->whole);
    fr_status status = FR_OK;
    for (int64_t i = 0; i < files.count && status == FR_OK; i++) {
        if (folder && !is_data(files.path[i]))
            continue;
        state.split = folder ? fr_split_by_name(files.path[i]) : "";
        status = read_file(table, files.path[i], &state);
    }
    llmrouter_close(&state);
    fr_tree_close(&files);
    return status;
}

const fr_importer fr_importer_llmrouter = {.name = "llmrouter",
                                           .what = "LLMRouter routing data",
                                           .matches = matches,
                                           .read = read_llmrouter,
                                           .repeats = FR_REPEAT_EQUAL,
                                           .loose = true};
