/* Several runs side by side: what they are, every router in each, their average, and in what the configs differ. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct compared {
    const char *name;
    double mean;  /* quality, over the runs that have it */
    size_t known; /* how many */
    bool bound;
    size_t position;
} compared;

static const json_t *router_of(const report_run *run, const char *name)
{
    return json_object_get(json_object_get(run->metrics, "routers"), name);
}

/* What more runs have comes first, then by falling mean; bounds last. */
static int by_mean(const void *a, const void *b)
{
    const compared *x = a, *y = b;
    if (x->bound != y->bound)
        return x->bound ? 1 : -1;
    if (x->known != y->known)
        return x->known < y->known ? 1 : -1;
    if (x->mean < y->mean || x->mean > y->mean)
        return x->mean < y->mean ? 1 : -1;
    return x->position < y->position ? -1 : 1;
}

/* Every router that some run has; free(*list). */
static size_t collect(compared **list, const report_run *runs, size_t count)
{
    json_t *seen = json_object(), *router;
    const char *name;
    size_t routers = 0, capacity = 0;
    for (size_t r = 0; r < count; r++)
        capacity += json_object_size(json_object_get(runs[r].metrics, "routers"));
    *list = FR_NEW(compared, capacity + 1);
    for (size_t r = 0; r < count; r++)
        json_object_foreach(json_object_get(runs[r].metrics, "routers"), name, router)
        {
            if (json_object_get(seen, name))
                continue;
            json_object_set_new(seen, name, json_true());
            compared *c = &(*list)[routers];
            *c = (compared){.name = name, .bound = fr_report_is_bound(name), .position = routers++};
            for (size_t k = 0; k < count; k++) {
                double quality = fr_report_number(router_of(&runs[k], name), "quality");
                if (!isnan(quality))
                    c->mean += quality, c->known++;
            }
            c->mean = c->known ? c->mean / (double)c->known : NAN;
        }
    json_decref(seen);
    qsort(*list, routers, sizeof **list, by_mean);
    return routers;
}

static double over_runs(const report_run *runs, size_t count, const char *name, const char *path)
{
    double sum = 0;
    size_t with = 0;
    for (size_t r = 0; r < count; r++)
        if (runs[r].metrics)
            sum += fr_report_number(router_of(&runs[r], name), path), with++; /* NaN where one lacks it */
    return with ? sum / (double)with : NAN;
}

static void run_table(fr_buffer *page, const report_run *runs, size_t count)
{
    fr_buffer_addf(
        page,
        "<div class=\"card\"><div class=\"wide\"><table class=\"runs\"><thead><tr><th>Run</th><th class=\"n\">Models"
        "</th><th class=\"n\">Test prompts</th><th class=\"n\">Tasks</th><th>Best router</th>"
        "<th class=\"n\">Its quality</th><th class=\"n\">Best single</th><th class=\"n\">Oracle</th>"
        "<th class=\"n\">Seed</th><th>Encoder</th><th>Data</th></tr></thead><tbody>\n");
    for (size_t r = 0; r < count; r++) {
        const json_t *m = runs[r].metrics;
        const char *best = fr_report_text(m, "best_router");
        char *data = fr_format("%.8s", fr_report_text(m, "data/hash"));
        fr_html_add(page, "<tr><th>%s</th>", runs[r].name);
        fr_html_number(page, "%.0f", fr_report_number(m, "data/models"));
        fr_html_number(page, "%.0f", fr_report_number(m, "data/prompts/test"));
        fr_html_number(page, "%.0f", fr_report_number(m, "tasks/count"));
        fr_html_add(page, "<td>%s</td>", m ? best : runs[r].sweep ? "(a sweep)" : "");
        fr_html_number(page, "%.4f", fr_report_number(router_of(&runs[r], best), "quality"));
        fr_html_number(page, "%.4f", fr_report_number(m, "reference/best_single_quality"));
        fr_html_number(page, "%.4f", fr_report_number(m, "reference/oracle_quality"));
        fr_html_number(page, "%.0f", fr_report_number(m, "seed"));
        fr_html_add(page, "<td>%s</td><td>%s</td></tr>\n", fr_report_text(m, "encoder"), data);
        free(data);
    }
    fr_buffer_addf(page, "</tbody></table></div>");
    for (size_t r = 1; r < count; r++)
        if (runs[r].metrics && runs[0].metrics &&
            strcmp(fr_report_text(runs[r].metrics, "data/hash"), fr_report_text(runs[0].metrics, "data/hash")) != 0) {
            fr_buffer_addf(page, "<p class=\"soft\">The runs are of different data: compare differences within a run, "
                                 "not qualities between runs.</p>");
            break;
        }
    fr_buffer_addf(page, "</div>\n");
}

