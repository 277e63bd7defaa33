/* sweep.h - the points of a sweep, and the levels of the keys that it varies. */
#ifndef FR_REPORT_SWEEP_H
#define FR_REPORT_SWEEP_H

#include "report/run.h"

typedef struct sweep_point {
    const json_t *json;
    double dev, test; /* quality */
    int64_t index;    /* its number in the file */
} sweep_point;

typedef struct sweep_key {
    const char *name;
    char **level; /* its values as texts: rising where all are numbers, else in the order of the file */
    size_t levels;
    bool numeric;
} sweep_key;

typedef struct report_sweep {
    const json_t *json;
    sweep_point *point; /* by falling dev quality, failed points last */
    size_t points, failed;
    sweep_key *key;
    size_t keys;
    int64_t chosen; /* index of the point chosen on dev, -1: none */
} report_sweep;

void fr_report_sweep_open(report_sweep *sweep, const json_t *json);
void fr_report_sweep_close(report_sweep *sweep);

/* A point's level of a key, -1 without one. */
int64_t fr_report_sweep_level(const sweep_point *point, const sweep_key *key);

/* Of the points at these levels (b NULL: of key a alone) the best on dev; NULL for none. */
const sweep_point *fr_report_sweep_best(const report_sweep *sweep, const sweep_key *a, size_t level_a,
                                        const sweep_key *b, size_t level_b);

/* Whether nearly every point has a value of its own, as random ones do: a line through them would say nothing. */
bool fr_report_sweep_scattered(const report_sweep *sweep, const sweep_key *key);

/* Figures: quality over a key's values; quality and cost of all points. */
char *fr_report_sweep_curve(const report_run *run, const report_sweep *sweep, size_t key);
char *fr_report_sweep_costs(const report_run *run, const report_sweep *sweep);

#endif
