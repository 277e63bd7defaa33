/* The figures on tasks: sizes, candidates and cohesion. */
#include "report/figure.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>

static const fr_figure_size bars = {440, 290, 76, 14, 12, 56};

static const json_t *task_list(const report_run *run)
{
    return run->cards ? json_object_get(run->cards, "tasks") : NULL;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Sizes, largest first, by the cards, or by the metrics where there are none; free(*sizes). */
static size_t sizes_of(double **sizes, const report_run *run)
{
    const json_t *tasks = task_list(run), *plain = fr_report_find(run->metrics, "tasks/sizes");
    size_t count = json_array_size(tasks) ? json_array_size(tasks) : json_array_size(plain), known = 0;
    *sizes = FR_NEW(double, count + 1);
    for (size_t t = 0; t < count; t++) {
        double size = json_array_size(tasks) ? fr_report_number(json_array_get(tasks, t), "size")
                                             : json_number_value(json_array_get(plain, t));
        if (!isnan(size))
            (*sizes)[known++] = size;
    }
    qsort(*sizes, known, sizeof **sizes, falling);
    return known;
}

char *fr_report_sizes(const report_run *run)
{
    double *size;
    size_t count = sizes_of(&size, run);
    fr_buffer script = {0};
    if (count == 0) {
        free(size);
        return NULL;
    }
    fr_figure_begin(&script, bars, "task (rank by size)", "size (training prompts)");
    fr_buffer_addf(&script, "$size << EOD\n");
    for (size_t t = 0; t < count; t++)
        fr_buffer_addf(&script, "%zu %.9g\n", t + 1, size[t]);
    fr_buffer_addf(&script,
                   "EOD\nset xrange [.4:%zu.6]\nset yrange [0:%.9g]\nset boxwidth .8\nset style fill solid noborder\n"
                   "set grid noxtics\n%s"
                   "plot $size using 1:2 with boxes linecolor rgb '#4477aa' title 'size'\n",
                   count, 1.06 * fmax(size[0], 1), count <= 12 ? "set xtics 1\n" : "");
    free(size);
    return fr_report_draw(run, &script, "task-sizes", "Task sizes");
}

char *fr_report_candidates(const report_run *run)
{
    const json_t *tasks = task_list(run);
    size_t count = json_array_size(tasks), models = json_array_size(json_object_get(run->cards, "models"));
    if (count == 0 || models == 0)
        return NULL;
    int64_t *tally = FR_NEW(int64_t, models + 1), most = 1;
    size_t widest = 0, fewest = models;
    fr_buffer script = {0};
    for (size_t t = 0; t < count; t++) {
        size_t candidates = json_array_size(json_object_get(json_array_get(tasks, t), "candidates"));
        candidates = candidates < models ? candidates : models;
        tally[candidates]++;
        most = tally[candidates] > most ? tally[candidates] : most;
        widest = candidates > widest ? candidates : widest;
        fewest = candidates < fewest ? candidates : fewest;
    }
    if (fewest == widest) {
        free(tally);
        return NULL;
    }
    fr_figure_begin(&script, bars, "candidates of a task (models)", "tasks (count)");
    fr_buffer_addf(&script, "$tally << EOD\n");
    for (size_t c = 0; c <= widest; c++)
        fr_buffer_addf(&script, "%zu %lld\n", c, (long long)tally[c]);
    fr_buffer_addf(&script,
                   "EOD\nset xrange [.4:%zu.6]\nset yrange [0:%.9g]\nset boxwidth .7\nset style fill solid noborder\n"
                   "set grid noxtics\n%s%s"
                   "plot $tally using 1:2 with boxes linecolor rgb '#009988' title 'tasks'\n",
                   widest, 1.08 * (double)most, widest <= 16 ? "set xtics 1\n" : "", most <= 8 ? "set ytics 1\n" : "");
    free(tally);
    return fr_report_draw(run, &script, "candidates", "Candidates per task");
}

char *fr_report_cohesion(const report_run *run)
{
    const json_t *tasks = task_list(run);
    size_t points = 0;
    double most = 0;
    fr_buffer script = {0};
    fr_figure_begin(&script, bars, "cohesion outside (mean edge weight)", "inside (mean edge weight)");
    fr_buffer_addf(&script, "$cohesion << EOD\n");
    for (size_t t = 0; t < json_array_size(tasks); t++) {
        double inside = fr_report_number(json_array_get(tasks, t), "cohesion_inside"),
               outside = fr_report_number(json_array_get(tasks, t), "cohesion_outside");
        if (isnan(inside) || isnan(outside))
            continue;
        fr_buffer_addf(&script, "%.9g %.9g\n", outside, inside);
        most = fmax(most, fmax(inside, outside));
        points++;
    }
    if (points < 2) {
        fr_buffer_close(&script);
        return NULL;
    }
    fr_buffer_addf(&script,
                   "EOD\nset xrange [0:%.9g]\nset yrange [0:%.9g]\n"
                   "plot x with lines linecolor rgb '#888888' dashtype 2 notitle, $cohesion with points pointtype 7 "
                   "pointsize .6 linecolor rgb '#aa3377' title 'tasks'\n",
                   1.06 * fmax(most, 1e-9), 1.06 * fmax(most, 1e-9));
    return fr_report_draw(run, &script, "cohesion", "Cohesion of the tasks");
}
