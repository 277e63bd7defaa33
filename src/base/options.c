#include "options.h"

#include <string.h>

#define TEXT_OF(...) #__VA_ARGS__
#define KEY(section, key) (#section[0] == 't' && #section[1] == 'o' && #section[2] == 'p' ? #key : #section "." #key)
#define PLACE(section, key) offsetof(fr_config, section.key)

#define GROUP(section)
#define END(section)
#define INT(section, key, standard, low, high, stages, help)                                                           \
    {KEY(section, key), OPTION_INT, PLACE(section, key), TEXT_OF(standard), low, high, NULL, stages, help},
#define REAL(section, key, standard, low, high, stages, help)                                                          \
    {KEY(section, key), OPTION_REAL, PLACE(section, key), TEXT_OF(standard), low, high, NULL, stages, help},
#define AUTO(section, key, standard, low, high, stages, help)                                                          \
    {KEY(section, key), OPTION_AUTO, PLACE(section, key), standard, low, high, NULL, stages, help},
#define BOOL(section, key, standard, stages, help)                                                                     \
    {KEY(section, key), OPTION_BOOL, PLACE(section, key), #standard, 0, 0, NULL, stages, help},
#define ENUM(section, key, standard, choices, stages, help)                                                            \
    {KEY(section, key), OPTION_ENUM, PLACE(section, key), standard, 0, 0, choices, stages, help},
#define TEXT(section, key, standard, stages, help)                                                                     \
    {KEY(section, key), OPTION_TEXT, PLACE(section, key), standard, 0, 0, NULL, stages, help},
#define REALS(section, key, standard, low, high, stages, help)                                                         \
    {KEY(section, key), OPTION_REALS, PLACE(section, key), standard, low, high, NULL, stages, help},
#define WORDS(section, key, standard, stages, help)                                                                    \
    {KEY(section, key), OPTION_WORDS, PLACE(section, key), standard, 0, 0, NULL, stages, help},

/* `true` and `false` of stdbool.h would expand before they are made text. */
#undef true
#undef false
const option fr_options[] = {
#include "finerouter/options.def"
};
const int64_t fr_options_count = sizeof fr_options / sizeof fr_options[0];

int fr_choice_index(const char *choices, const char *word, size_t length)
{
    for (int index = 0;; index++) {
        const char *start;
        int have = fr_choice_text(choices, index, &start);
        if (have < 0)
            return -1;
        if ((size_t)have == length && strncmp(start, word, length) == 0)
            return index;
    }
}

int fr_choice_text(const char *choices, int index, const char **start)
{
    for (; index > 0; index--) {
        choices = strchr(choices, '|');
        if (!choices)
            return -1;
        choices++;
    }
    *start = choices;
    return (int)strcspn(choices, "|");
}

const option *fr_option_find(const char *key)
{
    for (int64_t i = 0; i < fr_options_count; i++)
        if (strcmp(fr_options[i].key, key) == 0)
            return &fr_options[i];
    return NULL;
}

int64_t fr_option_count(void)
{
    return fr_options_count;
}

#define MAX_KEY 64

int fr_spelling_distance(const char *a, const char *b)
{
    int row[MAX_KEY + 1], length_b = (int)strlen(b);
    if (length_b > MAX_KEY)
        length_b = MAX_KEY;
    for (int j = 0; j <= length_b; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length_b; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]), insert = row[j] + 1, drop = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < insert ? change : insert;
            row[j] = row[j] < drop ? row[j] : drop;
        }
    }
    return row[length_b];
}

const char *fr_option_nearest(const char *word)
{
    const char *best = fr_options[0].key;
    int least = 1 << 20;
    const char *dot = strrchr(word, '.');
    const char *last = dot ? dot + 1 : word;
    for (int64_t i = 0; i < fr_options_count; i++) {
        const char *key = fr_options[i].key, *key_dot = strrchr(key, '.');
        /* The right word in the wrong section is nearer than its spelling says. */
        int whole = 2 * fr_spelling_distance(word, key), part = 2 * fr_spelling_distance(last, key_dot ? key_dot + 1 : key) + 3;
        int have = whole < part ? whole : part;
        if (have < least) {
            least = have;
            best = key;
        }
    }
    return best;
}

static void format_range(char *text, size_t bytes, const option *o)
{
    if (o->kind == OPTION_BOOL || o->kind == OPTION_ENUM || o->kind == OPTION_TEXT || o->kind == OPTION_WORDS)
        text[0] = 0;
    else
        snprintf(text, bytes, "%.10g .. %.10g", o->low, o->high);
}

fr_option fr_option_at(int64_t index)
{
    static const char *types[] = {"integer", "number", "number | auto", "true | false", "", "text", "numbers", "words"};
    static _Thread_local char range[64];
    FR_CHECK(index >= 0 && index < fr_options_count, "option %lld of %lld", (long long)index,
             (long long)fr_options_count);
    const option *o = &fr_options[index];
    format_range(range, sizeof range, o);
    return (fr_option){.key = o->key,
                       .type = o->kind == OPTION_ENUM ? o->choices : types[o->kind],
                       .standard = o->standard,
                       .range = range,
                       .help = o->help};
}
