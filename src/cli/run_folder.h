/* run_folder.h - what a run folder holds beside the stages' results: resolved config, environment, lock, log. */
#ifndef FR_CLI_RUN_FOLDER_H
#define FR_CLI_RUN_FOLDER_H

#include "stages.h"

/* The commit this program was built from, "unknown" without git. */
const char *fr_commit(void);

/* Together. Opens the config's device, with the cores that are a rank's, and compares what the ranks are about to do:
 * those that see another config, another `out`, or would compute with other kernels would part ways in the middle. */
FR_NODISCARD fr_status fr_run_device_open(fr_device **device, const fr_config *config, const char *out);

/* Makes <out> and the cache folder, takes <out>/.lock (an error when another process holds it), writes config.yaml and
 * environment.json, opens log.jsonl. *lock: its descriptor. On other ranks than
 * the root nothing is done. */
FR_NODISCARD fr_status fr_run_folder_open(int *lock, const fr_config *config, const char *out, const char *cache,
                                          const fr_device *device);
void fr_run_folder_close(int lock);

/* config.top.cache, or .cache beside the run folder; malloc'd. */
char *fr_cache_folder(const fr_config *config, const char *out);

#endif
