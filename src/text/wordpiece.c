#include "wordpiece.h"

#include "unicode.h"

#include <string.h>

/* A text on its way to token ids. */
typedef struct pass {
    const fr_tokenizer *tokenizer;
    const fr_normalizer *normalizer;
    int32_t *ids;
    int64_t count, room;   /* ids written, ids that fit */
    bool full;             /* something did not fit */
    fr_word_fn *each_word; /* if set, words go there instead */
    void *context;
    size_t bytes, fence; /* of the word; canonical ordering stays behind byte `fence` */
    int64_t chars;       /* of the word; those beyond max_word_chars are only counted */
    unsigned char word[4 * FR_MOST_WORD_CHARS + 8];
    int32_t pieces[FR_MOST_WORD_CHARS];
} pass;

/* Not an initialiser: the arrays stay untouched. */
static void begin(pass *s, const fr_tokenizer *tokenizer, const fr_normalizer *normalizer)
{
    s->tokenizer = tokenizer;
    s->normalizer = normalizer;
    s->ids = NULL;
    s->count = s->room = s->chars = 0;
    s->full = false;
    s->each_word = NULL;
    s->context = NULL;
    s->bytes = s->fence = 0;
}

static void push(pass *s, int32_t id)
{
    if (s->count < s->room)
        s->ids[s->count++] = id;
    else
        s->full = true;
}

/* Greedy longest match from the left; a word that cannot be covered is [UNK] as a whole. */
static void match_word(pass *s, const unsigned char *word, size_t bytes, int64_t chars)
{
    const fr_tokenizer *tokenizer = s->tokenizer;
    if (s->each_word) {
        if (chars <= tokenizer->max_word_chars)
            s->each_word(s->context, word, bytes);
        return;
    }
    if (chars > tokenizer->max_word_chars) {
        push(s, tokenizer->unk);
        return;
    }
    int32_t id = tokenizer->unk;
    size_t at = fr_trie_longest(&id, &tokenizer->trie, FR_TRIE_START, word, bytes);
    if (at == bytes || at == 0) {
        push(s, id);
        return;
    }
    int64_t pieces = 0;
    s->pieces[pieces++] = id;
    while (at < bytes) {
        size_t length = fr_trie_longest(&id, &tokenizer->trie, FR_TRIE_CONTINUE, word + at, bytes - at);
        if (!length) {
            push(s, tokenizer->unk);
            return;
        }
        s->pieces[pieces++] = id;
        at += length;
    }
    for (int64_t i = 0; i < pieces; i++)
        push(s, s->pieces[i]);
}

static void end_word(pass *s)
{
    if (s->chars)
        match_word(s, s->word, s->bytes, s->chars);
    s->bytes = s->fence = 0;
    s->chars = 0;
}

static void add_to_word(pass *s, int32_t code)
{
    if (s->chars++ < s->tokenizer->max_word_chars)
        s->bytes += (size_t)fr_utf8_put(s->word + s->bytes, code);
}

static void add_alone(pass *s, int32_t code)
{
    unsigned char text[4];
    end_word(s);
    match_word(s, text, (size_t)fr_utf8_put(text, code), 1);
}

/* What the normalizer makes of one code point by itself. */
typedef struct expansion {
    int32_t code[4];
    int count;
    bool apart;   /* blanks are put around it */
    bool barrier; /* nothing is left, but canonical ordering does not cross its place */
} expansion;

static expansion expand(const fr_normalizer *normalizer, int32_t code)
{
    expansion e = {0};
    unsigned flags = fr_char_flags(code);
    if (normalizer->clean_text && flags & FR_CHAR_CONTROL)
        return e;
    if (normalizer->clean_text && flags & FR_CHAR_SPACE)
        code = ' ';
    e.apart = normalizer->handle_chinese_chars && flags & FR_CHAR_CJK;
    e.barrier = normalizer->strip_accents && flags & FR_CHAR_BARRIER;
    int32_t part[3] = {code}, lower[2];
    int parts = normalizer->strip_accents ? fr_char_strip(part, code) : 1;
    for (int i = 0; i < parts; i++) {
        lower[0] = part[i];
        int count = normalizer->lowercase ? fr_char_lower(lower, part[i]) : 1;
        for (int j = 0; j < count; j++)
            e.code[e.count++] = lower[j];
    }
    return e;
}

/* Canonical ordering: a mark goes before the marks of a higher class that it follows. Returns its place in text[fence
 * .. end]. */
