/* finerouter/config.h - the configuration of a run. Every key, its type, range, default and help stand in options.def.
 */
#ifndef FINEROUTER_CONFIG_H
#define FINEROUTER_CONFIG_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct fr_reals {
    int64_t count;
    double *value;
} fr_reals;

typedef struct fr_words {
    int64_t count;
    const char **word;
} fr_words;

/* cfg.discover.k, cfg.route.alpha, ...; top-level keys are cfg.top.seed and so on. */
#define GROUP(section) struct {
#define END(section)                                                                                                   \
    }                                                                                                                  \
    section;
#define INT(section, key, ...) int64_t key;
#define REAL(section, key, ...) double key;
#define AUTO(section, key, ...) double key; /* NaN = auto */
#define BOOL(section, key, ...) bool key;
#define ENUM(section, key, ...) int key;
#define TEXT(section, key, ...) const char *key; /* never NULL */
#define REALS(section, key, ...) fr_reals key;
#define WORDS(section, key, ...) fr_words key;

typedef struct fr_config {
#include "finerouter/options.def"
    void *owned; /* memory of texts and lists */
} fr_config;

#undef GROUP
#undef END
#undef INT
#undef REAL
#undef AUTO
#undef BOOL
#undef ENUM
#undef TEXT
#undef REALS
#undef WORDS

/* Choices of the ENUM keys, in the order of options.def. */
enum {
    FR_DEVICE_AUTO,
    FR_DEVICE_CPU,
    FR_DEVICE_REF,
    FR_DEVICE_CUDA,
    FR_DEVICE_CUDA_BF16,
    FR_DEVICE_SIMT,
    FR_DEVICE_SIMT_BF16,
    FR_DEVICE_KINDS
};
enum { FR_QUALITY_BINARY, FR_QUALITY_GRADED };
enum { FR_INIT_PRETRAINED, FR_INIT_RANDOM };
enum { FR_EMBEDDINGS_TEXT, FR_EMBEDDINGS_DATA };
enum { FR_POOLING_AUTO, FR_POOLING_MEAN, FR_POOLING_CLS };
enum { FR_NORMALIZE_AUTO, FR_NORMALIZE_TRUE, FR_NORMALIZE_FALSE };
enum { FR_TRAIN_FROZEN, FR_TRAIN_TOP, FR_TRAIN_FULL };
enum { FR_TASKS_LEIDEN, FR_TASKS_SOURCE, FR_TASKS_KMEANS };
enum { FR_TEXT_DESCRIPTION, FR_TEXT_PROMPT };
enum { FR_TIES_TIED, FR_TIES_COST, FR_TIES_MEAN_QUALITY };
enum { FR_RBO_A, FR_RBO_B };
enum { FR_WEIGHT_BOTH, FR_WEIGHT_COSINE, FR_WEIGHT_RBO };
enum { FR_MODULARITY, FR_CPM };
enum { FR_BY_DEV, FR_BY_LEFT_OUT };
enum { FR_MEDIAN, FR_MEAN };
enum { FR_MEMBERS_DISCOVERED, FR_MEMBERS_ASSIGNED };
enum { FR_STOP_MSE, FR_STOP_ROUTED };
enum { FR_HEAD_INIT_GENERAL, FR_HEAD_INIT_RANDOM };
enum { FR_SCHEDULE_CONSTANT, FR_SCHEDULE_LINEAR, FR_SCHEDULE_COSINE };
enum { FR_CHOOSE_ON_DEV, FR_CHOOSE_OUT_OF_FOLD };
enum { FR_HARD, FR_SOFT };
enum { FR_EQUAL, FR_DISTANCE };
enum { FR_ROUTERDC_FROZEN, FR_ROUTERDC_FULL };

/* All defaults. Close with fr_config_close. */
void fr_config_defaults(fr_config *config);
void fr_config_close(fr_config *config);
void fr_config_copy(fr_config *to, const fr_config *from); /* `to` is uninitialised or closed */

/* Reads YAML over what is there. Errors (FR_USAGE): "file:line: ..." for syntax, unknown key (with the nearest valid
 * one), a key given twice, wrong type, value out of range. */
FR_NODISCARD fr_status fr_config_read(fr_config *config, const char *path);

/* Reads YAML from memory; `name` stands for the file in errors. */
FR_NODISCARD fr_status fr_config_read_text(fr_config *config, const char *text, const char *name);

/* One override "section.key=value" as given to --set; lists as a,b,c. Same checks; errors name the argument. */
FR_NODISCARD fr_status fr_config_set(fr_config *config, const char *assignment);

/* The whole config as YAML that reads back equal; malloc'd. */
char *fr_config_text(const fr_config *config);

/* Checks between keys (which data source, head counts that divide, ...). FR_USAGE. */
FR_NODISCARD fr_status fr_config_check(const fr_config *config);

/* llm.* as an endpoint that can be asked: an http or https URL that holds no password, and a model. FR_USAGE. */
FR_NODISCARD fr_status fr_config_check_llm(const fr_config *config);

/* Feeds every key marked with any letter of `stages` (options.def) to a hash as "section.key=value". */
struct fr_hash;
void fr_config_hash(const fr_config *config, const char *stages, struct fr_hash *hash);

/* The method as published (hard assignment, median, discovered members, no shrinkage, MLP heads of the usual width, two
 * rounds, ...): the router `full_paper` is the run's config after this call. */
void fr_config_apply_paper(fr_config *config);

/* For --help, completion and docs. */
typedef struct fr_option {
    const char *key; /* "discover.k" */
    const char
        *type; /* "integer", "number", "number | auto", "true | false", "a | b | c", "text", "numbers", "words" */
    const char *standard, *range, *help; /* range "" if there is none */
} fr_option;

int64_t fr_option_count(void);
fr_option fr_option_at(int64_t index);

/* The key closest in spelling to `word` (edit distance); never NULL. */
const char *fr_option_nearest(const char *word);

#endif
