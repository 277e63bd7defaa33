/* finerouter/eval.h - routers against each other: quality, regret, cost, significance.
 *
 * A router is a table of scores. Evaluation ranks, applies the cost rule (finerouter/route.h) and computes every
 * metric, so that all routers are measured by the same code. Only observed entries count: a prompt whose chosen model
 * was not observed is left out of that router's figures, and counted. */
#ifndef FINEROUTER_EVAL_H
#define FINEROUTER_EVAL_H

#include "finerouter/config.h"
#include "finerouter/dataset.h"
#include "finerouter/discover.h"
#include "finerouter/metrics.h"
#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The scores a router gives: higher is better, NaN cannot be chosen. */
typedef struct fr_scores {
    const char *name;
    int64_t N, M;
    float *score;     /* (N, M), rows outside dev and test may be NaN */
    float *tie;       /* (N, M) breaks ties (s2), or NULL */
    bool expectation; /* random: metrics are the expectation over models, score is not read and may be NULL */
    bool reference;   /* oracles and best single: route.tolerance leaves their headline figures alone */
    char setting[96]; /* what was chosen on dev, for people: "k = 40", "alpha = .4" */
} fr_scores;

void fr_scores_close(fr_scores *scores); /* frees score and tie */

/* Clusterings of the training prompts that several routers go by. */
typedef struct fr_clusterings fr_clusterings;
void fr_clusterings_close(fr_clusterings *clusterings); /* accepts NULL */

/* What routers may read: everything but test quality enters their choices. */
typedef struct fr_eval_input {
    const fr_config *config;
    const fr_dataset *data;
    struct fr_device *device;
    const float *embedding; /* (N, d) cached prompt embeddings; NULL when no router needs them */
    int64_t d;
    const float *general;               /* (N, M) phase-1 estimates (ipr), or NULL */
    const struct fr_training *training; /* what trainings read, for baselines that train the text encoder; or NULL */
    fr_clusterings **clusterings; /* where the first router that needs them leaves them for the next ones on the same
                                   * input; NULL: they are not kept */
} fr_eval_input;

/* A baseline: one file under src/eval/baselines. */
typedef struct fr_baseline {
    const char *name, *help;
    fr_status (*score)(fr_scores *scores, const fr_eval_input *input); /* fills an all-zero struct */
    int version;   /* > 0: it learns for a while, so that its scores are kept in the cache, under this number */
    bool together; /* its work is shared out over the ranks inside; the others that learn are dealt to one rank each */
} fr_baseline;

/* Table of the baselines, in the order of the reports: best_single cheapest random oracle dataset_oracle knn ipr. */
const fr_baseline *fr_baseline_find(const char *name); /* NULL if it is none */
int64_t fr_baseline_count(void);
const fr_baseline *fr_baseline_at(int64_t index);

/* Expected cost of a model's answer in USD, (M): mean training cost; NaN where unknown. The cost rule and tie-breaks
 * use it (a prompt's own cost is not known before it is answered). */
void fr_expected_cost(double *cost, const fr_dataset *data);

/* The strong and the weak model of the CPT and APGR metrics: eval.strong and eval.weak; where empty, the model of
 * highest mean training quality, and the cheapest in training of the others (the worst, where no cost is known).
 * FR_USAGE when a name is no model, with the nearest one, and when both are one. */
FR_NODISCARD fr_status fr_pair_find(int32_t *strong, int32_t *weak, const fr_dataset *data, const fr_config *config);

/* RouteLLM's figures of one pair, at the prompts where both were observed. All members are double, so that seeds
 * average. */
typedef struct fr_routellm {
    double cpt20, cpt50, cpt80, apgr;
    double share[FR_PAIR_POINTS], quality[FR_PAIR_POINTS]; /* fr_pair_curve */
} fr_routellm;

/* Filled by fr_results_compare from the configurations of the curve (tolerances) and the answers at route.tolerance.
 * All members are double. NaN where an oracle (it bounds routers and competes with none) or an expectation says
 * nothing: pareto_dist of oracles, optimality of expectations. */
typedef struct fr_router_metrics {
    fr_aiq aiq;
    fr_orbit orbit;
    double arqgc;
    double arena_usd_per_1k, arena_score;
    fr_optimality optimality;
    double gain_random, gain_best_single, gap_oracle, perf_gain, cost_save, pareto_dist;
    fr_routellm routellm;
} fr_router_metrics;

