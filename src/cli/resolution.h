/* resolution.h - discover.resolution: auto. */
#ifndef FR_CLI_RESOLUTION_H
#define FR_CLI_RESOLUTION_H

#include "stages.h"

/* Partitions at every value of discover.resolution_grid and keeps the one whose stage-1 scores route best; `tasks` is
 * filled with it, quality (grid) with what was compared.
 *
 * Training a classifier for every value would take most of a run, so a vote of the nearest training prompts stands in
 * for it: like the classifier it reads prompts alone, and leaves the prompt itself out, so that it cannot reproduce a
 * membership that outcomes made.
 *   share[i,t] = share of the k nearest training prompts of prompt i (by prompt embedding, itself left out) that are
 *                members of t; k = discover.k
 *   stage1     = fr_tasks_stage1 over the training prompts by their largest share
 *   score[i]   = sum_t share[i,t] stage1[t], a training prompt's own scores taken out of its task's mean (of a median
 *                they stay in)
 * Quality = mean quality of the best-scored model over the dev prompts (discover.resolution_by: dev), or over dev and
 * left-out training prompts (left-out): a dev split of a few hundred prompts cannot tell resolutions apart. Test
 * prompts are never read. Values next to each other on the grid are smoothed together (fr_choose_smoothed). */
FR_NODISCARD fr_status fr_choose_resolution(fr_tasks *tasks, double *quality, fr_discovery *discovery,
                                            const fr_run *run, const fr_config *config, const fr_dataset *data,
                                            const fr_texts *texts);

#endif
