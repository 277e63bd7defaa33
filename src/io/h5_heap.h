/* h5_heap.h - HDF5's global heap, where variable-length strings live, checked from outside.
 *
 * HDF5 1.10 reads out of bounds when sizes or references there are wrong. Files with our checksum are known to be as
 * they were written; those of other programs are looked through before HDF5 reads strings from them. Layout: HDF5 File
 * Format Specification 3.0, III.E "Global Heap". */
#ifndef FR_IO_H5_HEAP_H
#define FR_IO_H5_HEAP_H

#include "finerouter/status.h"

#include <stdint.h>

/* Every collection of the file is whole: its objects lie within it, and it lies within the file. */
FR_NODISCARD fr_status fr_h5_heap_check(const char *path);

/* Every one of the `count` references at `offset` names an object of a collection that is at least as long as the
 * reference says. base: file offset that addresses count from. */
FR_NODISCARD fr_status fr_h5_heap_check_references(const char *path, const char *name, int64_t base, int64_t offset,
                                                   int64_t count);

#endif
