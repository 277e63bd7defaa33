/* Sections of the page that compare routers. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fr_report_is_bound(const char *router)
{
    return !strcmp(router, "oracle") || !strcmp(router, "dataset_oracle");
}

static void difference_cell(fr_buffer *page, const json_t *router)
{
    double d = fr_report_number(router, "vs_full/difference"), p = fr_report_number(router, "vs_full/p");
    if (isnan(d)) {
        fr_buffer_addf(page, "<td class=\"n\">\xE2\x80\x93</td><td class=\"n\">\xE2\x80\x93</td>");
        return;
    }
    fr_buffer_addf(page, "<td class=\"n\">%+.4f [%+.4f, %+.4f]</td><td class=\"n\">%.2g</td>", d,
                   fr_report_number(router, "vs_full/low"), fr_report_number(router, "vs_full/high"), p);
}

static void quality_cell(fr_buffer *page, const json_t *router)
{
    double quality = fr_report_number(router, "quality"), deviation = fr_report_number(router, "quality_std");
    if (isnan(quality) || isnan(deviation))
        fr_html_number(page, "%.4f", quality);
    else
        fr_buffer_addf(page, "<td class=\"n\">%.4f \xC2\xB1 %.4f</td>", quality, deviation);
}

static void router_rows(fr_buffer *page, const report_run *run)
{
    const char *best = fr_report_text(run->metrics, "best_router"), *name;
    json_t *router;
    json_object_foreach(json_object_get(run->metrics, "routers"), name, router)
    {
        bool is_best = !strcmp(name, best);
        fr_html_add(page, is_best ? "<tr class=\"best\"><th>%s" : "<tr><th>%s", name);
        fr_buffer_addf(page, "%s",
                       is_best                    ? "<span class=\"tag\">best</span>"
                       : fr_report_is_bound(name) ? "<span class=\"tag\">bound</span>"
                                                  : "");
        fr_html_add(page, "<small>%s</small></th>", fr_report_text(router, "setting"));
        quality_cell(page, router);
        fr_html_number(page, "%.4f", fr_report_number(router, "quality_by_source"));
        fr_html_number(page, "%.4g", 1000 * fr_report_number(router, "cost"));
        fr_html_number(page, "%.4f", fr_report_number(router, "regret"));
        fr_html_number(page, "%.1f%%", 100 * fr_report_number(router, "gap_closed"));
        difference_cell(page, router);
        fr_html_number(page, "%.0f", fr_report_number(router, "left_out"));
        fr_buffer_addf(page, "</tr>\n");
    }
}

static void tile(fr_buffer *page, const char *label, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    fr_html_add(page, "<div class=\"card\"><span class=\"soft\">%s</span><b>%s</b></div>", label,
                isnan(value) ? "\xE2\x80\x93" : text);
}

static void tiles(fr_buffer *page, const report_run *run)
{
    const char *best = fr_report_text(run->metrics, "best_router");
    const json_t *router = json_object_get(json_object_get(run->metrics, "routers"), best);
    fr_buffer_addf(page, "<div class=\"numbers\">");
    if (router) {
        fr_html_add(page, "<div class=\"card\"><span class=\"soft\">Best router</span><b>%s</b></div>", best);
        tile(page, "Its quality", "%.4f", fr_report_number(router, "quality"));
        tile(page, "Its cost, USD per 1,000 prompts", "%.4g", 1000 * fr_report_number(router, "cost"));
    }
    tile(page, "Best single model's quality", "%.4f", fr_report_number(run->metrics, "reference/best_single_quality"));
    tile(page, "Oracle's quality", "%.4f", fr_report_number(run->metrics, "reference/oracle_quality"));
    tile(page, "Tasks", "%.0f", fr_report_number(run->metrics, "tasks/count"));
    fr_buffer_addf(page, "</div>\n");
}

void fr_report_headline(fr_buffer *page, const report_run *run)
{
    tiles(page, run);
    fr_buffer_addf(page,
                   "<h2 id=\"routers\">Routers</h2><div class=\"card wide\"><table><thead><tr><th>Router</th>"
                   "<th class=\"n\">Quality</th><th class=\"n\">By source</th><th class=\"n\">USD / 1k prompts</th>"
                   "<th class=\"n\">Regret</th><th class=\"n\">Gap closed</th>"
                   "<th class=\"n\">full \xE2\x88\x92 router [95%% CI]</th><th class=\"n\">p</th>"
                   "<th class=\"n\">Left out</th></tr></thead><tbody>\n");
    router_rows(page, run);
    fr_html_add(
        page,
        "</tbody></table></div><p class=\"soft\">Quality: mean over test prompts; by source: mean over sources. "
        "Regret: distance to the best model of each prompt. Gap closed: share of the way from the best single "
        "model (%s) to the oracle. p: paired bootstrap over prompts, two-sided. Left out: prompts whose chosen "
        "model was not observed. Bounds know the answers or the source and do not compete.</p>\n",
        fr_report_text(run->metrics, "reference/best_single"));
}

/* Adds a figure on a card and releases it; nothing for NULL. */
static bool add_figure(fr_buffer *page, char *svg, const char *heading, const char *caption, const char *legend)
{
    if (!svg)
        return false;
    fr_html_add(page, "<div class=\"card\"><figure><h3>%s</h3><div class=\"wide\">", heading);
    fr_buffer_add(page, svg, strlen(svg));
    fr_buffer_addf(page, "</div>%s", legend);
    fr_html_add(page, "<figcaption>%s</figcaption></figure></div>\n", caption);
    free(svg);
    return true;
}

