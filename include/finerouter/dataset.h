/* finerouter/dataset.h - a table of prompts x LLMs x quality, and the HDF5 file it lives in.
 *
 * Letters used everywhere: N prompts, M models, T tasks, d embedding width.
 *
 * Data file, format 1 (readable with h5py and h5dump; strings are variable-length UTF-8):
 *
 *   /                         attributes: format "finerouter-data", version 1, hash (32 hex digits, see fr_dataset_seal)
 *   /prompts/id               (N) string, unique
 *   /prompts/text             (N) string, not empty
 *   /prompts/description      (N) string, "" where there is none
 *   /prompts/source           (N) string: the benchmark the prompt comes from
 *   /prompts/split            (N) int8: 0 train, 1 dev, 2 test
 *   /prompts/task             (N) int32, optional: planted task of synthetic data, -1 none
 *   /prompts/embedding        (N, d) float32, optional: embeddings that came with the prompts, finite, no row all zero
 *   /models/name              (M) string, unique
 *   /models/input_usd_per_mtok, /models/output_usd_per_mtok     (M) float64, NaN unknown; USD per million tokens
 *   /quality                  (N, M) float32, NaN not observed
 *   /cost                     (N, M) float32, USD of that answer, NaN unknown
 * and, with encoder.store, what the text encoder made of the prompts, so that the file carries it to another machine:
 *   /tokens/<tokenizer hash>-<max tokens>/{ids int32 (total), offset int64 (N+1), truncated int64}   of the prompts
 *   /embeddings/<key of the embed stage>/{prompt, description}   (N, d) float32
 *
 * The user block in front holds a checksum (io/h5.h); files without one, written by other programs, are read too, and hash may be absent.
 *
 * Unknown costs are filled at import from prices: (prompt tokens x input + data.answer_tokens x output) / 1e6, a prompt token taken as
 * 4 characters; they stay NaN where the price is unknown too. */
#ifndef FINEROUTER_DATASET_H
#define FINEROUTER_DATASET_H

#include "finerouter/config.h"
#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FR_DATA_FORMAT "finerouter-data"
#define FR_DATA_VERSION 1

#define FR_EMBEDDING_WIDEST 65536 /* of embeddings that came with the prompts */

enum { FR_SPLIT_TRAIN = 0, FR_SPLIT_DEV = 1, FR_SPLIT_TEST = 2, FR_SPLITS = 3 };

typedef struct fr_dataset {
    int64_t N, M, sources;
    const char **id;          /* (N) */
    const char **text;        /* (N) prompt, UTF-8, not empty */
    const char **description; /* (N) "" where there is none */
    int32_t *source;          /* (N) index into source_name */
    const char **source_name; /* (sources), in order of first appearance */
    int8_t *split;            /* (N) FR_SPLIT_... */
    int32_t *planted;         /* (N) planted task, -1 none; NULL if the data was not planted */
    float *embedding;         /* (N, embedding_width) that came with the prompts, as they came; NULL if none did */
    int64_t embedding_width;  /* 0 without */
    const char **model;       /* (M) */
    double *input_price, *output_price; /* (M) USD per million tokens, NaN unknown */
    float *quality;           /* (N, M) NaN not observed */
    float *cost;              /* (N, M) USD, NaN unknown */
    char hash[33];            /* of everything above; set by fr_dataset_seal */
    void *owned;              /* the strings */
} fr_dataset;

void fr_dataset_close(fr_dataset *data); /* accepts an all-zero struct */

/* Reads a data file and checks it as fr_dataset_check does. Errors name file and dataset. */
FR_NODISCARD fr_status fr_dataset_read(fr_dataset *data, const char *path);

/* Writes it atomically. */
FR_NODISCARD fr_status fr_dataset_write(const fr_dataset *data, const char *path);

/* What every data set must fulfil; `name` stands for the file in errors: at least two models, one prompt in train, dev and test each,
 * unique ids and model names, no empty prompt, finite or NaN quality, every model observed in train, every prompt observed once; embeddings, where
 * they are, finite and with no row that is all zero. */
FR_NODISCARD fr_status fr_dataset_check(const fr_dataset *data, const char *name);

