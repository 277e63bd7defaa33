/* choose.h - theta and alpha where they are auto (route.choose_by).
 *
 * dev          theta by the routing of stage 1 on the dev split, alpha by the mix of both stages there.
 * out-of-fold  Dev prompts are few, and the differences between two alphas small: 600 prompts cannot tell .2 from .8.
 * So the training and dev prompts are dealt into route.choose_folds folds, and for each fold the whole pipeline
 * (discovery at the resolution that the run has chosen, phase 1, classifier, stage-1 scores, task heads) runs on the
 * other folds: what it says on the fold's prompts, it says on prompts that nothing in it has seen. All of them together
 * choose. */
#ifndef FR_CLI_CHOOSE_H
#define FR_CLI_CHOOSE_H

#include "stages.h"

enum { FR_THETAS = 12 };

/* Routed quality of stage 1 alone at each theta tried, over the split FR_SPLIT_DEV of `on`; cost (M). */
void fr_theta_qualities(double quality[FR_THETAS], const fr_dataset *on, const fr_products *products,
                        const double *cost);
double fr_best_theta(const double quality[FR_THETAS]);

/* The alpha of 0, .05, ... 1 nearest to .3 among those that the split FR_SPLIT_DEV of `on` cannot tell from the best.
 * s1, s2 (N, M). quality: what it reaches there; NULL: not wanted. */
double fr_best_alpha(double *quality, const fr_dataset *on, const float *s1, const float *s2, const double *cost);

/* Fills products->theta and, where it is known before the task heads (out-of-fold, or given), products->alpha, else
 * NaN. */
FR_NODISCARD fr_status fr_choose_theta(fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                       fr_products *products);
/* Fills products->alpha on the dev split if it is still open. */
void fr_choose_alpha(const fr_dataset *data, fr_products *products);

/* Both at once, those that are NaN in products, out of fold. */
FR_NODISCARD fr_status fr_choose_out_of_fold(fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                             fr_products *products);

#endif
