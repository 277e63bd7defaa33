/* variants.h - variants of the method: routers that are the run's own pipeline under a config that differs in a few
 * keys. Each runs all stages with products of its own, whatever stage differs taking its result from the cache or
 * leaving it there; data and embeddings are the run's. Each chooses its own alpha, theta and resolution. */
#ifndef FR_CLI_VARIANTS_H
#define FR_CLI_VARIANTS_H

#include "stages.h"

typedef struct fr_variant {
    const char *name, *stage; /* router, and what stands before the names of its stages */
    const char *help;
    void (*change)(fr_config *config, const fr_products *own);
} fr_variant;

int64_t fr_variant_count(void);
const fr_variant *fr_variant_at(int64_t index);
const fr_variant *fr_variant_find(const char *name); /* NULL if it is none */

/* own: products of the run's config. seconds: wall time of the stages that had to be run. */
FR_NODISCARD fr_status fr_variant_scores(fr_scores *scores, double *seconds, const fr_variant *variant, fr_run *run,
                                         const fr_dataset *data, const fr_texts *texts, const fr_products *own);

/* Scores of finished products: of both stages, mixed; of stage 1 or 2 alone under the names stage1 and stage2. */
void fr_products_scores(fr_scores *scores, const char *name, const fr_dataset *data, const fr_products *products);

#endif
