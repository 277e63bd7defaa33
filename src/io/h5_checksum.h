/* h5_checksum.h - the user block of our HDF5 files: a line of text with a checksum of everything behind it.
 *
 * HDF5 1.10 trusts some sizes in a file (those of its global heap), so damage must be found before it looks. */
#ifndef FR_IO_H5_CHECKSUM_H
#define FR_IO_H5_CHECKSUM_H

#include "finerouter/status.h"

#include <stdbool.h>

enum { FR_H5_USER_BLOCK = 512 }; /* bytes in front of the HDF5 data that HDF5 leaves to its user */

/* Fills in the user block of a closed file; `name` stands for it in errors. */
FR_NODISCARD fr_status fr_h5_checksum_write(const char *path, const char *name);

/* FR_OK for a file whose checksum is right, and for one that carries none (*carried false), as those of other programs.
 */
FR_NODISCARD fr_status fr_h5_checksum_verify(bool *carried, int fd, const char *path);

#endif
