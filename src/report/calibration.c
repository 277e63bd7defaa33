/* How far the estimates can be trusted: reliability of both stages' scores, and the task classifier. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>

static const char *const stages[] = {"stage1", "stage2"}, *const names[] = {"stage 1", "stage 2"};

static const json_t *bins_of(const report_run *run, int stage)
{
    return json_object_get(json_object_get(json_object_get(run->metrics, "calibration"), stages[stage]), "bins");
}

static bool point_of(double at[2], const json_t *bin)
{
    at[0] = fr_report_number(bin, "estimate"), at[1] = fr_report_number(bin, "quality");
    return !isnan(at[0]) && !isnan(at[1]) && fr_report_number(bin, "entries") > 0;
}

/* Lets range include all points of both stages. */
static void range_of(double range[2], const report_run *run)
{
    double at[2];
    range[0] = 0, range[1] = 1;
    for (int s = 0; s < 2; s++)
        for (size_t b = 0; b < json_array_size(bins_of(run, s)); b++)
            if (point_of(at, json_array_get(bins_of(run, s), b)))
                for (int k = 0; k < 2; k++)
                    range[0] = fmin(range[0], at[k]), range[1] = fmax(range[1], at[k]);
}

/* Points above the diagonal: the estimate was too low. Their area grows with the entries of their bin. */
static char *reliability(const report_run *run)
{
    fr_buffer script = {0};
    double range[2], at[2];
    const char *comma = ", ";
    range_of(range, run);
    fr_figure_entries(&script, 3);
    fr_figure_begin(&script, (fr_figure_size){440, 380, 76, 14, 12, 56}, "estimated quality (mean of a bin)",
                    "observed quality (mean of a bin)");
    fr_buffer_addf(&script, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", range[0], range[1], range[0] - .02,
                   range[1] + .02);
    for (int s = 0; s < 2; s++) {
        double most = 1;
        size_t count = json_array_size(bins_of(run, s));
        for (size_t b = 0; b < count; b++)
            most = fmax(most, fr_report_number(json_array_get(bins_of(run, s), b), "entries"));
        fr_buffer_addf(&script, "$bins%d << EOD\n", s);
        for (size_t b = 0; b < count; b++)
            if (point_of(at, json_array_get(bins_of(run, s), b)))
                fr_buffer_addf(&script, "%.9g %.9g %.3f\n", at[0], at[1],
                               .35 + .9 * sqrt(fr_report_number(json_array_get(bins_of(run, s), b), "entries") / most));
        fr_buffer_addf(&script, "EOD\n");
    }
    fr_buffer_addf(&script, "plot x with lines linecolor rgb '#888888' dashtype 2 title 'perfect'");
    for (int s = 0; s < 2; s++)
        if (json_array_size(bins_of(run, s)) > 0)
            fr_buffer_addf(&script,
                           "%s$bins%d with lines linecolor rgb '%s' linewidth 1.8 title '%s', $bins%d using 1:2:3 with "
                           "points pointtype 7 pointsize variable linecolor rgb '%s' notitle",
                           comma, s, fr_figure_colour(s ? 0 : 3), names[s], s, fr_figure_colour(s ? 0 : 3));
    fr_buffer_addf(&script, "\n");
    return fr_report_draw(run, &script, "calibration", "Calibration of the quality estimates");
}

static void bins_table(fr_buffer *page, const report_run *run, int stage)
{
    size_t index;
    json_t *bin;
    if (json_array_size(bins_of(run, stage)) == 0)
        return;
    fr_buffer_addf(page,
                   "<details><summary>Bins of %s</summary><div class=\"wide\"><table><thead><tr><th class=\"n\">"
                   "From</th><th class=\"n\">To</th><th class=\"n\">Entries</th><th class=\"n\">Estimate</th>"
                   "<th class=\"n\">Observed</th></tr></thead><tbody>\n",
                   names[stage]);
    json_array_foreach((json_t *)bins_of(run, stage), index, bin)
    {
        fr_buffer_addf(page, "<tr>");
        fr_html_number(page, "%.3g", fr_report_number(bin, "low"));
        fr_html_number(page, "%.3g", fr_report_number(bin, "high"));
        fr_html_number(page, "%.6g", fr_report_number(bin, "entries"));
        fr_html_number(page, "%.3f", fr_report_number(bin, "estimate"));
        fr_html_number(page, "%.3f", fr_report_number(bin, "quality"));
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_buffer_addf(page, "</tbody></table></div></details>");
}

static void classifier(fr_buffer *page, const report_run *run)
{
    const json_t *json = json_object_get(run->metrics, "classifier");
    fr_buffer_addf(page, "<h3>Task classifier</h3><dl>");
    fr_html_fact(page, "Micro F1", "%.4f", fr_report_number(json, "micro_f1"));
    fr_html_fact(page, "Macro F1", "%.4f", fr_report_number(json, "macro_f1"));
    fr_html_fact(page, "Accuracy", "%.4f", fr_report_number(json, "accuracy"));
    fr_html_fact(page, "Accuracy without Others", "%.4f", fr_report_number(json, "accuracy_without_others"));
    fr_html_fact(page, "Coverage", "%.4f of the test prompts have a task of probability theta or more",
                 fr_report_number(json, "coverage"));
    fr_buffer_addf(page, "</dl>");
}

void fr_report_calibration(fr_buffer *page, report_run *run)
{
    bool bins = json_array_size(bins_of(run, 0)) + json_array_size(bins_of(run, 1)) > 0,
         classified = json_object_size(json_object_get(run->metrics, "classifier")) > 0;
    if (!bins && !classified)
        return;
    fr_report_section(page, run, "calibration", "Calibration and classifier");
    fr_buffer_addf(page, "<div class=\"pair\">");
    if (bins) {
        fr_buffer legend = {0};
        fr_buffer_addf(&legend, "<ul class=\"legend\"><li><i class=\"dash\" style=\"border-color:#888888\"></i>"
                                "perfect</li>");
        for (int s = 0; s < 2; s++)
            if (json_array_size(bins_of(run, s)) > 0)
                fr_buffer_addf(&legend, "<li><i style=\"border-color:%s\"></i>%s</li>", fr_figure_colour(s ? 0 : 3),
                               names[s]);
        fr_buffer_addf(&legend, "</ul>");
        fr_figure_add(page, reliability(run), "Reliability",
                      "Mean observed quality of the answers whose estimate lies in a bin; the larger a point, the more "
                      "entries. Above the diagonal the estimates are too low, below it too high.",
                      legend.data);
        fr_buffer_close(&legend);
    }
    fr_buffer_addf(page, "<div class=\"card\">");
    if (classified)
        classifier(page, run);
    if (bins) {
        fr_buffer_addf(page, "<h3>Expected calibration error</h3><dl>");
        for (int s = 0; s < 2; s++)
            if (json_array_size(bins_of(run, s)) > 0)
                fr_html_fact(
                    page, names[s], "%.4f of quality",
                    fr_report_number(json_object_get(json_object_get(run->metrics, "calibration"), stages[s]), "ece"));
        fr_buffer_addf(page, "</dl>");
        bins_table(page, run, 0);
        bins_table(page, run, 1);
    }
    fr_buffer_addf(page, "</div></div>\n");
}
