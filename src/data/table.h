/* table.h - what the importers fill row by row, and what becomes a data set at the end. */
#ifndef FR_DATA_TABLE_H
#define FR_DATA_TABLE_H

#include "base/memory.h"
#include "finerouter/dataset.h"
#include "names.h"

#include <stdbool.h>
#include <stddef.h>

/* Where something stands: number of the file << FR_PLACE_BITS | line. */
typedef int64_t fr_place;
enum { FR_PLACE_BITS = 40, FR_WHERE = 256 };

typedef struct fr_cell {
    int64_t row;
    fr_place place;
    int32_t model;
    float value; /* NaN: listed, but not observed or not known */
} fr_cell;

typedef struct fr_cells {
    fr_cell *cell;
    int64_t count, capacity;
} fr_cells;

typedef struct fr_row {
    const char *text, *description, *source;
    fr_place place;
    int split;     /* -1: the table does not say */
    bool embedded; /* whether it came with an embedding */
} fr_row;

/* A score that stands there twice: an error; an error unless both are equal; the highest counts. */
enum { FR_REPEAT_FAILS, FR_REPEAT_EQUAL, FR_REPEAT_HIGHEST };

typedef struct fr_table {
    const char *whole;       /* file or folder that was asked for */
    const char *path, *unit; /* file being read; what `line` counts there: line, record, row, file */
    int64_t file, line;      /* being read; line 0: the file as a whole */
    const char *models_path; /* NULL: models come from the table */
    const fr_config *config;
    fr_dataset *data; /* its pool holds all texts */
    fr_names ids, models, sources, unknown, files;
    const char **units; /* (files) */
    fr_row *row;
    int64_t rows, room;
    fr_cells quality, cost;
    float *embedding; /* (embedding_room, embedding_width), by row; NULL while no prompt came with one */
    int64_t embedding_width, embedding_room;
    double *input_price, *output_price; /* of the listed models */
    int64_t unknown_values;
    fr_place unknown_place;
    int repeats; /* FR_REPEAT_... */
    bool loose;  /* validation is dev, and a dev split that is missing is taken from train */
} fr_table;

/* Begins with a file; all places and errors from now on are in it. `unit` is a literal. */
void fr_table_begin(fr_table *table, const char *path, const char *unit);

/* FR_FAILED "path:line: ..." or "path: record 7: ..." */
fr_status fr_table_fail(const fr_table *table, const char *format, ...) FR_PRINTF(2, 3) FR_NODISCARD;
fr_status fr_table_fail_at(const fr_table *table, fr_place place, const char *format, ...) FR_PRINTF(3, 4) FR_NODISCARD;

fr_place fr_table_here(const fr_table *table);

/* "line 7", and " of b.csv" behind it where `from` is in another file. */
const char *fr_table_where(char out[FR_WHERE], const fr_table *table, fr_place place, fr_place from);

/* A new row of this id; an id that is there already is an error naming both places. */
FR_NODISCARD fr_status fr_table_add(fr_table *table, const char *id, int64_t *row);

/* Texts are copied into the pool; an empty prompt or an unknown split is an error. */
FR_NODISCARD fr_status fr_table_set_text(fr_table *table, int64_t row, const char *text);
void fr_table_set_description(fr_table *table, int64_t row, const char *text);
void fr_table_set_source(fr_table *table, int64_t row, const char *name);
FR_NODISCARD fr_status fr_table_set_split(fr_table *table, int64_t row, const char *name);

/* One prompt of a long table, where every line of a prompt may say this again: the first one's row is made, later ones
 * must agree; "" says nothing. */
typedef struct fr_prompt {
    const char *id, *text, *description, *source, *split; /* never NULL */
} fr_prompt;
FR_NODISCARD fr_status fr_table_prompt(fr_table *table, const fr_prompt *prompt, int64_t *row);

/* The prompt's embedding as it came: all have one width, and one that comes again must be the same. */
FR_NODISCARD fr_status fr_table_embedding(fr_table *table, int64_t row, const float *value, int64_t width);

/* NaN stands for "not observed"; infinite, too large or (for a cost) negative values are errors. */
FR_NODISCARD fr_status fr_table_quality(fr_table *table, int64_t row, const char *model, double value);
FR_NODISCARD fr_status fr_table_cost(fr_table *table, int64_t row, const char *model, double value);

/* A decimal number of a text table; true and false are 1 and 0, an empty field is NaN. */
FR_NODISCARD fr_status fr_table_number(const fr_table *table, const char *what, const char *text, double *value);

/* A copy of a text that lives as long as the data set. */
const char *fr_table_keep(fr_table *table, const char *text);

/* Counts a key or column that means nothing here. */
void fr_table_unknown(fr_table *table, const char *key);

/* Reads the JSON list of models into table->models and its prices. */
FR_NODISCARD fr_status fr_import_models(fr_table *table);

/* ---- one table of importers: import_list.c ---- */

/* What an importer is chosen by: the name, and how the content begins. */
typedef struct fr_look {
    const char *path;
    bool folder;
    const char
        *ending;      /* of the file, or the first file of the folder that has one: ".csv", ".jsonl", ".json", ".npz" */
    const char *head; /* its first bytes as text (decoded, NUL-terminated), "" for .npz */
} fr_look;

bool fr_look_column(const fr_look *look, const char *name); /* the head's first line is a CSV header with this column */
bool fr_look_key(const fr_look *look, const char *key);     /* the head has a JSON key of this name */

typedef struct fr_importer {
    const char *name;                     /* as in data.format */
    const char *what;                     /* for the log */
    bool (*matches)(const fr_look *look); /* whether auto takes it */
    fr_status (*read)(fr_table *table);   /* fills the table from table->whole */
    int repeats;                          /* FR_REPEAT_... */
    bool loose;                           /* fr_table.loose */
} fr_importer;

extern const fr_importer fr_importer_table; /* our own; the only one that data.map goes with */

/* The importer whose layout the path has. */
FR_NODISCARD fr_status fr_importer_see(const fr_importer **importer, const char *path);

extern const fr_importer *const fr_importers[]; /* in the order auto asks them, NULL at the end */

#endif
