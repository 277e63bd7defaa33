/* names.h - a set of distinct texts numbered in order of first appearance. */
#ifndef FR_DATA_NAMES_H
#define FR_DATA_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise; close with fr_names_close. The texts belong to the caller and must outlive the set. */
typedef struct fr_names {
    int64_t count, capacity; /* texts; their room */
    const char **text;       /* (count) */
    uint64_t *hash;          /* (count) */
    int64_t slots, *slot;    /* open addressing; number + 1, 0 empty */
} fr_names;

/* Number of a text, -1 if it is not in the set. */
int64_t fr_names_find(const fr_names *names, const char *text);

/* Number of a text, which is added where it is new; the pointer is kept. */
int64_t fr_names_add(fr_names *names, const char *text);

/* The text of smallest edit distance (bytes; case counts half); NULL for an empty set. */
const char *fr_names_nearest(const fr_names *names, const char *text);

void fr_names_close(fr_names *names);

#endif
