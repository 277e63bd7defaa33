/* finerouter/eval.h - routers against each other: quality, regret, cost, significance. */
#ifndef FINEROUTER_EVAL_H
#define FINEROUTER_EVAL_H

#include "finerouter/config.h"
#include "finerouter/dataset.h"
#include "finerouter/discover.h"
#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The scores a router gives: higher is better. Evaluation ranks, applies the cost rule and computes every metric, so a router is no more than this table. */
typedef struct fr_scores {
    const char *name;
    int64_t N, M;
    float *score;    /* (N, M), rows outside dev and test may be NaN */
    float *tie;      /* (N, M) breaks ties (s2), or NULL */
    bool expectation; /* random: metrics are the expectation over models, score is not read */
    char setting[96]; /* what was chosen on dev, for people: "k = 40", "alpha = .4" */
} fr_scores;

void fr_scores_close(fr_scores *scores); /* frees score and tie */

/* What routers may read: everything but test quality enters their choices. */
typedef struct fr_eval_input {
    const fr_config *config;
    const fr_dataset *data;
    struct fr_device *device;
    const float *embedding; /* (N, d) cached prompt embeddings */
    int64_t d;
    const float *general; /* (N, M) phase-1 estimates (ipr), or NULL */
} fr_eval_input;

/* A baseline: one file under src/eval/baselines. */
typedef struct fr_baseline {
    const char *name, *help;
    fr_status (*score)(fr_scores *scores, const fr_eval_input *input);
} fr_baseline;

/* Table of the baselines, in the order of the reports: best_single cheapest random oracle dataset_oracle knn ipr. */
const fr_baseline *fr_baseline_find(const char *name); /* NULL if it is none */
int64_t fr_baseline_count(void);
const fr_baseline *fr_baseline_at(int64_t index);

/* Expected cost of a model, (M): mean training cost; NaN where unknown. The cost rule and tie-breaks use it (a prompt's own cost is not known before it is answered). */
void fr_expected_cost(double *cost, const fr_dataset *data);

typedef struct fr_curve_point {
    double tolerance, quality, cost;
} fr_curve_point;

typedef struct fr_result {
    char name[64], setting[96];
    double quality;            /* sample average over scored test prompts */
    double quality_by_source;  /* average over sources */
    double cost;               /* mean USD of a prompt; NaN when unknown */
    double regret;             /* mean of (oracle - router) */
    double gap_closed;         /* (router - best single) / (oracle - best single) of the same prompts; NaN when there is no gap */
    double *source_quality;    /* (sources) NaN where a source has no test prompt */
    int64_t scored, left_out;  /* test prompts; chosen model unobserved */
    fr_curve_point *curve;     /* (points) by tolerance */
    int64_t points;
    float *prompt_quality;     /* (N) quality of the chosen model, NaN outside test or left out: for the bootstrap */
    float *prompt_cost;        /* (N) */
    double seed_quality_std;   /* over seeds, NaN with one */
    double vs_full, vs_full_low, vs_full_high, vs_full_p; /* full - this router: mean, 95% interval, two-sided p; NaN without bootstrap */
} fr_result;

void fr_result_close(fr_result *result);

/* Test metrics of one router at config.route.tolerance, and its curve over config.eval.tolerances. split: FR_SPLIT_TEST, or DEV for choices. */
void fr_evaluate(fr_result *result, const fr_scores *scores, const fr_dataset *data, const fr_config *config, int split);

/* Mean quality over a split of always taking each prompt's best-scored model: what choices on dev compare. Prompts with the chosen model unobserved are left out. */
double fr_routed_quality(const float *score, const float *tie, const fr_dataset *data, const double *cost, int split);

/* The value of `grid` (count) of highest dev quality after smoothing with its neighbours ([1 2 1] / 4), ties to the middle of a plateau: one dev split is noisy. quality (count). Returns the index. */
int64_t fr_choose_smoothed(const double *quality, int64_t count);

/* Paired bootstrap over test prompts (seeded; `resamples` times): fills vs_full* of every result against results[full]. Prompts left out by either are skipped. */
void fr_bootstrap(fr_result *results, int64_t count, int64_t full, const fr_dataset *data, int64_t resamples, uint64_t seed);

/* What metrics.json holds beside the routers. */
typedef struct fr_run_facts {
    const fr_tasks *tasks;      /* of `full`; NULL when no task was discovered */
    const int32_t *assignment;  /* (N) by the classifier */
    double theta, alpha;
    double stage_seconds[16];
    const char *stage_name[16];
    int stages;
    int64_t truncated;          /* prompts cut by the tokenizer */
    const char *encoder, *device, *config_hash;
    double classifier_accuracy; /* test prompts against the vote of their nearest members; NaN when there is none */
    int64_t seeds, folds;
} fr_run_facts;

/* metrics.json, schema 1. NaN becomes null. */
FR_NODISCARD fr_status fr_metrics_write(const char *path, const fr_result *results, int64_t count, const fr_dataset *data, const fr_run_facts *facts, const fr_config *config);

/* The table for a terminal (UTF-8 or ASCII), one router a line; malloc'd. */
char *fr_metrics_table(const fr_result *results, int64_t count, const fr_dataset *data);

/* predictions.jsonl: one object a prompt of dev and test: id, split, task (null: none), task_probability, s1, s2, score (objects by model), ranking (models, best first). */
FR_NODISCARD fr_status fr_predictions_write(const char *path, const fr_dataset *data, const fr_tasks *tasks, const int32_t *assignment, const float *probability, const float *s1, const float *s2, const float *score);

#endif