/* A point of the cost-quality curve: the cost rule at `tolerance`. */
typedef struct fr_curve_point {
    double tolerance, quality, cost;
    int64_t scored, priced; /* prompts behind quality, and behind cost */
} fr_curve_point;

typedef struct fr_result {
    char name[64], setting[96];
    double quality;           /* sample average over scored prompts */
    double quality_by_source; /* average over the sources that have scored prompts */
    double cost;              /* mean USD of a prompt over scored prompts of known cost; NaN when there is none */
    double regret;            /* mean of (oracle - router), the oracle being the prompt's best observed quality */
    double gap_closed;        /* (router - best single) / (oracle - best single) over the scored prompts where the
                               * best single model was observed; NaN when there is no gap */
    int64_t sources;
    double *source_quality;   /* (sources) NaN where a source has no scored prompt */
    int64_t scored, left_out; /* prompts; left out: chosen model unobserved */
    fr_curve_point *curve;    /* (points) by tolerance, over config.eval.tolerances */
    int64_t points;
    int64_t N;
    float *prompt_quality; /* (N) quality of the chosen model, NaN outside the split or left out: for the bootstrap */
    float *prompt_cost;    /* (N) USD, NaN unknown */
    float *prompt_best_single; /* (N) quality of the model that is best on train; NaN outside the split or unobserved */
    float *prompt_best_single_cost; /* (N) USD, NaN unknown too */
    int64_t M;
    int32_t strong, weak; /* fr_pair_find */
    int32_t *chosen; /* (N) the model that answers, FR_NOT_TESTED outside the split, FR_ALL_MODELS for an expectation;
                      * NULL in a mean over seeds */
    float *prompt_margin; /* (N) score of the strong model - score of the weak one; NaN outside the split; 0 for an
                           * expectation; NULL in a mean over seeds */
    fr_recall *recall;    /* (M + 1); NULL before fr_results_compare */
    fr_router_metrics metrics;
    double seconds;                                       /* wall time of making its scores; 0: they were reused */
    double seed_quality_std;                              /* over seeds, NaN with one */
    double quality_low, quality_high;                     /* 95% interval of quality; NaN without bootstrap */
    double vs_full, vs_full_low, vs_full_high, vs_full_p; /* full - this router: mean, 95% interval, two-sided p; NaN
                                                           * without bootstrap and for full itself */
} fr_result;

void fr_result_close(fr_result *result); /* accepts an all-zero struct */

/* Metrics of one router at config.route.tolerance, and its curve over config.eval.tolerances. split: FR_SPLIT_TEST, or
 * FR_SPLIT_DEV for choices. Everything that `result` held before is ignored. */
void fr_evaluate(fr_result *result, const fr_scores *scores, const fr_dataset *data, const fr_config *config,
                 int split);

/* One result out of the folds of a cross-validation: fold[f] was evaluated on its own test prompts; no prompt may be
 * tested twice. data: the same prompts in the same order, under whatever split. Margins of different folds are put on
 * one scale as they are: every fold's scores estimate the same quality, or are scaled alike. (A router that always asks
 * one model, another one in each fold, thereby orders prompts by fold: its CPT and APGR are arbitrary.) */
void fr_results_pool(fr_result *pooled, const fr_result *const *fold, int64_t folds, const fr_dataset *data);

/* Fills recall and metrics of results that were evaluated on the same prompts, beside each other: the reach of AIQ and
 * the Pareto front are those of all competing routers (no oracles, no expectations). After pooling folds, before
 * averaging seeds. O(count N M). */
void fr_results_compare(fr_result *results, int64_t count, const fr_dataset *data);

/* Mean quality over a split of always taking each prompt's best-scored model: what choices on dev compare. Prompts with
 * the chosen model unobserved are left out; NaN when none remains. score, tie (N, M), tie may be NULL; cost (M). */
double fr_routed_quality(const float *score, const float *tie, const fr_dataset *data, const double *cost, int split);

/* The same prompt by prompt: quality (N) of the chosen model, NaN outside the split or unobserved. */
void fr_routed_prompts(float *quality, const float *score, const float *tie, const fr_dataset *data, const double *cost,
                       int split);

