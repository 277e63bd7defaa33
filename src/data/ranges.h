/* ranges.h - a data file by ranges: what the graph of its training prompts needs, without the texts and without ever
 * holding all of it. */
#ifndef FR_DATA_RANGES_H
#define FR_DATA_RANGES_H

#include "base/hash.h"
#include "finerouter/dataset.h"

typedef struct fr_ranges {
    struct fr_h5 *file;
    int64_t N, M, d;
    int64_t training; /* training prompts */
    char hash[FR_HASH_CHARS];
    char *key;       /* of the stored embeddings that are read */
    char *embedding; /* their dataset */
} fr_ranges;

/* text: FR_TEXT_DESCRIPTION or FR_TEXT_PROMPT. key: which of the stored embeddings (dataset.h), or how it begins; NULL
 * where there is one only. verified: another rank has opened the file already (fr_h5_open_verified). Errors: no
 * embeddings stored, several and no key, none of this key, shapes that do not fit. */
FR_NODISCARD fr_status fr_ranges_open(fr_ranges *ranges, const char *path, int text, const char *key, bool verified);
void fr_ranges_close(fr_ranges *ranges); /* accepts an all-zero struct */

/* row (count): where the training prompts first .. first+count-1 stand in the file, ascending. */
FR_NODISCARD fr_status fr_ranges_training(const fr_ranges *ranges, int64_t *row, int64_t first, int64_t count);

/* These rows (count), ascending, of a matrix. */
FR_NODISCARD fr_status fr_ranges_embedding(const fr_ranges *ranges, float *out, const int64_t *row, int64_t count);
FR_NODISCARD fr_status fr_ranges_quality(const fr_ranges *ranges, float *out, const int64_t *row, int64_t count);
FR_NODISCARD fr_status fr_ranges_cost(const fr_ranges *ranges, float *out, const int64_t *row, int64_t count);

#endif
