/* Metrics that compare a router's curve with single models: LLMRouterBench, ORBIT and the bounded ARQGC of IPR. */
#include "eval/points.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

double fr_metric_gain(double a, double b)
{
    return b > 0 ? a / b - 1 : NAN;
}

static double best_quality(const fr_point *point, int64_t count)
{
    double best = NAN;
    for (int64_t p = 0; p < count; p++)
        if (point[p].quality > best || isnan(best))
            best = point[p].quality;
    return best;
}

double fr_metric_perf_gain(const fr_point *point, int64_t count, double best_single)
{
    return fr_metric_gain(best_quality(point, count), best_single);
}

double fr_metric_cost_save(const fr_point *point, int64_t count, fr_point best_single)
{
    double cost = fr_points_cheapest(point, count, best_single.quality).cost;
    return best_single.cost > 0 ? 1 - cost / best_single.cost : NAN;
}

static double scaled(double value, double low, double high)
{
    return high > low ? (value - low) / (high - low) : 0;
}

double fr_metric_pareto_dist(const fr_point *point, int64_t count, const fr_point *all, int64_t all_count)
{
    fr_point low = {INFINITY, INFINITY}, high = {-INFINITY, -INFINITY}, *front = FR_NEW(fr_point, all_count);
    for (int64_t p = 0; p < all_count; p++) {
        if (isnan(all[p].cost) || isnan(all[p].quality))
            continue;
        low = (fr_point){fmin(low.cost, all[p].cost), fmin(low.quality, all[p].quality)};
        high = (fr_point){fmax(high.cost, all[p].cost), fmax(high.quality, all[p].quality)};
    }
    int64_t kept = fr_pareto_front(front, all, all_count), known = 0;
    double sum = 0;
    for (int64_t p = 0; p < count && kept > 0; p++) {
        if (isnan(point[p].cost) || isnan(point[p].quality))
            continue;
        double nearest = INFINITY;
        for (int64_t f = 0; f < kept; f++) {
            double dx = scaled(point[p].cost, low.cost, high.cost) - scaled(front[f].cost, low.cost, high.cost);
            double dy = scaled(point[p].quality, low.quality, high.quality) -
                        scaled(front[f].quality, low.quality, high.quality);
            nearest = fmin(nearest, sqrt(dx * dx + dy * dy));
        }
        sum += nearest;
        known++;
    }
    free(front);
    return known ? sum / (double)known : NAN;
}

fr_orbit fr_metric_orbit(const fr_point *point, int64_t count, fr_point best_single)
{
    fr_orbit orbit = {.nauc = NAN, .peak = best_quality(point, count), .qnc = NAN};
    fr_point *front = FR_NEW(fr_point, count);
    int64_t kept = fr_pareto_front(front, point, count);
    if (kept > 0 && best_single.cost > 0) {
        double largest = fmax(front[kept - 1].cost, best_single.cost);
        orbit.nauc = fr_points_area(front, kept, 0, largest) / largest;
        orbit.qnc = fr_points_cheapest(front, kept, best_single.quality).cost / best_single.cost;
    }
    free(front);
    return orbit;
}

double fr_metric_arqgc(const fr_point *point, int64_t count, fr_point low, fr_point high)
{
    double gain = NAN;
    fr_point *front = FR_NEW(fr_point, count);
    int64_t kept = fr_pareto_front(front, point, count);
    for (int64_t p = 0; p < kept; p++)
        front[p].quality -= low.quality;
    if (kept > 0 && high.cost > low.cost && high.quality > low.quality)
        gain = fr_points_area(front, kept, low.cost, high.cost) / (high.cost - low.cost) / (high.quality - low.quality);
    free(front);
    return gain;
}
