/* Metric families: one row a router, one column a metric, the best of each column marked, and what each means. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct metric {
    const char *family, *name, *path, *format, *unit, *meaning;
    int better; /* 1: high, -1: low, 0: neither */
} metric;

static const metric metrics[] = {
    {"AIQ", "code", "aiq/code", "%.4f", "quality",
     "area under the non-decreasing hull of a router's cost-quality points from no cost to the largest cost of all "
     "routers, over that cost",
     1},
    {"AIQ", "paper", "aiq/paper", "%.4f", "quality",
     "the same between the router's smallest cost and the largest, over their distance", 1},
    {"ORBIT", "nAUC", "orbit/nauc", "%.4f", "quality",
     "area under the router's Pareto front, cost as a share of the best single model's", 1},
    {"ORBIT", "peak", "orbit/peak", "%.4f", "quality", "best quality at any cost", 1},
    {"ORBIT", "QNC", "orbit/qnc", "%.3f", "share of cost",
     "smallest cost at which the router is as good as the best single model, over that model's cost", -1},
    {"ARQGC", "bounded", "arqgc", "%.4f", "share",
     "mean over budgets of the share of the way from the worst to the best quality", 1},
    {"RouterArena", "cost", "routerarena/cost_per_1k", "%.4g", "USD / 1k prompts", "cost of the router's choices", -1},
    {"RouterArena", "score", "routerarena/score", "%.4f", "0 to 1",
     "quality and log-scaled cheapness in one weighted harmonic mean, in which quality weighs ten times as much", 1},
    {"RouterArena", "Opt.Sel", "routerarena/opt_sel", "%.3f", "share",
     "solvable prompts on which the router chose the cheapest correct model", 1},
    {"RouterArena", "Opt.Acc", "routerarena/opt_acc", "%.3f", "share",
     "router's accuracy over the oracle's on solvable prompts", 1},
    {"RouterArena", "Opt.Cost", "routerarena/opt_cost", "%.3f", "share",
     "oracle's cost over the router's on prompts that the router got right", 1},
    {"LLMRouterBench", "Gain@R", "llmrouterbench/gain_random", "%+.3f", "relative", "quality against a random choice",
     1},
    {"LLMRouterBench", "Gain@B", "llmrouterbench/gain_best_single", "%+.3f", "relative",
     "quality against the best single model", 1},
    {"LLMRouterBench", "Gap@O", "llmrouterbench/gap_oracle", "%.3f", "relative", "what is missing to the oracle", -1},
    {"LLMRouterBench", "PerfGain", "llmrouterbench/perf_gain", "%+.3f", "relative",
     "best point of the curve against the best single model", 1},
    {"LLMRouterBench", "CostSave", "llmrouterbench/cost_save", "%.3f", "share of cost",
     "saved by the cheapest point that is as good as the best single model; none where there is no such point", 1},
    {"LLMRouterBench", "ParetoDist", "llmrouterbench/pareto_dist", "%.4f", "distance",
     "mean distance of the router's points to the Pareto front of all routers, cost and quality scaled to 0..1", -1},
    {"RouteLLM", "CPT 20", "routellm/cpt20", "%.3f", "share of calls",
     "calls to the strong model that close 20 percent of the gap between the weak and the strong model", -1},
    {"RouteLLM", "CPT 50", "routellm/cpt50", "%.3f", "share of calls", "the same for 50 percent", -1},
    {"RouteLLM", "CPT 80", "routellm/cpt80", "%.3f", "share of calls", "the same for 80 percent", -1},
    {"RouteLLM", "APGR", "routellm/apgr", "%.3f", "share",
     "area between the router's quality over the share of strong calls and the weak model's, against the strong "
     "model's",
     1},
};
enum { METRICS = sizeof metrics / sizeof *metrics };

typedef struct family_table {
    report_router *list;
    size_t count;
    bool known[METRICS];  /* some router has it */
    double best[METRICS]; /* of the routers that compete */
} family_table;

static void collect(family_table *table, const json_t *all)
{
    table->count = fr_report_ranking(&table->list, all);
    for (int m = 0; m < METRICS; m++) {
        table->best[m] = NAN;
        for (size_t r = 0; r < table->count; r++) {
            double value = fr_report_number(table->list[r].json, metrics[m].path);
            table->known[m] |= !isnan(value);
            if (fr_report_competes(table->list[r].name) && metrics[m].better)
                table->best[m] = metrics[m].better > 0 ? fmax(table->best[m], value) : fmin(table->best[m], value);
        }
    }
}

/* Columns of metric m's family that are known, if m is the first of them; else 0. */
static int family_columns(const family_table *table, int m)
{
    int columns = 0;
    for (int k = 0; k < METRICS; k++) {
        if (!table->known[k] || strcmp(metrics[k].family, metrics[m].family) != 0)
            continue;
        if (k < m)
            return 0;
        columns++;
    }
    return columns;
}

static void head(fr_buffer *page, const family_table *table)
{
    fr_buffer_addf(page, "<thead><tr><th rowspan=\"2\">Router</th>");
    for (int m = 0; m < METRICS; m++) {
        int columns = table->known[m] ? family_columns(table, m) : 0;
        if (columns > 0)
            fr_buffer_addf(page, "<th class=\"group\" colspan=\"%d\">%s</th>", columns, metrics[m].family);
    }
    fr_buffer_addf(page, "</tr><tr>");
    for (int m = 0; m < METRICS; m++)
        if (table->known[m])
            fr_buffer_addf(page, "<th class=\"n%s\">%s<small>%s</small></th>", family_columns(table, m) ? " group" : "",
                           metrics[m].name, metrics[m].unit);
    fr_buffer_addf(page, "</tr></thead>");
}

