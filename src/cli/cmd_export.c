/* cmd_export.c - a run's predictions in other programs' layouts. */
#include "commands.h"

#include "base/files.h"
#include "base/memory.h"
#include "data/names.h"
#include "eval/json.h"
#include "finerouter/dataset.h"
#include "finerouter/eval.h"
#include "finerouter/log.h"
#include "finerouter/route.h"
#include "io/lines.h"
#include "io/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { S1, S2, SCORE, SCORES };
static const char *const score_names[SCORES] = {"s1", "s2", "score"};
static const char *const routers[SCORES] = {"stage1", "stage2", "full"}; /* which choose by these scores */

typedef struct exporter {
    fr_dataset data;
    fr_names ids, models;
    double *cost;     /* (M) expected USD of an answer */
    double tolerance; /* route.tolerance of the run */
    int router;       /* index into routers */
    bool csv;
    const char *path; /* of the predictions */
    int64_t line;
    float *value[SCORES]; /* (M) of the line being read */
    fr_buffer out;
    int64_t entries;
} exporter;

static void exporter_close(exporter *e)
{
    fr_dataset_close(&e->data);
    fr_names_close(&e->ids);
    fr_names_close(&e->models);
    free(e->cost);
    for (int s = 0; s < SCORES; s++)
        free(e->value[s]);
    fr_buffer_close(&e->out);
}

/* The run's data: its own copy, or the file that its config names. */
static fr_status read_run(exporter *e, const char *run)
{
    char *config_path = fr_path_join(run, "config.yaml"), *own = fr_path_join(run, "data.h5");
    fr_config config;
    fr_config_defaults(&config);
    fr_status status;
    FR_TRY_GOTO(fr_config_read(&config, config_path), done);
    e->tolerance = config.route.tolerance;
    const char *file = fr_file_exists(own) ? own : config.data.file;
    if (!file[0]) {
        status = fr_fail(FR_FAILED, "%s: has neither data.h5 nor a data.file in its config.yaml", run);
        goto done;
    }
    FR_TRY_GOTO(fr_dataset_read(&e->data, file), done);
    e->cost = FR_NEW(double, e->data.M);
    fr_expected_cost(e->cost, &e->data);
    for (int64_t i = 0; i < e->data.N; i++)
        fr_names_add(&e->ids, e->data.id[i]);
    for (int64_t m = 0; m < e->data.M; m++)
        fr_names_add(&e->models, e->data.model[m]);
    for (int s = 0; s < SCORES; s++)
        e->value[s] = FR_NEW(float, e->data.M);
done:
    fr_config_close(&config);
    free(config_path);
    free(own);
    return status;
}

/* ---- a line of the predictions ---- */

static fr_status bad_line(const exporter *e, const char *what)
{
    return fr_fail(FR_FAILED, "%s:%lld: %s, want a line as `finerouter run` writes it", e->path, (long long)e->line,
                   what);
}

/* One kind of scores by model; NaN where there is none. */
static fr_status read_scores(exporter *e, json_t *line, int kind)
{
    char shown[FR_EXCERPT];
    json_t *scores = json_object_get(line, score_names[kind]), *value;
    const char *model;
    for (int64_t m = 0; m < e->data.M; m++)
        e->value[kind][m] = NAN;
    json_object_foreach(scores, model, value)
    {
        int64_t m = fr_names_find(&e->models, model);
        if (m < 0)
            return fr_fail(FR_FAILED, "%s:%lld: model \"%s\" is not in the run's data", e->path, (long long)e->line,
                           fr_utf8_excerpt(shown, model));
        if (json_is_number(value))
            e->value[kind][m] = (float)json_number_value(value);
    }
    return FR_OK;
}

