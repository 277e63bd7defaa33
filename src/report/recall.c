/* Recall by number of correct models: how often a router finds one of the models that are right, on prompts where
 * 1, 2, ... of them are. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <string.h>

static const fr_figure_size plot = {440, 330, 76, 14, 12, 56};
static const char *const shown[] = {"full", "ipr", "knn", "best_single"};
enum { SHOWN = 4 };

static const json_t *recall_of(const report_run *run, int i)
{
    return json_object_get(json_object_get(json_object_get(run->metrics, "routers"), shown[i]), "recall");
}

/* The hit rate at c correct models, NaN where no prompt has so many. */
static double hit_rate(const json_t *recall, size_t c)
{
    return fr_report_number(json_array_get(recall, c), "hit_rate");
}

static char *figure(const report_run *run, size_t counts, fr_buffer *legend)
{
    fr_buffer script = {0};
    const char *comma = "";
    int entries = 0;
    for (int i = 0; i < SHOWN; i++)
        entries += json_array_size(recall_of(run, i)) > 0;
    fr_figure_entries(&script, entries);
    fr_figure_begin(&script, plot, "correct models of a prompt (count)", "hit rate (share of prompts)");
    fr_buffer_addf(&script, "set xrange [.5:%.1f]\nset yrange [0:1.04]\nset ytics .2\n%s", (double)counts - .5,
                   counts <= 16 ? "set xtics 1\n" : "");
    for (int i = 0; i < SHOWN; i++) {
        const json_t *recall = recall_of(run, i);
        fr_buffer_addf(&script, "$recall%d << EOD\n", i);
        for (size_t c = 1; c < json_array_size(recall); c++)
            if (!isnan(hit_rate(recall, c)))
                fr_buffer_addf(&script, "%.9g %.9g\n", fr_report_number(json_array_get(recall, c), "correct"),
                               hit_rate(recall, c));
        fr_buffer_addf(&script, "EOD\n");
    }
    fr_buffer_addf(&script, "plot ");
    fr_buffer_addf(legend, "<ul class=\"legend\">");
    for (int i = SHOWN - 1; i >= 0; i--) {
        if (json_array_size(recall_of(run, i)) == 0)
            continue;
        fr_buffer_addf(&script,
                       "%s$recall%d with linespoints linecolor rgb '%s' linewidth %s pointtype 7 pointsize .45 "
                       "title '%s'",
                       comma, i, fr_figure_colour(i), i ? "1.8" : "3.4", shown[i]);
        comma = ", ";
    }
    for (int i = 0; i < SHOWN; i++)
        if (json_array_size(recall_of(run, i)) > 0)
            fr_buffer_addf(legend, "<li><i class=\"%s\" style=\"border-color:%s\"></i>%s</li>", i ? "line" : "strong",
                           fr_figure_colour(i), shown[i]);
    fr_buffer_addf(legend, "</ul>");
    fr_buffer_addf(&script, "\n");
    return fr_report_draw(run, &script, "recall", "Recall by number of correct models");
}

static void table(fr_buffer *page, const report_run *run, const json_t *first)
{
    fr_buffer_addf(page, "<div class=\"card fit\"><div class=\"wide\"><table><thead><tr><th class=\"n\">Correct "
                         "models</th><th class=\"n\">Prompts</th>");
    for (int i = 0; i < SHOWN; i++)
        if (json_array_size(recall_of(run, i)) > 0)
            fr_report_column_name(page, shown[i]);
    fr_buffer_addf(page, "</tr></thead><tbody>\n");
    for (size_t c = 0; c < json_array_size(first); c++) {
        const json_t *entry = json_array_get(first, c);
        fr_buffer_addf(page, "<tr>");
        fr_html_number(page, "%.0f", fr_report_number(entry, "correct"));
        fr_html_number(page, "%.6g", fr_report_number(entry, "prompts"));
        for (int i = 0; i < SHOWN; i++)
            if (json_array_size(recall_of(run, i)) > 0)
                fr_html_number(page, "%.3f", hit_rate(recall_of(run, i), c));
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div></div>\n");
}

void fr_report_recall(fr_buffer *page, report_run *run)
{
    const json_t *first = NULL;
    fr_buffer legend = {0};
    for (int i = 0; i < SHOWN && json_array_size(first) == 0; i++)
        first = recall_of(run, i);
    if (json_array_size(first) == 0)
        return;
    fr_report_section(page, run, "recall", "Recall");
    fr_buffer_addf(page, "<div class=\"pair\">");
    char *svg = json_array_size(first) > 1 ? figure(run, json_array_size(first), &legend) : NULL;
    fr_figure_add(page, svg, "Recall by number of correct models",
                  "Share of the prompts on which the chosen model is right (quality of at least 0.5), by how many of "
                  "the models are. A choice at random would hit c of M times.",
                  legend.data);
    table(page, run, first);
    fr_buffer_addf(page, "</div>\n");
    fr_buffer_close(&legend);
}
