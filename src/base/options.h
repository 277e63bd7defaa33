/* options.h - options.def as a table, for the files of base/ that read, print and hash a config. */
#ifndef FR_BASE_OPTIONS_H
#define FR_BASE_OPTIONS_H

#include "finerouter/config.h"

#include <stddef.h>

typedef enum option_kind {
    OPTION_INT,
    OPTION_REAL,
    OPTION_AUTO,
    OPTION_BOOL,
    OPTION_ENUM,
    OPTION_TEXT,
    OPTION_REALS,
    OPTION_WORDS
} option_kind;

typedef struct option {
    const char *key; /* "discover.k"; "seed" at the top level */
    option_kind kind;
    size_t offset; /* in fr_config */
    const char *standard;
    double low, high;    /* numbers */
    const char *choices; /* OPTION_ENUM: "a|b|c" */
    const char *stages, *help;
} option;

extern const option fr_options[];
extern const int64_t fr_options_count;

static inline void *fr_option_place(const fr_config *config, const option *o)
{
    return (char *)config + o->offset;
}

/* Index of a word among "a|b|c", -1 if it is none; and the word of an index into text. */
int fr_choice_index(const char *choices, const char *word, size_t length);
int fr_choice_text(const char *choices, int index, const char **start);

/* Levenshtein's distance of two words; of b, 64 bytes count. */
int fr_spelling_distance(const char *a, const char *b);

/* NULL if there is no such key. */
const option *fr_option_find(const char *key);

/* The option's value in a config as YAML: 0.3, auto, "text", [1, 2]; malloc'd. */
char *fr_option_value(const fr_config *config, const option *o);

/* Sets an option from scalar texts (one, or the items of a list). `where` begins the error line ("a.yaml:3" or
 * "--set"). */
FR_NODISCARD fr_status fr_option_assign(fr_config *config, const option *o, const char *const *items, int64_t count,
                                        bool is_list, const char *where);

#endif
