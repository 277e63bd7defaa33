/* sweep_group.h - the points of a sweep that share the products before task heads. */
#ifndef FR_CLI_SWEEP_GROUP_H
#define FR_CLI_SWEEP_GROUP_H

#include "stages.h"
#include "sweep/sweep.h"

/* What names the files a config reads: its data (the hash of a data file's content, or of the files it is imported
 * from; synthetic data is described by the config), and the text encoder. data: the hash of a data file that is open
 * already, or NULL. Costs reading them. */
FR_NODISCARD fr_status fr_sweep_input_hash(char hex[FR_HASH_CHARS], const fr_config *config, const char *data);

/* The inputs of points, hashed once for all that read the same files; free `files`. */
typedef struct fr_sweep_inputs {
    char *files;
    char hex[FR_HASH_CHARS];
} fr_sweep_inputs;
const char *fr_sweep_inputs_of(fr_sweep_inputs *last, const fr_config *config);

/* The threads a config asks for: all cores of this process where it says 0. */
int64_t fr_sweep_threads(const fr_config *config);

/* Names everything a point's result depends on. inputs: as above. threads: sums over several depend on their number. */
void fr_sweep_point_hash(char hex[FR_HASH_CHARS], const fr_config *config, const char *inputs, int64_t threads);

/* Makes the products of the group of point `first`, evaluates each of its points that is not finished in <folder>, and
 * writes them there. eval.seeds and eval.folds are passes of every point. A point that fails is written with its error;
 * *failed counts them. FR_INTERRUPTED when asked to stop, other errors when nothing can be written. */
FR_NODISCARD fr_status fr_sweep_run_group(int64_t *failed, const fr_sweep *sweep, int64_t first, const char *folder,
                                          const char *cache);

#endif
