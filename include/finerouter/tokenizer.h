/* finerouter/tokenizer.h - WordPiece, equal to Hugging Face's BertTokenizerFast on any bytes.
 *
 * Same ids means: same cleaning, accents, case, CJK and punctuation (by the Unicode tables of that library, whatever
 * the system's are), same greedy longest match, same treatment of "[SEP]" and other added tokens inside a text, which
 * are taken as those tokens. */
#ifndef FINEROUTER_TOKENIZER_H
#define FINEROUTER_TOKENIZER_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fr_tokenizer fr_tokenizer;

/* From a folder with tokenizer.json (its normalizer, added tokens and vocabulary are honoured; its truncation and
 * padding are not: see max_tokens) or else vocab.txt (+ tokenizer_config.json for do_lower_case, strip_accents,
 * tokenize_chinese_chars and the names of the special tokens). Errors (FR_FAILED, one line that names the file): no
 * such file, not JSON or UTF-8, not a WordPiece / BERT tokenizer, ids that are not 0 .. size - 1, a special token
 * missing, settings it does not know (another prefix than "##", single_word). */
FR_NODISCARD fr_status fr_tokenizer_open(fr_tokenizer **tokenizer, const char *folder);

/* A vocabulary built from texts, for encoders that start fresh (lower case, accents stripped): [PAD] [UNK] [CLS] [SEP]
 * [MASK], then all characters (also as ## pieces where they can continue a word) by frequency, then the most frequent
 * words, at most `size` pieces; ties by code point. Deterministic. FR_FAILED if size is below 6 or above 2^24. */
FR_NODISCARD fr_status fr_tokenizer_build(fr_tokenizer **tokenizer, const char *const *text, int64_t count,
                                          int64_t size);

/* Writes vocab.txt, tokenizer.json and tokenizer_config.json into a folder, such that Hugging Face loads them. */
FR_NODISCARD fr_status fr_tokenizer_save(const fr_tokenizer *tokenizer, const char *folder);

void fr_tokenizer_close(fr_tokenizer *tokenizer);

int64_t fr_tokenizer_size(const fr_tokenizer *tokenizer);                  /* pieces in the vocabulary */
const char *fr_tokenizer_piece(const fr_tokenizer *tokenizer, int32_t id); /* NULL outside */
const char *fr_tokenizer_hash(const fr_tokenizer *tokenizer); /* 32 hex digits over vocabulary and settings */

/* Token ids of one text of `bytes` bytes: [CLS] pieces [SEP], cut to max_tokens (>= 2) in all. Invalid UTF-8 is read as
 * U+FFFD per maximal bad sequence. Writes at most max_tokens ids, returns their number; *cut tells whether something
 * was left off (may be NULL). It stops reading where the ids are full. Thread-safe. */
int64_t fr_tokenizer_encode(const fr_tokenizer *tokenizer, const char *text, size_t bytes, int64_t max_tokens,
                            int32_t *ids, bool *cut);

/* Packed token ids of many texts: text i is ids[offset[i] .. offset[i+1]). */
typedef struct fr_tokens {
    int64_t count;
    int64_t *offset;   /* (count + 1) */
    int32_t *ids;      /* (offset[count]) */
    int64_t truncated; /* texts that were cut */
} fr_tokens;

/* All texts, on all threads; the result does not depend on their number. */
void fr_tokenize(fr_tokens *tokens, const fr_tokenizer *tokenizer, const char *const *text, int64_t count,
                 int64_t max_tokens);
void fr_tokens_close(fr_tokens *tokens);

#endif
