/* stages.h - the stages of a run, each a function of its inputs and its own config keys.
 *
 *   data -> embed -> discover -> classify -> phase 1 -> phase 2 -> score -> evaluate -> report
 *
 * fr_products holds what the stages of ONE configuration leave in memory. The run's own config fills one; each variant
 * of the method (variants.h) fills another that shares data and embeddings. */
#ifndef FR_CLI_STAGES_H
#define FR_CLI_STAGES_H

#include "cache.h"
#include "comm/comm.h"
#include "finerouter/dataset.h"
#include "finerouter/discover.h"
#include "finerouter/eval.h"
#include "finerouter/tokenizer.h"
#include "finerouter/train.h"

typedef enum fr_stage {
    FR_STAGE_DATA,
    FR_STAGE_EMBED,
    FR_STAGE_DISCOVER,
    FR_STAGE_TRAIN,
    FR_STAGE_EVAL,
    FR_STAGE_REPORT,
} fr_stage;

/* Wall time of a stage; 0 when its result was reused. */
typedef struct fr_stage_time {
    char name[48];
    double seconds;
} fr_stage_time;

/* One run: where things go and on what they run. */
typedef struct fr_run {
    const fr_config *config;
    const char *out;     /* run folder; NULL: none, results of stages are left in memory and in the cache */
    const char *cache;   /* stage results */
    const char *variant; /* "" for the run's own config, else what stands before the names of a variant's stages */
    fr_device *device;
    fr_stage_time *stage; /* (stages) */
    int stages;
    fr_comm_cost comm; /* until the last stage that ended: what came after belongs to the next */
} fr_run;

/* A run beside this one that keeps times of its own; fr_run_close frees them. */
fr_run fr_run_fork(const fr_run *run);
void fr_run_close(fr_run *run);

/* Adds wall time to a stage's line of the run. */
void fr_run_seconds(fr_run *run, const char *stage, double seconds);
/* Seconds that these stages (NULL at the end) of the current variant have taken so far. */
double fr_run_spent(const fr_run *run, const char *const *stages);

/* Embeddings of all prompts by the untrained encoder, or those of the data (encoder.embeddings), shared by every
 * configuration of a run. */
typedef struct fr_texts {
    fr_key key;
    int64_t N, d;
    float *prompt, *description;   /* (N, d); description rows without a description are the prompt's */
    fr_tokens tokens;              /* of the prompts; none with embeddings of the data */
    char *encoder_folder;          /* NULL with embeddings of the data */
    int64_t max_tokens, truncated; /* prompts cut at max_tokens */
} fr_texts;
void fr_texts_close(fr_texts *texts);
const char *fr_texts_origin(const fr_texts *texts); /* the encoder's folder, or that they are the data's own */

typedef struct fr_products {
    const fr_config *config;
    fr_key tasks_key, stage1_key, classifier_key, phase1_key, phase2_key;
    fr_tasks tasks;
    double *grid_quality; /* (config.discover.resolution_grid) dev quality of each value under resolution: auto, else
                             NULL */
    fr_classifier *classifier;
    fr_estimator *estimator;
    float *logits;       /* (N, T) */
    int32_t *assignment; /* (N) */
    float *probability;  /* (N) of the best task */
    float *hidden;       /* (N, d) */
    float *general, *s2; /* (N, M) phase-1 and final quality estimates */
    float *s1, *score;   /* (N, M) */
    double theta, alpha; /* NaN: still open */
} fr_products;
void fr_products_close(fr_products *products);

/* The data set of the config: read, imported or made; imported and made ones are cached and linked to <out>/data.h5. */
FR_NODISCARD fr_status fr_stage_data(fr_run *run, fr_dataset *data);
FR_NODISCARD fr_status fr_stage_embed(fr_run *run, const fr_dataset *data, fr_texts *texts);
FR_NODISCARD fr_status fr_stage_discover(fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                         fr_products *products);
FR_NODISCARD fr_status fr_stage_train(fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                      fr_products *products);
/* Its two parts: all that does not depend on theta, and what does (assignment and phase 2, by products->theta). */
FR_NODISCARD fr_status fr_stage_models(fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                       fr_products *products);
FR_NODISCARD fr_status fr_stage_heads(fr_run *run, const fr_dataset *data, const fr_texts *texts,
                                      fr_products *products);
/* Stage-1 scores from the communities themselves (stage1.members: discovered). */
void fr_stage1_of_members(fr_tasks *tasks, const fr_dataset *data, const fr_config *config);
/* s1, score; alpha on dev where it is still open. */
void fr_stage_score(fr_run *run, const fr_dataset *data, fr_products *products);
/* Its two parts: s1, and what depends on alpha. What was there before is replaced. */
void fr_stage_stage1(const fr_dataset *data, fr_products *products);
void fr_stage_mix(const fr_dataset *data, fr_products *products);

/* With llm.url: names written by the endpoint in place of descriptions, their embeddings, and a tasks_key that holds
 * them. A name that does not come is a warning. */
FR_NODISCARD fr_status fr_name_tasks(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *products);
/* Embeds other texts by the run's untrained encoder; out (count, d). */
FR_NODISCARD fr_status fr_texts_embed(float *out, const fr_run *run, const fr_texts *texts, const char *const *text,
                                      int64_t count);

/* What trainings read, out of a run. */
fr_training fr_run_training(const fr_run *run, const fr_config *config, const fr_dataset *data, const fr_texts *texts);

/* router.h5: everything `finerouter route` needs, see finerouter/router.h. */
FR_NODISCARD fr_status fr_router_write(const char *path, const fr_run *run, const fr_dataset *data,
                                       const fr_texts *texts, const fr_products *products);

/* Evaluates every router of config.eval.routers on the test split, variants of the method among them;
 * results is malloc'd (count). */
FR_NODISCARD fr_status fr_stage_evaluate(fr_run *run, const fr_dataset *data, const fr_texts *texts, fr_products *own,
                                         fr_result **results, int64_t *count);
/* FR_USAGE when a name of config.eval.routers is unknown. */
FR_NODISCARD fr_status fr_check_routers(const fr_config *config);

/* Results of the same routers from several passes (seeds x folds, seed-major) as one: folds are pooled prompt by
 * prompt and compared with each other, then seeds are averaged, with the deviation of the quality over seeds; seconds
 * are summed. pooled (count). */
void fr_pool_passes(fr_result *pooled, fr_result *const *passes, int64_t count, int64_t seeds, int64_t folds,
                    const fr_dataset *data);

/* How far one pass's estimates and tasks can be believed, over its test prompts, and all passes (seed-major) as one. */
typedef struct fr_pass_trust {
    fr_calibration stage1, stage2;
    fr_label_counts labels;
} fr_pass_trust;
void fr_trust_of_pass(fr_pass_trust *trust, const fr_dataset *data, const fr_products *products);
void fr_pool_trust(fr_run_trust *pooled, const fr_pass_trust *pass, int64_t seeds, int64_t folds);

/* All stages up to `last`; with eval.seeds or eval.folds several times, pooled. */
FR_NODISCARD fr_status fr_pipeline(const fr_config *config, const char *out, fr_stage last);

#endif
