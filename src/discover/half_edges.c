#include "half_edges.h"

#include "base/memory.h"

#include <stdlib.h>

static int by_other(const void *a, const void *b)
{
    const fr_half_edge *x = a, *y = b;
    return x->other != y->other ? (x->other > y->other) - (x->other < y->other) : x->backward - y->backward;
}

void fr_half_edges_join(fr_graph *graph, fr_half_edge *half, const int64_t *start, int64_t at, int64_t count)
{
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++)
        qsort(half + start[i], (size_t)(start[i + 1] - start[i]), sizeof *half, by_other);
    for (int64_t i = 0; i < count; i++)
        for (int64_t x = start[i]; x < start[i + 1]; x++)
            graph->E += x == start[i] || half[x].other != half[x - 1].other;
    graph->edges = FR_NEW(int32_t, 2 * graph->E);
    graph->cosine = FR_NEW(float, graph->E);
    int64_t e = 0;
    for (int64_t i = 0; i < count; i++)
        for (int64_t x = start[i]; x < start[i + 1]; x++) {
            if (x > start[i] && half[x].other == half[x - 1].other)
                continue;
            graph->edges[2 * e] = (int32_t)(at + i);
            graph->edges[2 * e + 1] = half[x].other;
            graph->cosine[e++] = half[x].cosine;
        }
}
