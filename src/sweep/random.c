/* Points drawn at random: counter-based, so that a point depends on nothing but seed, number and key. */
#include "sweep/sweep.h"

#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int64_t fr_draw_choice(const fr_draw *draw, uint64_t seed, int64_t attempt)
{
    return fr_rng_below(seed, fr_stream(draw->key->key, 0, 0), (uint64_t)attempt, draw->choices);
}

/* With u uniform in [0, 1):
 *   linear   from + u (to - from)              integers   from + floor(u (to - from + 1))
 *   log      from (to / from)^u                integers   floor(from ((to + 1) / from)^u)
 * Other numbers are rounded to four digits, which read better than sixteen and are as random. */
char *fr_draw_number(const fr_draw *draw, uint64_t seed, int64_t attempt)
{
    double u = fr_rng_uniform(seed, fr_stream(draw->key->key, 0, 0), (uint64_t)attempt), from = draw->from,
           to = draw->to, top = draw->integer ? to + 1 : to;
    double x = draw->log ? from * pow(top / from, u) : from + u * (top - from);
    if (draw->integer)
        return fr_format("%.0f", fmin(fmax(floor(x), from), to));
    char text[32];
    snprintf(text, sizeof text, "%.4g", x);
    double rounded = strtod(text, NULL);
    if (rounded < from || rounded > to)
        return fr_format("%.17g", rounded < from ? from : to);
    return fr_strdup(text);
}
