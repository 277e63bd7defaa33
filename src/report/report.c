/* Reads a run folder and puts the page together. */
#include "finerouter/report.h"

#include "base/files.h"
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The value at "a/b/c", NULL where it is not there. */
static const json_t *find(const json_t *object, const char *path)
{
    for (;;) {
        const char *slash = strchr(path, '/');
        char key[64];
        size_t bytes = slash ? (size_t)(slash - path) : strlen(path);
        FR_CHECK(bytes < sizeof key, "the path %s is too long", path);
        memcpy(key, path, bytes);
        key[bytes] = '\0';
        object = json_object_get(object, key);
        if (!slash || !object)
            return object;
        path = slash + 1;
    }
}

double fr_report_number(const json_t *object, const char *path)
{
    const json_t *value = find(object, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

const char *fr_report_text(const json_t *object, const char *path)
{
    const json_t *value = find(object, path);
    return json_is_string(value) ? json_string_value(value) : "";
}

/* newest: the last schema that is known; older ones lack only what is shown where it is there. */
static fr_status read_json(json_t **json, const char *folder, const char *name, const char *wanted, int newest)
{
    char *path = fr_path_join(folder, name), *text = NULL;
    size_t bytes;
    json_error_t error;
    fr_status status = fr_file_read(&text, &bytes, path, 0);
    if (status == FR_OK && !(*json = json_loadb(text, bytes, 0, &error)))
        status = fr_fail(FR_FAILED, "%s:%d: is no valid JSON: %s", path, error.line, error.text);
    double schema = status == FR_OK ? fr_report_number(*json, "schema") : NAN;
    if (status == FR_OK && (!(schema >= 1 && schema <= newest) || !find(*json, wanted)))
        status = fr_fail(FR_FAILED, "%s: is no file of a run: want schema 1 to %d and \"%s\"", path, newest, wanted);
    free(text);
    free(path);
    return status;
}

static fr_status run_read(report_run *run)
{
    FR_TRY(read_json(&run->metrics, run->folder, "metrics.json", "routers", 2));
    char *cards = fr_path_join(run->folder, "cards.json"), *config = fr_path_join(run->folder, "config.yaml");
    fr_status status = FR_OK;
    size_t bytes;
    if (fr_file_exists(cards))
        status = read_json(&run->cards, run->folder, "cards.json", "tasks", 1);
    if (status == FR_OK && fr_file_exists(config))
        status = fr_file_read(&run->config, &bytes, config, 0);
    free(cards);
    free(config);
    return status;
}

static void run_close(report_run *run)
{
    json_decref(run->metrics);
    json_decref(run->cards);
    free(run->config);
}

static void write_page(fr_buffer *page, const report_run *run, const char *title)
{
    fr_buffer_addf(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    fr_html_add(page, "<title>%s</title><style>", title);
    fr_buffer_add(page, fr_report_style, strlen(fr_report_style));
    fr_html_add(page, "</style></head><body><main><header><h1>%s</h1><p class=\"soft\">%d models, ", title,
                (int64_t)json_integer_value(find(run->metrics, "data/models")));
    fr_html_add(page, "%d training and %d test prompts. finerouter %s.</p>",
                (int64_t)json_integer_value(find(run->metrics, "data/prompts/train")),
                (int64_t)json_integer_value(find(run->metrics, "data/prompts/test")),
                fr_report_text(run->metrics, "version"));
    fr_buffer_addf(
        page, "<nav><a href=\"#routers\">Routers</a><a href=\"#figures\">Cost and quality</a>"
              "<a href=\"#sources\">Sources</a><a href=\"#tasks\">Tasks</a><a href=\"#run\">Run</a></nav></header>\n");
    fr_report_headline(page, run);
    fr_report_figures(page, run);
    fr_report_sources(page, run);
    fr_report_tasks(page, run);
    fr_report_facts(page, run);
    fr_buffer_addf(page, "</main></body></html>\n");
}

fr_status fr_report_write(const char *folder, const char *title)
{
    report_run run = {.folder = folder};
    fr_status status = run_read(&run);
    if (status == FR_OK) {
        char *path = fr_path_join(folder, "report.html"), *name = fr_strdup(folder);
        fr_buffer page = {0};
        for (size_t n = strlen(name); n > 1 && name[n - 1] == '/';)
            name[--n] = '\0';
        run.drawing = fr_figure_possible();
        write_page(&page, &run, title && *title ? title : fr_path_base(name));
        status = fr_file_write(path, page.data, page.bytes);
        fr_buffer_close(&page);
        free(path);
        free(name);
    }
    run_close(&run);
    return status;
}