static void quality_cells(fr_buffer *page, const json_t *router, bool top)
{
    double quality = fr_report_number(router, "quality"), deviation = fr_report_number(router, "quality_std"),
           d = fr_report_number(router, "vs_full/difference"), low = fr_report_number(router, "vs_full/low"),
           high = fr_report_number(router, "vs_full/high");
    if (isnan(quality))
        fr_html_number(page, "%f", quality);
    else if (isnan(deviation))
        fr_buffer_addf(page, "<td class=\"n group%s\">%.4f</td>", top ? " top" : "", quality);
    else
        fr_buffer_addf(page, "<td class=\"n group%s\">%.4f \xC2\xB1 %.4f</td>", top ? " top" : "", quality, deviation);
    if (isnan(d) || isnan(low) || isnan(high))
        fr_html_number(page, "%+.4f", d);
    else
        fr_buffer_addf(page, "<td class=\"n%s\">%+.4f [%+.4f, %+.4f]</td>", low > 0 || high < 0 ? " apart" : "", d, low,
                       high);
    fr_html_number(page, "%.4g", 1000 * fr_report_number(router, "cost"));
}

/* The best quality of a router that competes. */
static double best_of(const report_run *run)
{
    const char *name;
    json_t *router;
    double best = NAN;
    json_object_foreach(json_object_get(run->metrics, "routers"), name, router) if (fr_report_competes(name)) best =
        fmax(best, fr_report_number(router, "quality"));
    return best;
}

static void headline(fr_buffer *page, const report_run *runs, size_t count, const compared *list, size_t routers)
{
    fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table class=\"grouped\"><thead><tr>"
                         "<th rowspan=\"2\">Router</th><th class=\"group\" colspan=\"4\">Average over runs</th>");
    for (size_t r = 0; r < count; r++)
        if (runs[r].metrics)
            fr_html_add(page, "<th class=\"group\" colspan=\"3\">%s</th>", runs[r].name);
    fr_buffer_addf(page, "</tr><tr><th class=\"n group\">Quality</th><th class=\"n\">By source</th>"
                         "<th class=\"n\">Gap closed</th><th class=\"n\">full \xE2\x88\x92 router</th>");
    for (size_t r = 0; r < count; r++)
        if (runs[r].metrics)
            fr_buffer_addf(page, "<th class=\"n group\">Quality</th><th class=\"n\">full \xE2\x88\x92 router [95%% CI]"
                                 "</th><th class=\"n\">USD&nbsp;/&nbsp;1k</th>");
    fr_buffer_addf(page, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < routers; i++) {
        const char *name = list[i].name;
        fr_html_add(page,
                    list[i].bound && i > 0 && !list[i - 1].bound
                        ? "</tbody><tbody class=\"apart\"><tr><th>%s<span class=\"tag\">bound</span></th>"
                    : list[i].bound ? "<tr><th>%s<span class=\"tag\">bound</span></th>"
                                    : "<tr><th>%s</th>",
                    name);
        fr_html_number(page, "%.4f", over_runs(runs, count, name, "quality"));
        fr_html_number(page, "%.4f", over_runs(runs, count, name, "quality_by_source"));
        fr_html_number(page, "%.1f%%", 100 * over_runs(runs, count, name, "gap_closed"));
        fr_html_number(page, "%+.4f", over_runs(runs, count, name, "vs_full/difference"));
        for (size_t r = 0; r < count; r++)
            if (runs[r].metrics) {
                const json_t *router = router_of(&runs[r], name);
                quality_cells(page, router,
                              fr_report_competes(name) && fr_report_number(router, "quality") == best_of(&runs[r]));
            }
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page,
                   "</tbody></table></div><p class=\"soft\">Averages are over runs, and a dash where one lacks the "
                   "router. Bold: the best router of a run that competes. Blue: the interval excludes zero.</p>"
                   "</div>\n");
}

/* One row of points a router, each run's a little below the last one's, so that equal ones do not hide each other: the
 * quality above the best single model of the same run. */
