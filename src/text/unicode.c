#include "unicode.h"

#include "unicode_tables.h"

#include <threads.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof(table)[0]))

enum { CODES = 0x110000, HANGUL = 0xAC00, HANGUL_END = 0xD7A4 };

static uint16_t flags[CODES];
static once_flag opened = ONCE_FLAG_INIT;

static void mark_range(int32_t first, int32_t last, int32_t step, unsigned flag)
{
    for (int32_t code = first; code <= last; code += step)
        flags[code] |= (uint16_t)flag;
}

static void mark_ranges_of(const code_range *range, int count, unsigned flag)
{
    for (int i = 0; i < count; i++)
        mark_range(range[i].first, range[i].last, 1, flag);
}

static void fill_flags(void)
{
    mark_ranges_of(control_ranges, COUNT(control_ranges), FR_CHAR_CONTROL);
    mark_ranges_of(space_ranges, COUNT(space_ranges), FR_CHAR_SPACE);
    mark_ranges_of(punctuation_ranges, COUNT(punctuation_ranges), FR_CHAR_PUNCTUATION);
    mark_ranges_of(cjk_ranges, COUNT(cjk_ranges), FR_CHAR_CJK);
    mark_ranges_of(mark_ranges, COUNT(mark_ranges), FR_CHAR_MARK);
    mark_ranges_of(barrier_ranges, COUNT(barrier_ranges), FR_CHAR_BARRIER);
    mark_range(HANGUL, HANGUL_END - 1, 1, FR_CHAR_PARTS);
    for (int i = 0; i < COUNT(strip_pairs); i++)
        flags[strip_pairs[i].from] |= FR_CHAR_PARTS;
    for (int i = 0; i < COUNT(strip_parts); i++)
        flags[strip_parts[i].from] |= FR_CHAR_PARTS;
    for (int i = 0; i < COUNT(class_ranges); i++)
        mark_range(class_ranges[i].first, class_ranges[i].last, 1, FR_CHAR_ORDERED);
    for (int i = 0; i < COUNT(lower_ranges); i++)
        mark_range(lower_ranges[i].first, lower_ranges[i].last, lower_ranges[i].step, FR_CHAR_UPPER);
    flags[0x130] |= FR_CHAR_UPPER;
}

void fr_unicode_open(void)
{
    call_once(&opened, fill_flags);
}

unsigned fr_char_flags(int32_t code)
{
    return flags[code];
}

static int strip_hangul(int32_t out[3], int32_t code)
{
    int32_t syllable = code - HANGUL, tail = syllable % 28; /* (lead x 21 + vowel) x 28 + tail */
    out[0] = 0x1100 + syllable / (21 * 28);
    out[1] = 0x1161 + syllable % (21 * 28) / 28;
    out[2] = 0x11A7 + tail;
    return tail ? 3 : 2;
}

int fr_char_strip(int32_t out[3], int32_t code)
{
    if (flags[code] & FR_CHAR_MARK)
        return 0;
    out[0] = code;
    if (!(flags[code] & FR_CHAR_PARTS))
        return 1;
    if (code >= HANGUL && code < HANGUL_END)
        return strip_hangul(out, code);
    int low = 0, high = COUNT(strip_pairs) - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        if (strip_pairs[middle].from == code) {
            out[0] = strip_pairs[middle].to;
            return 1;
        }
        if (strip_pairs[middle].from < code)
            low = middle + 1;
        else
            high = middle - 1;
    }
    int count = 0;
    for (int i = 0; i < COUNT(strip_parts); i++)
        if (strip_parts[i].from == code)
            for (; count < 3 && strip_parts[i].to[count]; count++)
                out[count] = strip_parts[i].to[count];
    return count;
}

int fr_char_lower(int32_t out[2], int32_t code)
{
    out[0] = code;
    if (!(flags[code] & FR_CHAR_UPPER))
        return 1;
    if (code == 0x130) { /* the only one whose lower case is two code points */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    int low = 0, high = COUNT(lower_ranges) - 1;
    while (low < high) { /* the last range that starts at or before code: ranges do not overlap */
        int middle = (low + high + 1) / 2;
        if (lower_ranges[middle].first <= code)
            low = middle;
        else
            high = middle - 1;
    }
    out[0] = code + lower_ranges[low].difference;
    return 1;
}

int fr_char_class(int32_t code)
{
    if (flags[code] & FR_CHAR_ORDERED)
        for (int i = 0; i < COUNT(class_ranges); i++)
            if (code >= class_ranges[i].first && code <= class_ranges[i].last)
                return class_ranges[i].order;
    return 0;
}

int32_t fr_utf8_next(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *p = *at;
    unsigned lead = *p++;
    *at = p;
    if (lead < 0x80)
        return (int32_t)lead;
    if (lead < 0xC2 || lead > 0xF4)
        return 0xFFFD;
    int more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    /* The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF. */
    unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    int32_t code = (int32_t)(lead & (0x3Fu >> more));
    for (int i = 0; i < more; i++, least = 0x80, most = 0xBF) {
        if (p == end || *p < least || *p > most) {
            *at = p;
            return 0xFFFD;
        }
        code = code << 6 | (int32_t)(*p++ & 0x3F);
    }
    *at = p;
    return code;
}

int fr_utf8_put(unsigned char *to, int32_t code)
{
    if (code < 0x80) {
        to[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (unsigned char)(0xC0 | code >> 6);
        to[1] = (unsigned char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (unsigned char)(0xE0 | code >> 12);
        to[1] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
        to[2] = (unsigned char)(0x80 | (code & 0x3F));
        return 3;
    }
    to[0] = (unsigned char)(0xF0 | code >> 18);
    to[1] = (unsigned char)(0x80 | (code >> 12 & 0x3F));
    to[2] = (unsigned char)(0x80 | (code >> 6 & 0x3F));
    to[3] = (unsigned char)(0x80 | (code & 0x3F));
    return 4;
}

bool fr_utf8_valid(const char *text, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    while (at < end) {
        const unsigned char *start = at;
        if (fr_utf8_next(&at, end) == 0xFFFD && !(at - start == 3 && start[0] == 0xEF && start[1] == 0xBF))
            return false;
    }
    return true;
}
