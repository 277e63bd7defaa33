/* points.h - lists of cost-quality points, as the curve metrics need them. */
#ifndef FR_EVAL_POINTS_H
#define FR_EVAL_POINTS_H

#include "finerouter/metrics.h"

/* The points without a NaN by ascending cost, of equal costs the best quality. out (count); returns how many. */
int64_t fr_points_sorted(fr_point *out, const fr_point *point, int64_t count);

/* Cheapest point of at least this quality; a NaN cost if there is none. */
fr_point fr_points_cheapest(const fr_point *point, int64_t count, double quality);

/* Area under the line through points of ascending cost, between low and high; 0 before the first point, flat after the
 * last. */
double fr_points_area(const fr_point *point, int64_t count, double low, double high);

#endif
