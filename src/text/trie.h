/* trie.h - a double-array trie over byte strings with two roots: pieces that start a word, and pieces that continue
 * one. */
#ifndef FR_TEXT_TRIE_H
#define FR_TEXT_TRIE_H

#include <stddef.h>
#include <stdint.h>

enum { FR_TRIE_START = 1, FR_TRIE_CONTINUE = 2 }; /* the two roots */

/* The child of node n by byte c is m = base[n] + c, if check[m] == n. */
typedef struct fr_trie_node {
    int32_t base, check, id; /* id of the key that ends here, or -1 */
} fr_trie_node;

typedef struct fr_trie {
    fr_trie_node *node;
    int64_t count; /* base + 255 lies inside for every node */
} fr_trie;

typedef struct fr_trie_key {
    int32_t root, id;
    const unsigned char *key;
    size_t bytes; /* > 0 */
} fr_trie_key;

/* Builds it; sorts the keys in place. Of two equal keys under one root the larger id wins. */
void fr_trie_build(fr_trie *trie, fr_trie_key *key, int64_t count);
void fr_trie_close(fr_trie *trie);

/* The longest key under `root` that starts at `at`: returns its length in bytes and its id, 0 if there is none. */
static inline size_t fr_trie_longest(int32_t *id, const fr_trie *trie, int32_t root, const unsigned char *at,
                                     size_t bytes)
{
    const fr_trie_node *node = trie->node;
    int32_t here = root;
    size_t longest = 0;
    for (size_t i = 0; i < bytes; i++) {
        int32_t next = node[here].base + at[i];
        if (node[next].check != here)
            break;
        here = next;
        if (node[here].id >= 0) {
            *id = node[here].id;
            longest = i + 1;
        }
    }
    return longest;
}

#endif
