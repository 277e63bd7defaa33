/* tables.h - the kernel tables of this build by name. */
#ifndef FR_DEVICE_TABLES_H
#define FR_DEVICE_TABLES_H

#include "kernels.h"
#include "knn_screened.h"
#include "rbo_way.h"

/* isa: "ref" (f64), "base", "avx2", "avx512"; NULL if this build or this processor does not have it. gemm is the
 * table's own plain one. */
const fr_kernels *fr_kernels_isa(const char *isa);

/* The screened nearest neighbours for the instruction set of this table; NULL: it has none. */
fr_knn_screened *fr_knn_screened_for(const fr_kernels *table);

/* Rank-biased overlap in parts for the instruction set of this table; NULL: there is one way only. */
const fr_rbo_parts *fr_rbo_parts_for(const fr_kernels *table);

/* onednn.c: oneDNN's GEMM with the plain one of `small` for small sizes. isa: as above, the most that oneDNN may use;
 * NULL = all. */
void fr_onednn_install(fr_kernels *table, const fr_kernels *small, const char *isa);
const char *fr_onednn_version(void);

#endif
