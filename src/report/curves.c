/* Cost-quality curves: routers as lines over the tolerance of the cost rule, single models as numbered points. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 440, HEIGHT = 380, LEFT = 76, RIGHT = 14, TOP = 12, BOTTOM = 56 };
enum { MOST_NUMBERS = 64 }; /* with more single models than this the points stay without numbers */

typedef struct point {
    double cost, quality; /* USD per 1,000 prompts */
} point;

typedef struct series {
    const char *name;
    point *at;
    size_t count;
} series;

typedef struct plot {
    series *router;
    size_t routers;
    series model; /* all single models; a cost of NaN is kept so that numbers are positions */
    double x0, x1, y0, y1;
} plot;

static bool drawable(point p)
{
    return p.cost > 0 && isfinite(p.cost) && isfinite(p.quality);
}

static point point_of(const json_t *json)
{
    return (point){1000 * fr_report_number(json, "cost"), fr_report_number(json, "quality")};
}

static plot collect(const report_run *run, bool zoom)
{
    json_t *routers = json_object_get(run->metrics, "routers"),
           *models = json_object_get(run->metrics, "single_models");
    plot all = {.router = FR_NEW(series, json_object_size(routers) + 1)};
    const char *name;
    json_t *value;
    json_object_foreach(routers, name, value)
    {
        json_t *curve = json_object_get(value, "curve");
        series *s = &all.router[all.routers++];
        s->name = name;
        s->at = FR_NEW(point, json_array_size(curve) + 1);
        for (size_t p = 0; p < json_array_size(curve) && !(zoom && fr_report_is_bound(name)); p++) {
            point at = point_of(json_array_get(curve, p));
            bool repeated =
                s->count && s->at[s->count - 1].cost == at.cost && s->at[s->count - 1].quality == at.quality;
            if (drawable(at) && !repeated)
                s->at[s->count++] = at;
        }
    }
    all.model.at = FR_NEW(point, json_object_size(models) + 1);
    json_object_foreach(models, name, value) all.model.at[all.model.count++] = point_of(value);
    return all;
}

static void plot_close(plot *all)
{
    for (size_t r = 0; r < all->routers; r++)
        free(all->router[r].at);
    free(all->router);
    free(all->model.at);
}

static void widen(plot *all, const series *s, double least)
{
    for (size_t p = 0; p < s->count; p++)
        if (drawable(s->at[p]) && s->at[p].quality >= least) {
            all->x0 = fmin(all->x0, s->at[p].cost), all->x1 = fmax(all->x1, s->at[p].cost);
            all->y0 = fmin(all->y0, s->at[p].quality), all->y1 = fmax(all->y1, s->at[p].quality);
        }
}

/* Ranges of everything of quality >= least, then some air. False when nothing can be drawn. */
static bool set_ranges(plot *all, double least)
{
    all->x0 = all->y0 = INFINITY, all->x1 = all->y1 = -INFINITY;
    for (size_t r = 0; r < all->routers; r++)
        widen(all, &all->router[r], least);
    widen(all, &all->model, least);
    return all->x0 <= all->x1;
}

static void add_air(plot *all)
{
    double x = pow(all->x1 / all->x0, .05), y = .05 * (all->y1 - all->y0);
    x = fmax(x, 1.1), y = y > 0 ? y : fmax(.01, .05 * fabs(all->y1));
    all->x0 /= x, all->x1 *= x, all->y0 -= y, all->y1 += y;
}

/* Tics at 1, 2, 5 of every decade, or at the decades alone when there are many. */
static void log_tics(fr_buffer *script, double low, double high)
{
    static const double step[] = {1, 2, 5};
    int every = log10(high / low) > 3 ? 3 : 1, tics = 0;
    fr_buffer_addf(script, "set xtics (");
    for (int e = (int)floor(log10(low)); e <= (int)ceil(log10(high)); e++)
        for (int s = 0; s < 3; s += every) {
            double at = step[s] * pow(10, e);
            if (at >= low && at <= high)
                fr_buffer_addf(script, "%s'%.6g' %.9g", tics++ ? ", " : "", at, at);
        }
    if (tics == 0)
        fr_buffer_addf(script, "'%.3g' %.9g", sqrt(low * high), sqrt(low * high));
    fr_buffer_addf(script, ")\n");
}

/* Pixel position, y downwards. */
static void pixel(double out[2], const plot *all, point p)
{
    out[0] = LEFT + (WIDTH - LEFT - RIGHT) * log(p.cost / all->x0) / log(all->x1 / all->x0);
    out[1] = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (p.quality - all->y0) / (all->y1 - all->y0);
}

static bool inside(const plot *all, point p)
{
    return drawable(p) && p.cost >= all->x0 && p.cost <= all->x1 && p.quality >= all->y0 && p.quality <= all->y1;
}

typedef struct box {
    double x, y, w, h; /* centre and half sizes, pixels */
} box;

static bool covers(box b, double x, double y)
{
    return fabs(b.x - x) < b.w && fabs(b.y - y) < b.h;
}

/* How much of the drawing a box would hide: points of models and samples along the curves. */
static int hidden(const plot *all, box b)
{
    int count = 0;
    double p[2], q[2];
    for (size_t m = 0; m < all->model.count; m++)
        if (inside(all, all->model.at[m])) {
            pixel(p, all, all->model.at[m]);
            count += 10 * covers((box){b.x, b.y, b.w + 4, b.h + 4}, p[0], p[1]);
        }
    for (size_t r = 0; r < all->routers; r++)
        for (size_t k = 0; k + 1 < all->router[r].count; k++) {
            pixel(p, all, all->router[r].at[k]);
            pixel(q, all, all->router[r].at[k + 1]);
            for (int t = 0; t <= 40; t++)
                count += covers(b, p[0] + (q[0] - p[0]) * t / 40, p[1] + (q[1] - p[1]) * t / 40);
        }
    return count;
}

