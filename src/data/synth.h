/* synth.h - the parts of fr_synth: a plan (what is drawn once: tasks, models, skills) and a text generator.
 *
 * A planted task is a domain x a task type x a topic of the domain x a level, 16 * 16 * 4 * 4 = 4096 in all. Quality
 * follows
 *
 *   logit[i,m] = offset + skill[m] + deviation[t,m] - difficulty[t] - spread * z_i + noise * z_im
 *
 * with standard normal z; `offset` is set so that the best single model scores FR_SYNTH_BEST_SINGLE in expectation. */
#ifndef FR_DATA_SYNTH_H
#define FR_DATA_SYNTH_H

#include "base/memory.h"
#include "finerouter/config.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FR_SYNTH_DOMAINS = 16,
    FR_SYNTH_TYPES = 16,
    FR_SYNTH_TOPICS = 4,
    FR_SYNTH_LEVELS = 4,
    FR_SYNTH_MAX_TASKS = FR_SYNTH_DOMAINS * FR_SYNTH_TYPES * FR_SYNTH_TOPICS * FR_SYNTH_LEVELS,
};

#define FR_SYNTH_BEST_SINGLE 0.65  /* expected quality of the best single model */
#define FR_SYNTH_PROMPT_SPREAD 1.2 /* standard deviation of prompt difficulty, logits */
#define FR_SYNTH_DUPLICATES 0.01   /* share of prompts whose text repeats an earlier one */

/* Word lists are texts with '|' between the entries. */
typedef struct fr_synth_topic {
    const char *name;
    const char *concepts; /* mass nouns without an article */
    const char *things;   /* plurals */
} fr_synth_topic;

typedef struct fr_synth_domain {
    const char *name;
    const char *roles;   /* singulars without an article */
    const char *places;  /* with their preposition */
    const char *actions; /* past tense, take an object */
    const char *units;   /* plurals that follow a number */
    fr_synth_topic topic[FR_SYNTH_TOPICS];
} fr_synth_domain;

/* Prompt and description are templates, see synth_text.c for their language. */
typedef struct fr_synth_type {
    const char *name;
    double answer_tokens; /* median length of an answer */
    const char *prompt, *description;
} fr_synth_type;

typedef struct fr_synth_rule {
    const char *name, *text;
} fr_synth_rule;

extern const fr_synth_domain fr_synth_domains[FR_SYNTH_DOMAINS];
extern const fr_synth_type fr_synth_types[FR_SYNTH_TYPES];
extern const fr_synth_type fr_synth_chat; /* prompts of no task */
extern const fr_synth_rule fr_synth_rules[];
extern const int fr_synth_rule_count;
extern const char *const fr_synth_level_prompt[FR_SYNTH_LEVELS];
extern const char *const fr_synth_level_description[FR_SYNTH_LEVELS];

typedef struct fr_synth_task {
    int domain, type, topic, level,
        source; /* source: the first of its sources where there are more sources than tasks */
} fr_synth_task;

typedef struct fr_synth_plan {
    int64_t T, M, sources;
    uint64_t seed;
    double specialism, noise;
    bool graded;
    fr_synth_task *task;                /* (T) */
    double *cumulative;                 /* (T) running sum of task shares, last 1 */
    double *difficulty;                 /* (T) logits */
    double *skill;                      /* (M) mean 0, standard deviation 1 over the pool */
    double *deviation;                  /* (T, M) */
    double *verbosity;                  /* (M) factor on answer length */
    double *input_price, *output_price; /* (M) USD per million tokens */
    const char **model;                 /* (M) */
    const char **source_name;           /* (sources) */
    double offset;
    fr_strings strings;
} fr_synth_plan;

void fr_synth_plan_open(fr_synth_plan *plan, const fr_config *config);
void fr_synth_plan_close(fr_synth_plan *plan);

/* Expected quality of model m on planted task t; t = -1: on prompts of no task. */
double fr_synth_expected(const fr_synth_plan *plan, int64_t t, int64_t m);

/* What a prompt is about, -1 in `type` for chit-chat. */
typedef struct fr_synth_subject {
    int domain, type, topic, level;
} fr_synth_subject;

/* Appends the prompt that belongs to (seed, origin). */
void fr_synth_prompt(fr_buffer *out, fr_synth_subject subject, uint64_t seed, int64_t origin);

/* Appends a description of that prompt; row picks the wording, so that repeated prompts are described in different
 * words. */
void fr_synth_describe(fr_buffer *out, fr_synth_subject subject, uint64_t seed, int64_t origin, int64_t row);

#endif
