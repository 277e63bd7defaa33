#include "wordpiece.h"

#include "unicode.h"

#include <stdlib.h>
#include <string.h>

fr_tokenizer *fr_tokenizer_create(void)
{
    fr_tokenizer *tokenizer = FR_NEW(fr_tokenizer, 1);
    tokenizer->unk = tokenizer->cls = tokenizer->sep = -1;
    tokenizer->max_word_chars = 100;
    tokenizer->accents = -1;
    tokenizer->normal.clean_text = tokenizer->normal.handle_chinese_chars = tokenizer->normal.lowercase = true;
    return tokenizer;
}

void fr_added_append(fr_tokenizer *tokenizer, fr_added added)
{
    fr_added_set *set = added.normalized ? &tokenizer->normalized : &tokenizer->raw;
    set->added = fr_realloc(set->added, (size_t)(set->count + 1) * sizeof *set->added);
    set->added[set->count++] = added;
}

static int compare_added(const void *a, const void *b)
{
    const fr_added *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void finish_added(fr_tokenizer *tokenizer, fr_added_set *set)
{
    int firsts = 0;
    for (int64_t i = 0; i < set->count; i++) {
        fr_added *added = &set->added[i];
        added->pattern = added->content;
        added->bytes = strlen(added->content);
        if (added->normalized) {
            fr_buffer text = {0};
            fr_normalize(&text, &tokenizer->normal, added->content, added->bytes);
            added->pattern = fr_strings_add(&tokenizer->strings, text.data, text.bytes);
            added->bytes = text.bytes;
            fr_buffer_close(&text);
        }
        firsts += !set->first[(unsigned char)added->pattern[0]];
        set->first[(unsigned char)added->pattern[0]] = true;
        set->only = (unsigned char)added->pattern[0];
    }
    if (firsts != 1)
        set->only = -1;
    if (set->count)
        qsort(set->added, (size_t)set->count, sizeof *set->added, compare_added);
}

static void finish_trie(fr_tokenizer *tokenizer)
{
    fr_trie_key *key = FR_NEW(fr_trie_key, tokenizer->words);
    int64_t keys = 0;
    for (int64_t id = 0; id < tokenizer->words; id++) {
        const char *piece = tokenizer->piece[id];
        bool more = strncmp(piece, "##", 2) == 0 && piece[2];
        size_t bytes = strlen(piece + 2 * more);
        if (bytes && bytes <= 4 * FR_MOST_WORD_CHARS) /* a longer one matches no word */
            key[keys++] = (fr_trie_key){.root = more ? FR_TRIE_CONTINUE : FR_TRIE_START,
                                        .id = (int32_t)id,
                                        .key = (const unsigned char *)piece + 2 * more,
                                        .bytes = bytes};
    }
    fr_trie_build(&tokenizer->trie, key, keys);
    free(key);
}

static void hash_set(fr_hash *hash, const fr_added_set *set)
{
    for (int64_t i = 0; i < set->count; i++) {
        const fr_added *added = &set->added[i];
        int32_t fields[4] = {added->id, added->lstrip, added->rstrip, added->normalized};
        fr_hash_add_text(hash, added->content);
        fr_hash_add(hash, fields, sizeof fields);
    }
}

static void finish_hash(fr_tokenizer *tokenizer)
{
    const fr_normalizer *normal = &tokenizer->normal;
    int64_t fields[] = {tokenizer->size,
                        tokenizer->words,
                        tokenizer->unk,
                        tokenizer->cls,
                        tokenizer->sep,
                        normal->clean_text,
                        normal->handle_chinese_chars,
                        normal->strip_accents,
                        normal->lowercase,
                        tokenizer->max_word_chars};
    fr_hash *hash = fr_hash_create();
    fr_hash_add_text(hash, "wordpiece 1");
    fr_hash_add(hash, fields, sizeof fields);
    for (int64_t id = 0; id < tokenizer->size; id++)
        fr_hash_add_text(hash, tokenizer->piece[id]);
    hash_set(hash, &tokenizer->raw);
    hash_set(hash, &tokenizer->normalized);
    fr_hash_end(hash, tokenizer->hash);
}

void fr_tokenizer_finish(fr_tokenizer *tokenizer)
{
    fr_unicode_open();
    tokenizer->normal.strip_accents = tokenizer->accents < 0 ? tokenizer->normal.lowercase : tokenizer->accents;
    fr_normalizer_fill(&tokenizer->normal);
    fr_normalizer_fill(&tokenizer->plain);
    finish_added(tokenizer, &tokenizer->raw);
    finish_added(tokenizer, &tokenizer->normalized);
    finish_trie(tokenizer);
    finish_hash(tokenizer);
}

void fr_tokenizer_close(fr_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    free(tokenizer->piece);
    free(tokenizer->raw.added);
    free(tokenizer->normalized.added);
    fr_trie_close(&tokenizer->trie);
    fr_strings_close(&tokenizer->strings);
    free(tokenizer);
}

int64_t fr_tokenizer_size(const fr_tokenizer *tokenizer)
{
    return tokenizer->size;
}

const char *fr_tokenizer_piece(const fr_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && id < tokenizer->size ? tokenizer->piece[id] : NULL;
}

int32_t fr_tokenizer_find(const fr_tokenizer *tokenizer, const char *piece)
{
    for (int64_t id = tokenizer->size - 1; id >= 0; id--)
        if (strcmp(tokenizer->piece[id], piece) == 0)
            return (int32_t)id;
    return -1;
}

const char *fr_tokenizer_hash(const fr_tokenizer *tokenizer)
{
    return tokenizer->hash;
}

/* Texts are shared out in blocks; each block collects its ids by itself, then all are laid one after another. */
enum { BLOCK = 32 };

typedef struct block {
    int32_t *ids;
    int64_t count, truncated;
} block;

static block encode_block(int64_t *length, const fr_tokenizer *tokenizer, const char *const *text, int64_t count,
                          int64_t max_tokens)
{
    block b = {0};
    int64_t capacity = 0;
    for (int64_t i = 0; i < count; i++) {
        size_t bytes = strlen(text[i]);
        /* A byte gives at most 4 ids (expansion.code), so a short text needs less room than max_tokens. */
        int64_t most = (int64_t)bytes * 4 + 2 < max_tokens ? (int64_t)bytes * 4 + 2 : max_tokens;
        if (b.count + most > capacity) {
            capacity = (b.count + most) * 2;
            b.ids = fr_realloc(b.ids, (size_t)capacity * sizeof *b.ids);
        }
        bool cut;
        length[i] = fr_tokenizer_encode(tokenizer, text[i], bytes, most, b.ids + b.count, &cut);
        b.count += length[i];
        b.truncated += cut;
    }
    return b;
}

void fr_tokenize(fr_tokens *tokens, const fr_tokenizer *tokenizer, const char *const *text, int64_t count,
                 int64_t max_tokens)
{
    int64_t blocks = (count + BLOCK - 1) / BLOCK;
    block *b = FR_NEW(block, blocks);
    *tokens = (fr_tokens){.count = count, .offset = FR_NEW(int64_t, count + 1)};
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < blocks; i++) {
        int64_t first = i * BLOCK, rows = count - first < BLOCK ? count - first : BLOCK;
        b[i] = encode_block(tokens->offset + 1 + first, tokenizer, text + first, rows, max_tokens);
    }
    for (int64_t i = 0; i < count; i++)
        tokens->offset[i + 1] += tokens->offset[i];
    tokens->ids = FR_NEW(int32_t, tokens->offset[count]);
    for (int64_t i = 0; i < blocks; i++) {
        memcpy(tokens->ids + tokens->offset[i * BLOCK], b[i].ids, (size_t)b[i].count * sizeof *tokens->ids);
        tokens->truncated += b[i].truncated;
        free(b[i].ids);
    }
    free(b);
}

void fr_tokens_close(fr_tokens *tokens)
{
    free(tokens->offset);
    free(tokens->ids);
    *tokens = (fr_tokens){0};
}
