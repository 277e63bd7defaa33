#include "edge_weights.h"

#include <math.h>

/* Differences below this are rounding of f32: RBO that is equal in truth must not fall below tau, nor be stretched to
 * the whole of [0, 1]. */
static const float rounding = 1e-6f;

static float least_rbo(double tau)
{
    return (float)tau - rounding;
}

static void widen(float *low, float *high, float x)
{
    *low = x < *low ? x : *low;
    *high = x > *high ? x : *high;
}

fr_edge_spans fr_edge_spans_of(const fr_graph *graph, double tau)
{
    fr_edge_spans s = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    float least = least_rbo(tau);
    for (int64_t e = 0; e < graph->E; e++) {
        if (graph->rbo[e] < least)
            continue;
        widen(&s.cosine_low, &s.cosine_high, graph->cosine[e]);
        widen(&s.rbo_low, &s.rbo_high, graph->rbo[e]);
    }
    return s;
}

void fr_edge_spans_join(fr_edge_spans *spans, const fr_edge_spans *other)
{
    spans->cosine_low = fminf(spans->cosine_low, other->cosine_low);
    spans->cosine_high = fmaxf(spans->cosine_high, other->cosine_high);
    spans->rbo_low = fminf(spans->rbo_low, other->rbo_low);
    spans->rbo_high = fmaxf(spans->rbo_high, other->rbo_high);
}

static float normalised(float x, float low, float high)
{
    return high - low < rounding ? 1 : (x - low) / (high - low);
}

/*   x_n = (x - min x) / (max x - min x) over the edges with RBO >= tau, 1 where the range is zero
 *   weight = sqrt(cos_n rbo_n), or one of the two alone; 0 for the edges below tau */
void fr_edges_weigh(fr_graph *graph, const fr_edge_spans *s, double tau, int weight)
{
    float least = least_rbo(tau);
    for (int64_t e = 0; e < graph->E; e++) {
        float c = normalised(graph->cosine[e], s->cosine_low, s->cosine_high),
              r = normalised(graph->rbo[e], s->rbo_low, s->rbo_high),
              w = weight == FR_WEIGHT_COSINE ? c
                  : weight == FR_WEIGHT_RBO  ? r
                                             : sqrtf(c * r);
        graph->weight[e] = graph->rbo[e] < least ? 0 : w;
    }
}
