/* finerouter/discover.h - stage 1: fine-grained tasks out of embeddings and performance.
 *
 * Training prompts become a graph: k nearest neighbours by cosine, edges filtered and weighted by the rank-biased
 * overlap (RBO) of the two prompts' model preferences. Leiden finds communities, communities become the nodes of the
 * next round, the communities of the last round are the tasks. The formulas stand above the code in src/discover.
 *
 * After Zhang et al., "Scalable Prompt Routing via Fine-Grained Latent Task Discovery" (arXiv 2603.19415); RBO after
 * Webber et al. 2010 and Corsi & Urbano 2024; Leiden after Traag et al. 2019; fusion after Cormack et al. 2009.
 *
 * tasks.h5, format "finerouter-tasks", version 1:
 *
 *   /graph/<round>/nodes scalar int64          round 1: training prompts; later rounds: communities of the round before
 *   /graph/<round>/edges (E, 2) int32          round 1: prompt rows of the data file; later: communities
 *   /graph/<round>/{cosine, rbo, weight} (E) float32      every kNN edge; weight 0: dropped (tau, or weight)
 *   /membership (rounds, N) int32              community of each prompt after each round, -1 none; last row: the task
 *   /tasks/name (T) string
 *   /tasks/name_embedding (T, d) float32       of names that an LLM wrote; else not there
 *   /tasks/size (T) int64
 *   /tasks/centre (T, d) float32               unit rows
 *   /tasks/nearest (T, 3) int64                prompt rows nearest the centre, -1 where the task has fewer
 *   /tasks/fused_order (T, M) int32            models, best first
 *   /tasks/candidates (T, M) uint8             0 or 1
 *   /tasks/coverage (T) float32
 *   /tasks/{cohesion_inside, cohesion_outside} (T) float32   mean weight of edges inside, leaving; NaN: there are none
 *   /tasks/{mean, median} (T, M) float32       of quality over the community, NaN unobserved
 *   /tasks/vote (N) int32                      task of every prompt, see fr_tasks
 *   /stage1 (T + 1, M) float32                 last row Others
 *   /stage1_task (N) int32                     task for which a training prompt counts in /stage1, -1: Others; all
 *                                              other prompts -1. stage1.members: its community, or what a
 *                                              classifier says that was trained without it
 *   attributes: resolution (NaN: discover.method is not leiden), modularity, N, M, T, d, rounds
 */
#ifndef FINEROUTER_DISCOVER_H
#define FINEROUTER_DISCOVER_H

#include "finerouter/config.h"
#include "finerouter/dataset.h"
#include "finerouter/status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fr_device;

typedef struct fr_graph {
    int64_t nodes, E;
    int32_t *edges;               /* (E, 2) smaller end first, sorted, no duplicates */
    float *cosine, *rbo, *weight; /* (E) weight 0: the edge is dropped */
} fr_graph;

typedef struct fr_tasks {
    int64_t N, M, T, d,
        rounds; /* rounds that were run, at most discover.rounds: merging ends earlier when nothing merges */
    double resolution;
    double modularity; /* Newman's (resolution 1) of the last Leiden, so that partitions at any resolution compare */
    fr_graph *graph;   /* (rounds); ends of round 1 are prompt rows, of later rounds communities of the round before */
    int32_t *membership; /* (rounds, N); the last row holds tasks, -1 Others; rows outside the training split are -1 */
    int32_t *vote;       /* (N) training prompts: their task; others: cosine-weighted vote of their discover.k nearest
                          * training prompts, in which Others stand for Others (-1) */
    char **name;         /* (T) one line */
    int64_t *size;       /* (T) prompts, descending */
    float *centre;       /* (T, d) coordinate-wise median of the members' embeddings, unit length */
    int64_t *nearest;    /* (T, 3) */
    int64_t *name_row; /* (T) prompt whose description is the name: nearest[t][0]; its embedding starts the encoding */
    float *name_embedding; /* (T, d) LLM-written names, at which encodings start instead; NULL: none is LLM-written */
    int32_t *fused_order;  /* (T, M) models, best first, by reciprocal rank fusion */
    uint8_t *candidates;   /* (T, M) */
    float *coverage;       /* (T) reached share */
    float *cohesion_inside, *cohesion_outside; /* (T) */
    float *mean, *median;                      /* (T, M) */
    float *stage1; /* (T + 1, M); NaN nowhere: a model unobserved in a task takes its training mean */
    int32_t *stage1_task; /* (N) task for which a training prompt counts in stage1, else -1; NULL: not computed yet */
} fr_tasks;

