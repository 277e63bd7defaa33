/* The other figures: quality by source, sizes and candidates of tasks. */
#include "report/figure.h"
#include "report/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SOURCES = 60, MOST_ROUTERS = 24 };

/* Orange below the row's mean, blue above; full colour at `reach`. Light enough for dark digits on any page. */
static void shade(char out[8], double difference, double reach)
{
    double t = reach > 0 ? fmax(-1, fmin(1, difference / reach)) : 0;
    const double to[3] = {t < 0 ? 240 : 110, t < 0 ? 155 : 170, t < 0 ? 90 : 230};
    int c[3];
    for (int k = 0; k < 3; k++)
        c[k] = (int)lround(238 + (to[k] - 238) * fabs(t));
    snprintf(out, 8, "#%02x%02x%02x", c[0], c[1], c[2]);
}

typedef struct heat {
    const char *router[MOST_ROUTERS], *source[MOST_SOURCES];
    int routers, sources;
    double value[MOST_SOURCES][MOST_ROUTERS], mean[MOST_SOURCES], reach;
} heat;

static void collect_heat(heat *map, const report_run *run)
{
    json_t *routers = json_object_get(run->metrics, "routers"), *router, *quality;
    const char *name, *source;
    json_object_foreach(routers, name, router)
    {
        if (map->routers == MOST_ROUTERS)
            break;
        int row = 0;
        json_object_foreach(json_object_get(router, "sources"), source, quality)
        {
            if (row == MOST_SOURCES)
                break;
            map->source[row] = source;
            map->value[row++][map->routers] = json_is_number(quality) ? json_number_value(quality) : NAN;
        }
        map->sources = row > map->sources ? row : map->sources;
        map->router[map->routers++] = name;
    }
    for (int s = 0; s < map->sources; s++) {
        double sum = 0, count = 0;
        for (int r = 0; r < map->routers; r++)
            if (!isnan(map->value[s][r]))
                sum += map->value[s][r], count++;
        map->mean[s] = sum / count;
        for (int r = 0; r < map->routers; r++)
            if (!isnan(map->value[s][r]))
                map->reach = fmax(map->reach, fabs(map->value[s][r] - map->mean[s]));
    }
}

char *fr_report_sources(const report_run *run)
{
    heat *map = FR_NEW(heat, 1);
    fr_buffer script = {0};
    collect_heat(map, run);
    if (map->routers == 0 || map->sources == 0) {
        free(map);
        return NULL;
    }
    enum { CELL = 58, ROW = 27, NAMES = 225, HEAD = 118, TAIL = 70 };
    fr_figure_begin(
        &script,
        (fr_figure_size){NAMES + CELL * map->routers + TAIL, HEAD + ROW * map->sources + 14, NAMES, TAIL, HEAD, 14},
        NULL, NULL);
    fr_buffer_addf(
        &script,
        "unset grid\nset border 0\nset tics scale 0\nunset xtics\nset xrange [-.5:%d.5]\nset x2range [-.5:%d.5]\n"
        "set yrange [%d.5:-.5]\nset ytics (",
        map->routers - 1, map->routers - 1, map->sources - 1);
    for (int s = 0; s < map->sources; s++) {
        fr_buffer_addf(&script, "%s", s ? ", " : "");
        fr_figure_text(&script, map->source[s], 22);
        fr_buffer_addf(&script, " %d", s);
    }
    fr_buffer_addf(&script, ") textcolor rgb '" FR_INK "'\nset x2tics rotate by 40 left offset 0,-.2 (");
    for (int r = 0; r < map->routers; r++) {
        fr_buffer_addf(&script, "%s", r ? ", " : "");
        fr_figure_text(&script, map->router[r], 16);
        fr_buffer_addf(&script, " %d", r);
    }
    fr_buffer_addf(&script, ") textcolor rgb '" FR_INK "'\n");
    for (int s = 0; s < map->sources; s++)
        for (int r = 0; r < map->routers; r++) {
            double value = map->value[s][r];
            if (isnan(value))
                continue;
            char colour[8];
            shade(colour, value - map->mean[s], map->reach);
            fr_buffer_addf(
                &script,
                "set object rectangle center %d, %d size .96, .92 fillcolor rgb '%s' fillstyle solid noborder behind\n"
                "set label '%.3f' at %d, %d center font ',13' textcolor rgb '#101010' front\n",
                r, s, colour, value, r, s);
        }
    fr_buffer_addf(&script, "plot NaN notitle, NaN axes x2y1 notitle\n");
    free(map);
    return fr_figure_draw(&script, run->folder, "sources", "Quality by source and router");
}

static const fr_figure_size bars = {720, 330, 84, 22, 18, 62};

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
    size_t widest = 1;
    fr_buffer script = {0};
    for (size_t t = 0; t < count; t++) {
        size_t candidates = json_array_size(json_object_get(json_array_get(tasks, t), "candidates"));
        candidates = candidates < models ? candidates : models;
        tally[candidates]++;
        most = tally[candidates] > most ? tally[candidates] : most;
        widest = candidates > widest ? candidates : widest;
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
