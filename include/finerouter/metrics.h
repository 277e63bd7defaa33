/* finerouter/metrics.h - the metrics of the field as pure functions of small arrays; finerouter/eval.h applies them.
 *
 * Every function answers NaN where its metric says nothing (no point, no cost, no gap), and never fails. Costs are USD
 * of a prompt, qualities any real numbers; an answer of quality >= .5 is right. NaN quality: not observed, left out;
 * NaN cost: unknown. N prompts, M models, T tasks. O(n log n) in the length of what is given, unless it says else.
 *
 * Sources: RouterBench (Hu et al. 2024, arXiv 2403.12031), RouteLLM (Ong et al. 2024, arXiv 2406.18665), RouterArena
 * (Lu et al. 2025, arXiv 2510.00202), LLMRouterBench, ORBIT, IPR (Feng et al. 2025, arXiv 2509.06274). */
#ifndef FINEROUTER_METRICS_H
#define FINEROUTER_METRICS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a router costs and achieves in one configuration. Points with a NaN are left out; of equal costs the best
 * quality counts; any order. */
typedef struct fr_point {
    double cost, quality;
} fr_point;

/* The points that no other one beats: strictly increasing in cost and quality, by cost. front (count); returns how
 * many. */
int64_t fr_pareto_front(fr_point *front, const fr_point *point, int64_t count);

/* ---- RouterBench: average improvement in quality ----
 *
 * The hull is the least concave, non-decreasing line above the points, from the cheapest to the dearest one of the best
 * quality; routers compared together are continued flat to the same reach, the largest of theirs.
 *
 *   code  = area from the hull's start to reach / reach                    (as RouterBench's program computes it)
 *   paper = area from the hull's start to reach / (reach - hull's start)   (as its paper defines it)
 *
 * A hull of one cost that is the reach has no area: code 0, paper its quality. What lies beyond reach is cut off: code
 * is 0 and paper NaN for a hull that starts there. */
typedef struct fr_aiq {
    double code, paper;
} fr_aiq;

double fr_aiq_reach(const fr_point *point, int64_t count); /* of one router alone; NaN without points */
fr_aiq fr_metric_aiq(const fr_point *point, int64_t count, double reach);

/* ---- RouteLLM: a strong and a weak model ---- */

enum { FR_PAIR_POINTS = 21 };

/* Quality when the prompts of the largest margins (score of the strong model - score of the weak one) get the strong
 * model and all others the weak one, at share[j] = j / 20 of strong answers. strong, weak (n): quality of either
 * answer. Prompts of equal margin share what strong answers there are for them: the expectation of random order, so
 * that a router that cannot tell prompts apart gives a straight line. Prompts with a NaN are left out; NaN when none
 * remains. */
void fr_pair_curve(double share[FR_PAIR_POINTS], double quality[FR_PAIR_POINTS], const float *margin,
                   const float *strong, const float *weak, int64_t n);

/* Performance gap recovered: (quality - weak) / (strong - weak); NaN unless strong > weak, as the next two. */
double fr_metric_pgr(double quality, double weak, double strong);

/* Call-performance threshold: the share of strong answers at which the line through (share, quality) first reaches
 * weak + p (strong - weak), p in [0, 1]; NaN if it never does. share (count) ascending, in any unit. */
double fr_metric_cpt(const double *share, const double *quality, int64_t count, double p, double weak, double strong);

/* Average PGR: (A - weak) / (strong - weak), A the mean height of the line by trapezoids. */
double fr_metric_apgr(const double *share, const double *quality, int64_t count, double weak, double strong);

/* ---- LLMRouterBench ---- */

/* a / b - 1: Gain@R against random, Gain@B against best single, -Gap@O against the oracle. NaN unless b > 0. */
double fr_metric_gain(double a, double b);

/* Best quality of any configuration against best single, relative; the costs are not read. */
double fr_metric_perf_gain(const fr_point *point, int64_t count, double best_single);

/* 1 - cheapest configuration at least as good as best single / its cost; NaN when none is as good, or no cost known. */
double fr_metric_cost_save(const fr_point *point, int64_t count, fr_point best_single);

/* Mean Euclidean distance of a router's points to the nearest point of the Pareto front of `all` (all routers' points),
 * cost and quality scaled to 0..1 over `all` (a range of 0: all are 0). The scaling and the distance to points, not to
 * the line between them, are our reading: the benchmark's text leaves both open. O(count * front). */
double fr_metric_pareto_dist(const fr_point *point, int64_t count, const fr_point *all, int64_t all_count);

/* ---- RouterArena ---- */

/* C = (log2 200 - log2 c) / (log2 200 - log2 .0044), c USD of 1,000 prompts; within 0..1 (1 also at cost 0). */
double fr_metric_arena_cost(double usd_per_1k);

/* S = 1.1 A C / (.1 A + C), A the accuracy; 0 where both are 0. */
double fr_metric_arena_score(double usd_per_1k, double accuracy);

