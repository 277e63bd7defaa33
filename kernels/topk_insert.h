/* topk_insert.h - one candidate into a sorted top-k: value descending, equal values by smaller index, unfilled entries
 * (-infinity, -1) last. */
#ifndef FR_KERNELS_TOPK_INSERT_H
#define FR_KERNELS_TOPK_INSERT_H

#include <stdbool.h>
#include <stdint.h>

/* Better: higher score; equal: smaller index; an unfilled entry loses to everything. */
static inline bool topk_better(float score, int32_t candidate, float value, int32_t index)
{
    return index < 0 || score > value || (score == value && candidate < index);
}

static inline void topk_insert(float *value, int32_t *index, int64_t k, float score, int32_t candidate)
{
    if (!topk_better(score, candidate, value[k - 1], index[k - 1]))
        return;
    int64_t at = k - 1;
    for (; at > 0 && topk_better(score, candidate, value[at - 1], index[at - 1]); at--) {
        value[at] = value[at - 1];
        index[at] = index[at - 1];
    }
    value[at] = score;
    index[at] = candidate;
}

/* The best of two lists of one query; a candidate that is in both, with the same score, comes once. */
static inline void topk_unite(float *value, int32_t *index, const float *other_value, const int32_t *other_index,
                              int64_t k)
{
    for (int64_t i = 0; i < k && other_index[i] >= 0; i++) {
        float score = other_value[i];
        int32_t candidate = other_index[i];
        if (!topk_better(score, candidate, value[k - 1], index[k - 1]))
            return;
        int64_t at = k - 1;
        while (at > 0 && topk_better(score, candidate, value[at - 1], index[at - 1]))
            at--;
        if (at > 0 && index[at - 1] == candidate)
            continue;
        for (int64_t j = k - 1; j > at; j--) {
            value[j] = value[j - 1];
            index[j] = index[j - 1];
        }
        value[at] = score;
        index[at] = candidate;
    }
}

#endif
