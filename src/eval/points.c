#include "eval/points.h"

#include <math.h>
#include <stdlib.h>

/* By cost, then better first. */
static int compare_points(const void *a, const void *b)
{
    const fr_point *p = a, *q = b;
    if (p->cost != q->cost)
        return p->cost < q->cost ? -1 : 1;
    return (p->quality < q->quality) - (p->quality > q->quality);
}

int64_t fr_points_sorted(fr_point *out, const fr_point *point, int64_t count)
{
    int64_t known = 0, kept = 0;
    for (int64_t p = 0; p < count; p++)
        if (!isnan(point[p].cost) && !isnan(point[p].quality))
            out[known++] = point[p];
    if (known > 1)
        qsort(out, (size_t)known, sizeof *out, compare_points);
    for (int64_t p = 0; p < known; p++)
        if (kept == 0 || out[p].cost > out[kept - 1].cost)
            out[kept++] = out[p];
    return kept;
}

int64_t fr_pareto_front(fr_point *front, const fr_point *point, int64_t count)
{
    int64_t sorted = fr_points_sorted(front, point, count), kept = 0;
    for (int64_t p = 0; p < sorted; p++)
        if (kept == 0 || front[p].quality > front[kept - 1].quality)
            front[kept++] = front[p];
    return kept;
}

fr_point fr_points_cheapest(const fr_point *point, int64_t count, double quality)
{
    fr_point best = {NAN, NAN};
    for (int64_t p = 0; p < count; p++)
        if (point[p].quality >= quality && (point[p].cost < best.cost || isnan(best.cost)))
            best = point[p];
    return best;
}

/* Of one straight piece from a to b, between low and high. */
static double piece(fr_point a, fr_point b, double low, double high)
{
    double from = fmax(a.cost, low), to = fmin(b.cost, high);
    if (!(to > from))
        return 0;
    double slope = isinf(b.cost) ? 0 : (b.quality - a.quality) / (b.cost - a.cost);
    return (to - from) * (a.quality + slope * ((from + to) / 2 - a.cost));
}

double fr_points_area(const fr_point *point, int64_t count, double low, double high)
{
    double area = 0;
    for (int64_t p = 0; p < count; p++)
        area += piece(point[p], p + 1 < count ? point[p + 1] : (fr_point){INFINITY, point[p].quality}, low, high);
    return area;
}
