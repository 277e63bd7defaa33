/* html.h - building a page out of texts that nobody trusts. */
#ifndef FR_REPORT_HTML_H
#define FR_REPORT_HTML_H

#include "base/memory.h"

#include <stdint.h>

/* Adds text for element content or a quoted attribute: & < > " ' become entities, control characters spaces, invalid
 * UTF-8 U+FFFD. */
void fr_html_text(fr_buffer *out, const char *text);

/* Adds "printf format" markup in which every %s is escaped as above; only %s, %d (int64_t) and %%. */
void fr_html_add(fr_buffer *out, const char *format, ...);

/* Adds a table cell with a number, or a dash for NaN. format: for one double. */
void fr_html_number(fr_buffer *out, const char *format, double value);

/* Adds an entry of a list of facts, a dash for NaN. format: for one double. */
void fr_html_fact(fr_buffer *out, const char *name, const char *format, double value);

#endif
