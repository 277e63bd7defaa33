/* h5.h - HDF5 files behind a small face. h5.c is the only file that includes hdf5.h.
 *
 * A reader trusts nothing: existence, rank, sizes and element class are checked before a byte is read, and a dataset
 * larger than the file can hold is refused. Every error is one line: "runs/a/tasks.h5: /tasks/size: is (12) float32,
 * want (14) int64". HDF5's own error stack is silenced.
 *
 * A committed file begins with a user block of 512 bytes (which other HDF5 programs skip): one line of text with a
 * checksum of all that follows. It is verified before HDF5 opens the file. Files without it, those of other programs,
 * are read too. HDF5 is not thread-safe: call all this from one thread at a time. */
#ifndef FR_IO_H5_H
#define FR_IO_H5_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct fr_h5 fr_h5;

typedef enum fr_h5_type { FR_H5_F32, FR_H5_F64, FR_H5_I8, FR_H5_U8, FR_H5_U16, FR_H5_I32, FR_H5_I64 } fr_h5_type;

/* Creates a file under a temporary name; fr_h5_commit fsyncs and renames it to `path` and closes. fr_h5_close without
 * commit throws it away. format and version become root attributes. */
FR_NODISCARD fr_status fr_h5_create(fr_h5 **file, const char *path, const char *format, int64_t version);
FR_NODISCARD fr_status fr_h5_commit(fr_h5 *file); /* closes in every case */

/* Opens for reading; a file that is no HDF5, of another format or of a newer version is an error that says so. */
FR_NODISCARD fr_status fr_h5_open(fr_h5 **file, const char *path, const char *format, int64_t newest_version);
/* The same for a file that somebody else has just opened so and that nobody changes, another rank of this run: it is
 * not read as a whole once more to verify its checksum. */
FR_NODISCARD fr_status fr_h5_open_verified(fr_h5 **file, const char *path, const char *format, int64_t newest_version);
void fr_h5_close(fr_h5 *file); /* accepts NULL */
const char *fr_h5_path(const fr_h5 *file);
int64_t fr_h5_version(const fr_h5 *file);

/* Writing. Groups along the name are made as needed ("/graph/1/edges"). rank 0 is a scalar. Large datasets are chunked
 * and deflated (level 1). */
FR_NODISCARD fr_status fr_h5_write(fr_h5 *file, const char *name, fr_h5_type type, int rank, const int64_t *shape,
                                   const void *data);
/* In two steps, for what does not fit memory: the whole shape (rank 1 at least), then rows [first, first + count) of
 * the first dimension, in any order. Rows that are never written read as 0. */
FR_NODISCARD fr_status fr_h5_reserve(fr_h5 *file, const char *name, fr_h5_type type, int rank, const int64_t *shape);
FR_NODISCARD fr_status fr_h5_write_rows(fr_h5 *file, const char *name, fr_h5_type type, int64_t first, int64_t count,
                                        const void *data);
FR_NODISCARD fr_status fr_h5_write_texts(fr_h5 *file, const char *name, int64_t count, const char *const *text);
FR_NODISCARD fr_status fr_h5_write_text(fr_h5 *file, const char *name, const char *text);    /* scalar string */
FR_NODISCARD fr_status fr_h5_set_text(fr_h5 *file, const char *attribute, const char *text); /* root attribute */
FR_NODISCARD fr_status fr_h5_set_number(fr_h5 *file, const char *attribute, double value);   /* root attribute, f64 */
FR_NODISCARD fr_status fr_h5_set_integer(fr_h5 *file, const char *attribute, int64_t value);

/* Reading. */
bool fr_h5_has(fr_h5 *file, const char *name);
bool fr_h5_has_attribute(fr_h5 *file, const char *attribute);
FR_NODISCARD fr_status fr_h5_shape(fr_h5 *file, const char *name, int *rank, int64_t shape[8]);

/* Reads into memory of the caller, converted to `type`. The dataset must have exactly this shape. */
FR_NODISCARD fr_status fr_h5_read(fr_h5 *file, const char *name, fr_h5_type type, int rank, const int64_t *shape,
                                  void *data);

/* Reads rows [first, first + count) of the first dimension. */
FR_NODISCARD fr_status fr_h5_read_rows(fr_h5 *file, const char *name, fr_h5_type type, int64_t first, int64_t count,
                                       void *data);

/* The whole dataset into malloc'd memory; rank must match, shape is filled in; a negative or zero size is legal. */
FR_NODISCARD fr_status fr_h5_read_new(fr_h5 *file, const char *name, fr_h5_type type, int rank, int64_t *shape,
                                      void **data);

/* Strings (fixed or variable length) as malloc'd array of malloc'd texts, freed by fr_h5_texts_free. */
FR_NODISCARD fr_status fr_h5_read_texts(fr_h5 *file, const char *name, int64_t *count, char ***text);
void fr_h5_texts_free(char **text, int64_t count);
FR_NODISCARD fr_status fr_h5_read_text(fr_h5 *file, const char *name, char **text); /* scalar, malloc'd */
FR_NODISCARD fr_status fr_h5_get_text(fr_h5 *file, const char *attribute, char **text);
FR_NODISCARD fr_status fr_h5_get_number(fr_h5 *file, const char *attribute, double *value);
FR_NODISCARD fr_status fr_h5_get_integer(fr_h5 *file, const char *attribute, int64_t *value);

/* Names of the members of a group, sorted; malloc'd, freed by fr_h5_texts_free. A group that is not there has 0. */
FR_NODISCARD fr_status fr_h5_list(fr_h5 *file, const char *group, int64_t *count, char ***name);

/* Adds datasets to an existing file in place (token and embedding caches of a data file): copies the file aside, opens
 * the copy for writing; fr_h5_commit replaces the original atomically. */
FR_NODISCARD fr_status fr_h5_extend(fr_h5 **file, const char *path, const char *format, int64_t newest_version);

#endif
