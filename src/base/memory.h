/* memory.h - allocation that cannot fail quietly.
 *
 * fr_alloc and friends abort with a clear line when the machine has no memory left: on Linux with overcommit the
 * kernel kills the process long before malloc returns NULL, so a recovery path could not be tested. Sizes read from
 * files are checked against the file's own length before anything is allocated. */
#ifndef FR_BASE_MEMORY_H
#define FR_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

void *fr_alloc(size_t bytes);                     /* uninitialised; free() it */
void *fr_calloc(size_t count, size_t bytes_each); /* zeroed; aborts on overflow */
void *fr_realloc(void *old, size_t bytes);
char *fr_strdup(const char *text); /* NULL stays NULL */
char *fr_strndup(const char *text, size_t bytes);
char *fr_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* malloc'd */

/* Typed forms: FR_NEW(float, n) */
#define FR_NEW(type, count) ((type *)fr_calloc((size_t)(count), sizeof(type)))

/* A growing byte string. Zero-initialise; free with fr_buffer_close. data is NUL-terminated once anything was added. */
typedef struct fr_buffer {
    char *data;
    size_t bytes, capacity;
} fr_buffer;

void fr_buffer_add(fr_buffer *buffer, const void *data, size_t bytes);
void fr_buffer_addf(fr_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fr_buffer_close(fr_buffer *buffer);

/* A pool of strings that live and die together. Zero-initialise; fr_strings_close frees all of them.
 * The strings it returns never move. */
typedef struct fr_strings {
    char **block;
    size_t blocks, used, capacity; /* used and capacity of the newest block, bytes */
} fr_strings;

const char *fr_strings_add(fr_strings *pool, const char *text, size_t bytes);
void fr_strings_close(fr_strings *pool);

#endif
