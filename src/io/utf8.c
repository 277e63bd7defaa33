#include "utf8.h"

#include <string.h>

/* Bytes of the character at s (of which `left` remain), 0 if it is invalid. */
static size_t character(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    /* overlong three and four byte forms, surrogates, above U+10FFFF */
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
        (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return length;
}

int64_t fr_utf8_invalid(const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t at = 0;
    while (at < bytes) {
        uint64_t eight;
        while (at + 8 <= bytes && (memcpy(&eight, s + at, 8), (eight & 0x8080808080808080u) == 0))
            at += 8;
        if (at >= bytes)
            break;
        size_t length = character(s + at, bytes - at);
        if (!length)
            return (int64_t)at;
        at += length;
    }
    return -1;
}

size_t fr_utf8_write(char out[4], uint64_t point)
{
    static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        return 0;
    size_t bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = bytes; i-- > 1; point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)(lead[bytes] | point);
    return bytes;
}

int64_t fr_utf8_length(const char *text)
{
    int64_t length = 0;
    for (; *text; text++)
        length += (*text & 0xC0) != 0x80;
    return length;
}

bool fr_utf8_blank(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    while (*s) {
        if (*s == ' ' || (*s >= '\t' && *s <= '\r'))
            s++;
        else if (s[0] == 0xC2 && (s[1] == 0xA0 || s[1] == 0x85)) /* U+00A0, U+0085 */
            s += 2;
        else if ((s[0] == 0xE2 && s[1] == 0x80 && ((s[2] >= 0x80 && s[2] <= 0x8B) || s[2] == 0xA8 || s[2] == 0xA9)) ||
                 (s[0] == 0xE3 && s[1] == 0x80 && s[2] == 0x80) || (s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF))
            s += 3; /* U+2000 .. U+200B, U+2028, U+2029, U+3000, U+FEFF */
        else
            return false;
    }
    return true;
}

const char *fr_utf8_excerpt(char out[FR_EXCERPT], const char *text)
{
    size_t bytes = strlen(text), at = 0, used = 0;
    while (at < bytes) {
        const unsigned char *s = (const unsigned char *)text + at;
        size_t length = character(s, bytes - at);
        if (used + (length ? length : 1) > FR_EXCERPT - 4) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (length == 0 || *s < 0x20 || *s == 0x7F) {
            out[used++] = '?';
            at++;
            continue;
        }
        memcpy(out + used, s, length);
        used += length;
        at += length;
    }
    out[used] = 0;
    return out;
}
