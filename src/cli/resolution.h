/* resolution.h - discover.resolution: auto. */
#ifndef FR_CLI_RESOLUTION_H
#define FR_CLI_RESOLUTION_H

#include "stages.h"

/* Partitions at every value of discover.resolution_grid and keeps the one whose stage-1 scores route best; `tasks` is
 * filled with it, quality (grid) with what was compared.
 *
 * Training a classifier for every value would take most of a run, so a vote of the nearest training prompts stands in
 * for it: it reads prompts alone, as the classifier does, and leaves the prompt itself out, so it cannot reproduce a
 * membership that outcomes made (METHOD's selection bias). share[i,t] = share of the k nearest training prompts of
 * prompt i (by prompt embedding, itself left out) that are members of t; k = discover.k stage1     = fr_tasks_stage1
 * over the training prompts by their largest share score[i]   = sum_t share[i,t] stage1[t] Quality = mean over dev
 * prompts of the best-scored model's quality. Values next to each other on the grid are smoothed together
 * (fr_choose_smoothed). */
FR_NODISCARD fr_status fr_choose_resolution(fr_tasks *tasks, double *quality, fr_discovery *discovery,
                                            const fr_run *run, const fr_config *config, const fr_dataset *data,
                                            const fr_texts *texts);

#endif
