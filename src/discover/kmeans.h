/* kmeans.h - Lloyd's k-means from k-means++ starts (Arthur & Vassilvitskii 2007). */
#ifndef FR_DISCOVER_KMEANS_H
#define FR_DISCOVER_KMEANS_H

#include "finerouter/status.h"

#include <stdint.h>

/* Rows x (n, d) into k clusters: member (n) 0 .. k-1, centre (k, d) their means. The best of `restarts` runs of at most
 * `iterations` each, by the sum of squared distances, *squares (or NULL). k > n: the last k - n clusters stay empty,
 * and their centres are zero. A cluster that empties takes the row that lies farthest from its centre. Deterministic
 * for any thread count; ties go to the smaller index. Together: the ranks share the restarts and get the same bits as
 * one would. FR_INTERRUPTED when asked to stop. */
FR_NODISCARD fr_status fr_kmeans(int32_t *member, float *centre, double *squares, const float *x, int64_t n, int64_t d,
                                 int64_t k, int64_t restarts, int64_t iterations, uint64_t seed);

/* The nearest centres of each row by cosine, as fr_knn gives them: index (n, nearest) best first, -1 where there are
 * fewer clusters, similarity (n, nearest). Neither x nor centre needs unit length; zero rows have similarity 0. */
void fr_nearest_centres(int32_t *index, float *similarity, const float *x, int64_t n, const float *centre, int64_t k,
                        int64_t d, int64_t nearest);

#endif