static size_t mark_place(const unsigned char *text, size_t fence, size_t end, int32_t mark)
{
    int order = fr_char_class(mark);
    size_t place = end;
    while (place > fence) {
        size_t before = place - 1;
        while (before > fence && (text[before] & 0xC0) == 0x80)
            before--;
        const unsigned char *read = text + before;
        if (fr_char_class(fr_utf8_next(&read, text + end)) <= order)
            break;
        place = before;
    }
    return place;
}

static size_t put_at(unsigned char *text, size_t place, size_t end, int32_t code)
{
    unsigned char put[4];
    size_t length = (size_t)fr_utf8_put(put, code);
    memmove(text + place + length, text + place, end - place);
    memcpy(text + place, put, length);
    return length;
}

static void add_normalized(pass *s, int32_t code)
{
    unsigned flags = fr_char_flags(code);
    if (flags & FR_CHAR_SPACE)
        end_word(s);
    else if (flags & FR_CHAR_PUNCTUATION)
        add_alone(s, code);
    else if (!(s->normalizer->strip_accents && flags & FR_CHAR_ORDERED))
        add_to_word(s, code);
    else if (s->chars++ < s->tokenizer->max_word_chars)
        s->bytes += put_at(s->word, mark_place(s->word, s->fence, s->bytes, code), s->bytes, code);
}

/* The general path. */
static void add_code(pass *s, int32_t code)
{
    expansion e = expand(s->normalizer, code);
    if (e.apart)
        end_word(s);
    if (e.barrier)
        s->fence = s->bytes;
    for (int i = 0; i < e.count; i++)
        add_normalized(s, e.code[i]);
    if (e.apart)
        end_word(s);
}

static uint32_t simple_entry(const fr_normalizer *normalizer, int32_t code)
{
    expansion e = expand(normalizer, code);
    if (!e.count && !e.barrier)
        return (uint32_t)FR_KIND_NOTHING << 24;
    unsigned flags = fr_char_flags(e.code[0]);
    if (e.count != 1 || e.apart || (normalizer->strip_accents && flags & FR_CHAR_ORDERED))
        return (uint32_t)FR_KIND_COMPLEX << 24;
    unsigned kind = flags & FR_CHAR_SPACE ? FR_KIND_SPACE : flags & FR_CHAR_PUNCTUATION ? FR_KIND_ALONE : FR_KIND_WORD;
    return (uint32_t)kind << 24 | (uint32_t)e.code[0];
}

void fr_normalizer_fill(fr_normalizer *normalizer)
{
    for (int32_t code = 0; code < FR_SIMPLE_CODES; code++)
        normalizer->simple[code] = simple_entry(normalizer, code);
}

void fr_normalize(fr_buffer *out, const fr_normalizer *normalizer, const char *text, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    size_t fence = out->bytes; /* canonical ordering does not reach behind this byte */
    fr_buffer_add(out, "", 0);
    while (at < end) {
        expansion e = expand(normalizer, fr_utf8_next(&at, end));
        if (e.apart)
            fr_buffer_add(out, " ", 1);
        if (e.barrier)
            fence = out->bytes;
        for (int i = 0; i < e.count; i++) {
            fr_buffer_add(out, "    ", 4); /* room */
            out->bytes -= 4;
            unsigned char *data = (unsigned char *)out->data;
            bool ordered = normalizer->strip_accents && fr_char_flags(e.code[i]) & FR_CHAR_ORDERED;
            size_t place = ordered ? mark_place(data, fence, out->bytes, e.code[i]) : out->bytes;
            out->bytes += put_at(data, place, out->bytes, e.code[i]);
            out->data[out->bytes] = 0;
        }
        if (e.apart)
            fr_buffer_add(out, " ", 1);
    }
}

/* Cuts a stretch of text without added pieces into words. */
static void run(pass *s, const unsigned char *at, const unsigned char *end)
{
    const uint32_t *simple = s->normalizer->simple;
    const int64_t most = s->tokenizer->max_word_chars;
    while (at < end && !s->full) {
        /* ASCII letters and digits, the bulk of most texts: kind is FR_KIND_WORD, 0. */
        size_t fits = s->chars < most ? (size_t)(most - s->chars) : 0, left = (size_t)(end - at);
        size_t limit = fits < left ? fits : left, i = 0;
        unsigned char *word = s->word + s->bytes;
        for (; i < limit && at[i] < 0x80 && simple[at[i]] < 0x80; i++)
            word[i] = (unsigned char)simple[at[i]];
        s->bytes += i;
        s->chars += (int64_t)i;
        at += i;
        if (at == end)
            break;
        int32_t code = *at < 0x80 ? *at++ : fr_utf8_next(&at, end);
        uint32_t entry = code < FR_SIMPLE_CODES ? simple[code] : (uint32_t)FR_KIND_COMPLEX << 24;
        switch (entry >> 24) {
        case FR_KIND_WORD:
            add_to_word(s, (int32_t)entry);
            break;
        case FR_KIND_ALONE:
            add_alone(s, (int32_t)(entry & 0xFFFFFF));
            break;
        case FR_KIND_SPACE:
            end_word(s);
            break;
        case FR_KIND_NOTHING:
            break;
        default:
            add_code(s, code);
        }
    }
    if (!s->full)
        end_word(s);
}

