/* The figures of a sweep. */
#include "report/figure.h"
#include "report/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const fr_figure_size plot = {440, 320, 80, 16, 12, 56};

/* Where a level stands: at its value, or at its number where values are no numbers. */
static double place(const sweep_key *key, size_t level)
{
    return key->numeric ? strtod(key->level[level], NULL) : (double)level;
}

/* Positive values over a factor of 30 and more stand on a log scale. */
static bool wide_range(const sweep_key *key)
{
    return key->numeric && place(key, 0) > 0 && place(key, key->levels - 1) >= 30 * place(key, 0);
}

/* Where a value stands on the axis, 0 to 1. */
static double share(const sweep_key *key, size_t level)
{
    double low = place(key, 0), high = place(key, key->levels - 1), at = place(key, level);
    return wide_range(key) ? log(at / low) / log(high / low) : (at - low) / (high - low);
}

/* Whether each value can have a tic of its own without meeting its neighbour's. */
static bool tics_fit(const sweep_key *key)
{
    for (size_t l = 1; l < key->levels; l++)
        if (share(key, l) - share(key, l - 1) < .028 * (double)(strlen(key->level[l]) + strlen(key->level[l - 1])) / 2)
            return false;
    return true;
}

static void x_axis(fr_buffer *script, const sweep_key *key)
{
    double low = place(key, 0), high = place(key, key->levels - 1);
    bool logarithmic = wide_range(key);
    double air = logarithmic ? pow(high / low, .08) : key->numeric ? .08 * (high - low) : .5;
    if (logarithmic)
        fr_buffer_addf(script, "set logscale x\nset xrange [%.9g:%.9g]\n", low / air, high * air);
    else
        fr_buffer_addf(script, "set xrange [%.9g:%.9g]\n", low - air, high + air);
    if (key->numeric && !tics_fit(key)) {
        if (!logarithmic)
            fr_buffer_addf(script, "set xtics %.9g\n", fr_figure_step(high - low));
        return;
    }
    fr_buffer_addf(script, "set xtics (");
    for (size_t l = 0; l < key->levels; l++) {
        fr_buffer_addf(script, l ? ", " : "");
        fr_figure_text(script, key->level[l], key->numeric ? 12 : 32 / (int)key->levels - 1);
        fr_buffer_addf(script, " %.9g", place(key, l));
    }
    fr_buffer_addf(script, ")\n");
}

char *fr_report_sweep_curve(const report_run *run, const report_sweep *sweep, size_t number)
{
    const sweep_key *key = &sweep->key[number];
    fr_buffer script = {0};
    bool scattered = fr_report_sweep_scattered(sweep, key);
    if (key->levels < 2 || (!key->numeric && key->levels > 8))
        return NULL;
    fr_figure_entries(&script, 3);
    fr_figure_begin(&script, plot, NULL, "quality (mean score of an answer)");
    fr_buffer_addf(&script, "set label ");
    fr_figure_text(&script, key->name, 26);
    fr_buffer_addf(&script, wide_range(key) ? ".' (value, log scale)'" : ".' (value)'");
    fr_buffer_addf(&script, " at screen %.5f, screen up(14) center textcolor rgb ink\n$all << EOD\n",
                   (plot.left + plot.width - plot.right) / (2. * plot.width));
    for (size_t p = 0; p < sweep->points; p++) {
        int64_t level = fr_report_sweep_level(&sweep->point[p], key);
        if (level >= 0 && !isnan(sweep->point[p].dev))
            fr_buffer_addf(&script, "%.9g %.9g\n", place(key, (size_t)level), sweep->point[p].dev);
    }
    fr_buffer_addf(&script, "EOD\n$best << EOD\n");
    size_t drawn = 0;
    for (size_t l = 0; l < key->levels; l++) {
        const sweep_point *best = fr_report_sweep_best(sweep, key, l, NULL, 0);
        if (best && ++drawn)
            fr_buffer_addf(&script, isnan(best->test) ? "%.9g %.9g NaN\n" : "%.9g %.9g %.9g\n", place(key, l),
                           best->dev, best->test);
    }
    if (drawn == 0) {
        fr_buffer_close(&script);
        return NULL;
    }
    fr_buffer_addf(&script, "EOD\n");
    x_axis(&script, key);
    fr_buffer_addf(&script, "set offsets 0, 0, graph .06, graph .06\nplot ");
    if (!scattered)
        fr_buffer_addf(&script, "$all with points pointtype 6 pointsize .4 linecolor rgb '#888888' title 'all points, "
                                "dev', ");
    const char *how =
        scattered ? "points pointtype 7 pointsize .5" : "linespoints linewidth 2 pointtype 7 pointsize .5";
    fr_buffer_addf(&script,
                   "$best using 1:2 with %s linecolor rgb '#4477aa' title '%s', $best using 1:3 with %s linecolor rgb "
                   "'#ee7733' title '%s'\n",
                   how, scattered ? "dev" : "best on dev, dev", how, scattered ? "test" : "the same, test");
    char *name = fr_format("sweep-curve-%zu", number + 1),
         *svg = fr_report_draw(run, &script, name, "Quality over a key of the sweep");
    free(name);
    return svg;
}

char *fr_report_sweep_costs(const report_run *run, const report_sweep *sweep)
{
    fr_buffer script = {0};
    size_t points = 0;
    double least = INFINITY, most = -INFINITY;
    fr_figure_entries(&script, 2);
    fr_figure_begin(&script, plot, "cost (USD per 1,000 test prompts)", "quality (mean score, test)");
    fr_buffer_addf(&script, "$points << EOD\n");
    const sweep_point *chosen = NULL;
    for (size_t p = 0; p < sweep->points; p++) {
        double cost = fr_report_number(sweep->point[p].json, "test_cost");
        if (isnan(cost) || isnan(sweep->point[p].test))
            continue;
        fr_buffer_addf(&script, "%.9g %.9g\n", 1000 * cost, sweep->point[p].test);
        least = fmin(least, 1000 * cost), most = fmax(most, 1000 * cost);
        chosen = sweep->point[p].index == sweep->chosen ? &sweep->point[p] : chosen;
        points++;
    }
    if (points < 2) {
        fr_buffer_close(&script);
        return NULL;
    }
    fr_buffer_addf(&script, "EOD\nset offsets graph .06, graph .06, graph .06, graph .06\nset format x '%%.4g'\n");
    if (most > least)
        fr_buffer_addf(&script, "set xtics %.9g\n", fr_figure_step(most - least));
    fr_buffer_addf(&script, "plot $points with points pointtype 7 pointsize .5 linecolor rgb '#4477aa' title 'points'");
    if (chosen)
        fr_buffer_addf(
            &script,
            ", '-' with points pointtype 6 pointsize 1.1 linewidth 2.4 linecolor rgb '#ee7733' title 'chosen "
            "on dev'\n%.9g %.9g\ne",
            1000 * fr_report_number(chosen->json, "test_cost"), chosen->test);
    fr_buffer_addf(&script, "\n");
    return fr_report_draw(run, &script, "sweep-costs", "Quality and cost of the sweep's points");
}
