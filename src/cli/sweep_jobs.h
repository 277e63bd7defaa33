/* sweep_jobs.h - runs a sweep: its groups as processes of their own, then the table. */
#ifndef FR_CLI_SWEEP_JOBS_H
#define FR_CLI_SWEEP_JOBS_H

#include "sweep/sweep.h"

/* Runs every point that is not finished in <folder>, `jobs` groups at a time, each by this program with --only, and
 * writes sweep.json, sweep.csv, sweep.h5 and figures. The base config gets its cache folder, and its share of the
 * threads when jobs > 1. FR_FAILED when a point failed; FR_INTERRUPTED when asked to stop. */
FR_NODISCARD fr_status fr_sweep_run(fr_sweep *sweep, const char *folder, int64_t jobs);

/* Writes the tables and figures and prints the best points. FR_FAILED when a point has an error. */
FR_NODISCARD fr_status fr_sweep_publish(const char *folder, const fr_sweep *sweep, const fr_sweep_result *result,
                                        const fr_sweep_facts *facts);

/* The base config's cache folder, or <folder>/.cache: set where it is empty. */
FR_NODISCARD fr_status fr_sweep_set_cache(fr_sweep *sweep, const char *folder);

/* In a job: ends when the sweep that started it does. */
void fr_sweep_follow_parent(void);

#endif
