/* The figures on tasks: sizes and candidates. */
#include "report/figure.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>

static const fr_figure_size bars = {440, 290, 76, 14, 12, 56};

static const json_t *task_list(const report_run *run)
{
    return run->cards ? json_object_get(run->cards, "tasks") : NULL;
}

char *fr_report_sizes(const report_run *run)
{
    const json_t *tasks = task_list(run);
    size_t count = json_array_size(tasks);
    double largest = 0;
    fr_buffer script = {0};
    if (count == 0)
        return NULL;
    fr_figure_begin(&script, bars, "task (number, largest first)", "size (training prompts)");
    fr_buffer_addf(&script, "$size << EOD\n");
    for (size_t t = 0; t < count; t++) {
        double size = fr_report_number(json_array_get(tasks, t), "size");
        largest = fmax(largest, size);
        fr_buffer_addf(&script, "%zu %.9g\n", t, size);
    }
    fr_buffer_addf(&script,
                   "EOD\nset xrange [-.6:%zu.6]\nset yrange [0:%.9g]\nset boxwidth .8\nset style fill solid noborder\n"
                   "set grid noxtics\n%s"
                   "plot $size using 1:2 with boxes linecolor rgb '#4477aa' title 'size'\n",
                   count - 1, 1.06 * fmax(largest, 1), count <= 12 ? "set xtics 1\n" : "");
    return fr_figure_draw(&script, run->folder, "task-sizes", "Task sizes");
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
    return fr_figure_draw(&script, run->folder, "candidates", "Candidates per task");
}
