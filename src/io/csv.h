/* csv.h - records of a CSV file after RFC 4180: fields separated by commas, quoted by double quotes where they hold
 * commas, quotes (doubled) or line ends. Plain or gzip. */
#ifndef FR_IO_CSV_H
#define FR_IO_CSV_H

#include "finerouter/status.h"

#include <stdint.h>

typedef struct fr_csv fr_csv;

FR_NODISCARD fr_status fr_csv_open(fr_csv **csv, const char *path);

/* The next record; *fields is NULL at the end of the file. Fields are valid UTF-8 without NUL, and live until the next
 * call. Empty lines are skipped. Errors are "path:line: ...". */
FR_NODISCARD fr_status fr_csv_next(fr_csv *csv, const char ***fields, int64_t *count);

int64_t fr_csv_line(const fr_csv *csv); /* where the record returned last begins, from 1 */
void fr_csv_close(fr_csv *csv);         /* accepts NULL */

#endif
