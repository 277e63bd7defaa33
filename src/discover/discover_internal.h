/* discover_internal.h - what the files of src/discover share. */
#ifndef FR_DISCOVER_INTERNAL_H
#define FR_DISCOVER_INTERNAL_H

#include "finerouter/discover.h"

#include "base/memory.h"

/* ---- order.c: groups, medians ---- */

/* Members of each group, ascending. Items with label -1 are in none. */
typedef struct fr_groups {
    int64_t count;
    int64_t *start;  /* (count + 1) */
    int64_t *member; /* (start[count]) */
} fr_groups;

fr_groups fr_groups_create(const int32_t *label, int64_t n, int64_t count);
void fr_groups_close(fr_groups *groups);

/* Renumbers labels in place by first appearance; negative ones stay. Returns how many there are. Labels < bound. */
int64_t fr_labels_compact(int32_t *label, int64_t n, int64_t bound);

/* Median (mean of the middle two for even n); reorders value. No NaN; n = 0 gives NaN. O(n). */
float fr_median(float *value, int64_t n);

/* The unit vector of the coordinate-wise median of rows of embedding (., d). */
void fr_centre(float *centre, const float *embedding, const int64_t *rows, int64_t count, int64_t d);

/* ---- preference.c ---- */

/* Reciprocal rank fusion of the lists of some rows. mrr (M): 0 for a model that no row ranks. */
void fr_fuse(double *mrr, const int16_t *top, const int16_t *bottom, const int64_t *rows, int64_t count, int64_t M,
             double c);

/* Ranks by descending score; exactly equal scores tie; unranked where score is NaN (fr_preference_ranks) or, with
 * zero_is_missing, 0. before (M) breaks ties: smaller first, NULL keeps them. */
void fr_rank_scores(int16_t *top, int16_t *bottom, const double *score, const int32_t *before, int64_t M,
                    bool zero_is_missing);

/* What breaks ties (discover.ties), where rows come in parts: sums over the training rows so far, in their order. */
typedef struct fr_tie_breaks {
    double *sum;    /* (M) of cost, or of quality */
    int64_t *count; /* (M) */
} fr_tie_breaks;

fr_tie_breaks fr_tie_breaks_create(int64_t M);
void fr_tie_breaks_add(fr_tie_breaks *breaks, const fr_dataset *data, const fr_config *config);
void fr_tie_breaks_close(fr_tie_breaks *breaks);

/* fr_preference_ranks of some rows, by the tie breaks of all; of data, M, N and quality are read. */
void fr_preference_ranks_by(int16_t *top, int16_t *bottom, const fr_dataset *data, const fr_tie_breaks *breaks,
                            const fr_config *config);

/* ---- graph.c ---- */

/* kNN graph of n nodes, RBO, filter, weight. embedding (n, d) unit rows, top and bottom (n, M). what: title of the
 * progress line, NULL for none. */
FR_NODISCARD fr_status fr_graph_build(fr_graph *graph, const float *embedding, const int16_t *top,
                                      const int16_t *bottom, int64_t n, int64_t d, int64_t M, const fr_config *config,
                                      struct fr_device *device, const char *what);
fr_graph fr_graph_copy(const fr_graph *graph);
void fr_graph_close(fr_graph *graph);

/* Exact neighbours with a progress line; FR_INTERRUPTED when asked to stop. As fr_knn of ops.h. */
FR_NODISCARD fr_status fr_neighbours(int32_t *index, float *similarity, const float *queries, const float *corpus,
                                     int64_t nq, int64_t nc, int64_t d, int64_t k, const int32_t *skip,
                                     struct fr_device *device, const char *what);

/* ---- leiden.c ---- */

/* Communities of the edges of positive weight, numbered by first appearance; -1 for a node without one. Every community
 * is connected. */
FR_NODISCARD fr_status fr_leiden(int32_t *membership, int64_t *communities, const fr_graph *graph, int objective,
                                 double resolution, int64_t iterations, uint64_t seed);

/* Q = 1/(2m) sum_ij (w_ij - s_i s_j / (2m)) [same community], s the strengths; nodes of community -1 have none. NaN
 * without edges. */
double fr_modularity(const fr_graph *graph, const int32_t *membership);

/* ---- describe.c ---- */

/* What describes the tasks of the last row of membership: size, centre, nearest, name, fused order, cohesion, quality.
 * T, d, graph and membership are there; top and bottom (N, M) are the preference lists. */
void fr_tasks_describe(fr_tasks *tasks, const fr_dataset *data, const float *embedding, const int16_t *top,
                       const int16_t *bottom, double mrr_c);

/* ---- cards.c ---- */

/* One line: white space and control characters become one space; longer texts are cut between characters. */
void fr_add_line(fr_buffer *buffer, const char *text, size_t limit);

#endif
