#include "memory.h"

#include "finerouter/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *fr_alloc(size_t bytes)
{
    void *memory = malloc(bytes ? bytes : 1);
    FR_CHECK(memory, "out of memory: asked for %zu bytes", bytes);
    return memory;
}

void *fr_calloc(size_t count, size_t bytes_each)
{
    void *memory = calloc(count ? count : 1, bytes_each ? bytes_each : 1);
    FR_CHECK(memory, "out of memory: asked for %zu x %zu bytes", count, bytes_each);
    return memory;
}

void *fr_realloc(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes ? bytes : 1);
    FR_CHECK(memory, "out of memory: asked for %zu bytes", bytes);
    return memory;
}

char *fr_strndup(const char *text, size_t bytes)
{
    char *copy = fr_alloc(bytes + 1);
    memcpy(copy, text, bytes);
    copy[bytes] = 0;
    return copy;
}

char *fr_strdup(const char *text)
{
    return text ? fr_strndup(text, strlen(text)) : NULL;
}

char *fr_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    FR_CHECK(length >= 0, "bad format %s", format);
    char *text = fr_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

static void buffer_reserve(fr_buffer *buffer, size_t more)
{
    size_t want = buffer->bytes + more + 1;
    if (want <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < want)
        capacity *= 2;
    buffer->data = fr_realloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

void fr_buffer_add(fr_buffer *buffer, const void *data, size_t bytes)
{
    buffer_reserve(buffer, bytes);
    if (bytes)
        memcpy(buffer->data + buffer->bytes, data, bytes);
    buffer->bytes += bytes;
    buffer->data[buffer->bytes] = 0;
}

void fr_buffer_addf(fr_buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    FR_CHECK(length >= 0, "bad format %s", format);
    buffer_reserve(buffer, (size_t)length);
    vsnprintf(buffer->data + buffer->bytes, (size_t)length + 1, format, again);
    va_end(again);
    buffer->bytes += (size_t)length;
}

void fr_buffer_close(fr_buffer *buffer)
{
    free(buffer->data);
    *buffer = (fr_buffer){0};
}

const char *fr_strings_add(fr_strings *pool, const char *text, size_t bytes)
{
    size_t need = bytes + 1;
    if (!pool->blocks || pool->used + need > pool->capacity) {
        size_t capacity = need > ((size_t)1 << 16) ? need : (size_t)1 << 16;
        pool->block = fr_realloc(pool->block, (pool->blocks + 1) * sizeof *pool->block);
        pool->block[pool->blocks++] = fr_alloc(capacity);
        pool->capacity = capacity;
        pool->used = 0;
    }
    char *copy = pool->block[pool->blocks - 1] + pool->used;
    if (bytes)
        memcpy(copy, text, bytes);
    copy[bytes] = 0;
    pool->used += need;
    return copy;
}

void fr_strings_close(fr_strings *pool)
{
    for (size_t i = 0; i < pool->blocks; i++)
        free(pool->block[i]);
    free(pool->block);
    *pool = (fr_strings){0};
}
