#include "wordpiece.h"

#include "unicode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct counted {
    const char *text;
    size_t bytes;
    int64_t count;
    uint64_t hash;
} counted;

/* Words and how often they occur: open addressing, capacity a power of two. */
typedef struct word_table {
    counted *slot;
    int64_t used, capacity;
    fr_strings strings;
} word_table;

/* FNV-1a */
static uint64_t hash_word(const unsigned char *word, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ word[i]) * 0x100000001b3u;
    return hash;
}

static counted *find_slot(counted *slot, int64_t capacity, uint64_t hash, const void *word, size_t bytes)
{
    uint64_t at = hash & (uint64_t)(capacity - 1);
    while (slot[at].text &&
           !(slot[at].hash == hash && slot[at].bytes == bytes && memcmp(slot[at].text, word, bytes) == 0))
        at = (at + 1) & (uint64_t)(capacity - 1);
    return &slot[at];
}

static void table_grow(word_table *table)
{
    int64_t capacity = table->capacity ? table->capacity * 2 : 1 << 14;
    counted *slot = FR_NEW(counted, capacity);
    for (int64_t i = 0; i < table->capacity; i++)
        if (table->slot[i].text)
            *find_slot(slot, capacity, table->slot[i].hash, table->slot[i].text, table->slot[i].bytes) = table->slot[i];
    free(table->slot);
    table->slot = slot;
    table->capacity = capacity;
}

static void count_word(void *context, const unsigned char *word, size_t bytes)
{
    word_table *table = context;
    if (table->used * 2 >= table->capacity)
        table_grow(table);
    uint64_t hash = hash_word(word, bytes);
    counted *slot = find_slot(table->slot, table->capacity, hash, word, bytes);
    if (!slot->text) {
        *slot =
            (counted){.text = fr_strings_add(&table->strings, (const char *)word, bytes), .bytes = bytes, .hash = hash};
        table->used++;
    }
    slot->count++;
}

/* Most frequent first, then by bytes (for UTF-8 the order of code points). */
static int compare_counted(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* Characters of the words with their frequency. */
static void count_characters(word_table *characters, const word_table *words)
{
    for (int64_t i = 0; i < words->capacity; i++) {
        if (!words->slot[i].text)
            continue;
        const unsigned char *at = (const unsigned char *)words->slot[i].text, *end = at + words->slot[i].bytes;
        while (at < end) {
            const unsigned char *start = at;
            fr_utf8_next(&at, end);
            size_t bytes = (size_t)(at - start);
            count_word(characters, start, bytes);
            find_slot(characters->slot, characters->capacity, hash_word(start, bytes), start, bytes)->count +=
                words->slot[i].count - 1;
        }
    }
}

static void table_sort(word_table *table)
{
    int64_t used = 0;
    for (int64_t i = 0; i < table->capacity; i++)
        if (table->slot[i].text)
            table->slot[used++] = table->slot[i];
    if (used)
        qsort(table->slot, (size_t)used, sizeof *table->slot, compare_counted);
}

static void table_close(word_table *table)
{
    free(table->slot);
    fr_strings_close(&table->strings);
}

static void add_piece(fr_tokenizer *tokenizer, int64_t size, const char *prefix, const char *text)
{
    if (tokenizer->size == size)
        return;
    char piece[4 * FR_MOST_WORD_CHARS + 4];
    int bytes = snprintf(piece, sizeof piece, "%s%s", prefix, text);
    tokenizer->piece[tokenizer->size++] = fr_strings_add(&tokenizer->strings, piece, (size_t)bytes);
}

static bool stands_alone(const char *character, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)character;
    return fr_char_flags(fr_utf8_next(&at, at + bytes)) & (FR_CHAR_PUNCTUATION | FR_CHAR_CJK);
}

static void add_specials(fr_tokenizer *tokenizer, int64_t size)
{
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    for (int32_t id = 0; id < 5; id++) {
        add_piece(tokenizer, size, "", special[id]);
        fr_added_append(tokenizer, (fr_added){.content = tokenizer->piece[id], .id = id, .special = true});
    }
    tokenizer->unk = 1;
    tokenizer->cls = 2;
    tokenizer->sep = 3;
}

fr_status fr_tokenizer_build(fr_tokenizer **tokenizer, const char *const *text, int64_t count, int64_t size)
{
    *tokenizer = NULL;
    if (size < 6 || size > FR_MOST_PIECES)
        return fr_fail(FR_FAILED, "vocabulary size is %lld, want 6 to %d", (long long)size, FR_MOST_PIECES);
    /* An empty tokenizer cuts the texts into words. */
    fr_tokenizer *splitter = fr_tokenizer_create();
    fr_tokenizer_finish(splitter);
    word_table words = {0}, characters = {0};
    for (int64_t i = 0; i < count; i++)
        fr_each_word(splitter, text[i], strlen(text[i]), count_word, &words);
    fr_tokenizer_close(splitter);
    count_characters(&characters, &words);
    table_sort(&words);
    table_sort(&characters);

    fr_tokenizer *built = fr_tokenizer_create();
    built->piece = FR_NEW(const char *, size);
    add_specials(built, size);
    for (int64_t i = 0; i < characters.used; i++) {
        const counted *character = &characters.slot[i];
        add_piece(built, size, "", character->text);
        if (!stands_alone(character->text, character->bytes)) /* never continues a word */
            add_piece(built, size, "##", character->text);
    }
    for (int64_t i = 0; i < words.used; i++) {
        const unsigned char *at = (const unsigned char *)words.slot[i].text, *end = at + words.slot[i].bytes;
        fr_utf8_next(&at, end);
        if (at < end) /* two characters or more */
            add_piece(built, size, "", words.slot[i].text);
    }
    built->words = built->size;
    table_close(&words);
    table_close(&characters);
    fr_tokenizer_finish(built);
    *tokenizer = built;
    return FR_OK;
}
