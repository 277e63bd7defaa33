/* Sections of the page that compare routers. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void quality_cell(fr_buffer *page, const json_t *router)
{
    double quality = fr_report_number(router, "quality"), deviation = fr_report_number(router, "quality_std");
    double low = fr_report_number(router, "quality_interval/low"),
           high = fr_report_number(router, "quality_interval/high");
    if (isnan(quality)) {
        fr_html_number(page, "%.4f", quality);
        return;
    }
    fr_buffer_addf(page, "<td class=\"n\">%.4f", quality);
    if (!isnan(deviation))
        fr_buffer_addf(page, " \xC2\xB1 %.4f", deviation);
    if (!isnan(low) && !isnan(high))
        fr_buffer_addf(page, "<small>[%.4f, %.4f]</small>", low, high);
    fr_buffer_addf(page, "</td>");
}

/* A router's setting, which may be broken after commas first. */
static void setting(fr_buffer *page, const char *text)
{
    if (!*text)
        return;
    fr_buffer_addf(page, "<small>");
    for (const char *comma; (comma = strstr(text, ", ")); text = comma + 2) {
        char *part = fr_format("%.*s", (int)(comma - text), text);
        fr_html_add(page, "<span>%s,</span> ", part);
        free(part);
    }
    fr_html_add(page, "<span>%s</span></small>", text);
}

static void router_row(fr_buffer *page, const report_router *router, const char *best, double reach)
{
    bool is_best = !strcmp(router->name, best);
    fr_html_add(page, is_best ? "<tr class=\"best\"><th>%s" : "<tr><th>%s", router->name);
    fr_buffer_addf(page, "%s",
                   is_best         ? "<span class=\"tag\">best</span>"
                   : router->bound ? "<span class=\"tag\">bound</span>"
                                   : "");
    setting(page, fr_report_text(router->json, "setting"));
    fr_buffer_addf(page, "</th>");
    quality_cell(page, router->json);
    fr_html_number(page, "%.4f", fr_report_number(router->json, "quality_by_source"));
    fr_html_number(page, "%.4g", 1000 * fr_report_number(router->json, "cost"));
    fr_html_number(page, "%.4f", fr_report_number(router->json, "regret"));
    fr_html_number(page, "%.1f%%", 100 * fr_report_number(router->json, "gap_closed"));
    fr_report_difference(page, router->json, reach);
    fr_html_number(page, "%.2g", fr_report_number(router->json, "vs_full/p"));
    fr_html_number(page, "%.0f", fr_report_number(router->json, "left_out"));
    fr_buffer_addf(page, "</tr>\n");
}

/* Bounds stand in a part of their own. */
static void router_rows(fr_buffer *page, const report_run *run)
{
    report_router *list;
    size_t count = fr_report_ranking(&list, run->metrics);
    double reach = fr_report_reach(list, count);
    fr_buffer_addf(page, "<tbody>\n");
    for (size_t r = 0; r < count; r++) {
        if (list[r].bound && r > 0 && !list[r - 1].bound)
            fr_buffer_addf(page, "</tbody><tbody class=\"apart\">");
        router_row(page, &list[r], fr_report_text(run->metrics, "best_router"), reach);
    }
    fr_buffer_addf(page, "</tbody>");
    free(list);
}

static void tile(fr_buffer *page, const char *label, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    fr_html_add(page, "<div class=\"card\"><span class=\"soft\">%s</span><b>%s</b></div>", label,
                isnan(value) ? "\xE2\x80\x93" : text);
}