/* The model that the router chose; -1 where it has no scores. */
static fr_status choose(const exporter *e, const json_t *line, int64_t *choice)
{
    const char *first = json_string_value(json_array_get(json_object_get(line, "ranking"), 0));
    const float *value = e->value[e->router];
    bool any = false;
    for (int64_t m = 0; m < e->data.M; m++)
        any = any || !isnan(value[m]);
    if (!any)
        return fr_fail(FR_FAILED, "%s:%lld: has no %s, by which router %s chooses", e->path, (long long)e->line,
                       score_names[e->router], routers[e->router]);
    /* The ranking was made before the scores were rounded. */
    if (e->router == SCORE && e->tolerance == 0 && first)
        *choice = fr_names_find(&e->models, first);
    else
        *choice = fr_choose(value, e->value[S2], e->cost, e->data.M, e->tolerance);
    return *choice >= 0 ? FR_OK : bad_line(e, "its ranking begins with an unknown model");
}

/* ---- RouterArena ---- */

/* One entry as RouterArena's own script makes it; accuracy and cost are those of the data. */
static void add_entry(exporter *e, int64_t row, int64_t choice)
{
    const fr_dataset *data = &e->data;
    fr_buffer *out = &e->out;
    fr_buffer_addf(out, "%s\n  {\n    \"global index\": ", e->entries ? "," : "");
    fr_json_quote(out, data->id[row]);
    fr_buffer_addf(out, ",\n    \"prompt\": ");
    fr_json_quote(out, data->text[row]);
    fr_buffer_addf(out, ",\n    \"prediction\": ");
    fr_json_quote(out, data->model[choice]);
    fr_buffer_addf(out, ",\n    \"generated_result\": null,\n    \"cost\": ");
    fr_json_short(out, (double)data->cost[row * data->M + choice]);
    fr_buffer_addf(out, ",\n    \"accuracy\": ");
    fr_json_short(out, (double)data->quality[row * data->M + choice]);
    fr_buffer_addf(out, "\n  }");
}

/* ---- CSV ---- */

static void add_field(fr_buffer *out, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        fr_buffer_addf(out, "%s", text);
        return;
    }
    fr_buffer_addf(out, "\"");
    for (; *text; text++)
        fr_buffer_addf(out, *text == '"' ? "\"\"" : "%c", *text);
    fr_buffer_addf(out, "\"");
}

static void add_number(fr_buffer *out, float value)
{
    if (isnan(value))
        fr_buffer_addf(out, ",");
    else
        fr_buffer_addf(out, ",%.6g", (double)value);
}

static void add_rows(exporter *e, int64_t row, int64_t choice, const char *split)
{
    const fr_dataset *data = &e->data;
    for (int64_t m = 0; m < data->M; m++) {
        add_field(&e->out, data->id[row]);
        fr_buffer_addf(&e->out, ",");
        add_field(&e->out, data->source_name[data->source[row]]);
        fr_buffer_addf(&e->out, ",%s,", split);
        add_field(&e->out, data->model[m]);
        for (int s = 0; s < SCORES; s++)
            add_number(&e->out, e->value[s][m]);
        add_number(&e->out, data->quality[row * data->M + m]);
        add_number(&e->out, data->cost[row * data->M + m]);
        fr_buffer_addf(&e->out, ",%d\n", m == choice);
    }
}

/* ---- all lines ---- */

static fr_status add_line(exporter *e, json_t *line)
{
    char shown[FR_EXCERPT];
    const char *id = json_string_value(json_object_get(line, "id"));
    const char *split = json_string_value(json_object_get(line, "split"));
    if (!id || !split)
        return bad_line(e, "has no id or no split");
    int64_t row = fr_names_find(&e->ids, id), choice = -1;
    if (row < 0)
        return fr_fail(FR_FAILED, "%s:%lld: prompt \"%s\" is not in the run's data", e->path, (long long)e->line,
                       fr_utf8_excerpt(shown, id));
    if (!e->csv && strcmp(split, "test") != 0)
        return FR_OK;
    for (int s = 0; s < SCORES; s++)
        FR_TRY(read_scores(e, line, s));
    FR_TRY(choose(e, line, &choice));
    if (e->csv)
        add_rows(e, row, choice, split);
    else
        add_entry(e, row, choice);
    e->entries++;
    return FR_OK;
}

