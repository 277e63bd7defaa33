/* json.h - JSON of result files: numbers that may be NaN, texts that may be no UTF-8, atomic writing. */
#ifndef FR_EVAL_JSON_H
#define FR_EVAL_JSON_H

#include "base/memory.h"
#include "finerouter/status.h"

#include <jansson.h>

json_t *fr_json_number(double value);                           /* NaN and infinities: null */
json_t *fr_json_text(const char *text);                         /* invalid bytes become U+FFFD; NULL: null */
const char *fr_json_name(const char *text, fr_buffer *scratch); /* the same for a key; belongs to scratch */

/* object[name] = value, whatever bytes the name has; takes the value over. */
void fr_json_set(json_t *object, const char *name, json_t *value);

/* Writes a document atomically and releases it, in every case. */
FR_NODISCARD fr_status fr_json_write(const char *path, json_t *root);

/* Adds text with every invalid byte replaced by U+FFFD. */
void fr_utf8_clean(fr_buffer *out, const char *text);

/* Adds a JSON string with its quotes. */
void fr_json_quote(fr_buffer *out, const char *text);

/* Adds a number of 6 digits; NaN and infinities: null. */
void fr_json_short(fr_buffer *out, double value);

#endif