static void rows(fr_buffer *page, const family_table *table)
{
    fr_buffer_addf(page, "<tbody>\n");
    for (size_t r = 0; r < table->count; r++) {
        fr_html_add(page,
                    table->list[r].bound && r > 0 && !table->list[r - 1].bound
                        ? "</tbody><tbody class=\"apart\"><tr><th>%s</th>"
                        : "<tr><th>%s</th>",
                    table->list[r].name);
        for (int m = 0; m < METRICS; m++) {
            double value = fr_report_number(table->list[r].json, metrics[m].path);
            char text[64];
            if (!table->known[m])
                continue;
            snprintf(text, sizeof text, metrics[m].format, value);
            fr_buffer_addf(page, "<td class=\"n%s\">%s</td>",
                           fr_report_competes(table->list[r].name) && value == table->best[m] ? " top" : "",
                           isnan(value) ? "\xE2\x80\x93" : text);
        }
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody>");
}

static void meanings(fr_buffer *page, const report_run *run, const family_table *table)
{
    const char *strong = fr_report_text(run->metrics, "pair/strong"), *weak = fr_report_text(run->metrics, "pair/weak");
    fr_buffer_addf(page, "<details open><summary>What the columns mean</summary><dl class=\"meanings\">");
    for (int m = 0; m < METRICS; m++)
        if (table->known[m])
            fr_html_add(page, "<dt>%s %s</dt><dd>%s (%s).%s</dd>", metrics[m].family, metrics[m].name,
                        metrics[m].meaning, metrics[m].unit,
                        metrics[m].better > 0   ? " High is good."
                        : metrics[m].better < 0 ? " Low is good."
                                                : "");
    fr_buffer_addf(page, "</dl></details>");
    if (*strong && *weak) {
        fr_html_add(page, "<p class=\"soft\">Strong and weak model of RouteLLM: %s", strong);
        fr_buffer_addf(page, " (quality %.4f)", fr_report_number(run->metrics, "pair/strong_quality"));
        fr_html_add(page, " and %s", weak);
        fr_buffer_addf(page, " (%.4f).</p>\n", fr_report_number(run->metrics, "pair/weak_quality"));
    }
}

/* Quality over the share of calls to the strong model: full and the best others. */
static char *strong_calls(const report_run *run, const family_table *table, fr_buffer *legend)
{
    enum { MOST = 6 };
    const report_router *drawn[MOST];
    int count = 0;
    for (int full = 1; full >= 0; full--)
        for (size_t r = 0; r < table->count && count < MOST; r++)
            if ((strcmp(table->list[r].name, "full") == 0) == full && fr_report_competes(table->list[r].name) &&
                json_array_size(fr_report_find(table->list[r].json, "routellm/curve")) > 1)
                drawn[count++] = &table->list[r];
    if (count == 0)
        return NULL;
    fr_buffer script = {0};
    fr_figure_entries(&script, count);
    fr_figure_begin(&script, (fr_figure_size){440, 330, 76, 14, 12, 56}, "calls to the strong model (% of prompts)",
                    "quality (mean score of an answer)");
    fr_buffer_addf(&script, "set xrange [0:100]\nset xtics 20\n");
    for (int i = 0; i < count; i++) {
        size_t index;
        json_t *point;
        fr_buffer_addf(&script, "$strong%d << EOD\n", i);
        json_array_foreach(fr_report_find(drawn[i]->json, "routellm/curve"), index, point)
        {
            double share = fr_report_number(point, "strong_share"), quality = fr_report_number(point, "quality");
            if (!isnan(share) && !isnan(quality))
                fr_buffer_addf(&script, "%.9g %.9g\n", 100 * share, quality);
        }
        fr_buffer_addf(&script, "EOD\n");
    }
    fr_buffer_addf(legend, "<ul class=\"legend\">");
    fr_buffer_addf(&script, "plot ");
    for (int i = count - 1; i >= 0; i--) {
        fr_buffer_addf(&script, "$strong%d with lines linecolor rgb '%s' linewidth %s title ", i, fr_figure_colour(i),
                       i ? "1.8" : "3.4");
        fr_figure_text(&script, drawn[i]->name, 24);
        fr_buffer_addf(&script, i ? ", \\\n     " : "\n");
    }
    for (int i = 0; i < count; i++) {
        fr_buffer_addf(legend, "<li><i style=\"border-color:%s\"></i>", fr_figure_colour(i));
        fr_html_add(legend, "%s</li>", drawn[i]->name);
    }
    fr_buffer_addf(legend, "</ul>");
    return fr_report_draw(run, &script, "strong-calls", "Quality and calls to the strong model");
}

void fr_report_families(fr_buffer *page, report_run *run)
{
    family_table table = {0};
    bool some = false;
    collect(&table, run->metrics);
    for (int m = 0; m < METRICS; m++)
        some |= table.known[m];
    if (some) {
        fr_buffer legend = {0};
        fr_report_section(page, run, "metrics", "Metric families");
        fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table class=\"grouped\">");
        head(page, &table);
        rows(page, &table);
        fr_buffer_addf(page, "</table></div><p class=\"soft\">Bold: the best router that competes.</p>");
        meanings(page, run, &table);
        char *svg = strong_calls(run, &table, &legend);
        fr_buffer_addf(page, "</div><div class=\"pair\">");
        fr_figure_add(page, svg, "Two models only",
                      "A router that chooses between the strong and the weak model alone, as its threshold moves.",
                      legend.data);
        fr_buffer_addf(page, "</div>\n");
        fr_buffer_close(&legend);
    }
    free(table.list);
}
