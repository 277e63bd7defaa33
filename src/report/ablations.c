/* What each part of the method is worth: full against what is left without it. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>

static const struct {
    const char *name, *meaning;
} variants[] = {
    {"stage1", "task scores alone (alpha = 0)"},
    {"stage2", "quality estimates alone (alpha = 1)"},
    {"no_task_heads", "one general quality head, no heads of tasks"},
    {"source_tasks", "the source of a prompt as its task"},
    {"kmeans_tasks", "as many k-means clusters as tasks"},
    {"semantic_graph", "graph of text similarity alone"},
    {"rbo_graph", "graph weighted by agreement of the rankings alone"},
    {"full_paper", "the method as published"},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* A figure over intervals, one row each: the difference and what it may be. */
static char *figure(const report_run *run, const report_router *list, size_t count)
{
    fr_buffer script = {0};
    fr_figure_size size = {440, 72 + 34 * (int)count, 138, 18, 8, 56};
    double least = 0, most = 0;
    for (size_t r = 0; r < count; r++) {
        const json_t *of = json_object_get(list[r].json, "vs_full");
        least = fmin(least, fmin(fr_report_number(of, "low"), fr_report_number(of, "difference")));
        most = fmax(most, fmax(fr_report_number(of, "high"), fr_report_number(of, "difference")));
    }
    double width = most > least ? most - least : .01;
    fr_figure_begin(&script, size, "full \xE2\x88\x92 variant (quality, mean score)", NULL);
    fr_buffer_addf(&script, "$difference << EOD\n");
    for (size_t r = 0; r < count; r++) {
        double d = fr_report_number(list[r].json, "vs_full/difference"),
               low = fr_report_number(list[r].json, "vs_full/low"),
               high = fr_report_number(list[r].json, "vs_full/high");
        fr_buffer_addf(&script, "%.9g %.9g %.9g %zu\n", d, isnan(low) ? d : low, isnan(high) ? d : high, count - r);
    }
    fr_buffer_addf(&script, "EOD\nset ytics (");
    for (size_t r = 0; r < count; r++)
        fr_buffer_addf(&script, "%s'%s' %zu", r ? ", " : "", list[r].name, count - r);
    fr_buffer_addf(&script,
                   ")\nset yrange [.4:%zu.6]\nset xrange [%.9g:%.9g]\nset format x '%%+.3g'\nset xtics %.9g\nset style "
                   "fill solid .85 noborder\nset boxwidth .55\n"
                   "set arrow from 0, graph 0 to 0, graph 1 nohead linecolor rgb ink linewidth .8 back\n"
                   "plot $difference using (0):4:(0):1:($4 - .27):($4 + .27) with boxxyerror linecolor rgb '#4477aa' "
                   "notitle, $difference using 1:4:2:3 with xerrorbars linecolor rgb ink linewidth 1.4 pointtype 7 "
                   "pointsize .4 notitle\n",
                   count, least - .06 * width, most + .06 * width, fr_figure_step(width));
    return fr_report_draw(run, &script, "ablations", "Ablations");
}

static void table(fr_buffer *page, const report_router *list, const char *const *meaning, size_t count)
{
    double reach = fr_report_reach(list, count);
    fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table><thead><tr><th>Variant</th><th class=\"n\">"
                         "Quality</th><th class=\"n\">full \xE2\x88\x92 variant [95%% CI]</th>"
                         "<th class=\"n\">p</th></tr></thead><tbody>\n");
    for (size_t r = 0; r < count; r++) {
        fr_html_add(page, "<tr><th>%s<small>%s</small></th>", list[r].name, meaning[r]);
        fr_html_number(page, "%.4f", list[r].quality);
        fr_report_difference(page, list[r].json, reach);
        fr_html_number(page, "%.2g", fr_report_number(list[r].json, "vs_full/p"));
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div></div>\n");
}

void fr_report_ablations(fr_buffer *page, report_run *run)
{
    report_router list[VARIANTS];
    const char *meaning[VARIANTS];
    size_t count = 0;
    for (int v = 0; v < VARIANTS; v++) {
        const json_t *router = json_object_get(json_object_get(run->metrics, "routers"), variants[v].name);
        if (isnan(fr_report_number(router, "vs_full/difference")))
            continue;
        list[count] = (report_router){variants[v].name, router, fr_report_number(router, "quality"), false, v};
        meaning[count++] = variants[v].meaning;
    }
    if (count == 0)
        return;
    fr_report_section(page, run, "ablations", "Ablations");
    fr_buffer_addf(page, "<div class=\"pair\">");
    fr_figure_add(page, figure(run, list, count), "full against its variants",
                  "Difference in mean quality with its 95% interval by the paired bootstrap over test prompts. To the "
                  "right of zero: full is better, so the missing part helps.",
                  NULL);
    table(page, list, meaning, count);
    fr_buffer_addf(page, "</div>\n");
}
