/* finerouter/discover.h - stage 1: fine-grained tasks out of embeddings and performance.
 *
 * Training prompts become a graph (k nearest neighbours by cosine, edges filtered and weighted by the rank-biased overlap of their model
 * preferences), Leiden finds communities, communities become nodes of the next round. Formulas stand in the .c files of src/discover.
 *
 * tasks.h5, format 1 ("finerouter-tasks"):
 *   /graph/<round>/edges (E, 2) int32      ends; round 1: prompt rows of the data file, later rounds: community numbers of the round before
 *   /graph/<round>/{cosine, rbo, weight}   (E) float32; every kNN edge stands here; weight 0: dropped by tau or by the weight itself
 *   /membership (rounds, N) int32          community of each prompt after each round, -1 outside; the last row is the task
 *   /tasks/name (T) string; size (T) int64; centre (T, d) float32 unit rows; nearest (T, 3) int64 prompt rows nearest the centre, -1 none
 *   /tasks/{fused_order (T, M) int32, candidates (T, M) uint8 0/1, coverage (T) float32}
 *   /tasks/{cohesion_inside, cohesion_outside} (T) float32   mean weight of edges inside / leaving, NaN if none
 *   /tasks/{mean, median} (T, M) float32   of quality over the community, NaN unobserved
 *   /tasks/vote (N) int32                  task of every prompt: members by membership, other prompts (dev, test) by vote of their nearest members, -1 Others
 *   /stage1 (T + 1, M) float32             last row Others
 *   attributes: resolution, modularity (of the last Leiden), T, M */
#ifndef FINEROUTER_DISCOVER_H
#define FINEROUTER_DISCOVER_H

#include "finerouter/config.h"
#include "finerouter/dataset.h"
#include "finerouter/status.h"

#include <stdint.h>

struct fr_device;

typedef struct fr_graph {
    int64_t nodes, E;
    int32_t *edges; /* (E, 2) smaller end first, sorted, no duplicates */
    float *cosine, *rbo, *weight;
} fr_graph;

typedef struct fr_tasks {
    int64_t N, M, T, d, rounds;
    double resolution, modularity;
    fr_graph *graph;     /* (rounds); ends of round 1 are prompt rows */
    int32_t *membership; /* (rounds, N) */
    int32_t *vote;       /* (N) */
    char **name;         /* (T) */
    int64_t *size;       /* (T) */
    float *centre;       /* (T, d) */
    int64_t *nearest;    /* (T, 3) */
    int64_t *name_row;   /* (T) prompt whose description is the name: nearest[t][0]; its embedding starts the task encoding */
    int32_t *fused_order; /* (T, M) models, best first */
    uint8_t *candidates; /* (T, M) */
    float *coverage;     /* (T) reached share */
    float *cohesion_inside, *cohesion_outside; /* (T) */
    float *mean, *median; /* (T, M) */
    float *stage1;       /* (T + 1, M); NaN nowhere: a model unobserved in a task takes its training mean */
} fr_tasks;

void fr_tasks_close(fr_tasks *tasks);
FR_NODISCARD fr_status fr_tasks_write(const fr_tasks *tasks, const char *path);
FR_NODISCARD fr_status fr_tasks_read(fr_tasks *tasks, const char *path);

/* Round-1 graph, computed once and partitioned at any resolution. embedding (N, d): unit rows of the text that discover.text names, for ALL prompts; only training rows enter the graph. */
typedef struct fr_discovery fr_discovery;
FR_NODISCARD fr_status fr_discovery_create(fr_discovery **discovery, const fr_dataset *data, const float *embedding, int64_t d, const fr_config *config, struct fr_device *device);
void fr_discovery_close(fr_discovery *discovery);

/* Leiden and recursion at one resolution; fills everything but candidates, coverage and stage1 (zero). Tasks are numbered by size, largest first. T may be 0 when nothing
 * reaches min_task_size. */
FR_NODISCARD fr_status fr_discovery_partition(fr_discovery *discovery, double resolution, fr_tasks *tasks);

/* Candidate sets by discover.coverage: in fused order until the share of members whose most preferred model (any of the tied best) lies in the set exceeds coverage (or all models are in). */
void fr_tasks_candidates(fr_tasks *tasks, const fr_dataset *data, double coverage);

/* Stage-1 scores. assignment (N): task of each prompt, -1 Others; only training rows are read. aggregate FR_MEDIAN | FR_MEAN; shrinkage a:
 * mean: (sum q + a * g) / (n + a), g the training mean of the model; median: n/(n+a) * median + a/(n+a) * g. */
void fr_tasks_stage1(float *stage1, const fr_dataset *data, const int32_t *assignment, int64_t T, int aggregate, double shrinkage);

/* Adjusted Rand index and normalised mutual information (arithmetic mean) of two labelings over rows where both are >= 0; NaN when fewer than 2 such rows. */
void fr_partition_agreement(double *ari, double *nmi, const int32_t *a, const int32_t *b, int64_t n);

/* Preference lists (discover.ties): 1-based first and last rank of the tie group of each model, 0 unobserved. top, bottom (N, M). */
void fr_preference_ranks(int16_t *top, int16_t *bottom, const fr_dataset *data, const fr_config *config);

/* Rank-biased overlap of two such lists by definition (see kernels/rbo.c for the fast one). */
double fr_rbo(const int16_t *top_a, const int16_t *bottom_a, const int16_t *top_b, const int16_t *bottom_b, int64_t M, double p, int variant);

/* Task card as text for people (markdown): id, name, size, three nearest prompts, benchmark mix, fused ranking, candidates with coverage, median and mean quality per model, cohesion. */
char *fr_task_card(const fr_tasks *tasks, const fr_dataset *data, int64_t t);

#endif
