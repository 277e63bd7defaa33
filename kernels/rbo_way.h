/* rbo_way.h - the ways in which rbo.c compares lists. Which one it takes depends on all lists of a graph together, and
 * each rounds in its own manner: a graph that is weighed in parts looks at all its lists first, then takes one way for
 * every part, and gets the bits of the whole. */
#ifndef FR_KERNELS_RBO_WAY_H
#define FR_KERNELS_RBO_WAY_H

#include "kernels.h"

typedef enum fr_rbo_way {
    FR_RBO_UNTIED,     /* complete lists without ties */
    FR_RBO_TWO,        /* two grades at most, and edges enough for a table */
    FR_RBO_VECTORS,    /* any lists: a vector for each distinct one */
    FR_RBO_DEFINITION, /* more distinct ones than there is memory for */
    FR_RBO_WAYS        /* VECTORS or DEFINITION, by the number of distinct lists */
} fr_rbo_way;

/* How many lists are not of a kind; adds up over parts. */
typedef struct fr_rbo_look {
    int64_t tied;       /* with a tie, or a model missing */
    int64_t incomplete; /* with a model missing */
    int64_t graded;     /* of more than two grades */
} fr_rbo_look;

/* These exist for f32. top, bottom (n,M). */
typedef struct fr_rbo_parts {
    void (*look)(fr_rbo_look *look, const int16_t *top, const int16_t *bottom, int64_t n, int64_t M); /* adds */
    fr_rbo_way (*way)(const fr_rbo_look *look, int64_t E, int64_t M);
    int64_t (*most_vectors)(int64_t M); /* distinct lists, up to which VECTORS is taken */
    void (*hash)(uint64_t *hash, const int16_t *top, int64_t n, int64_t M); /* (n) of each list */
    int64_t (*table)(const fr_rbo_look *look, int64_t M);                   /* entries that TWO fills in every call */
    void (*compare)(fr_rbo_way way, float *rbo, const int32_t *edges, const int16_t *top, int64_t E, int64_t nodes,
                    int64_t M, double p, bool corrected);
} fr_rbo_parts;
extern const fr_rbo_parts fr_rbo_parts_f32, fr_rbo_parts_f32_v3, fr_rbo_parts_f32_v4;

#endif
