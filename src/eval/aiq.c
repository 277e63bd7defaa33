/* RouterBench's average improvement in quality. */
#include "eval/points.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* c lies on or below the line from a to b */
static bool below(fr_point a, fr_point b, fr_point c)
{
    return (c.quality - a.quality) * (b.cost - a.cost) <= (b.quality - a.quality) * (c.cost - a.cost);
}

/* The program interpolates between all pairs of points and keeps the best at each cost, then drops what is lower than
 * the point before it. That is the upper hull up to the dearest of the best points. */
static int64_t upper_hull(fr_point *hull, const fr_point *point, int64_t count)
{
    int64_t sorted = fr_points_sorted(hull, point, count), last = 0, kept = 0;
    for (int64_t p = 1; p < sorted; p++)
        if (hull[p].quality >= hull[last].quality)
            last = p;
    for (int64_t p = 0; p <= last && p < sorted; p++) {
        fr_point next = hull[p];
        while (kept >= 2 && below(hull[kept - 2], next, hull[kept - 1]))
            kept--;
        hull[kept++] = next;
    }
    return kept;
}

double fr_aiq_reach(const fr_point *point, int64_t count)
{
    fr_point *hull = FR_NEW(fr_point, count);
    int64_t kept = upper_hull(hull, point, count);
    double reach = kept ? hull[kept - 1].cost : NAN;
    free(hull);
    return reach;
}

fr_aiq fr_metric_aiq(const fr_point *point, int64_t count, double reach)
{
    fr_aiq aiq = {NAN, NAN};
    fr_point *hull = FR_NEW(fr_point, count);
    int64_t kept = upper_hull(hull, point, count);
    if (kept > 0) {
        double area = fr_points_area(hull, kept, hull[0].cost, reach), width = reach - hull[0].cost;
        aiq.code = reach > 0 ? area / reach : NAN;
        aiq.paper = width > 0 ? area / width : width == 0 ? hull[0].quality : NAN;
    }
    free(hull);
    return aiq;
}
