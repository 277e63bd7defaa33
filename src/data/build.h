/* build.h - putting a data set together: for import, the file reader and synthetic data. */
#ifndef FR_DATA_BUILD_H
#define FR_DATA_BUILD_H

#include "base/memory.h"
#include "finerouter/dataset.h"

/* Zeroes *data and allocates everything of sizes N and M: texts NULL, sources 0, splits train, prices, quality and cost
 * NaN, planted NULL. What is allocated is freed by fr_dataset_close, at any point of the building. */
void fr_dataset_allocate(fr_dataset *data, int64_t N, int64_t M);

/* The pool that texts and names of the data set belong to: fr_strings_add(fr_dataset_strings(data), text, bytes). Made
 * on first use. */
fr_strings *fr_dataset_strings(fr_dataset *data);

/* Sets source, source_name and sources from one name a prompt (N); names are numbered by first appearance and must
 * belong to the pool. */
void fr_dataset_set_sources(fr_dataset *data, const char *const *name);

/* Numbers the prompts' texts: group (N) gets equal numbers for texts equal byte for byte, counted up by first
 * appearance; returns how many. */
int64_t fr_dataset_text_groups(int64_t *group, const fr_dataset *data);

#endif
