/* hash.h - content hashes (XXH3, 128 bits) as 32 hexadecimal digits. Not for security: they name cached results. */
#ifndef FR_BASE_HASH_H
#define FR_BASE_HASH_H

#include "finerouter/status.h"

#include <stddef.h>
#include <stdint.h>

#define FR_HASH_CHARS 33 /* 32 digits and the NUL */

typedef struct fr_hash fr_hash;

fr_hash *fr_hash_create(void);
void fr_hash_add(fr_hash *hash, const void *data, size_t bytes);
void fr_hash_add_text(fr_hash *hash, const char *text);   /* with its length, so that "ab","c" differs from "a","bc" */
void fr_hash_end(fr_hash *hash, char hex[FR_HASH_CHARS]); /* writes the digits and destroys the hash */

/* Of a whole file. */
FR_NODISCARD fr_status fr_hash_file(char hex[FR_HASH_CHARS], const char *path);

#endif