void fr_each_word(const fr_tokenizer *tokenizer, const char *text, size_t bytes, fr_word_fn *word, void *context)
{
    pass s;
    begin(&s, tokenizer, &tokenizer->normal);
    s.each_word = word;
    s.context = context;
    run(&s, (const unsigned char *)text, (const unsigned char *)text + bytes);
}

/* The leftmost, then longest added piece in at .. end; returns NULL if there is none, else *found is where it starts.
 */
static const fr_added *find_added(const unsigned char **found, const fr_added_set *set, const unsigned char *at,
                                  const unsigned char *end)
{
    if (!set->count)
        return NULL;
    for (; at < end; at++) {
        if (set->only >= 0 && !(at = memchr(at, set->only, (size_t)(end - at))))
            return NULL;
        if (!set->first[*at])
            continue;
        for (int64_t i = 0; i < set->count; i++) {
            const fr_added *added = &set->added[i];
            if (added->bytes <= (size_t)(end - at) && memcmp(at, added->pattern, added->bytes) == 0) {
                *found = at;
                return added;
            }
        }
    }
    return NULL;
}

static const unsigned char *space_before(const unsigned char *start, const unsigned char *at, const unsigned char *end)
{
    while (at > start) {
        const unsigned char *before = at - 1;
        while (before > start && (*before & 0xC0) == 0x80)
            before--;
        const unsigned char *read = before;
        if (!(fr_char_flags(fr_utf8_next(&read, end)) & FR_CHAR_SPACE) || read != at)
            break;
        at = before;
    }
    return at;
}

static const unsigned char *space_behind(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *read = at;
    while (read < end && fr_char_flags(fr_utf8_next(&read, end)) & FR_CHAR_SPACE)
        at = read;
    return at;
}

typedef void stretch_fn(pass *s, const unsigned char *at, const unsigned char *end);

/* Added pieces of the set give their ids, what stands between them goes to `between`. The search goes on right behind a
 * piece, so the next one may begin within the blanks that rstrip has taken already. */
static void split_added(pass *s, const fr_added_set *set, const unsigned char *at, const unsigned char *end,
                        stretch_fn *between)
{
    const unsigned char *found, *search = at; /* all before `at` is done */
    const fr_added *added;
    while (!s->full && (added = find_added(&found, set, search, end))) {
        const unsigned char *stop = added->lstrip ? space_before(at, found, end) : found;
        if (at < stop)
            between(s, at, stop);
        push(s, added->id);
        search = found + added->bytes;
        at = added->rstrip ? space_behind(search, end) : search;
    }
    if (!s->full && at < end)
        between(s, at, end);
}

/* Pieces that are to be found in normalized text: normalize first, then cut without normalizing again. */
static void run_normalized(pass *s, const unsigned char *at, const unsigned char *end)
{
    if (!s->tokenizer->normalized.count) {
        run(s, at, end);
        return;
    }
    fr_buffer text = {0};
    fr_normalize(&text, &s->tokenizer->normal, (const char *)at, (size_t)(end - at));
    const unsigned char *data = (const unsigned char *)text.data;
    s->normalizer = &s->tokenizer->plain;
    split_added(s, &s->tokenizer->normalized, data, data + text.bytes, run);
    fr_buffer_close(&text);
}

int64_t fr_tokenizer_encode(const fr_tokenizer *tokenizer, const char *text, size_t bytes, int64_t max_tokens,
                            int32_t *ids, bool *cut)
{
    FR_CHECK(max_tokens >= 2, "max_tokens is %lld, want at least 2", (long long)max_tokens);
    pass s;
    begin(&s, tokenizer, &tokenizer->normal);
    ids[0] = tokenizer->cls;
    s.ids = ids + 1;
    s.room = max_tokens - 2;
    const unsigned char *at = (const unsigned char *)text;
    split_added(&s, &tokenizer->raw, at, at + bytes, run_normalized);
    ids[1 + s.count] = tokenizer->sep;
    if (cut)
        *cut = s.full;
    return s.count + 2;
}
