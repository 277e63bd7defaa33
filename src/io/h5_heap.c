#include "h5_heap.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Collection: "GCOL", version 1, three zeros, size (8). Then objects: index (2), references (2), four zeros, size (8),
 * data padded to 8 bytes; index 0 is free space to the end of the collection. Reference: length (4), address (8), index
 * (4). */
enum { HEADER = 16, REFERENCE = 16, OBJECTS = 65536, BLOCK = 1 << 20 };

static const char mark[8] = {'G', 'C', 'O', 'L', 1, 0, 0, 0};

typedef struct heap {
    int fd;
    int64_t file_bytes;
    int64_t at;      /* the collection read last, -1 none */
    int64_t *length; /* (OBJECTS) bytes of its objects, -1 where there is none */
} heap;

static uint64_t number(const unsigned char *s, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | s[i];
    return value;
}

static bool walk_objects(heap *h, const unsigned char *data, int64_t size)
{
    for (int i = 0; i < OBJECTS; i++)
        h->length[i] = -1;
    for (int64_t at = HEADER; at + HEADER <= size;) {
        uint64_t index = number(data + at, 2), bytes = number(data + at + 8, 8);
        if (index == 0) { /* HDF5 walks on behind it, for ever where it has no bytes */
            if (bytes < HEADER || bytes > (uint64_t)(size - at))
                return false;
            at += (int64_t)bytes;
            continue;
        }
        if (bytes > (uint64_t)(size - at - HEADER) || h->length[index] >= 0)
            return false;
        h->length[index] = (int64_t)bytes;
        at += HEADER + (int64_t)((bytes + 7) / 8 * 8);
        if (at > size)
            return false;
    }
    return true;
}

static bool read_collection(heap *h, int64_t at)
{
    unsigned char head[HEADER];
    h->at = -1;
    if (at < 0 || at > h->file_bytes - HEADER || pread(h->fd, head, HEADER, at) != HEADER ||
        memcmp(head, mark, sizeof mark) != 0)
        return false;
    uint64_t size = number(head + 8, 8);
    if (size < HEADER || size > (uint64_t)(h->file_bytes - at))
        return false;
    unsigned char *data = fr_alloc(size);
    bool good = pread(h->fd, data, size, at) == (ssize_t)size && walk_objects(h, data, (int64_t)size);
    free(data);
    if (good)
        h->at = at;
    return good;
}

static fr_status heap_open(heap *h, const char *path)
{
    struct stat info;
    *h = (heap){.fd = open(path, O_RDONLY), .at = -1};
    if (h->fd < 0 || fstat(h->fd, &info) != 0) {
        int why = errno;
        if (h->fd >= 0)
            close(h->fd);
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(why));
    }
    h->file_bytes = info.st_size;
    h->length = FR_NEW(int64_t, OBJECTS);
    return FR_OK;
}

static void heap_close(heap *h)
{
    close(h->fd);
    free(h->length);
}

fr_status fr_h5_heap_check(const char *path)
{
    heap h;
    FR_TRY(heap_open(&h, path));
    fr_status status = FR_OK;
    char *block = fr_alloc(BLOCK);
    ssize_t got;
    /* Blocks overlap, so that no mark is cut in two. */
    for (int64_t at = 0; status == FR_OK && (got = pread(h.fd, block, BLOCK, at)) >= HEADER; at += got - HEADER + 1)
        for (char *s = block; status == FR_OK && (s = memmem(s, (size_t)(block + got - s), mark, sizeof mark)); s++)
            if (s <= block + got - HEADER && !read_collection(&h, at + (s - block)))
                status = fr_fail(FR_FAILED, "%s: damaged or truncated HDF5 file: broken heap of texts at byte %lld",
                                 path, (long long)(at + (s - block)));
    free(block);
    heap_close(&h);
    return status;
}

static bool good_reference(heap *h, const unsigned char *reference, int64_t base)
{
    uint64_t length = number(reference, 4), address = number(reference + 4, 8), index = number(reference + 12, 4);
    if (address == 0 && length == 0)
        return true; /* no text */
    if (address > (uint64_t)(h->file_bytes - base) || index == 0 || index >= OBJECTS)
        return false;
    int64_t at = base + (int64_t)address;
    return (at == h->at || read_collection(h, at)) && h->length[index] >= (int64_t)length;
}

fr_status fr_h5_heap_check_references(const char *path, const char *name, int64_t base, int64_t offset, int64_t count)
{
    heap h;
    FR_TRY(heap_open(&h, path));
    int64_t bad = -1;
    unsigned char *block = fr_alloc(BLOCK);
    for (int64_t first = 0; first < count && bad < 0; first += BLOCK / REFERENCE) {
        int64_t here = count - first < BLOCK / REFERENCE ? count - first : BLOCK / REFERENCE;
        if (pread(h.fd, block, (size_t)(here * REFERENCE), offset + first * REFERENCE) != here * REFERENCE)
            bad = first;
        for (int64_t i = 0; i < here && bad < 0; i++)
            if (!good_reference(&h, block + i * REFERENCE, base))
                bad = first + i;
    }
    free(block);
    heap_close(&h);
    return bad < 0 ? FR_OK : fr_fail(FR_FAILED, "%s: %s: text %lld is damaged", path, name, (long long)bad);
}
