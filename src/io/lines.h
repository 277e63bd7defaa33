/* lines.h - the lines of a text file, plain or gzip, of any length.
 *
 * Nothing is lost quietly: a gzip stream that stops early, a wrong checksum and bytes behind the stream are errors. */
#ifndef FR_IO_LINES_H
#define FR_IO_LINES_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fr_lines fr_lines;

/* gzip is told by its magic bytes; a name that ends in .gz must be gzip. A UTF-8 byte order mark is skipped. */
FR_NODISCARD fr_status fr_lines_open(fr_lines **lines, const char *path);

/* The next line without its "\n" (a "\r" before it stays), NUL-terminated, valid until the next call. *text is NULL at
 * the end of the file. A last line without "\n" counts. Lines above 1 GiB are an error. */
FR_NODISCARD fr_status fr_lines_next(fr_lines *lines, char **text, size_t *bytes);

int64_t fr_lines_number(const fr_lines *lines); /* of the line returned last, from 1 */
const char *fr_lines_path(const fr_lines *lines);

/* An error at a byte of a line: FR_FAILED "path:line: invalid UTF-8 at byte 17" or "... NUL character ..."; FR_OK for
 * clean text. */
FR_NODISCARD fr_status fr_lines_check(const fr_lines *lines, const char *text, size_t bytes);

void fr_lines_close(fr_lines *lines); /* accepts NULL */

#endif
