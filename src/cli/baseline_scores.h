/* baseline_scores.h - scores of the routers of src/eval/baselines; those that learn (version > 0) are kept in the cache
 * under router, version, keys (letter B), data, embeddings and device. */
#ifndef FR_CLI_BASELINE_SCORES_H
#define FR_CLI_BASELINE_SCORES_H

#include "stages.h"

/* general: phase-1 estimates (N, M). clusterings: see fr_eval_input. seconds: wall time, 0 when the scores came from
 * the cache; *reused tells. */
FR_NODISCARD fr_status fr_baseline_scores(fr_scores *scores, double *seconds, bool *reused, const fr_baseline *baseline,
                                          const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                          const float *general, fr_clusterings **clusterings);

/* Together: with several ranks, those of the `count` routers (NULL: none) that learn and are not in the cache are dealt
 * to the ranks, one each, and put there by the root. seconds (count): what each took, 0 for those not made here. With
 * one rank nothing is done: fr_baseline_scores makes them one by one. */
FR_NODISCARD fr_status fr_baselines_deal(double *seconds, const fr_baseline *const *baseline, int64_t count,
                                         const fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                         const float *general);

#endif
