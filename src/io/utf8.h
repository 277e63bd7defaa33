/* utf8.h - checks on text that comes from outside. */
#ifndef FR_IO_UTF8_H
#define FR_IO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Offset of the first byte that is not valid UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above
 * U+10FFFF), -1 if there is none. */
int64_t fr_utf8_invalid(const char *text, size_t bytes);

/* Writes a character; returns its bytes, 0 for what is none (surrogates, above U+10FFFF). */
size_t fr_utf8_write(char out[4], uint64_t point);

/* Code points of a valid text. */
int64_t fr_utf8_length(const char *text);

/* Nothing but white space (ASCII, no-break and ideographic spaces, byte order mark). */
bool fr_utf8_blank(const char *text);

#define FR_EXCERPT 64

/* The beginning of a text for an error message: at most 60 bytes, cut between characters, control characters and
 * invalid bytes as '?'. */
const char *fr_utf8_excerpt(char out[FR_EXCERPT], const char *text);

#endif
