#include "names.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_text(const char *text)
{
    uint64_t h = 0xCBF29CE484222325u;
    size_t bytes = strlen(text), at = 0;
    for (; at + 8 <= bytes; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; at < bytes; at++)
        h = (h ^ (unsigned char)text[at]) * 0x100000001B3u;
    h ^= h >> 32;
    return h * 0xD6E8FEB86659FD93u;
}

/* The slot that holds the text, or the empty one where it would go. */
static int64_t find_slot(const fr_names *names, const char *text, uint64_t hash)
{
    uint64_t mask = (uint64_t)names->slots - 1, at = hash >> 20 & mask;
    for (;; at = (at + 1) & mask) {
        int64_t n = names->slot[at] - 1;
        if (n < 0 || (names->hash[n] == hash && strcmp(names->text[n], text) == 0))
            return (int64_t)at;
    }
}

int64_t fr_names_find(const fr_names *names, const char *text)
{
    return names->slots ? names->slot[find_slot(names, text, hash_text(text))] - 1 : -1;
}

static void grow(fr_names *names)
{
    free(names->slot);
    names->slots = names->slots ? 2 * names->slots : 64;
    names->slot = FR_NEW(int64_t, names->slots);
    for (int64_t i = 0; i < names->count; i++)
        names->slot[find_slot(names, names->text[i], names->hash[i])] = i + 1;
}

int64_t fr_names_add(fr_names *names, const char *text)
{
    if (2 * (names->count + 1) > names->slots)
        grow(names);
    uint64_t hash = hash_text(text);
    int64_t *slot = &names->slot[find_slot(names, text, hash)];
    if (*slot)
        return *slot - 1;
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? 2 * names->capacity : 32;
        names->text = fr_realloc(names->text, (size_t)names->capacity * sizeof *names->text);
        names->hash = fr_realloc(names->hash, (size_t)names->capacity * sizeof *names->hash);
    }
    names->text[names->count] = text;
    names->hash[names->count] = hash;
    *slot = ++names->count;
    return names->count - 1;
}

/* Levenshtein distance in half steps: a changed letter case costs 1, anything else 2. */
static int64_t distance(const char *a, const char *b)
{
    int64_t m = (int64_t)strlen(b);
    int64_t *row = FR_NEW(int64_t, m + 1);
    for (int64_t j = 0; j <= m; j++)
        row[j] = 2 * j;
    for (int64_t i = 1; a[i - 1]; i++) {
        int64_t diagonal = row[0];
        row[0] = 2 * i;
        for (int64_t j = 1; j <= m; j++) {
            int x = (unsigned char)a[i - 1], y = (unsigned char)b[j - 1];
            int64_t best = diagonal + (x == y ? 0 : tolower(x) == tolower(y) ? 1 : 2);
            if (row[j] + 2 < best)
                best = row[j] + 2;
            if (row[j - 1] + 2 < best)
                best = row[j - 1] + 2;
            diagonal = row[j];
            row[j] = best;
        }
    }
    int64_t result = row[m];
    free(row);
    return result;
}

const char *fr_names_nearest(const fr_names *names, const char *text)
{
    const char *best = NULL;
    int64_t least = INT64_MAX;
    for (int64_t i = 0; i < names->count; i++) {
        int64_t d = distance(text, names->text[i]);
        if (d < least) {
            least = d;
            best = names->text[i];
        }
    }
    return best;
}

void fr_names_close(fr_names *names)
{
    free(names->text);
    free(names->hash);
    free(names->slot);
    *names = (fr_names){0};
}
