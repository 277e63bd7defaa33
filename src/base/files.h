/* files.h - paths, and files that are either old or new but never half written. */
#ifndef FR_BASE_FILES_H
#define FR_BASE_FILES_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool fr_file_exists(const char *path);
bool fr_is_folder(const char *path);
FR_NODISCARD fr_status fr_make_folders(const char *path); /* mkdir -p; error names the part that failed */

/* Whole file into memory (malloc'd, NUL added). limit: most bytes accepted, 0 = no limit. */
FR_NODISCARD fr_status fr_file_read(char **data, size_t *bytes, const char *path, size_t limit);

/* Atomic replacement in three steps:
 *   fr_replace_begin(&temporary, path)   a name beside path, e.g. "runs/a/.metrics.json.tmp-node7-4711"; checks the folder
 * can be written
 *   ... write that file and close it ...
 *   fr_replace_end(temporary, path)      fsync file, rename, fsync folder; frees temporary
 * or fr_replace_cancel(temporary)        unlink and free. */
FR_NODISCARD fr_status fr_replace_begin(char **temporary, const char *path);
FR_NODISCARD fr_status fr_replace_end(char *temporary, const char *path);
void fr_replace_cancel(char *temporary);

/* The three together for a text or block in memory. "No space left on device" comes back as an error that names path
 * and size. */
FR_NODISCARD fr_status fr_file_write(const char *path, const void *data, size_t bytes);

/* Makes `to` the same content as `from`: a hard link where possible, else a copy; replaces `to` atomically. */
FR_NODISCARD fr_status fr_file_link(const char *from, const char *to);

char *fr_path_join(const char *folder, const char *name); /* malloc'd; name alone if it is absolute */
char *fr_path_folder(const char *path);                   /* malloc'd; "." if there is no slash */
const char *fr_path_base(const char *path);               /* points into path */
char *fr_path_stem(const char *path);                     /* base without its last extension, malloc'd */

#endif
