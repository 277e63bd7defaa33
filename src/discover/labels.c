/* Tasks that are no communities, to compare with (discover.method). */
#include "discover_internal.h"
#include "kmeans.h"

#include <stdlib.h>
#include <string.h>

enum { RESTARTS = 10, ITERATIONS = 100 };

void fr_source_labels(int32_t *label, const fr_dataset *data)
{
    for (int64_t i = 0; i < data->N; i++)
        label[i] = data->split[i] == FR_SPLIT_TRAIN ? data->source[i] : -1;
}

fr_status fr_kmeans_labels(int32_t *label, const fr_dataset *data, const float *embedding, int64_t d,
                           const fr_config *config)
{
    int64_t *row, n = fr_split_rows(&row, data, FR_SPLIT_TRAIN), k = config->discover.clusters;
    k = k < n ? k : n;
    float *training = FR_NEW(float, n *d), *centre = FR_NEW(float, k *d);
    int32_t *member = FR_NEW(int32_t, n);
    for (int64_t i = 0; i < n; i++)
        memcpy(training + i * d, embedding + row[i] * d, (size_t)d * sizeof *training);
    fr_status status =
        fr_kmeans(member, centre, NULL, training, n, d, k, RESTARTS, ITERATIONS, (uint64_t)config->top.seed);
    for (int64_t i = 0; i < data->N; i++)
        label[i] = -1;
    for (int64_t i = 0; i < n && status == FR_OK; i++)
        label[row[i]] = member[i];
    free(row);
    free(training);
    free(centre);
    free(member);
    return status;
}
