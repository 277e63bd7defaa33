/* synth_text.c - the language of the templates, and what its words stand for.
 *
 *   [a|b|]     one of the alternatives, which nest
 *   <word>     a slot: a bound thing of the prompt (who, t, c, ...), a fresh draw (things, n, year, ...) or a rule of
 * the grammar <a:word>   with "a" or "an" before it;  <id:word>  as an identifier, snake_case;  <^word>  with a capital
 *   \x         the character x
 *
 * Bound slots keep their value within a prompt and its description, which is how the two speak of the same thing. */
#include "synth.h"

#include "base/rng.h"
#include "finerouter/status.h"

#include <string.h>

/* A stretch of text that is part of a table. */
typedef struct span {
    const char *text;
    int bytes;
} span;

/* Numbers come one after another from a stream of their own. */
typedef struct dice {
    uint64_t seed, stream, next;
    uint32_t word[4];
    int left;
} dice;

enum { BOUND_SPANS = 14, BOUND_NUMBERS = 4, MAX_DEPTH = 12, MAX_OPTIONS = 24 };

typedef struct scene {
    const fr_synth_domain *domain;
    int topic;
    span bound[BOUND_SPANS];
    int number[BOUND_NUMBERS];
} scene;

typedef struct writer {
    fr_buffer *out;
    const scene *scene;
    dice dice;
} writer;

static const char first_names[] =
    "Amara|Lukas|Priya|Mateo|Ingrid|Kenji|Fatima|Oliver|Zanele|Dmitri|Chloe|Rashid|Elena|Tariq|Sofia|Bjorn|Mei|Diego|"
    "Aisha|Henrik|Leila|Marcus|Yuki|Nadia|Samuel|Ines|Kofi|Greta|Hassan|Julia|Pavel|Rosa|Anders|Thandi|Viktor|Camille|"
    "Omar|Freya|Jorge|Linh|Nikolai|Esther|Ravi|Hanna|Tomas|Adaeze|Felix|Miriam|Andrei|Carla|Emeka|Sanna|Paulo|Noor|"
    "Stefan|Aylin|George|Beatriz|Malik|Irina";
static const char last_names[] =
    "Okafor|Lindqvist|Sharma|Alvarez|Tanaka|Haddad|Bennett|Dlamini|Petrov|Moreau|Khan|Rossi|Jensen|Chen|Castillo|"
    "Schmidt|Mensah|Novak|Silva|Kowalski|Nguyen|Murphy|Larsen|Ferrari|Osei|Weber|Horvat|Santos|Ito|Brown";
static const char towns[] =
    "Lisbon|Nairobi|Osaka|Gdansk|Montreal|Leipzig|Cusco|Hanoi|Tromso|Marseille|Accra|Galway|Pune|Valencia|Tallinn|"
    "Bogota|Adelaide|Izmir|Bergen|Portland|Turin|Lima|Dakar|Ghent|Seville|Oslo|Boston|Quito|Cork|Graz|Perth|Malmo";
static const char languages[] =
    "French|Spanish|German|Japanese|Portuguese|Italian|Polish|Turkish|Dutch|Arabic|Hindi|Korean|Swedish|Mandarin";
static const char months[] = "January|February|March|April|May|June|July|August|September|October|November|December";
static const char weekdays[] = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday";

static uint32_t roll(dice *d, uint32_t n)
{
    if (d->left == 0) {
        fr_philox(d->word, d->seed, d->stream, d->next++);
        d->left = 4;
    }
    return (uint32_t)((uint64_t)d->word[--d->left] * n >> 32);
}

static dice dice_new(uint64_t seed, const char *use, int64_t a, int64_t b)
{
    return (dice){.seed = seed, .stream = fr_stream(use, (uint64_t)a, (uint64_t)b)};
}

/* Any entry of a list "a|b|c". */
static span pick(dice *d, const char *list)
{
    uint32_t entries = 1;
    for (const char *p = list; (p = strchr(p, '|')); p++)
        entries++;
    const char *from = list;
    for (uint32_t k = roll(d, entries); k > 0; k--)
        from = strchr(from, '|') + 1;
    return (span){from, (int)(strchrnul(from, '|') - from)};
}