/* Index out of an ordered grid of `count` settings, compared on n prompts: quality (count, n), NaN left out. All
 * settings whose paired difference to the best is within one standard error of it are as good as it; the one nearest to
 * `prior` (an index) is taken, since a maximum over a noisy plateau lands anywhere on it. */
int64_t fr_choose_plateau(const float *quality, int64_t count, int64_t n, int64_t prior);

/* Index of the highest of `quality` (count, by an ordered grid) after smoothing with its neighbours, [1 2 1] / 4 (at
 * the ends and beside NaN by the weights that remain): one dev split is noisy. Ties: the middle of the longest plateau,
 * the first of equals. A NaN is never chosen unless all are. */
int64_t fr_choose_smoothed(const double *quality, int64_t count);

/* Bootstrap over prompts (seeded; `resamples` times): fills quality_low and quality_high of every result, and, paired,
 * vs_full* against results[full]. Prompts left out by a router, or for a difference by either, are skipped. Bitwise
 * equal for any number of threads. O(resamples * prompts * count). */
void fr_bootstrap(fr_result *results, int64_t count, int64_t full, const fr_dataset *data, int64_t resamples,
                  uint64_t seed);

/* Range of the bins in which estimates are calibrated, with no entry yet: 0 .. 1, or all that is observed where quality
 * leaves it. */
fr_calibration fr_calibration_of(const fr_dataset *data);

/* How far a run's estimates and tasks can be believed, over the tested prompts: folds pooled, seeds averaged (bins hold
 * sums over seeds). The truth of a prompt's task is the vote of its nearest training prompts. */
typedef struct fr_run_trust {
    fr_calibration stage1, stage2;
    double stage1_ece, stage2_ece;
    fr_classifier_metrics classifier;
    int64_t seeds;
} fr_run_trust;

/* What metrics.json holds beside the routers. */
typedef struct fr_run_facts {
    const fr_tasks *tasks;     /* of `full`; NULL when no task was discovered */
    const int32_t *assignment; /* (N) by the classifier; NULL without one */
    double theta, alpha;
    const double *stage_seconds; /* (stages) wall time; 0: its result was reused */
    const char *const *stage_name;
    int stages;
    int64_t truncated; /* prompts cut by the tokenizer */
    const char *encoder, *device, *config_hash;
    double classifier_accuracy; /* test prompts against the vote of their nearest members; NaN when there is none */
    const fr_run_trust *trust;  /* NULL: not known */
    int64_t seeds, folds;       /* folds > 0: every prompt of the data was tested */
} fr_run_facts;

/* metrics.json, schema 2. NaN becomes null. What stands under "tasks" is of the first pass when there are several. */
FR_NODISCARD fr_status fr_metrics_write(const char *path, const fr_result *results, int64_t count,
                                        const fr_dataset *data, const fr_run_facts *facts, const fr_config *config);

/* The table for a terminal, one router a line of at most 100 columns (longer names are cut); malloc'd. */
char *fr_metrics_table(const fr_result *results, int64_t count, const fr_dataset *data);

/* A second one of what peers report (after fr_results_compare): AIQ, APGR, CPT, RouterArena, nAUC, QNC, ARQGC and the
 * hit rate where few models are right. */
char *fr_metrics_peers_table(const fr_result *results, int64_t count, const fr_dataset *data);

/* predictions.jsonl: one object a prompt of dev and test: id, split, task (index; null: none), task_name,
 * task_probability, s1, s2, score (objects by model), ranking (models, best first). tasks, probability, s1 and s2 may
 * be NULL and become null. s1, s2, score (N, M), assignment, probability (N). */
FR_NODISCARD fr_status fr_predictions_write(const char *path, const fr_dataset *data, const fr_tasks *tasks,
                                            const int32_t *assignment, const float *probability, const float *s1,
                                            const float *s2, const float *score);

/* cards.json, which the report shows as task explorer: {"schema": 1, "models": [...], "tasks": [{id, name, size,
 * examples (the nearest prompts: text, source; long texts are cut), mix {source: members}, ranking [models], candidates
 * [models], coverage, mean {model: quality}, median {model: quality}, cohesion_inside, cohesion_outside}]}. */
FR_NODISCARD fr_status fr_cards_write(const char *path, const fr_tasks *tasks, const fr_dataset *data);

#ifdef __cplusplus
}
#endif
#endif
