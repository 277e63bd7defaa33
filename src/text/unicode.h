/* unicode.h - UTF-8, and what BERT's text normalisation asks of single code points.
 *
 * The tables (unicode_tables.h) are those of Hugging Face's tokenizers, so that results do not depend on the Unicode
 * version of a system library. */
#ifndef FR_TEXT_UNICODE_H
#define FR_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FR_CHAR_CONTROL = 1,     /* control, format, private use, U+0000 and U+FFFD: dropped by clean_text */
    FR_CHAR_SPACE = 2,       /* ends a word */
    FR_CHAR_PUNCTUATION = 4, /* a word of its own */
    FR_CHAR_CJK = 8,         /* a word of its own where handle_chinese_chars is on */
    FR_CHAR_MARK = 16,       /* nothing is left of it when accents are stripped */
    FR_CHAR_BARRIER = 32,    /* such a mark that canonical ordering does not cross */
    FR_CHAR_PARTS = 64,      /* fr_char_strip gives something other than the character */
    FR_CHAR_ORDERED = 128,   /* fr_char_class is not 0 */
    FR_CHAR_UPPER = 256,     /* fr_char_lower gives something other than the character */
};

/* Fills the flag table; once for all threads. Call it before any of the fr_char_... functions. */
void fr_unicode_open(void);

unsigned fr_char_flags(int32_t code);

/* The code points that are left of `code` after canonical decomposition and removal of nonspacing marks; returns their
 * number, 0 to 3. */
int fr_char_strip(int32_t out[3], int32_t code);

/* Lower case without regard to neighbours (no final sigma); returns the number of code points, 1 or 2. */
int fr_char_lower(int32_t out[2], int32_t code);

/* Canonical combining class of a mark that survives stripping, else 0. */
int fr_char_class(int32_t code);

/* Reads one code point at *at < end and moves on. A maximal ill-formed sequence reads as U+FFFD (Unicode, table 3-7;
 * what Python's decode("utf-8", "replace") does). */
int32_t fr_utf8_next(const unsigned char **at, const unsigned char *end);

/* Writes 1 to 4 bytes, returns their number. */
int fr_utf8_put(unsigned char *to, int32_t code);

/* Whether all of it is well-formed. */
bool fr_utf8_valid(const char *text, size_t bytes);

#endif
