/* Run facts: what is needed to judge and to repeat the run. */
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void number(fr_buffer *page, const report_run *run, const char *name, const char *format, const char *path)
{
    fr_html_fact(page, name, format, fr_report_number(run->metrics, path));
}

static void text(fr_buffer *page, const report_run *run, const char *name, const char *path)
{
    const char *value = fr_report_text(run->metrics, path);
    fr_html_add(page, "<dt>%s</dt><dd>%s</dd>", name, *value ? value : "\xE2\x80\x93");
}

typedef struct timed {
    const char *name;
    double seconds;
} timed;

static int by_seconds(const void *a, const void *b)
{
    double x = ((const timed *)a)->seconds, y = ((const timed *)b)->seconds;
    return x < y ? 1 : x > y ? -1 : strcmp(((const timed *)a)->name, ((const timed *)b)->name);
}

/* Times with bars as long as their share of the longest; releases the list. */
static void times(fr_buffer *page, timed *list, size_t count, const char *caption, const char *what)
{
    double longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = fmax(longest, list[i].seconds);
    if (count > 0)
        fr_html_add(page,
                    "<div class=\"card\"><div class=\"wide\"><table class=\"times\"><caption>%s</caption><thead><tr>"
                    "<th>%s</th><th class=\"n\">Seconds</th><th></th></tr></thead><tbody>\n",
                    caption, what);
    for (size_t i = 0; i < count; i++) {
        fr_html_add(page, "<tr><th>%s</th>", list[i].name);
        if (list[i].seconds == 0)
            fr_buffer_addf(page, "<td class=\"n\">reused</td><td></td>");
        else {
            fr_html_number(page, "%.2f", list[i].seconds);
            fr_buffer_addf(page, "<td><i style=\"width:%.1f%%\"></i></td>",
                           isnan(list[i].seconds) ? 0 : 100 * list[i].seconds / longest);
        }
        fr_buffer_addf(page, "</tr>\n");
    }
    if (count > 0)
        fr_buffer_addf(page, "</tbody></table></div></div>\n");
    free(list);
}

static void stage_times(fr_buffer *page, const report_run *run)
{
    json_t *seconds = json_object_get(run->metrics, "seconds"), *value;
    timed *list = FR_NEW(timed, json_object_size(seconds) + 1);
    const char *stage;
    size_t count = 0;
    json_object_foreach(seconds, stage, value) list[count++] = (timed){stage, fr_report_member(seconds, stage)};
    times(page, list, count, "Wall time of the stages", "Stage");
}

static void router_times(fr_buffer *page, const report_run *run)
{
    json_t *routers = json_object_get(run->metrics, "routers"), *router;
    timed *list = FR_NEW(timed, json_object_size(routers) + 1);
    const char *name;
    size_t count = 0;
    json_object_foreach(routers, name,
                        router) if (!isnan(fr_report_number(router, "seconds")) && !fr_report_is_bound(name))
        list[count++] = (timed){name, fr_report_number(router, "seconds")};
    qsort(list, count, sizeof *list, by_seconds);
    times(page, list, count, "Wall time of the routers' scores, training included", "Router");
}

static void environment(fr_buffer *page, const report_run *run)
{
    const char *name;
    json_t *value;
    if (json_object_size(run->environment) == 0)
        return;
    fr_buffer_addf(page, "<div class=\"card\"><h3>Environment</h3><dl>");
    json_object_foreach(run->environment, name, value)
    {
        char *text = fr_report_value_text(value);
        fr_html_add(page, "<dt>%s</dt><dd>%s</dd>", name, text);
        free(text);
    }
    fr_buffer_addf(page, "</dl></div>\n");
}

static void configuration(fr_buffer *page, const report_run *run)
{
    if (run->config)
        fr_html_add(page,
                    "<div class=\"card\"><details><summary>Configuration</summary><pre>%s</pre></details></div>\n",
                    run->config);
}

void fr_report_facts(fr_buffer *page, report_run *run)
{
    if (!run->metrics && !run->config && !run->environment)
        return;
    fr_report_section(page, run, "run", "Run");
    if (!run->metrics) {
        environment(page, run);
        configuration(page, run);
        return;
    }
    fr_buffer_addf(page, "<div class=\"pair\"><div class=\"card\"><dl>");
    text(page, run, "finerouter", "version");
    text(page, run, "Device", "device");
    text(page, run, "Encoder", "encoder");
    text(page, run, "Data hash", "data/hash");
    text(page, run, "Config hash", "config_hash");
    number(page, run, "Models", "%.0f", "data/models");
    number(page, run, "Training prompts", "%.0f", "data/prompts/train");
    number(page, run, "Dev prompts", "%.0f", "data/prompts/dev");
    number(page, run, "Test prompts", "%.0f", "data/prompts/test");
    number(page, run, "Prompts cut to length", "%.0f", "truncated_prompts");
    number(page, run, "Seed", "%.0f", "seed");
    number(page, run, "Seeds", "%.0f", "seeds");
    number(page, run, "Folds", "%.0f", "folds");
    number(page, run, "Threshold theta", "%.3g", "theta");
    number(page, run, "Mix alpha", "%.3g", "alpha");
    number(page, run, "Tolerance", "%.3g", "tolerance");
    fr_buffer_addf(page, "</dl></div>\n");
    environment(page, run);
    stage_times(page, run);
    router_times(page, run);
    fr_buffer_addf(page, "</div>\n");
    configuration(page, run);
}