/* Numbers the single models, each where it hides least, never over another number if there is a place left. */
static void number_models(fr_buffer *script, const plot *all)
{
    box taken[MOST_NUMBERS];
    int placed = 0;
    if (all->model.count > MOST_NUMBERS)
        return;
    for (size_t m = 0; m < all->model.count; m++) {
        if (!inside(all, all->model.at[m]))
            continue;
        double at[2];
        box best = {0};
        int least = -1;
        pixel(at, all, all->model.at[m]);
        for (int place = 0; place < 36; place++) {
            double angle = .5235987756 * (place % 12), far = 14 + 9 * (place / 12);
            box b = {at[0] + far * cos(angle), at[1] - far * sin(angle), m < 9 ? 6 : 10, 8};
            int cost = hidden(all, b) + place / 12;
            for (int k = 0; k < placed; k++)
                cost += 100 * (fabs(b.x - taken[k].x) < b.w + taken[k].w && fabs(b.y - taken[k].y) < b.h + taken[k].h);
            cost += 50 * (b.x < LEFT + 10 || b.x > WIDTH - RIGHT - 8 || b.y < TOP + 6 || b.y > HEIGHT - BOTTOM - 10);
            if (least < 0 || cost < least)
                least = cost, best = b;
        }
        taken[placed++] = best;
        fr_buffer_addf(script,
                       "set label '%zu' at screen %.5f, screen %.5f center font ',13' textcolor rgb '" FR_INK "'\n",
                       m + 1, best.x / WIDTH, 1 - best.y / HEIGHT);
    }
}

static void add_points(fr_buffer *script, const char *block, size_t number, const series *s)
{
    fr_buffer_addf(script, "$%s%zu << EOD\n", block, number);
    for (size_t p = 0; p < s->count; p++)
        if (drawable(s->at[p]))
            fr_buffer_addf(script, "%.9g %.9g\n", s->at[p].cost, s->at[p].quality);
    fr_buffer_addf(script, "EOD\n");
}

/* Whether a point of it lies inside the plot area. */
static bool in_sight(const plot *all, const series *s)
{
    for (size_t p = 0; p < s->count; p++)
        if (inside(all, s->at[p]))
            return true;
    return false;
}

static bool is_full(const series *s)
{
    return !strcmp(s->name, "full");
}

static void write_script(fr_buffer *script, const plot *all)
{
    const char *comma = "";
    fr_figure_begin(script, (fr_figure_size){WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM},
                    "cost (USD per 1,000 prompts, log scale)", "quality (mean score of an answer)");
    fr_buffer_addf(script, "set logscale x\nset clip two\nset xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", all->x0,
                   all->x1, all->y0, all->y1);
    log_tics(script, all->x0, all->x1);
    number_models(script, all);
    for (size_t r = 0; r < all->routers; r++)
        add_points(script, "router", r, &all->router[r]);
    add_points(script, "model", 0, &all->model);
    fr_buffer_addf(script, "plot ");
    for (size_t k = 0; k < 2 * all->routers; k++) { /* full last, on top of the others */
        size_t r = k % all->routers;
        const series *s = &all->router[r];
        if (s->count == 0 || is_full(s) != (k >= all->routers))
            continue;
        fr_buffer_addf(script,
                       "%s$router%zu with linespoints linecolor rgb '%s' linewidth %s dashtype %d pointtype 7 "
                       "pointsize .45 title ",
                       comma, r, fr_figure_colour((int64_t)r), is_full(s) ? "3.4" : "1.8",
                       fr_report_is_bound(s->name) ? 2 : 1);
        fr_figure_text(script, s->name, 40);
        comma = ", \\\n     ";
    }
    if (in_sight(all, &all->model))
        fr_buffer_addf(script,
                       "%s$model0 with points linecolor rgb '#808080' pointtype 12 pointsize .9 title 'single models'",
                       comma);
    fr_buffer_addf(script, "\n");
}

/* Names what is in sight. */
static void write_legend(fr_buffer *out, const plot *all)
{
    fr_buffer_addf(out, "<ul class=\"legend\">");
    for (size_t r = 0; r < all->routers; r++) {
        const series *s = &all->router[r];
        if (!in_sight(all, s))
            continue;
        fr_buffer_addf(out, "<li><i class=\"%s\" style=\"border-color:%s\"></i>",
                       is_full(s)                    ? "strong"
                       : fr_report_is_bound(s->name) ? "dash"
                                                     : "line",
                       fr_figure_colour((int64_t)r));
        fr_html_add(out, "%s</li>", s->name);
    }
    if (in_sight(all, &all->model))
        fr_buffer_addf(out, "<li><i class=\"point\"></i>single models, by their numbers in the table</li>");
    fr_buffer_addf(out, "</ul>");
}

char *fr_report_curves(const report_run *run, bool zoom, fr_buffer *legend)
{
    plot all = collect(run, zoom);
    fr_buffer script = {0};
    char *svg = NULL;
    bool some = set_ranges(&all, -INFINITY);
    if (some && zoom)
        some = all.y1 > all.y0 && set_ranges(&all, all.y1 - .3 * (all.y1 - all.y0));
    if (some) {
        add_air(&all);
        write_script(&script, &all);
        write_legend(legend, &all);
        svg = fr_figure_draw(&script, run->folder, zoom ? "curves-zoom" : "curves",
                             zoom ? "Cost and quality: upper part, without oracles" : "Cost and quality");
    }
    plot_close(&all);
    return svg;
}
