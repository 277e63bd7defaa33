#include "check.h"
#include "ops.h"

void fr_rbo_edges(fr_device *device, float *rbo, const int32_t *edges, const int16_t *top, const int16_t *bottom,
                  int64_t E, int64_t M, double p, bool corrected)
{
    FR_CHECK(E >= 0 && M > 0 && p > 0 && p < 1, "E %ld, M %ld, p %g", (long)E, (long)M, p);
    int64_t n = 0; /* lists that the edges name */
    for (int64_t i = 0; i < 2 * E; i++) {
        FR_CHECK(edges[i] >= 0, "edges[%ld] is %d", (long)i, edges[i]);
        n = edges[i] >= n ? edges[i] + 1 : n;
    }
    size_t list_bytes = (size_t)(n * M) * sizeof(int16_t), bytes = (size_t)E * sizeof(float);
    const int32_t *e = fr_operand_begin(device, edges, 2 * (size_t)E * sizeof(int32_t));
    const int16_t *t = fr_operand_begin(device, top, list_bytes), *b = fr_operand_begin(device, bottom, list_bytes);
    float *out = fr_result_begin(device, rbo, bytes);
    device->kernels->rbo(device->queue, out, e, t, b, E, M, p, corrected);
    fr_result_end(device, rbo, out, bytes);
    fr_operand_end(device, edges, e);
    fr_operand_end(device, top, t);
    fr_operand_end(device, bottom, b);
}
