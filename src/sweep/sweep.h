/* sweep.h - many settings of one config: what is tried, in which order, and what came out.
 *
 *   config: base.yaml            the config that all points share; the path is relative to the sweep file
 *   name: alpha-tau              default: the sweep file's name
 *   set: {seed: 7}               overrides of the config
 *   grid: {route.alpha: [0, 0.5, 1], discover.tau: [0, 0.2]}         every combination, the last key fastest; or
 *   list: [{route.alpha: 0.3}, {route.alpha: 0.5, discover.k: 30}]   these points; a key left out is the config's; or
 *   random: {points: 20, seed: 1, keys: {qe.ridge: {from: 1, to: 1000, scale: log}, discover.rounds: [1, 2]}}
 *
 * A random point depends on seed, its number and the key's name alone: the first 20 points of 50 are those of 20.
 *
 * Points that differ in nothing but keys that route or make task heads (options.def: letters R, O, 2, K and B, no
 * other) share tasks, classifier, stage-1 scores and phase 1; they are a group, for which these are made once.
 */
#ifndef FR_SWEEP_SWEEP_H
#define FR_SWEEP_SWEEP_H

#include "base/options.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum fr_sweep_kind { FR_SWEEP_GRID, FR_SWEEP_LIST, FR_SWEEP_RANDOM } fr_sweep_kind;

/* What a point gave. NaN: not known. */
typedef struct fr_sweep_result {
    bool done; /* whether anything is known; then an error or the figures */
    char hash[33];
    double dev_quality, test_quality, test_quality_by_source, test_cost;
    double tasks;        /* a whole number */
    double alpha, theta; /* that were used */
    double seconds;      /* of its own, and its share of what its group made together */
    int64_t threads;     /* that made it, on this device */
    char device[160];
    char *error; /* one line; NULL: none */
} fr_sweep_result;

typedef struct fr_sweep {
    char *path, *base_path, *name;
    fr_sweep_kind kind;
    fr_config base; /* with `set` and --set */
    int64_t keys, points;
    const option **key; /* (keys) */
    char **value;       /* (points, keys) as YAML */
    int64_t *group;     /* (points) the first point with the same products before task heads */
} fr_sweep;

/* Reads and checks everything before anything runs: FR_USAGE with file and line. sets: KEY=VALUE as given to --set. */
FR_NODISCARD fr_status fr_sweep_read(fr_sweep *sweep, const char *path, const char *const *sets, int64_t count);
void fr_sweep_close(fr_sweep *sweep); /* accepts an all-zero struct */

/* Fills group. */
void fr_sweep_group(fr_sweep *sweep);

/* The config of a point; close it. */
void fr_sweep_config(fr_config *config, const fr_sweep *sweep, int64_t point);

/* The value as people read it (texts without quotes; malloc'd), and as a number: NaN where it is none. */
char *fr_sweep_text(const fr_sweep *sweep, int64_t point, int64_t key);
double fr_sweep_number(const fr_sweep *sweep, int64_t point, int64_t key);

/* A sweep file that lists the points by value, on <folder>/config.yaml, which is written too: what the jobs read, and
 * what repeats the sweep. *plan: its path, malloc'd. */
FR_NODISCARD fr_status fr_sweep_write_plan(const fr_sweep *sweep, const char *folder, char **plan);

/* ---- random.c ---- */

/* One key of `random`. */
typedef struct fr_draw {
    const option *key;
    double from, to;
    bool log, integer;
    int64_t choices; /* > 0: an index below it is drawn instead */
} fr_draw;

/* Attempt `attempt` at a value, as text; malloc'd. The choice is its index. */
char *fr_draw_number(const fr_draw *draw, uint64_t seed, int64_t attempt);
int64_t fr_draw_choice(const fr_draw *draw, uint64_t seed, int64_t attempt);

/* ---- results.c: <folder>/points/NNNNN.json ---- */

char *fr_sweep_point_path(const char *folder, int64_t point);
FR_NODISCARD fr_status fr_sweep_result_write(const char *folder, const fr_sweep *sweep, int64_t point,
                                             const fr_sweep_result *result);
/* All-zero where there is no file, or one that is not whole. */
void fr_sweep_result_read(fr_sweep_result *result, const char *folder, int64_t point);
void fr_sweep_result_close(fr_sweep_result *result);

/* ---- table.c ---- */

/* The point of the best dev quality; ties: fewer tasks, then the first. -1: none has one. */
int64_t fr_sweep_choose(const fr_sweep_result *results, int64_t points);

/* What sweep.json tells beside the points. */
typedef struct fr_sweep_facts {
    int64_t jobs, threads;
    double seconds;
} fr_sweep_facts;

/* sweep.json, sweep.csv, sweep.h5. */
FR_NODISCARD fr_status fr_sweep_write(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results,
                                      const fr_sweep_facts *facts);
/* The ten best by dev quality for a terminal; malloc'd. */
char *fr_sweep_table(const fr_sweep *sweep, const fr_sweep_result *results);

/* ---- figures.c ---- */

/* <folder>/figures: a heat map for every pair of swept numbers, a curve for every key, of dev quality. Without gnuplot
 * none, and a line that says so. */
void fr_sweep_figures(const char *folder, const fr_sweep *sweep, const fr_sweep_result *results);

#endif