static char *curve_legend(const report_run *run, bool zoom)
{
    fr_buffer out = {0};
    const char *name;
    json_t *router;
    int64_t i = 0;
    fr_buffer_addf(&out, "<ul class=\"legend\">");
    json_object_foreach(json_object_get(run->metrics, "routers"), name, router)
    {
        const char *colour = fr_figure_colour(i++);
        if (zoom && fr_report_is_bound(name))
            continue;
        fr_buffer_addf(&out, "<li><i class=\"%s\" style=\"border-color:%s\"></i>",
                       !strcmp(name, "full")      ? "strong"
                       : fr_report_is_bound(name) ? "dash"
                                                  : "line",
                       colour);
        fr_html_add(&out, "%s</li>", name);
    }
    fr_buffer_addf(&out, "<li><i class=\"point\"></i>single models, numbered as in the table below</li></ul>");
    return out.data;
}

static void single_models(fr_buffer *page, const report_run *run)
{
    const char *name;
    json_t *model;
    int64_t number = 0;
    fr_buffer_addf(page,
                   "<div class=\"card wide\"><table><caption>Single models on the test prompts</caption><thead><tr>"
                   "<th class=\"n\">No.</th><th>Model</th><th class=\"n\">Quality</th>"
                   "<th class=\"n\">USD / 1k prompts</th></tr></thead><tbody>\n");
    json_object_foreach(json_object_get(run->metrics, "single_models"), name, model)
    {
        fr_html_add(page, "<tr><td class=\"n\">%d</td><th>%s</th>", ++number, name);
        fr_html_number(page, "%.4f", fr_report_number(model, "quality"));
        fr_html_number(page, "%.4g", 1000 * fr_report_number(model, "cost"));
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div>\n");
}

void fr_report_figures(fr_buffer *page, const report_run *run)
{
    fr_buffer_addf(page, "<h2 id=\"figures\">Cost and quality</h2>\n");
    if (!run->drawing)
        fr_buffer_addf(page,
                       "<p class=\"card\">gnuplot was not found when this page was made, so its figures are missing. "
                       "The tables hold the same numbers.</p>\n");
    char *legend = curve_legend(run, false), *upper = curve_legend(run, true);
    bool curves =
        add_figure(page, run->drawing ? fr_report_curves(run, false) : NULL, "All routers",
                   "Each point of a line is a tolerance of the cost rule: the cheapest model within that share of "
                   "the score range below the best.",
                   legend);
    add_figure(page, run->drawing ? fr_report_curves(run, true) : NULL, "The upper part, without bounds",
               "The same, near the best quality that a router without knowledge of the answers reaches.", upper);
    if (run->drawing && !curves)
        fr_buffer_addf(page, "<p class=\"card\">No cost is known, so there is no cost-quality curve.</p>\n");
    free(legend);
    free(upper);
    single_models(page, run);
}

void fr_report_source_table(fr_buffer *page, const report_run *run)
{
    const char *name, *source;
    json_t *router, *value, *routers = json_object_get(run->metrics, "routers");
    const json_t *first = json_object_iter_value(json_object_iter(routers));
    fr_buffer_addf(page, "<h2 id=\"sources\">Quality by source</h2>\n");
    add_figure(
        page, run->drawing ? fr_report_sources(run) : NULL, "Quality by source and router",
        "Mean quality on the test prompts of each source (rows) for each router (columns). Blue: above the row's mean; "
        "orange: below it.",
        "");
    fr_buffer_addf(page, "<div class=\"card wide\"><table><thead><tr><th>Source</th>");
    json_object_foreach(routers, name, router) fr_html_add(page, "<th class=\"n\">%s</th>", name);
    fr_buffer_addf(page, "</tr></thead><tbody>\n");
    json_object_foreach(json_object_get(first, "sources"), source, value)
    {
        fr_html_add(page, "<tr><th>%s</th>", source);
        json_object_foreach(routers, name, router)
        {
            const json_t *quality = json_object_get(json_object_get(router, "sources"), source);
            fr_html_number(page, "%.3f", json_is_number(quality) ? json_number_value(quality) : NAN);
        }
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div>\n");
}
