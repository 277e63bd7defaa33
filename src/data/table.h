/* table.h - what the importers fill row by row, and what becomes a data set at the end. */
#ifndef FR_DATA_TABLE_H
#define FR_DATA_TABLE_H

#include "base/memory.h"
#include "finerouter/dataset.h"
#include "names.h"

#include <stddef.h>

typedef struct fr_cell {
    int64_t row, line;
    int32_t model;
    float value; /* NaN: listed, but not observed or not known */
} fr_cell;

typedef struct fr_cells {
    fr_cell *cell;
    int64_t count, capacity;
} fr_cells;

typedef struct fr_row {
    const char *text, *description, *source;
    int64_t line;
    int split; /* -1: the table does not say */
} fr_row;

typedef struct fr_table {
    const char *path, *models_path; /* models_path NULL: models come from the table */
    int64_t line;                   /* being read */
    fr_dataset *data;               /* its pool holds all texts */
    fr_names ids, models, sources, unknown;
    fr_row *row;
    int64_t rows, room;
    fr_cells quality, cost;
    double *input_price, *output_price; /* of the listed models */
    int64_t unknown_values, unknown_line;
} fr_table;

/* FR_FAILED "path:line: ..." */
fr_status fr_table_fail(const fr_table *table, const char *format, ...) FR_PRINTF(2, 3) FR_NODISCARD;

/* A new row of this id; an id that is there already is an error naming both lines. */
FR_NODISCARD fr_status fr_table_add(fr_table *table, const char *id, int64_t *row);

/* Texts are copied into the pool; an empty prompt or an unknown split is an error. */
FR_NODISCARD fr_status fr_table_set_text(fr_table *table, int64_t row, const char *text);
void fr_table_set_description(fr_table *table, int64_t row, const char *text);
void fr_table_set_source(fr_table *table, int64_t row, const char *name);
FR_NODISCARD fr_status fr_table_set_split(fr_table *table, int64_t row, const char *name);

/* NaN stands for "not observed"; infinite, too large or (for a cost) negative values are errors. */
FR_NODISCARD fr_status fr_table_quality(fr_table *table, int64_t row, const char *model, double value);
FR_NODISCARD fr_status fr_table_cost(fr_table *table, int64_t row, const char *model, double value);

/* Counts a key or column that means nothing here. */
void fr_table_unknown(fr_table *table, const char *key);

/* Fills the table from its file. */
FR_NODISCARD fr_status fr_import_jsonl(fr_table *table);
FR_NODISCARD fr_status fr_import_csv(fr_table *table);

/* Reads the JSON list of models into table->models and its prices. */
FR_NODISCARD fr_status fr_import_models(fr_table *table);

/* For error messages: one line out of a JSON library's error text. */
const char *fr_json_reason(char out[160], int code, const char *text);

#endif
