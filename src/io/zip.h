/* zip.h - members of a ZIP file, stored or deflated (no encryption, no splitting; ZIP64 is read).
 *
 * A reader trusts nothing: the directory is checked against the file's length when it is opened, a member that claims
 * to hold more than deflate can pack into its bytes is refused, and sizes and checksums must come out right. */
#ifndef FR_IO_ZIP_H
#define FR_IO_ZIP_H

#include "finerouter/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct fr_zip fr_zip;

FR_NODISCARD fr_status fr_zip_open(fr_zip **zip, const char *path);
void fr_zip_close(fr_zip *zip); /* accepts NULL */
const char *fr_zip_path(const fr_zip *zip);

int64_t fr_zip_count(const fr_zip *zip);
const char *fr_zip_name(const fr_zip *zip, int64_t member);
size_t fr_zip_size(const fr_zip *zip, int64_t member);    /* unpacked bytes, as the directory says */
int64_t fr_zip_find(const fr_zip *zip, const char *name); /* -1 where there is none */

/* The first `bytes` of a member, at most its size, into out; *got of them. The whole member with its checksum compared
 * where bytes is its size. */
FR_NODISCARD fr_status fr_zip_read(fr_zip *zip, int64_t member, void *out, size_t bytes, size_t *got);

#endif
