/* A sweep: what was chosen, how quality moves with the keys, and every point. */
#include "report/sweep.h"

#include "report/figure.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LEVELS = 24, MOST_HEATS = 3, MOST_CURVES = 8 };

static const sweep_point *chosen_point(const report_sweep *sweep)
{
    for (size_t p = 0; p < sweep->points; p++)
        if (sweep->point[p].index == sweep->chosen)
            return &sweep->point[p];
    return NULL;
}

static void facts(fr_buffer *page, const report_sweep *sweep)
{
    const sweep_point *chosen = chosen_point(sweep);
    fr_buffer_addf(page, "<div class=\"card\"><dl>");
    fr_html_add(page, "<dt>Base config</dt><dd>%s</dd><dt>Kind</dt><dd>%s</dd>", fr_report_text(sweep->json, "config"),
                fr_report_text(sweep->json, "kind"));
    fr_html_add(page, "<dt>Points</dt><dd>%d, %d of them failed</dd>", (int64_t)sweep->points, (int64_t)sweep->failed);
    fr_html_fact(page, "Jobs at a time", "%.0f", fr_report_number(sweep->json, "jobs"));
    fr_html_fact(page, "Threads of a job", "%.0f", fr_report_number(sweep->json, "threads"));
    fr_html_fact(page, "Wall time", "%.1f s", fr_report_number(sweep->json, "seconds"));
    if (chosen) {
        fr_html_add(page, "<dt>Chosen on dev</dt><dd>point %d: ", chosen->index);
        for (size_t k = 0; k < sweep->keys; k++) {
            char *text =
                fr_report_value_text(json_object_get(json_object_get(chosen->json, "values"), sweep->key[k].name));
            fr_html_add(page, k ? ", %s = %s" : "%s = %s", sweep->key[k].name, text);
            free(text);
        }
        fr_buffer_addf(page, "</dd>");
        fr_html_fact(page, "Its quality", "%.4f on dev", chosen->dev);
        fr_html_fact(page, "", "%.4f on test", chosen->test);
    }
    fr_buffer_addf(page, "</dl></div>\n");
}

static double quality_of(const sweep_point *point, bool test)
{
    return point ? test ? point->test : point->dev : NAN;
}

/* Shaded from the lowest to the highest quality of the table. */
static void heat_map(fr_buffer *page, const report_sweep *sweep, const sweep_key *a, const sweep_key *b, bool test)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < a->levels; i++)
        for (size_t j = 0; j < b->levels; j++) {
            double quality = quality_of(fr_report_sweep_best(sweep, a, i, b, j), test);
            low = fmin(low, quality), high = fmax(high, quality);
        }
    fr_buffer_addf(page, "<div class=\"card\"><h3>%s</h3><div class=\"wide\"><table class=\"heat\"><thead><tr>",
                   test ? "Test quality" : "Dev quality");
    fr_html_add(page, "<th>%s \xE2\x86\x93 %s \xE2\x86\x92</th>", a->name, b->name);
    for (size_t j = 0; j < b->levels; j++)
        fr_report_column_name(page, b->level[j]);
    fr_buffer_addf(page, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < a->levels; i++) {
        fr_html_add(page, "<tr><th>%s</th>", a->level[i]);
        for (size_t j = 0; j < b->levels; j++) {
            const sweep_point *best = fr_report_sweep_best(sweep, a, i, b, j);
            double quality = quality_of(best, test);
            if (isnan(quality))
                fr_html_number(page, "%.4f", quality);
            else
                fr_buffer_addf(page, "<td class=\"n%s\" style=\"background:rgba(50,130,220,%.2f)\">%.4f</td>",
                               best->index == sweep->chosen ? " top" : "",
                               high > low ? .04 + .56 * (quality - low) / (high - low) : .04, quality);
        }
        fr_buffer_addf(page, "</tr>\n");
    }
    fr_html_add(page, "</tbody></table></div><p class=\"soft\">%s Bold: chosen.</p></div>\n",
                test ? "Mean score on test of the same points." : "Mean score on dev of the best point of a cell.");
}

/* Whether a table of these keys would be worth looking at: random points leave most of its cells empty. */
static bool fills_table(const report_sweep *sweep, const sweep_key *a, const sweep_key *b)
{
    size_t filled = 0;
    if (a->levels < 2 || b->levels < 2 || a->levels > MOST_LEVELS || b->levels > MOST_LEVELS)
        return false;
    for (size_t i = 0; i < a->levels; i++)
        for (size_t j = 0; j < b->levels; j++)
            filled += fr_report_sweep_best(sweep, a, i, b, j) != NULL;
    return 2 * filled >= a->levels * b->levels;
}

