/* long.h - what several importers read alike: long CSV, JSON Lines, JSON files. */
#ifndef FR_DATA_LONG_H
#define FR_DATA_LONG_H

#include "table.h"

#include <jansson.h>

bool fr_ends_with(const char *path, const char *end);
bool fr_json_file(const char *path); /* ends in .json or .jsonl, packed or not */

/* ---- long CSV: one line for each prompt and model (import_csv.c) ---- */

enum { FR_ID, FR_PROMPT, FR_MODEL, FR_QUALITY, FR_COST, FR_DESCRIPTION, FR_SOURCE, FR_SPLIT, FR_COLUMNS };

/* Two columns of a CSV file as a dictionary, for texts and names that stand in a file of their own. */
typedef struct fr_lookup {
    fr_names key;
    const char **value; /* (key.count) */
} fr_lookup;
FR_NODISCARD fr_status fr_lookup_read(fr_lookup *lookup, fr_table *table, const char *path, const char *key,
                                      const char *value);
void fr_lookup_close(fr_lookup *lookup);

typedef struct fr_long {
    const char *name[FR_COLUMNS]; /* columns, NULL: there is none */
    bool tell_others;             /* warn of other columns */
    const char *split;            /* of all lines, NULL: by the column */
    /* Where the file itself lacks the prompt or model column: dictionaries by prompt id and model_id; or NULL. */
    const fr_lookup *prompts, *models;
    const char *model_id;
} fr_long;

extern const fr_long fr_long_own; /* prompt_id, prompt, model, quality; cost, description, source, split */
FR_NODISCARD fr_status fr_import_csv(fr_table *table, const char *path, const fr_long *columns);

/* ---- JSON (import_json.c) ---- */

/* Calls add for every object of a JSON Lines file; table->line counts lines. Empty lines are passed over. */
FR_NODISCARD fr_status fr_import_lines(fr_table *table, const char *path,
                                       fr_status (*add)(fr_table *table, json_t *object, void *context), void *context);

/* A whole JSON file, plain or gzip. */
FR_NODISCARD fr_status fr_json_read(json_t **json, const char *path);

/* Calls add for every entry of a list, which must be an object; table->line counts them. */
FR_NODISCARD fr_status fr_import_entries(fr_table *table, json_t *list,
                                         fr_status (*add)(fr_table *table, json_t *object, void *context),
                                         void *context);

const char *fr_json_kind(const json_t *value); /* "an object", "a number" ... */

/* For error messages: one line out of a JSON library's error text. */
const char *fr_json_reason(char out[160], int code, const char *text);

/* A text; "" where the key is absent or null. */
FR_NODISCARD fr_status fr_entry_text(const fr_table *table, const json_t *object, const char *key, const char **text);

/* The same, but a number is a text too ("7"), written into `room`. */
FR_NODISCARD fr_status fr_entry_label(const fr_table *table, const json_t *object, const char *key, char room[32],
                                     const char **text);

/* A number, true or false (1, 0), or null (NaN). The second: NaN where the key is absent. */
FR_NODISCARD fr_status fr_entry_score(const fr_table *table, const char *key, const char *model, const json_t *value,
                                     double *score);
FR_NODISCARD fr_status fr_entry_number(const fr_table *table, const json_t *object, const char *key, double *number);

/* A prompt's embedding, a list of numbers; absent (NULL) or null: it has none. */
FR_NODISCARD fr_status fr_entry_embedding(fr_table *table, int64_t row, const json_t *list);

/* Our own JSON Lines, and with data.map. */
FR_NODISCARD fr_status fr_import_jsonl(fr_table *table);
FR_NODISCARD fr_status fr_import_mapped(fr_table *table);

/* "train", "dev" or "test" by a file's name (train, val, dev, test in it), "" where it says nothing. */
const char *fr_split_by_name(const char *path);

#endif