void fr_tasks_close(fr_tasks *tasks); /* accepts an all-zero struct */
FR_NODISCARD fr_status fr_tasks_write(const fr_tasks *tasks, const char *path);
FR_NODISCARD fr_status fr_tasks_read(fr_tasks *tasks, const char *path);

/* The graph of round 1, computed once and partitioned at any resolution. embedding (N, d): unit rows of the text that
 * discover.text names, for all prompts; only training rows enter the graph. data, embedding, config and device must
 * outlive the result. Shows progress; FR_INTERRUPTED when asked to stop. O(N^2 d) for the exact neighbours. */
typedef struct fr_discovery fr_discovery;
FR_NODISCARD fr_status fr_discovery_create(fr_discovery **discovery, const fr_dataset *data, const float *embedding,
                                           int64_t d, const fr_config *config, struct fr_device *device);
void fr_discovery_close(fr_discovery *discovery); /* accepts NULL */

/* Leiden and recursion at one resolution; fills everything but candidates, coverage and stage1, which are there and
 * zero. Tasks are numbered by size, largest first. T is 0 when nothing reaches discover.min_task_size. Deterministic in
 * top.seed and resolution, whatever was partitioned before. Not to be called from several threads: igraph is not
 * thread-safe. */
FR_NODISCARD fr_status fr_discovery_partition(fr_discovery *discovery, double resolution, fr_tasks *tasks);

/* The same out of labels (N) of the training prompts, 0 or more, -1 none; others are not read. One round, its graph the
 * discovery's, no resolution (NaN). */
void fr_discovery_label(fr_discovery *discovery, const int32_t *label, fr_tasks *tasks);

/* Such labels (discover.method source and kmeans): the prompts' sources; k-means into discover.clusters of the
 * embeddings (N, d) of training prompts. */
void fr_source_labels(int32_t *label, const fr_dataset *data);
FR_NODISCARD fr_status fr_kmeans_labels(int32_t *label, const fr_dataset *data, const float *embedding, int64_t d,
                                        const fr_config *config);

/* Candidate sets: in fused order until the share of members whose most preferred model (any of the tied best) lies in
 * the set exceeds coverage, or all models are in. */
void fr_tasks_candidates(fr_tasks *tasks, const fr_dataset *data, double coverage);

/* Stage-1 scores (T + 1, M). assignment (N): task of each prompt, -1 Others; only training rows are read. aggregate:
 * FR_MEDIAN | FR_MEAN. With n observed scores of the model in the task, a = shrinkage and g the model's training mean
 *
 *     mean:   (sum q + a g) / (n + a)          median:   n / (n + a) median + a / (n + a) g          n = 0:   g */
void fr_tasks_stage1(float *stage1, const fr_dataset *data, const int32_t *assignment, int64_t T, int aggregate,
                     double shrinkage);

/* Adjusted Rand index (Hubert & Arabie 1985) and normalised mutual information (arithmetic mean of the entropies) of
 * two labelings over the rows where both are >= 0; NaN when there are fewer than two such rows. Two labelings of one
 * group each agree: 1. Either pointer may be NULL. O(n log n). */
void fr_partition_agreement(double *ari, double *nmi, const int32_t *a, const int32_t *b, int64_t n);

/* Preference lists (discover.ties): 1-based first and last rank of the tie group of each model, 0 unobserved. top,
 * bottom (N, M). What breaks ties (mean cost, mean quality) is taken from training rows alone. */
void fr_preference_ranks(int16_t *top, int16_t *bottom, const fr_dataset *data, const fr_config *config);

/* Rank-biased overlap of two such lists, by definition (kernels/rbo.c has the fast one). variant: FR_RBO_A | FR_RBO_B.
 * Models missing in either list are left out of both; 0 when they share none. */
double fr_rbo(const int16_t *top_a, const int16_t *bottom_a, const int16_t *top_b, const int16_t *bottom_b, int64_t M,
              double p, int variant);

/* A task as text for people (Markdown, malloc'd): id, name, size, the three nearest prompts, benchmark mix, fused
 * ranking, candidates with coverage, median and mean quality per model, cohesion. */
char *fr_task_card(const fr_tasks *tasks, const fr_dataset *data, int64_t t);

#ifdef __cplusplus
}
#endif
#endif
