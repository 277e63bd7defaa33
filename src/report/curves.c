/* Cost-quality curves: routers as lines over the tolerance of the cost rule, single models as numbered points. Of many
 * routers only full and the best few have colours. */
#include "report/figure.h"
#include "report/html.h"
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 440, HEIGHT = 380, LEFT = 76, RIGHT = 14, TOP = 12, BOTTOM = 56 };
enum { MOST_COLOURS = 8, FEW = 6 }; /* with more routers than MOST_COLOURS only full and the FEW best have one */
enum { MOST_NUMBERS = 64 };         /* with more single models than this the points stay without numbers */

typedef struct point {
    double cost, quality; /* USD per 1,000 prompts */
} point;

typedef struct series {
    const char *name;
    point *at;
    size_t count;
    const char *colour; /* NULL: thin and grey */
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

static bool is_full(const series *s)
{
    return !strcmp(s->name, "full");
}

/* Colours by rank; bounds keep theirs among many as well. */
static void set_colours(plot *all)
{
    static const char *const few[FEW] = {"#ee6677", "#228833", "#b8860b", "#40b0d8", "#aa3377", "#7b6fd0"};
    size_t drawn = 0, best = 0, bounds = 0;
    for (size_t r = 0; r < all->routers; r++)
        drawn += all->router[r].count > 0;
    for (size_t r = 0, number = 0; r < all->routers; r++) {
        series *s = &all->router[r];
        if (s->count == 0)
            continue;
        if (drawn <= MOST_COLOURS)
            s->colour = fr_figure_colour((int64_t)number++);
        else if (is_full(s))
            s->colour = fr_figure_colour(0);
        else if (fr_report_is_bound(s->name))
            s->colour = bounds++ ? "#a0522d" : "#888888";
        else if (fr_report_competes(s->name) && best < FEW)
            s->colour = few[best++];
    }
}

static plot collect(const report_run *run, bool zoom)
{
    json_t *models = json_object_get(run->metrics, "single_models"), *value;
    report_router *list;
    plot all = {.routers = fr_report_ranking(&list, run->metrics)};
    const char *name;
    all.router = FR_NEW(series, all.routers + 1);
    for (size_t r = 0; r < all.routers; r++) {
        json_t *curve = json_object_get(list[r].json, "curve");
        series *s = &all.router[r];
        s->name = list[r].name;
        s->at = FR_NEW(point, json_array_size(curve) + 1);
        for (size_t p = 0; p < json_array_size(curve) && !(zoom && list[r].bound); p++) {
            point at = point_of(json_array_get(curve, p));
            bool repeated =
                s->count && s->at[s->count - 1].cost == at.cost && s->at[s->count - 1].quality == at.quality;
            if (drawable(at) && !repeated)
                s->at[s->count++] = at;
        }
    }
    free(list);
    set_colours(&all);
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
        fr_buffer_addf(script, "set label '%zu' at screen %.5f, screen up(%.1f) center font ',13' textcolor rgb ink\n",
                       m + 1, best.x / WIDTH, HEIGHT - best.y);
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

/* Grey lines first, full last, on top of all others. */
static int layer(const series *s)
{
    return !s->colour ? 0 : is_full(s) ? 2 : 1;
}

static void add_line(fr_buffer *script, size_t r, const series *s, const char *comma, bool named)
{
    fr_buffer_addf(script,
                   "%s$router%zu with linespoints linecolor rgb '%s' linewidth %s dashtype %d pointtype 7 "
                   "pointsize %s ",
                   comma, r, s->colour ? s->colour : "#a0a6ad",
                   layer(s) == 2   ? "3.4"
                   : layer(s) == 1 ? "1.8"
                                   : ".9",
                   fr_report_is_bound(s->name) ? 2 : 1, s->colour ? ".45" : ".25");
    fr_buffer_addf(script, named ? "title " : "title pdf ? '' : "); /* a page shows it under the pointer */
    fr_figure_text(script, s->name, 24);
}

/* How many entries the legend has: what has a colour, one for what has none, one for the models. */
static int entries(const plot *all)
{
    int count = in_sight(all, &all->model), grey = 0;
    for (size_t r = 0; r < all->routers; r++)
        if (all->router[r].count)
            count += all->router[r].colour != NULL, grey |= all->router[r].colour == NULL;
    return count + grey;
}

static void write_script(fr_buffer *script, const plot *all)
{
    const char *comma = "";
    bool grey = false;
    fr_figure_entries(script, entries(all));
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
    for (int l = 0; l < 3; l++)
        for (size_t r = 0; r < all->routers; r++) {
            const series *s = &all->router[r];
            if (s->count == 0 || layer(s) != l)
                continue;
            add_line(script, r, s, comma, s->colour);
            grey |= !s->colour;
            comma = ", \\\n     ";
        }
    if (grey) {
        fr_buffer_addf(script, "%s1/0 with lines linecolor rgb '#a0a6ad' linewidth .9 title 'other routers'", comma);
        comma = ", \\\n     ";
    }
    if (in_sight(all, &all->model))
        fr_buffer_addf(script,
                       "%s$model0 with points linecolor rgb '#808080' pointtype 12 pointsize .9 title 'single models'",
                       comma);
    fr_buffer_addf(script, "\n");
}

/* Names what is in sight: full first, then by rank, bounds, the rest as one. */
static void write_legend(fr_buffer *out, const plot *all)
{
    int64_t grey = 0;
    fr_buffer_addf(out, "<ul class=\"legend\">");
    for (int l = 2; l >= 0; l--)
        for (size_t r = 0; r < all->routers; r++) {
            const series *s = &all->router[r];
            if (!in_sight(all, s) || layer(s) != l)
                continue;
            if (l == 0) {
                grey++;
                continue;
            }
            fr_buffer_addf(out, "<li><i class=\"%s\" style=\"border-color:%s\"></i>",
                           l == 2                        ? "strong"
                           : fr_report_is_bound(s->name) ? "dash"
                                                         : "line",
                           s->colour);
            fr_html_add(out, "%s</li>", s->name);
        }
    if (grey)
        fr_html_add(out,
                    grey == 1 ? "<li><i class=\"thin\"></i>%d other router</li>"
                              : "<li><i class=\"thin\"></i>%d other routers</li>",
                    grey);
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
        svg = fr_report_draw(run, &script, zoom ? "curves-zoom" : "curves",
                             zoom ? "Cost and quality: upper part, without oracles" : "Cost and quality");
    }
    plot_close(&all);
    return svg;
}
