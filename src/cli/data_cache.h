/* data_cache.h - token ids and embeddings inside a data file (encoder.store), so that the file carries them to another
 * machine: dataset.h documents the groups. Keyed by what they were made with; nothing is ever replaced. */
#ifndef FR_CLI_DATA_CACHE_H
#define FR_CLI_DATA_CACHE_H

#include "stages.h"

/* Fills texts->prompt and description (N, d) when the file holds them under texts->key; *found tells. */
FR_NODISCARD fr_status fr_data_cache_read(bool *found, const fr_texts *texts, const char *path);

/* Fills texts->tokens when the file holds them for this tokenizer and max_tokens; *found tells. */
FR_NODISCARD fr_status fr_data_cache_read_tokens(bool *found, fr_texts *texts, const fr_tokenizer *tokenizer,
                                                 const char *path);

/* Adds what is not there yet; the file is replaced atomically. */
FR_NODISCARD fr_status fr_data_cache_write(const fr_texts *texts, const fr_tokenizer *tokenizer, const char *path);

#endif