/* Another entry than `other`. */
static span pick_other(dice *d, const char *list, span other)
{
    span s = pick(d, list);
    while (s.text == other.text)
        s = pick(d, list);
    return s;
}

/* Words of the prompt's topic mostly, of its domain often, of anything now and then. */
static const fr_synth_topic *near_topic(const scene *s, dice *d)
{
    uint32_t r = roll(d, 100);
    if (r < 70)
        return &s->domain->topic[s->topic];
    if (r < 96)
        return &s->domain->topic[roll(d, FR_SYNTH_TOPICS)];
    return &fr_synth_domains[roll(d, FR_SYNTH_DOMAINS)].topic[roll(d, FR_SYNTH_TOPICS)];
}

typedef enum slot_kind { SLOT_BOUND, SLOT_NUMBER, SLOT_LIST, SLOT_RANGE, SLOT_NEAR, SLOT_DOMAIN } slot_kind;

/* What a slot draws from: a list, a bound index, or a range of numbers. */
typedef struct slot {
    const char *name;
    slot_kind kind;
    int a, b;
    const char *list;
} slot;

enum { NEAR_CONCEPT, NEAR_THING };
enum { DOMAIN_ROLE, DOMAIN_PLACE, DOMAIN_ACTION, DOMAIN_UNIT };
enum { WHO, WHO2, TOPIC_C, TOPIC_C2, TOPIC_C3, TOPIC_T, TOPIC_T2, TOPIC_T3, ROLE, ROLE2, PLACE, UNIT, TOWN, LANGUAGE };

static const slot slots[] = {
    {"who", SLOT_BOUND, WHO, 0, NULL},
    {"who2", SLOT_BOUND, WHO2, 0, NULL},
    {"c", SLOT_BOUND, TOPIC_C, 0, NULL},
    {"c2", SLOT_BOUND, TOPIC_C2, 0, NULL},
    {"c3", SLOT_BOUND, TOPIC_C3, 0, NULL},
    {"t", SLOT_BOUND, TOPIC_T, 0, NULL},
    {"t2", SLOT_BOUND, TOPIC_T2, 0, NULL},
    {"t3", SLOT_BOUND, TOPIC_T3, 0, NULL},
    {"role", SLOT_BOUND, ROLE, 0, NULL},
    {"role2", SLOT_BOUND, ROLE2, 0, NULL},
    {"place", SLOT_BOUND, PLACE, 0, NULL},
    {"unit", SLOT_BOUND, UNIT, 0, NULL},
    {"town", SLOT_BOUND, TOWN, 0, NULL},
    {"lang", SLOT_BOUND, LANGUAGE, 0, NULL},
    {"k", SLOT_NUMBER, 0, 0, NULL},
    {"k2", SLOT_NUMBER, 1, 0, NULL},
    {"k3", SLOT_NUMBER, 2, 0, NULL},
    {"kk", SLOT_NUMBER, 3, 0, NULL},
    {"first", SLOT_LIST, 0, 0, first_names},
    {"last", SLOT_LIST, 0, 0, last_names},
    {"city", SLOT_LIST, 0, 0, towns},
    {"month", SLOT_LIST, 0, 0, months},
    {"day", SLOT_LIST, 0, 0, weekdays},
    {"n", SLOT_RANGE, 2, 12, NULL},
    {"nn", SLOT_RANGE, 13, 98, NULL},
    {"nnn", SLOT_RANGE, 110, 990, NULL},
    {"year", SLOT_RANGE, 1985, 2024, NULL},
    {"concept", SLOT_NEAR, NEAR_CONCEPT, 0, NULL},
    {"things", SLOT_NEAR, NEAR_THING, 0, NULL},
    {"someone", SLOT_DOMAIN, DOMAIN_ROLE, 0, NULL},
    {"where", SLOT_DOMAIN, DOMAIN_PLACE, 0, NULL},
    {"did", SLOT_DOMAIN, DOMAIN_ACTION, 0, NULL},
    {"units", SLOT_DOMAIN, DOMAIN_UNIT, 0, NULL},
};

