/* Reads a run folder and puts the page together. */
#include "finerouter/report.h"

#include "base/files.h"
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *fr_report_find(const json_t *object, const char *path)
{
    for (;;) {
        const char *slash = strchr(path, '/');
        char key[64];
        size_t bytes = slash ? (size_t)(slash - path) : strlen(path);
        FR_CHECK(bytes < sizeof key, "the path %s is too long", path);
        memcpy(key, path, bytes);
        key[bytes] = '\0';
        json_t *value = json_object_get(object, key);
        if (!slash || !value)
            return value;
        object = value;
        path = slash + 1;
    }
}

double fr_report_number(const json_t *object, const char *path)
{
    const json_t *value = fr_report_find(object, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

double fr_report_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *fr_report_text(const json_t *object, const char *path)
{
    const json_t *value = fr_report_find(object, path);
    return json_is_string(value) ? json_string_value(value) : "";
}

char *fr_report_value_text(const json_t *value)
{
    if (json_is_string(value))
        return fr_strdup(json_string_value(value));
    if (json_is_number(value))
        return fr_format("%.6g", json_number_value(value));
    char *dumped = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL,
         *text = fr_strdup(dumped ? dumped : "");
    free(dumped);
    return text;
}

static fr_status load_json(json_t **json, const char *folder, const char *name)
{
    char *path = fr_path_join(folder, name), *text = NULL;
    size_t bytes;
    json_error_t error;
    fr_status status = fr_file_read(&text, &bytes, path, 0);
    if (status == FR_OK && !(*json = json_loadb(text, bytes, 0, &error)))
        status = fr_fail(FR_FAILED, "%s:%d: is no valid JSON: %s", path, error.line, error.text);
    free(text);
    free(path);
    return status;
}

/* newest: the last schema that is known; older ones lack only what is shown where it is there. */
static fr_status read_json(json_t **json, const char *folder, const char *name, int newest, const char *wanted)
{
    FR_TRY(load_json(json, folder, name));
    double schema = fr_report_number(*json, "schema");
    if (schema >= 1 && schema <= newest && fr_report_find(*json, wanted))
        return FR_OK;
    return fr_fail(FR_FAILED, "%s/%s: is no file of a run: want schema 1%s and \"%s\"", folder, name,
                   newest > 1 ? " or 2" : "", wanted);
}

static bool has(const report_run *run, const char *name)
{
    char *path = fr_path_join(run->folder, name);
    bool is_there = fr_file_exists(path);
    free(path);
    return is_there;
}

/* A sweep's folder need not be a run's, too. */
static fr_status run_read(report_run *run)
{
    size_t bytes;
    if (has(run, "sweep.json"))
        FR_TRY(read_json(&run->sweep, run->folder, "sweep.json", 1, "points"));
    if (!run->sweep || has(run, "metrics.json"))
        FR_TRY(read_json(&run->metrics, run->folder, "metrics.json", 2, "routers"));
    if (run->metrics && has(run, "cards.json"))
        FR_TRY(read_json(&run->cards, run->folder, "cards.json", 1, "tasks"));
    if (has(run, "environment.json"))
        FR_TRY(load_json(&run->environment, run->folder, "environment.json"));
    if (has(run, "config.yaml")) {
        char *config = fr_path_join(run->folder, "config.yaml");
        fr_status status = fr_file_read(&run->config, &bytes, config, 0);
        free(config);
        FR_TRY(status);
    }
    return FR_OK;
}

static void run_close(report_run *run)
{
    json_decref(run->metrics);
    json_decref(run->cards);
    json_decref(run->sweep);
    json_decref(run->environment);
    free(run->config);
    fr_buffer_close(&run->nav);
}

static void summary(fr_buffer *page, const report_run *run)
{
    if (!run->metrics)
        return;
    fr_html_add(page, "<p class=\"soft\">%d models, %d training and %d test prompts. finerouter %s.</p>",
                (int64_t)json_integer_value(fr_report_find(run->metrics, "data/models")),
                (int64_t)json_integer_value(fr_report_find(run->metrics, "data/prompts/train")),
                (int64_t)json_integer_value(fr_report_find(run->metrics, "data/prompts/test")),
                fr_report_text(run->metrics, "version"));
}

/* All sections of a run, after the links to those there are. */
static void write_run(fr_buffer *page, report_run *run)
{
    fr_buffer body = {0};
    if (!run->drawing)
        fr_buffer_addf(&body, "<p class=\"card\">gnuplot was not found when this page was made, so its figures are "
                              "missing. The tables hold the same numbers.</p>\n");
    if (run->sweep)
        fr_report_sweep(&body, run);
    if (run->metrics) {
        fr_report_tiles(&body, run);
        fr_report_headline(&body, run);
        fr_report_figures(&body, run);
        fr_report_ablations(&body, run);
        fr_report_sources(&body, run);
        fr_report_recall(&body, run);
        fr_report_families(&body, run);
        fr_report_calibration(&body, run);
        fr_report_tasks(&body, run);
    }
    fr_report_facts(&body, run);
    summary(page, run);
    fr_buffer_addf(page, "<nav>");
    fr_buffer_add(page, run->nav.data, run->nav.bytes);
    fr_buffer_addf(page, "</nav>\n");
    fr_buffer_add(page, body.data, body.bytes);
    fr_buffer_close(&body);
}

/* A tab is a radio button with a label and the panel that it shows: no script is needed, and the keyboard works. */
static void write_tabs(fr_buffer *page, report_run *runs, size_t count, bool drawing, const char *beside)
{
    report_run all = {.name = "Comparison", .drawing = drawing, .beside = beside};
    fr_buffer_addf(page, "<style>");
    for (size_t r = 0; r <= count; r++)
        fr_buffer_addf(page, "%s#tab%zu:checked~#panel%zu", r ? "," : "", r, r);
    fr_buffer_addf(page, "{display:block}</style><div class=\"tabs\">");
    for (size_t r = 0; r <= count; r++) {
        fr_buffer_addf(page, "<input type=\"radio\" name=\"tab\" id=\"tab%zu\"%s><label for=\"tab%zu\">", r,
                       r ? "" : " checked", r);
        fr_html_add(page, "%s</label>\n", r ? runs[r - 1].name : all.name);
    }
    fr_buffer_addf(page, "<section class=\"panel\" id=\"panel0\">");
    fr_report_comparison(page, &all, runs, count);
    fr_buffer_addf(page, "</section>\n");
    fr_buffer_close(&all.nav);
    for (size_t r = 0; r < count; r++) {
        fr_buffer_addf(page, "<section class=\"panel\" id=\"panel%zu\">", r + 1);
        write_run(page, &runs[r]);
        fr_buffer_addf(page, "</section>\n");
    }
    fr_buffer_addf(page, "</div>\n");
}

static void write_page(fr_buffer *page, report_run *runs, size_t count, const char *title)
{
    fr_buffer_addf(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    fr_html_add(page, "<title>%s</title><style>", title);
    fr_buffer_add(page, fr_report_style, strlen(fr_report_style));
    fr_html_add(page, "</style></head><body><main><h1>%s</h1>", title);
    if (count > 1)
        write_tabs(page, runs, count, runs->drawing, runs->beside);
    else
        write_run(page, runs);
    fr_buffer_addf(page, "</main><script>");
    fr_buffer_add(page, fr_report_script, strlen(fr_report_script));
    fr_buffer_addf(page, "</script></body></html>\n");
}

/* Runs are called by their folders' names, by whole paths where two names are alike. */
static void name_runs(report_run *runs, size_t count)
{
    for (size_t r = 0; r < count; r++) {
        runs[r].name = fr_path_base(runs[r].folder);
        for (size_t other = 0; other < count; other++)
            if (other != r && !strcmp(fr_path_base(runs[other].folder), fr_path_base(runs[r].folder)))
                runs[r].name = runs[r].folder;
    }
}

static fr_status write_all(report_run *runs, size_t count, const char *path, const char *title)
{
    char *beside = fr_path_folder(path), *several = fr_format("Comparison of %zu runs", count);
    bool drawing = fr_figure_possible();
    fr_buffer page = {0};
    fr_status status = fr_make_folders(beside);
    if (status == FR_OK) {
        for (size_t r = 0; r < count; r++) {
            runs[r].drawing = drawing;
            runs[r].beside = beside;
            if (count > 1)
                snprintf(runs[r].prefix, sizeof runs[r].prefix, "run%zu-", r + 1);
        }
        name_runs(runs, count);
        write_page(&page, runs, count, title && *title ? title : count > 1 ? several : runs->name);
        status = fr_file_write(path, page.data, page.bytes);
    }
    fr_buffer_close(&page);
    free(beside);
    free(several);
    return status;
}

fr_status fr_report_write_all(const char *const *folders, size_t count, const char *out, const char *title)
{
    FR_CHECK(count > 0, "a report of no run");
    report_run *runs = FR_NEW(report_run, count);
    char **folder = FR_NEW(char *, count), *alone = fr_path_join(folders[0], "report.html");
    fr_status status = FR_OK;
    for (size_t r = 0; r < count; r++) {
        folder[r] = fr_strdup(folders[r]);
        for (size_t n = strlen(folder[r]); n > 1 && folder[r][n - 1] == '/';)
            folder[r][--n] = '\0';
        runs[r].folder = folder[r];
        if (status == FR_OK)
            status = run_read(&runs[r]);
    }
    if (status == FR_OK)
        status = write_all(runs, count, out ? out : count > 1 ? "report.html" : alone, title);
    for (size_t r = 0; r < count; r++) {
        run_close(&runs[r]);
        free(folder[r]);
    }
    free(runs);
    free(folder);
    free(alone);
    return status;
}

fr_status fr_report_write(const char *folder, const char *title)
{
    return fr_report_write_all(&folder, 1, NULL, title);
}