/* Computes data->hash from the content: ids, texts, descriptions, sources, splits, models, prices, quality, cost, planted, embedding. */
void fr_dataset_seal(fr_dataset *data);

/* Import of a table: a file or a folder, by config->data.format; auto takes the layout that name and content have, and says so on the log.
 * `table` is our own layout, by the name's ending:
 *   .jsonl, .jsonl.gz   one object a line: id, prompt, quality {model: score}; optional description, source, split (train|dev|test), cost {model: USD},
 *                       embedding [numbers], for all prompts or for none;
 *                       with config->data.map any other columns (src/data/import_map.c)
 *   .csv, .csv.gz       long form with a header line: prompt_id, prompt, model, quality; optional cost, description, source, split (RFC 4180 quoting).
 *                       Lines of one prompt must agree; only the first needs its texts
 * The other layouts are those of public benchmarks; each stands at the top of its file, src/data/import_<format>.c. In them validation is dev, a dev
 * split that is missing comes out of train, and a score that stands there twice is an error only where both differ (embedllm: the higher counts).
 * A score is a number, true or false (1, 0), or null (in CSV nothing): not observed. Other keys and columns are ignored, in our own layout with one
 * warning.
 * models_path: JSON list of {name, input_usd_per_mtok, output_usd_per_mtok} or object {name: {input_price, output_price}}, or NULL (the models of the
 * table, in order of appearance, prices unknown).
 * A model of the table that the list lacks is an error, a listed one never observed too. No source is "unknown".
 * Splits are made where the table has none (fr_make_splits). Every error is one line "file:line: what, the value, what would be right". */
FR_NODISCARD fr_status fr_import(fr_dataset *data, const char *path, const char *models_path, const fr_config *config);

/* 32 hex digits of all that fr_import reads for a path, models_path aside. */
FR_NODISCARD fr_status fr_import_hash(char hex[33], const char *path);

/* Seeded splits by config->data.dev_share and test_share. Every source gives its share to within one prompt (tiny sources together give theirs);
 * prompts with equal text (byte for byte) stay together, and count for the source of the first of them. From 3 different texts on a source gives dev
 * and test at least one prompt each. The algorithm stands in src/data/splits.c. */
void fr_make_splits(fr_dataset *data, const fr_config *config);

/* Folds for cross-validation: fold f of F is test, 1/10 of the other prompts of each source dev, the rest train; balanced per source, equal texts
 * together. Writes data->split and reseals. Depends on the content, seed, F and f, not on the splits before; over f = 0 .. F-1 every prompt is test
 * exactly once. F >= 2. */
void fr_make_fold(fr_dataset *data, int64_t fold, int64_t folds, uint64_t seed);

/* Synthetic data with planted tasks (config->synth.*): model skill profiles, costs, noise, missing entries, text from a grammar, descriptions that
 * are not the prompts. Deterministic by config->top.seed. 279k prompts take well under a minute. */
FR_NODISCARD fr_status fr_synth(fr_dataset *data, const fr_config *config);

/* What `finerouter info` prints. */
typedef struct fr_model_summary {
    double quality, cost; /* means over observed entries; NaN if none */
    int64_t observed;
} fr_model_summary;

typedef struct fr_summary {
    int64_t (*counts)[FR_SPLITS];   /* (sources) prompts per split */
    fr_model_summary *models;       /* (M) over all prompts */
    int64_t best_single;            /* model of highest mean quality on train */
    double best_single_quality, oracle_quality, dataset_oracle_quality, random_quality; /* over all prompts, sample average */
    double missing_share;           /* of quality entries */
    double tied_best_share;         /* prompts with more than one best model */
    int64_t duplicates;             /* prompts whose text stands elsewhere too */
    int64_t with_description;
} fr_summary;

void fr_summarize(fr_summary *summary, const fr_dataset *data);
void fr_summary_close(fr_summary *summary);

/* Rows of a split, ascending; malloc'd (count) into *rows. */
int64_t fr_split_rows(int64_t **rows, const fr_dataset *data, int split);

#ifdef __cplusplus
}
#endif
#endif