void fr_report_tiles(fr_buffer *page, const report_run *run)
{
    const char *best = fr_report_text(run->metrics, "best_router");
    const json_t *router = json_object_get(json_object_get(run->metrics, "routers"), best);
    fr_buffer_addf(page, "<div class=\"numbers\">");
    if (router) {
        fr_html_add(page, "<div class=\"card\"><span class=\"soft\">Best router</span><b class=\"name\">%s</b></div>",
                    best);
        tile(page, "Its quality", "%.4f", fr_report_number(router, "quality"));
        tile(page, "Its cost, USD / 1k", "%.4g", 1000 * fr_report_number(router, "cost"));
    }
    tile(page, "Best single model", "%.4f", fr_report_number(run->metrics, "reference/best_single_quality"));
    tile(page, "Oracle", "%.4f", fr_report_number(run->metrics, "reference/oracle_quality"));
    tile(page, "Tasks", "%.0f", fr_report_number(run->metrics, "tasks/count"));
    fr_buffer_addf(page, "</div>\n");
}

void fr_report_headline(fr_buffer *page, report_run *run)
{
    fr_report_section(page, run, "routers", "Routers");
    fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table class=\"routers\"><thead><tr><th>Router</th>"
                         "<th class=\"n\">Quality [95%% CI]</th><th class=\"n\">By source</th><th "
                         "class=\"n\">USD&nbsp;/&nbsp;1k prompts</th>"
                         "<th class=\"n\">Regret</th><th class=\"n\">Gap closed</th>"
                         "<th class=\"n\">full \xE2\x88\x92 router [95%% CI]</th><th class=\"n\">p</th>"
                         "<th class=\"n\">Left out</th></tr></thead>");
    router_rows(page, run);
    fr_html_add(
        page,
        "</table></div></div><p class=\"soft\">Quality: mean over test prompts, with its bootstrap interval; by "
        "source: mean over sources. "
        "Regret: distance to the best model of each prompt. Gap closed: share of the way from the best single "
        "model (%s) to the oracle. full \xE2\x88\x92 router: difference in quality with its interval, blue where it "
        "excludes zero, not drawn where far from zero. p: paired bootstrap over prompts, two-sided. Left out: "
        "prompts whose chosen model was not observed. Bounds know the answers or the source and do not compete.</p>\n",
        fr_report_text(run->metrics, "reference/best_single"));
}

static void single_models(fr_buffer *page, const report_run *run)
{
    const char *name;
    json_t *model;
    int64_t number = 0;
    if (json_object_size(json_object_get(run->metrics, "single_models")) == 0)
        return;
    fr_buffer_addf(page, "<div class=\"card fit\"><div class=\"wide\"><table><caption>Single models on the test "
                         "prompts</caption><thead><tr>"
                         "<th class=\"n\">No.</th><th>Model</th><th class=\"n\">Quality</th>"
                         "<th class=\"n\">USD&nbsp;/&nbsp;1k prompts</th></tr></thead><tbody>\n");
    json_object_foreach(json_object_get(run->metrics, "single_models"), name, model)
    {
        fr_html_add(page, "<tr><td class=\"n\">%d</td><th>%s</th>", ++number, name);
        fr_html_number(page, "%.4f", fr_report_number(model, "quality"));
        fr_html_number(page, "%.4g", 1000 * fr_report_number(model, "cost"));
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div></div>\n");
}

void fr_report_figures(fr_buffer *page, report_run *run)
{
    fr_report_section(page, run, "figures", "Cost and quality");
    fr_buffer legend = {0}, upper_legend = {0};
    char *curves = fr_report_curves(run, false, &legend), *upper = fr_report_curves(run, true, &upper_legend);
    if (run->drawing && !curves)
        fr_buffer_addf(page, "<p class=\"card\">No cost is known, so there is no cost-quality curve.</p>\n");
    fr_buffer_addf(page, "<div class=\"pair\">");
    fr_figure_add(page, curves, "All routers",
                  "Each point of a line is a tolerance of the cost rule: the cheapest model within that share of "
                  "the score range below the best.",
                  legend.data);
    fr_figure_add(page, upper, "The upper part, without bounds",
                  "The same, near the best quality that a router without knowledge of the answers reaches.",
                  upper_legend.data);
    fr_buffer_addf(page, "</div>\n");
    fr_buffer_close(&legend);
    fr_buffer_close(&upper_legend);
    single_models(page, run);
}
