/* sweep_array.h - a sweep as a job array: what its elements are, and what they made put together. */
#ifndef FR_CLI_SWEEP_ARRAY_H
#define FR_CLI_SWEEP_ARRAY_H

#include "sweep/sweep.h"

/* Prints one line for each group of points that share their tasks, which is one element of an array: what --only
 * takes, its points ("0-3,7") and its settings ("discover.tau=0 route.alpha=0.3,0.5"), with tabs between them. */
void fr_sweep_list(const fr_sweep *sweep);

/* Puts together what --only left in <folder>, whichever machines it ran on, as fr_sweep_run does at its end; runs
 * nothing. sets: as given to --set. FR_FAILED when points failed or are missing: the tables hold the others, and the
 * error has the command that runs them. */
FR_NODISCARD fr_status fr_sweep_collect(fr_sweep *sweep, const char *folder, const char *const *sets, int64_t count);

#endif