static char *figure(const report_run *all, const report_run *runs, size_t count, const compared *list, size_t routers,
                    fr_buffer *legend)
{
    enum { MOST_ROWS = 30, MOST_RUNS = FR_PALETTE };
    fr_buffer script = {0};
    size_t rows = 0, drawn = 0, with = 0;
    double least = 0, most = 0;
    const char *comma = "";
    for (size_t i = 0; i < routers && rows < MOST_ROWS; i++)
        rows += fr_report_competes(list[i].name);
    for (size_t r = 0; r < count; r++)
        with += runs[r].metrics != NULL;
    if (rows == 0 || with > MOST_RUNS)
        return NULL;
    fr_figure_entries(&script, (int)with);
    fr_figure_begin(&script, (fr_figure_size){440, 76 + 24 * (int)rows, 146, 18, 8, 56},
                    "quality \xE2\x88\x92 best single (mean score)", NULL);
    fr_buffer_addf(&script, "set ytics (");
    for (size_t i = 0, row = 0; i < routers && row < rows; i++)
        if (fr_report_competes(list[i].name)) {
            fr_buffer_addf(&script, row ? ", " : "");
            fr_figure_text(&script, list[i].name, 15);
            fr_buffer_addf(&script, " %zu", rows - row++);
        }
    fr_buffer_addf(&script, ")\n");
    for (size_t r = 0; r < count; r++) {
        fr_buffer_addf(&script, "$run%zu << EOD\n", r);
        for (size_t i = 0, row = 0; i < routers && row < rows; i++) {
            if (!fr_report_competes(list[i].name))
                continue;
            double above = fr_report_number(router_of(&runs[r], list[i].name), "quality") -
                           fr_report_number(runs[r].metrics, "reference/best_single_quality");
            if (!isnan(above)) {
                fr_buffer_addf(&script, "%.9g %.3f\n", above,
                               (double)(rows - row) + .25 - .5 * (double)(r + 1) / (double)(count + 1));
                least = fmin(least, above), most = fmax(most, above);
                drawn++;
            }
            row++;
        }
        fr_buffer_addf(&script, "EOD\n");
    }
    if (drawn == 0) {
        fr_buffer_close(&script);
        return NULL;
    }
    double width = most > least ? most - least : .01;
    fr_buffer_addf(&script,
                   "set yrange [.4:%zu.6]\nset xrange [%.9g:%.9g]\nset xtics %.9g\nset format x '%%+.3g'\n"
                   "set arrow from 0, graph 0 to 0, graph 1 nohead linecolor rgb ink linewidth .8 back\nplot ",
                   rows, least - .06 * width, most + .06 * width, fr_figure_step(width));
    fr_buffer_addf(legend, "<ul class=\"legend\">");
    for (size_t r = 0; r < count; r++) {
        if (!runs[r].metrics)
            continue;
        fr_buffer_addf(&script, "%s$run%zu with points pointtype 7 pointsize .7 linecolor rgb '%s' title ", comma, r,
                       fr_figure_colour((int64_t)r));
        fr_figure_text(&script, runs[r].name, 24);
        comma = ", ";
        fr_buffer_addf(legend, "<li><i class=\"dot\" style=\"background:%s\"></i>", fr_figure_colour((int64_t)r));
        fr_html_add(legend, "%s</li>", runs[r].name);
    }
    fr_buffer_addf(legend, "</ul>");
    fr_buffer_addf(&script, "\n");
    return fr_report_draw(all, &script, "comparison", "Quality above the best single model");
}

void fr_report_comparison(fr_buffer *page, report_run *all, const report_run *runs, size_t count)
{
    compared *list;
    fr_buffer legend = {0};
    size_t routers = collect(&list, runs, count);
    fr_report_section(page, all, "runs", "Runs");
    run_table(page, runs, count);
    if (routers > 0) {
        fr_report_section(page, all, "all-routers", "Routers in all runs");
        headline(page, runs, count, list, routers);
        char *svg = figure(all, runs, count, list, routers, &legend);
        fr_buffer_addf(page, "<div class=\"pair\">");
        fr_figure_add(page, svg, "Above the best single model",
                      "Quality of each router on the test prompts of a run, less that of the run's best single model.",
                      legend.data);
        fr_buffer_addf(page, "</div>\n");
    }
    fr_report_config_differences(page, all, runs, count);
    fr_buffer_close(&legend);
    free(list);
}
