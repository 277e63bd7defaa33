#include "trie.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Slots that hold no node are linked in a ring through slot 0, so that a place for a set of children is searched among
 * free slots only. */
typedef struct builder {
    fr_trie_node *node;
    int32_t *next, *previous;
    int64_t count, capacity; /* slots in use or in the ring, slots there is memory for */
    const fr_trie_key *key;
} builder;

enum {
    FIRST_FREE = 256 + 3,
    TRIES = 64
}; /* a base is then at least 3 under any label, and slots 0 to 2 stay out of reach */

static int compare_keys(const void *a, const void *b)
{
    const fr_trie_key *x = a, *y = b;
    if (x->root != y->root)
        return x->root < y->root ? -1 : 1;
    size_t common = x->bytes < y->bytes ? x->bytes : y->bytes;
    int order = memcmp(x->key, y->key, common);
    if (order)
        return order;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void grow(builder *b, int64_t count)
{
    if (count > b->capacity) {
        b->capacity = count * 2;
        b->node = fr_realloc(b->node, (size_t)b->capacity * sizeof *b->node);
        b->next = fr_realloc(b->next, (size_t)b->capacity * sizeof *b->next);
        b->previous = fr_realloc(b->previous, (size_t)b->capacity * sizeof *b->previous);
    }
    for (int64_t i = b->count; i < count; i++) {
        b->node[i] = (fr_trie_node){.base = 0, .check = -1, .id = -1};
        if (i < FIRST_FREE) {
            b->next[i] = b->previous[i] = 0;
            continue;
        }
        int32_t last = b->previous[0];
        b->next[last] = (int32_t)i;
        b->previous[i] = last;
        b->next[i] = 0;
        b->previous[0] = (int32_t)i;
    }
    b->count = count > b->count ? count : b->count;
}

static void take(builder *b, int64_t slot, int32_t parent)
{
    b->next[b->previous[slot]] = b->next[slot];
    b->previous[b->next[slot]] = b->previous[slot];
    b->node[slot].check = parent;
}

/* A base under which all labels fall on free slots; looks at a bounded number of free slots, then opens new ones behind
 * the end. */
static int32_t find_base(builder *b, const unsigned char *label, int labels)
{
    int tries = 0;
    for (int32_t slot = b->next[0]; slot && tries < TRIES; slot = b->next[slot], tries++) {
        int64_t base = (int64_t)slot - label[0];
        grow(b, base + 256);
        int fits = 1;
        for (int i = 1; i < labels && fits; i++)
            fits = b->node[base + label[i]].check == -1;
        if (fits)
            return (int32_t)base;
    }
    int64_t base = b->count;
    grow(b, base + 256);
    return (int32_t)base;
}

/* Places the children of `node`, whose keys are first .. last-1 and share their first `depth` bytes. Depth is bounded
 * by the longest key. */
static void place(builder *b, int32_t node, int64_t first, int64_t last, size_t depth)
{
    while (first < last && b->key[first].bytes == depth)
        b->node[node].id = b->key[first++].id;
    if (first == last)
        return; /* base 0 leads to slots 0 to 255, none of which has this node as its parent */
    unsigned char label[256] = {b->key[first].key[depth]};
    int labels = 1;
    for (int64_t i = first + 1; i < last; i++)
        if (label[labels - 1] != b->key[i].key[depth])
            label[labels++] = b->key[i].key[depth];
    int32_t base = find_base(b, label, labels);
    b->node[node].base = base;
    for (int i = 0; i < labels; i++)
        take(b, base + label[i], node);
    for (int i = 0; i < labels; i++) {
        int64_t end = first;
        while (end < last && b->key[end].key[depth] == label[i])
            end++;
        place(b, base + label[i], first, end, depth + 1);
        first = end;
    }
}

void fr_trie_build(fr_trie *trie, fr_trie_key *key, int64_t count)
{
    qsort(key, (size_t)count, sizeof *key, compare_keys);
    builder b = {.key = key};
    grow(&b, 1024);
    int64_t middle = 0;
    while (middle < count && key[middle].root == FR_TRIE_START)
        middle++;
    place(&b, FR_TRIE_START, 0, middle, 0);
    place(&b, FR_TRIE_CONTINUE, middle, count, 0);
    free(b.next);
    free(b.previous);
    trie->node = b.node;
    trie->count = b.count;
}

void fr_trie_close(fr_trie *trie)
{
    free(trie->node);
    *trie = (fr_trie){0};
}