static fr_status flush(exporter *e, FILE *file, const char *path)
{
    bool written = fwrite(e->out.data, 1, e->out.bytes, file) == e->out.bytes;
    e->out.bytes = 0;
    return written ? FR_OK : fr_fail(FR_FAILED, "%s: cannot be written: %s", path, strerror(errno));
}

static fr_status write_lines(exporter *e, fr_lines *lines, FILE *file, const char *path)
{
    fr_buffer_addf(&e->out, "%s", e->csv ? "prompt_id,source,split,model,s1,s2,score,quality,cost,chosen\n" : "[");
    for (;;) {
        char *text;
        size_t bytes;
        FR_TRY(fr_lines_next(lines, &text, &bytes));
        if (!text)
            break;
        e->line = fr_lines_number(lines);
        json_t *line = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
        fr_status status = json_is_object(line) ? add_line(e, line) : bad_line(e, "is no JSON object");
        json_decref(line);
        FR_TRY(status);
        if (e->out.bytes > 1 << 20)
            FR_TRY(flush(e, file, path));
    }
    if (!e->entries)
        return fr_fail(FR_FAILED, "%s: has no prompt of the test split", e->path);
    if (!e->csv)
        fr_buffer_addf(&e->out, "\n]\n");
    return flush(e, file, path);
}

static fr_status write_all(exporter *e, const char *path)
{
    fr_lines *lines;
    char *temporary;
    FR_TRY(fr_lines_open(&lines, e->path));
    fr_status status = fr_replace_begin(&temporary, path);
    if (status == FR_OK) {
        FILE *file = fopen(temporary, "wb");
        status = file ? write_lines(e, lines, file, path)
                      : fr_fail(FR_FAILED, "%s: cannot be written: %s", path, strerror(errno));
        if (file && fclose(file) != 0 && status == FR_OK)
            status = fr_fail(FR_FAILED, "%s: cannot be written: %s", path, strerror(errno));
        if (status == FR_OK)
            status = fr_replace_end(temporary, path);
        else
            fr_replace_cancel(temporary);
    }
    fr_lines_close(lines);
    return status;
}

static fr_status read_flags(exporter *e, const fr_args *args)
{
    const char *format = fr_args_value(args, "--format"), *router = fr_args_value(args, "--router");
    if (!fr_args_value(args, "--out"))
        return fr_fail(FR_USAGE, "export: want --out FILE, the file to write");
    if (!format || (strcmp(format, "csv") != 0 && strcmp(format, "routerarena") != 0))
        return fr_fail(FR_USAGE, "export: --format is \"%s\", want routerarena or csv", format ? format : "");
    e->csv = strcmp(format, "csv") == 0;
    e->router = router ? -1 : SCORE;
    for (int s = 0; s < SCORES && router; s++)
        if (strcmp(router, routers[s]) == 0)
            e->router = s;
    if (e->router < 0)
        return fr_fail(FR_USAGE,
                       "export: --router is \"%s\", want full, stage1 or stage2: a run keeps predictions of "
                       "these alone",
                       router);
    return FR_OK;
}

fr_status fr_cmd_export(const fr_args *args)
{
    fr_args_log_level(args);
    exporter e = {0};
    const char *run = args->positional[0], *out = fr_args_value(args, "--out");
    char *predictions = fr_path_join(run, "predictions.jsonl");
    e.path = predictions;
    fr_status status = read_flags(&e, args);
    if (status == FR_OK && !fr_is_folder(run))
        status = fr_fail(FR_FAILED, "%s: no such run folder", run);
    if (status == FR_OK && !fr_file_exists(predictions))
        status = fr_fail(FR_FAILED, "%s: has no predictions.jsonl; run it with eval.predictions: true", run);
    if (status == FR_OK)
        status = read_run(&e, run);
    if (status == FR_OK)
        status = write_all(&e, out);
    if (status == FR_OK)
        fr_log("%s: router %s on %lld prompts", out, routers[e.router], (long long)e.entries);
    exporter_close(&e);
    free(predictions);
    return status;
}
