/* wordpiece.h - inside of fr_tokenizer, shared by the files that open, build, save and run it. */
#ifndef FR_TEXT_WORDPIECE_H
#define FR_TEXT_WORDPIECE_H

#include "base/hash.h"
#include "base/memory.h"
#include "finerouter/tokenizer.h"
#include "trie.h"

enum {
    FR_MOST_PIECES = 1 << 24,  /* of a vocabulary read from a file */
    FR_MOST_WORD_CHARS = 1000, /* for max_input_chars_per_word */
    FR_SIMPLE_CODES = 0x3400,  /* code points with a table entry of their own */
};

/* What becomes of a code point: kind << 24 | code. */
enum { FR_KIND_WORD, FR_KIND_ALONE, FR_KIND_SPACE, FR_KIND_NOTHING, FR_KIND_COMPLEX };

/* BERT's normalizer and pre-tokenizer in one. With all four switches off only the pre-tokenizer is left. */
typedef struct fr_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
    uint32_t simple[FR_SIMPLE_CODES];
} fr_normalizer;

/* A piece that is found in the text before words are made. */
typedef struct fr_added {
    const char *content; /* as in the file */
    const char *pattern; /* what is searched for: content, normalized if `normalized` */
    size_t bytes;        /* of pattern */
    int32_t id;
    bool lstrip, rstrip, normalized, special;
} fr_added;

typedef struct fr_added_set {
    fr_added *added; /* longest pattern first */
    int64_t count;
    bool first[256]; /* first bytes of the patterns */
    int only;        /* the first byte, where there is but one; else -1 */
} fr_added_set;

struct fr_tokenizer {
    int64_t size, words; /* pieces; the first `words` of them make words, the rest are found as added pieces only */
    const char **piece;  /* (size) valid UTF-8 without line breaks */
    int32_t unk, cls, sep;
    int64_t max_word_chars;
    int accents; /* strip_accents as given: -1 follows lowercase, 0, 1 */
    fr_normalizer normal, plain;
    fr_added_set raw, normalized; /* searched in the text, and in the normalized text */
    fr_trie trie;
    fr_strings strings;
    char hash[FR_HASH_CHARS];
};

/* Settings of BERT uncased, no pieces. */
fr_tokenizer *fr_tokenizer_create(void);

/* Once pieces, special ids, settings and added pieces (with content and flags) are set: tables, trie, hash. */
void fr_tokenizer_finish(fr_tokenizer *tokenizer);

void fr_normalizer_fill(fr_normalizer *normalizer);

/* Text as the normalizer leaves it, added to `out`. */
void fr_normalize(fr_buffer *out, const fr_normalizer *normalizer, const char *text, size_t bytes);

/* The id of a piece, the highest of equal ones; -1 if there is none. O(size). */
int32_t fr_tokenizer_find(const fr_tokenizer *tokenizer, const char *piece);

/* Calls `word` for every word of a text (normalized, not over max_word_chars code points), for the vocabulary's
 * builder. */
typedef void fr_word_fn(void *context, const unsigned char *word, size_t bytes);
void fr_each_word(const fr_tokenizer *tokenizer, const char *text, size_t bytes, fr_word_fn *word, void *context);

/* Adds one added piece (content, id, flags) to the set it belongs to. */
void fr_added_append(fr_tokenizer *tokenizer, fr_added added);

#endif