static void heat_maps(fr_buffer *page, const report_sweep *sweep)
{
    int maps = 0;
    for (size_t a = 0; a < sweep->keys; a++)
        for (size_t b = a + 1; b < sweep->keys && maps < MOST_HEATS; b++)
            if (fills_table(sweep, &sweep->key[a], &sweep->key[b])) {
                fr_buffer_addf(page, "<div class=\"pair\">");
                heat_map(page, sweep, &sweep->key[a], &sweep->key[b], false);
                heat_map(page, sweep, &sweep->key[a], &sweep->key[b], true);
                fr_buffer_addf(page, "</div>\n");
                maps++;
            }
}

static void figures(fr_buffer *page, const report_run *run, const report_sweep *sweep)
{
    static const char lines[] =
        "<ul class=\"legend\"><li><i class=\"ring\"></i>all points, dev</li><li><i style=\"border-color:#4477aa\"></i>"
        "best on dev, dev</li><li><i style=\"border-color:#ee7733\"></i>the same, test</li></ul>";
    static const char dots[] = "<ul class=\"legend\"><li><i class=\"dot\" style=\"background:#4477aa\"></i>dev</li>"
                               "<li><i class=\"dot\" style=\"background:#ee7733\"></i>test</li></ul>";
    fr_buffer_addf(page, "<div class=\"pair\">");
    for (size_t k = 0; k < sweep->keys && k < MOST_CURVES; k++) {
        bool scattered = fr_report_sweep_scattered(sweep, &sweep->key[k]);
        fr_figure_add(page, fr_report_sweep_curve(run, sweep, k), sweep->key[k].name,
                      scattered ? "Every point, by its value of this key."
                                : "Of all points with a value the best on dev, with its quality on dev and on test.",
                      scattered ? dots : lines);
    }
    fr_figure_add(page, fr_report_sweep_costs(run, sweep), "Cost and quality",
                  "Every point on the test prompts; ringed: the one chosen on dev.", NULL);
    fr_buffer_addf(page, "</div>\n");
}

static void point_row(fr_buffer *page, const report_sweep *sweep, const sweep_point *point)
{
    const char *error = fr_report_text(point->json, "error");
    fr_html_add(page,
                point->index == sweep->chosen ? "<tr class=\"best\"><th>%d<span class=\"tag\">chosen</span></th>"
                                              : "<tr><th>%d</th>",
                point->index);
    for (size_t k = 0; k < sweep->keys; k++) {
        char *text = fr_report_value_text(json_object_get(json_object_get(point->json, "values"), sweep->key[k].name));
        fr_html_add(page, sweep->key[k].numeric ? "<td class=\"n\">%s</td>" : "<td>%s</td>", text);
        free(text);
    }
    if (*error) {
        fr_html_add(page, "<td colspan=\"8\" class=\"error\">%s</td></tr>\n", error);
        return;
    }
    fr_html_number(page, "%.4f", point->dev);
    fr_html_number(page, "%.4f", point->test);
    fr_html_number(page, "%.4f", fr_report_number(point->json, "test_quality_by_source"));
    fr_html_number(page, "%.4g", 1000 * fr_report_number(point->json, "test_cost"));
    fr_html_number(page, "%.0f", fr_report_number(point->json, "tasks"));
    fr_html_number(page, "%.3g", fr_report_number(point->json, "alpha"));
    fr_html_number(page, "%.3g", fr_report_number(point->json, "theta"));
    fr_html_number(page, "%.1f", fr_report_number(point->json, "seconds"));
    fr_buffer_addf(page, "</tr>\n");
}

static void points(fr_buffer *page, const report_sweep *sweep)
{
    fr_buffer_addf(page, "<div class=\"card\"><div class=\"wide\"><table><thead><tr><th>Point</th>");
    for (size_t k = 0; k < sweep->keys; k++)
        fr_html_add(page, sweep->key[k].numeric ? "<th class=\"n\">%s</th>" : "<th>%s</th>", sweep->key[k].name);
    fr_buffer_addf(page, "<th class=\"n\">Dev quality</th><th class=\"n\">Test quality</th><th class=\"n\">By "
                         "source</th><th class=\"n\">USD&nbsp;/&nbsp;1k prompts</th><th class=\"n\">Tasks</th>"
                         "<th class=\"n\">alpha</th><th class=\"n\">theta</th><th class=\"n\">Seconds</th></tr></thead>"
                         "<tbody>\n");
    for (size_t p = 0; p < sweep->points; p++)
        point_row(page, sweep, &sweep->point[p]);
    fr_buffer_addf(page, "</tbody></table></div><p class=\"soft\">By falling quality on dev, by which the choice is "
                         "made; test is only reported.</p></div>\n");
}

void fr_report_sweep(fr_buffer *page, report_run *run)
{
    report_sweep sweep;
    fr_report_sweep_open(&sweep, run->sweep);
    fr_report_section(page, run, "sweep", "Sweep");
    facts(page, &sweep);
    heat_maps(page, &sweep);
    figures(page, run, &sweep);
    fr_report_section(page, run, "points", "Points");
    points(page, &sweep);
    fr_report_sweep_close(&sweep);
}