static void expand(writer *w, const char *text, const char *end, int depth);

static void add_slot(writer *w, const slot *s)
{
    const fr_synth_domain *domain = w->scene->domain;
    span value = {0};
    switch (s->kind) {
    case SLOT_BOUND:
        value = w->scene->bound[s->a];
        break;
    case SLOT_NUMBER:
        fr_buffer_addf(w->out, "%d", w->scene->number[s->a]);
        return;
    case SLOT_RANGE:
        fr_buffer_addf(w->out, "%d", s->a + (int)roll(&w->dice, (uint32_t)(s->b - s->a + 1)));
        return;
    case SLOT_LIST:
        value = pick(&w->dice, s->list);
        break;
    case SLOT_NEAR: {
        const fr_synth_topic *topic = near_topic(w->scene, &w->dice);
        value = pick(&w->dice, s->a == NEAR_CONCEPT ? topic->concepts : topic->things);
        break;
    }
    case SLOT_DOMAIN: {
        const char *lists[] = {domain->roles, domain->places, domain->actions, domain->units};
        value = pick(&w->dice, lists[s->a]);
        break;
    }
    }
    fr_buffer_add(w->out, value.text, (size_t)value.bytes);
}

static bool same(const char *name, const char *word, size_t bytes)
{
    return *name == *word && strncmp(name, word, bytes) == 0 && name[bytes] == 0;
}

