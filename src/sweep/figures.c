/* Figures of a sweep: dev quality by every pair of swept numbers, and by every key. */
#include "sweep/sweep.h"

#include "base/memory.h"
#include "finerouter/log.h"
#include "report/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The values of one key that scored points have, and which of them each point has. */
typedef struct axis {
    const char *key;
    bool numbers;   /* all values are; then in ascending order, else as they came */
    int64_t count;  /* different values */
    char **text;    /* (count) */
    double *number; /* (count) NaN where it is none */
    int64_t *of;    /* (points) index, -1: the point has no dev quality */
} axis;

typedef struct figures {
    const char *folder;
    const fr_sweep *sweep;
    const fr_sweep_result *result;
    axis *at;      /* (keys) */
    bool complete; /* every figure was drawn */
} figures;

static double dev_of(const figures *f, int64_t point)
{
    const fr_sweep_result *r = &f->result[point];
    return r->done && !r->error ? r->dev_quality : NAN;
}

/* Insertion: there are few values. */
static int64_t place_of(axis *a, char *text, double number)
{
    int64_t at = 0;
    for (; at < a->count; at++)
        if (strcmp(a->text[at], text) == 0)
            return at;
    while (at > 0 && a->numbers && a->number[at - 1] > number)
        at--;
    memmove(a->text + at + 1, a->text + at, (size_t)(a->count - at) * sizeof *a->text);
    memmove(a->number + at + 1, a->number + at, (size_t)(a->count - at) * sizeof *a->number);
    a->text[at] = fr_strdup(text);
    a->number[at] = number;
    a->count++;
    return at;
}

static axis axis_open(const figures *f, int64_t key)
{
    int64_t n = f->sweep->points;
    axis a = {.key = f->sweep->key[key]->key,
              .numbers = true,
              .text = FR_NEW(char *, n),
              .number = FR_NEW(double, n),
              .of = FR_NEW(int64_t, n)};
    for (int64_t p = 0; p < n; p++)
        a.numbers = a.numbers && !isnan(fr_sweep_number(f->sweep, p, key));
    for (int turn = 0; turn < 2; turn++) /* places are final once all values are known */
        for (int64_t p = 0; p < n; p++) {
            char *text = fr_sweep_text(f->sweep, p, key);
            a.of[p] = isnan(dev_of(f, p)) ? -1 : place_of(&a, text, fr_sweep_number(f->sweep, p, key));
            free(text);
        }
    return a;
}

static void axis_close(axis *a)
{
    for (int64_t i = 0; i < a->count; i++)
        free(a->text[i]);
    free(a->text);
    free(a->number);
    free(a->of);
}

static bool is_log(const axis *a)
{
    return a->numbers && a->number[0] > 0 && a->number[a->count - 1] >= 50 * a->number[0];
}

/* Tics at the values of an axis drawn by position: at most 12 of them. */
static void position_tics(fr_buffer *script, char name, const axis *a)
{
    int64_t step = (a->count + 11) / 12;
    fr_buffer_addf(script, "set %crange [-0.5:%g]\nset %ctics (", name, (double)a->count - 0.5, name);
    for (int64_t i = 0; i < a->count; i += step) {
        fr_buffer_addf(script, i ? ", " : "");
        fr_figure_text(script, a->text[i], 10);
        fr_buffer_addf(script, " %lld", (long long)i);
    }
    fr_buffer_addf(script, ")\n");
}

static void draw(figures *f, fr_buffer *script, char *name, char *title)
{
    for (char *c = name; *c; c++)
        *c = *c == '.' || *c == '_' ? '-' : *c;
    char *svg = fr_figure_draw(script, f->folder, name, title);
    f->complete = f->complete && svg;
    free(svg);
    free(name);
    free(title);
}

/* ---- heat maps ---- */

enum { WIDTH = 600, HEIGHT = 420, LEFT = 84, RIGHT = 104, TOP = 16, BOTTOM = 60 };

