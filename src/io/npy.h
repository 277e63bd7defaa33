/* npy.h - numpy's array files: .npy, and .npz, which is a ZIP of them.
 *
 * Numbers (float16/32/64, integers of 8 to 64 bits, bool) and texts (str, bytes) of either byte order, in C or Fortran
 * order. Arrays of Python objects hold pickled code and are refused. Header and size are checked against each other
 * before memory is taken. */
#ifndef FR_IO_NPY_H
#define FR_IO_NPY_H

#include "base/memory.h"
#include "finerouter/status.h"
#include "zip.h"

#include <stdbool.h>
#include <stdint.h>

enum { FR_NPY_RANKS = 8 };

typedef struct fr_npy {
    char *name; /* "file.npz: scores", for errors */
    int rank;
    int64_t shape[FR_NPY_RANKS], count; /* of elements */
    char kind;                          /* f, i, u, b, U (str), S (bytes) */
    int64_t bytes;                      /* of an element */
    bool fortran, swapped;
    char *data; /* elements as in the file */
} fr_npy;

/* An array of a .npz by its name (without .npy). */
bool fr_npz_has(const fr_zip *npz, const char *name);
FR_NODISCARD fr_status fr_npz_read(fr_npy *array, fr_zip *npz, const char *name);

/* From memory, as in a .npy file; `name` stands for it in errors. The header of an array alone: `bytes` is what is
 * there, `total` what the whole file has; data stays NULL and *header is where it would begin. */
FR_NODISCARD fr_status fr_npy_header(fr_npy *array, const char *name, const char *text, size_t bytes, uint64_t total,
                                     size_t *header);
void fr_npy_close(fr_npy *array); /* accepts an all-zero struct */

bool fr_npy_is_text(const fr_npy *array);

/* Element by its index in C order. A number (texts: NaN); a text as UTF-8, appended to out with trailing NULs left off.
 */
double fr_npy_number(const fr_npy *array, int64_t index);
FR_NODISCARD fr_status fr_npy_text(const fr_npy *array, int64_t index, fr_buffer *out);

#endif