/* chosen (N): the model that answers a prompt, or one of these. */
enum { FR_NOT_TESTED = -1, FR_ALL_MODELS = -2 /* each with equal probability: an expectation */ };

/* Over prompts that the router answered with an observed model and that some observed model gets right:
 *   sel   share on which it chose the cheapest right model (any of the equally cheap), where the cost of one is known
 *   acc   share on which it was right; the oracle's is 1
 *   cost  sum of the cheapest right answers' costs / sum of its own answers' costs, where it was right at a known cost
 * NaN for FR_ALL_MODELS. quality, cost (N, M). */
typedef struct fr_optimality {
    double sel, acc, cost;
} fr_optimality;

fr_optimality fr_metric_optimality(const int32_t *chosen, const float *quality, const float *cost, int64_t N,
                                   int64_t M);

/* ---- ORBIT ----
 *
 *   nauc  area under the Pareto front (trapezoids) from its cheapest point, closed at best single's cost with the best
 *         quality, over cost / largest cost (of the front and best single)
 *   peak  best quality
 *   qnc   cost of the cheapest configuration as good as best single / best single's cost; NaN when none is */
typedef struct fr_orbit {
    double nauc, peak, qnc;
} fr_orbit;

fr_orbit fr_metric_orbit(const fr_point *point, int64_t count, fr_point best_single);

/* ---- IPR: bounded average response quality gain under cost ----
 *
 * Mean over budgets a in [low.cost, high.cost] of (Q(a) - low.quality) / (high.quality - low.quality). Q: the line
 * through the Pareto front, flat from its end on; below its first cost nothing is affordable, and the gain 0. low:
 * least cost and quality of any single model, high: greatest. Above 1 for routers that beat every model; NaN when
 * either range is 0. */
double fr_metric_arqgc(const fr_point *point, int64_t count, fr_point low, fr_point high);

/* ---- recall by number of right models ----
 *
 * recall[c] over prompts that were answered by an observed model and for which c of the observed models are right: how
 * many prompts, and the share on which the answer was right (NaN without prompts; for FR_ALL_MODELS c / observed).
 * recall (M + 1); O(N M). */
typedef struct fr_recall {
    double prompts, hit_rate;
} fr_recall;

void fr_metric_recall(fr_recall *recall, const int32_t *chosen, const float *quality, int64_t N, int64_t M);

/* ---- calibration of estimates ----
 *
 * Bins of equal width over low .. high; what lies outside counts in the end bins. Counts and sums, so that parts add up
 * to the whole. ECE = sum_b n_b / n |mean estimate_b - mean quality_b|; NaN when empty. */
enum { FR_CALIBRATION_BINS = 10 };

typedef struct fr_calibration {
    double low, high;
    struct {
        int64_t entries;
        double estimate, quality; /* sums */
    } bin[FR_CALIBRATION_BINS];
} fr_calibration;

void fr_calibration_add(fr_calibration *calibration, double estimate, double quality); /* ignores NaN */
void fr_calibration_merge(fr_calibration *into, const fr_calibration *other);          /* of equal bins */
double fr_metric_ece(const fr_calibration *calibration);

/* ---- a classifier of tasks ----
 *
 * Counts over prompts with a task said and a true one, -1: Others. tasks, f1: the tasks that occur on either side, and
 * the sum of their F1 = 2 TP / (2 TP + FP + FN). Parts add up to the whole (tasks of different parts are different
 * ones). */
typedef struct fr_label_counts {
    int64_t prompts, right, assigned, members, right_members; /* assigned: a task is said; members: a task is true */
    int64_t tasks;
    double f1;
} fr_label_counts;

/* said, truth (n) in -1 .. T - 1. */
void fr_label_counts_add(fr_label_counts *counts, const int32_t *said, const int32_t *truth, int64_t n, int64_t T);
void fr_label_counts_merge(fr_label_counts *into, const fr_label_counts *other);

typedef struct fr_classifier_metrics {
    double micro_f1;                /* 2 TP / (2 TP + FP + FN), summed over tasks; Others is none */
    double macro_f1;                /* mean F1 of tasks */
    double accuracy;                /* Others being a label like any */
    double accuracy_without_others; /* over prompts whose truth is a task */
    double coverage;                /* share of prompts with a task said */
} fr_classifier_metrics;

fr_classifier_metrics fr_metric_classifier(const fr_label_counts *counts);

/* ---- tasks ----
 *
 * Variance of quality within tasks and between them, mean over models; of model m over its n observed prompts with a
 * task, n_t of them and mean mu_t in task t:
 *   within = sum_t sum_i (q_i - mu_t)^2 / n     between = sum_t n_t (mu_t - mu)^2 / n     (their sum is the variance)
 * task (N), -1 left out; quality (N, M). O(N M). */
typedef struct fr_task_variance {
    double within, between;
} fr_task_variance;

fr_task_variance fr_metric_task_variance(const float *quality, const int32_t *task, int64_t N, int64_t M, int64_t T);

#ifdef __cplusplus
}
#endif
#endif