/* best (y, x): the best dev quality over all other keys, NaN where no point is. */
static double *best_of(const figures *f, const axis *x, const axis *y, double *low, double *high)
{
    double *best = FR_NEW(double, x->count * y->count);
    for (int64_t i = 0; i < x->count * y->count; i++)
        best[i] = NAN;
    for (int64_t p = 0; p < f->sweep->points; p++)
        if (x->of[p] >= 0) {
            double *cell = &best[y->of[p] * x->count + x->of[p]], dev = dev_of(f, p);
            if (!(*cell >= dev))
                *cell = dev;
        }
    *low = INFINITY, *high = -INFINITY;
    for (int64_t i = 0; i < x->count * y->count; i++)
        if (!isnan(best[i]))
            *low = fmin(*low, best[i]), *high = fmax(*high, best[i]);
    return best;
}

static void begin_heat(fr_buffer *script, const axis *x, const axis *y, double low, double high)
{
    fr_figure_begin(script, (fr_figure_size){WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM}, x->key, y->key);
    fr_buffer_addf(script,
                   "unset grid\nset style fill solid noborder\n"
                   "set palette defined (0 '#440154', 1 '#3b528b', 2 '#21918c', 3 '#5ec962', 4 '#fde725')\n"
                   "set cbrange [%.9g:%.9g]\nset format cb '%%.4g'\n"
                   "set colorbox user origin screen %.4f, screen %.4f size screen .025, screen %.4f\n"
                   "set cbtics font ',12' textcolor rgb '" FR_INK "'\n"
                   "set label 'best dev quality' at screen %.4f, screen .5 center rotate by 90 textcolor rgb '" FR_INK
                   "'\n",
                   low, high > low ? high : low + 1e-3, (WIDTH - RIGHT + 12.0) / WIDTH, (double)BOTTOM / HEIGHT,
                   (double)(HEIGHT - TOP - BOTTOM) / HEIGHT, (WIDTH - 10.0) / WIDTH);
}

/* A grid: cells by position, with their numbers where there is room. */
static void draw_cells(fr_buffer *script, const axis *x, const axis *y, const double *best, double low, double high)
{
    bool numbers = x->count <= 8 && y->count <= 14;
    position_tics(script, 'x', x);
    position_tics(script, 'y', y);
    fr_buffer_addf(script, "$cells << EOD\n");
    for (int64_t i = 0; i < x->count * y->count; i++)
        if (!isnan(best[i]))
            fr_buffer_addf(script, "%lld %lld %.9g %d\n", (long long)(i % x->count), (long long)(i / x->count), best[i],
                           best[i] > low + 0.55 * (high - low) ? 0 : 0xFFFFFF);
    fr_buffer_addf(script, "EOD\nplot $cells using 1:2:(0.5):(0.5):3 with boxxyerror linecolor palette");
    if (numbers)
        fr_buffer_addf(script, ", $cells using 1:2:(sprintf('%%.4f', $3)):4 with labels font ',12' textcolor rgb "
                               "variable");
    fr_buffer_addf(script, "\n");
}

/* Random points: where they lie. */
static void draw_points(fr_buffer *script, const figures *f, const axis *x, const axis *y)
{
    const axis *both[2] = {x, y};
    for (int i = 0; i < 2; i++) {
        char name = "xy"[i];
        if (is_log(both[i]))
            fr_buffer_addf(script, "set logscale %c\n", name);
        fr_buffer_addf(script, "set format %c '%%.4g'\nset offsets graph .04, graph .04, graph .04, graph .04\n", name);
    }
    fr_buffer_addf(script, "$points << EOD\n");
    for (int64_t p = 0; p < f->sweep->points; p++)
        if (x->of[p] >= 0)
            fr_buffer_addf(script, "%.9g %.9g %.9g\n", x->number[x->of[p]], y->number[y->of[p]], dev_of(f, p));
    fr_buffer_addf(script, "EOD\nplot $points using 1:2:3 with points pointtype 7 pointsize 1.2 linecolor palette\n");
}

static void heat(figures *f, const axis *x, const axis *y)
{
    fr_buffer script = {0};
    double low, high, *best = best_of(f, x, y, &low, &high);
    begin_heat(&script, x, y, low, high);
    if (f->sweep->kind == FR_SWEEP_RANDOM)
        draw_points(&script, f, x, y);
    else
        draw_cells(&script, x, y, best, low, high);
    free(best);
    draw(f, &script, fr_format("heat-%s-%s", x->key, y->key), fr_format("Dev quality by %s and %s", x->key, y->key));
}

