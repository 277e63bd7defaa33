/* internal.h - what the files of src/sweep share. */
#ifndef FR_SWEEP_INTERNAL_H
#define FR_SWEEP_INTERNAL_H

#include "sweep/sweep.h"

#include <jansson.h>

/* The figures of a point, in the order of files and tables. */
enum { FR_SWEEP_MEASURES = 8 };
typedef struct fr_sweep_measure_row {
    const char *name;
    size_t offset; /* in fr_sweep_result */
} fr_sweep_measure_row;
extern const fr_sweep_measure_row fr_sweep_measures[FR_SWEEP_MEASURES];

/* NaN where there is none. */
double fr_sweep_measure(const fr_sweep_result *result, int measure);

/* The object of a point in sweep.json. */
json_t *fr_sweep_point_json(const fr_sweep *sweep, int64_t point, const fr_sweep_result *result);

#endif