static void expand_word(writer *w, const char *word, size_t bytes, int depth)
{
    if (same("topic", word, bytes) || same("domain", word, bytes)) {
        const fr_synth_domain *domain = w->scene->domain;
        const char *name = bytes == 5 ? domain->topic[w->scene->topic].name : domain->name;
        fr_buffer_add(w->out, name, strlen(name));
        return;
    }
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        if (same(slots[i].name, word, bytes)) {
            add_slot(w, &slots[i]);
            return;
        }
    for (int i = 0; i < fr_synth_rule_count; i++)
        if (same(fr_synth_rules[i].name, word, bytes)) {
            const char *text = fr_synth_rules[i].text;
            expand(w, text, text + strlen(text), depth + 1);
            return;
        }
    FR_CHECK(false, "no slot or rule <%.*s>", (int)bytes, word);
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* <a:word>, <id:word>, <^word>, <^a:word> or <word>; word and end stand inside the angle brackets. */
static void expand_slot(writer *w, const char *word, const char *end, int depth)
{
    size_t start = w->out->bytes;
    if (*word == '^') {
        expand_slot(w, word + 1, end, depth);
        char *first = w->out->data + start;
        if (w->out->bytes > start && *first >= 'a' && *first <= 'z')
            *first = (char)(*first - 'a' + 'A');
    } else if (end - word > 2 && memcmp(word, "a:", 2) == 0) {
        fr_buffer_add(w->out, "an ", 3);
        expand_word(w, word + 2, (size_t)(end - word - 2), depth);
        if (!strchr("aeiouAEIOU", w->out->data[start + 3])) {
            w->out->bytes--;
            memmove(w->out->data + start + 1, w->out->data + start + 2, w->out->bytes - start);
        }
    } else if (end - word > 3 && memcmp(word, "id:", 3) == 0) {
        expand_word(w, word + 3, (size_t)(end - word - 3), depth);
        for (char *p = w->out->data + start; *p; p++)
            *p = !is_letter(*p) ? '_' : *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    } else {
        expand_word(w, word, (size_t)(end - word), depth);
    }
}

/* p stands behind the '['; returns where the text goes on. */
static const char *expand_choice(writer *w, const char *p, const char *end, int depth)
{
    span option[MAX_OPTIONS];
    uint32_t options = 0;
    const char *from = p;
    for (int level = 0;; p++) {
        FR_CHECK(p < end && options < MAX_OPTIONS, "a template lacks a ']' or has too many '|': %.40s", from);
        if (*p == '\\') {
            p++;
        } else if (*p == '[') {
            level++;
        } else if (level == 0 && (*p == '|' || *p == ']')) {
            option[options++] = (span){from, (int)(p - from)};
            from = p + 1;
            if (*p == ']')
                break;
        } else if (*p == ']') {
            level--;
        }
    }
    span chosen = option[roll(&w->dice, options)];
    expand(w, chosen.text, chosen.text + chosen.bytes, depth);
    return from;
}

static void expand(writer *w, const char *p, const char *end, int depth)
{
    FR_CHECK(depth < MAX_DEPTH, "rules of the grammar call each other without end near ...%.40s", p);
    while (p < end) {
        size_t plain = strcspn(p, "[<\\");
        if (plain > (size_t)(end - p))
            plain = (size_t)(end - p);
        fr_buffer_add(w->out, p, plain);
        p += plain;
        if (p >= end)
            break;
        if (*p == '\\') {
            fr_buffer_add(w->out, p + 1, 1);
            p += 2;
        } else if (*p == '[') {
            p = expand_choice(w, p + 1, end, depth);
        } else {
            const char *close = strchr(p, '>');
            FR_CHECK(close && close < end, "a template lacks a '>': %.40s", p);
            expand_slot(w, p + 1, close, depth);
            p = close + 1;
        }
    }
}

/* Everything a prompt and its description share. */
static void scene_set(scene *s, fr_synth_subject subject, uint64_t seed, int64_t origin)
{
    dice d = dice_new(seed, "synth.scene", origin, 0);
    const fr_synth_domain *domain = &fr_synth_domains[subject.domain];
    s->domain = domain;
    s->topic = roll(&d, 100) < 85 ? subject.topic : (int)roll(&d, FR_SYNTH_TOPICS);
    const fr_synth_topic *topic = &domain->topic[s->topic];
    span *b = s->bound;
    b[WHO] = pick(&d, first_names);
    b[WHO2] = pick_other(&d, first_names, b[WHO]);
    b[TOPIC_C] = pick(&d, topic->concepts);
    b[TOPIC_C2] = pick_other(&d, topic->concepts, b[TOPIC_C]);
    b[TOPIC_C3] = pick(&d, near_topic(s, &d)->concepts);
    b[TOPIC_T] = pick(&d, topic->things);
    b[TOPIC_T2] = pick_other(&d, topic->things, b[TOPIC_T]);
    b[TOPIC_T3] = pick(&d, near_topic(s, &d)->things);
    b[ROLE] = pick(&d, domain->roles);
    b[ROLE2] = pick_other(&d, domain->roles, b[ROLE]);
    b[PLACE] = pick(&d, domain->places);
    b[UNIT] = pick(&d, domain->units);
    b[TOWN] = pick(&d, towns);
    b[LANGUAGE] = pick(&d, languages);
    s->number[0] = 3 + (int)roll(&d, 12);
    s->number[1] = 3 + (int)roll(&d, 12);
    s->number[2] = 16 + (int)roll(&d, 80);
    s->number[3] = 120 + (int)roll(&d, 880);
}

static void write_template(writer *w, const char *text)
{
    expand(w, text, text + strlen(text), 0);
}

void fr_synth_prompt(fr_buffer *out, fr_synth_subject subject, uint64_t seed, int64_t origin)
{
    scene s;
    scene_set(&s, subject, seed, origin);
    writer w = {out, &s, dice_new(seed, "synth.prompt", origin, 0)};
    write_template(&w, subject.type < 0 ? fr_synth_chat.prompt : fr_synth_types[subject.type].prompt);
    write_template(&w, fr_synth_level_prompt[subject.level]);
}

void fr_synth_describe(fr_buffer *out, fr_synth_subject subject, uint64_t seed, int64_t origin, int64_t row)
{
    scene s;
    scene_set(&s, subject, seed, origin);
    writer w = {out, &s, dice_new(seed, "synth.description", origin, row)};
    write_template(&w, subject.type < 0 ? fr_synth_chat.description : fr_synth_types[subject.type].description);
    write_template(&w, fr_synth_level_description[subject.level]);
    if (subject.type >= 0)
        write_template(&w, "<field><tail>");
    fr_buffer_add(out, ".", 1);
}