/* ---- curves ---- */

static void value_range(fr_buffer *script, const axis *a)
{
    double low = a->number[0], high = a->number[a->count - 1], air = 0.03 * (high - low);
    fr_buffer_addf(script, "set xrange [%.9g:%.9g]\n", low - air, high + air);
}

/* Best and mean of dev quality over the points of each value. */
static void draw_lines(fr_buffer *script, const figures *f, const axis *a)
{
    bool by_value = a->numbers && !is_log(a);
    if (by_value)
        value_range(script, a);
    else
        position_tics(script, 'x', a);
    fr_buffer_addf(script, "$lines << EOD\n");
    for (int64_t i = 0; i < a->count; i++) {
        double best = -INFINITY, sum = 0;
        int64_t n = 0;
        for (int64_t p = 0; p < f->sweep->points; p++)
            if (a->of[p] == i) {
                best = fmax(best, dev_of(f, p));
                sum += dev_of(f, p);
                n++;
            }
        fr_buffer_addf(script, "%.9g %.9g %.9g\n", by_value ? a->number[i] : (double)i, best, sum / (double)n);
    }
    fr_buffer_addf(
        script,
        "EOD\nset key horizontal at screen .55, screen .96 center Left reverse samplen 2 textcolor rgb '" FR_INK
        "'\nset offsets 0, 0, graph .06, graph .06\n"
        "plot $lines using 1:2 with linespoints linewidth 2 pointtype 7 pointsize .6 linecolor rgb '%s' "
        "title 'best over the others', "
        "$lines using 1:3 with linespoints linewidth 2 dashtype 2 pointtype 6 pointsize .6 linecolor rgb "
        "'%s' title 'mean over the others'\n",
        fr_figure_colour(0), fr_figure_colour(1));
}

static void draw_scatter(fr_buffer *script, const figures *f, const axis *a)
{
    if (!a->numbers)
        position_tics(script, 'x', a);
    else if (is_log(a))
        fr_buffer_addf(script, "set logscale x\n");
    fr_buffer_addf(script, "set offsets graph .02, graph .02, graph .06, graph .06\n$points << EOD\n");
    for (int64_t p = 0; p < f->sweep->points; p++)
        if (a->of[p] >= 0)
            fr_buffer_addf(script, "%.9g %.9g\n", a->numbers ? a->number[a->of[p]] : (double)a->of[p], dev_of(f, p));
    fr_buffer_addf(script, "EOD\nplot $points using 1:2 with points pointtype 7 pointsize .8 linecolor rgb '%s'\n",
                   fr_figure_colour(0));
}

static void curve(figures *f, const axis *a)
{
    fr_buffer script = {0};
    fr_figure_begin(&script, (fr_figure_size){560, 360, 84, 20, 36, 60}, a->key, "dev quality");
    fr_buffer_addf(&script, "set format y '%%.4g'\n");
    if (f->sweep->kind == FR_SWEEP_RANDOM)
        draw_scatter(&script, f, a);
    else
        draw_lines(&script, f, a);
    draw(f, &script, fr_format("curve-%s", a->key), fr_format("Dev quality by %s", a->key));
}

void fr_sweep_figures(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results)
{
    figures f = {.folder = folder, .sweep = sweep, .result = results, .complete = true};
    if (!fr_figure_possible()) {
        fr_log("no figures: gnuplot cannot be started");
        return;
    }
    f.at = FR_NEW(axis, sweep->keys);
    for (int64_t k = 0; k < sweep->keys; k++)
        f.at[k] = axis_open(&f, k);
    for (int64_t x = 0; x < sweep->keys; x++) {
        if (f.at[x].count < 2)
            continue;
        curve(&f, &f.at[x]);
        for (int64_t y = x + 1; y < sweep->keys; y++)
            if (f.at[x].numbers && f.at[y].numbers && f.at[y].count >= 2)
                heat(&f, &f.at[x], &f.at[y]);
    }
    if (!f.complete)
        fr_log_warn("%s/figures: gnuplot could not draw all of them", folder);
    for (int64_t k = 0; k < sweep->keys; k++)
        axis_close(&f.at[k]);
    free(f.at);
}
