#include "lines.h"

#include "base/files.h"
#include "base/memory.h"
#include "inflate.h"
#include "utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 17, LONGEST = 1 << 30 };

struct fr_lines {
    char *path;
    FILE *file;
    int64_t number;
    char *data;                  /* decoded text */
    size_t begin, end, capacity; /* what of it is not yet returned */
    bool finished;               /* the file has been read */
    bool gzip, inside;           /* compressed; within a gzip member */
    fr_inflate *stream;
    unsigned char *packed;     /* compressed input of the stream, BLOCK bytes */
    const unsigned char *next; /* what of it is not yet decoded */
    size_t left;
};

const char *fr_lines_path(const fr_lines *lines)
{
    return lines->path;
}

int64_t fr_lines_number(const fr_lines *lines)
{
    return lines->number;
}

static fr_status read_error(const fr_lines *lines)
{
    return fr_fail(FR_FAILED, "%s: cannot read: %s", lines->path, strerror(errno));
}

static fr_status gzip_error(const fr_lines *lines, const char *what)
{
    return fr_fail(FR_FAILED, "%s:%lld: %s", lines->path, (long long)lines->number + 1, what);
}

/* Between gzip members: padding of zeros is legal, then another member or the end of the file. */
static fr_status next_member(fr_lines *lines)
{
    while (lines->left > 0 && *lines->next == 0) {
        lines->next++;
        lines->left--;
    }
    if (lines->left == 0)
        return FR_OK;
    if (*lines->next != 0x1F)
        return gzip_error(lines, "the gzip stream has other bytes behind its end");
    fr_inflate_restart(lines->stream);
    lines->inside = true;
    return FR_OK;
}

/* Up to `room` decoded bytes to `out`; *got 0 at the end. */
static fr_status read_gzip(fr_lines *lines, char *out, size_t room, size_t *got)
{
    size_t unused = room;
    while (unused == room) {
        if (lines->left == 0) {
            lines->next = lines->packed;
            lines->left = fread(lines->packed, 1, BLOCK, lines->file);
            if (ferror(lines->file))
                return read_error(lines);
            if (lines->left == 0) {
                if (lines->inside)
                    return gzip_error(lines, "the gzip file is truncated: it ends in the middle of its data");
                break;
            }
        }
        if (!lines->inside) {
            FR_TRY(next_member(lines));
            continue;
        }
        fr_inflate_state state = fr_inflate_run(lines->stream, &lines->next, &lines->left, &out, &unused);
        if (state == FR_INFLATE_END)
            lines->inside = false;
        else if (state == FR_INFLATE_DAMAGED)
            return fr_fail(FR_FAILED, "%s:%lld: the gzip data is damaged: %s", lines->path,
                           (long long)lines->number + 1, fr_inflate_message(lines->stream));
    }
    *got = room - unused;
    return FR_OK;
}

/* More decoded bytes behind lines->end. */
static fr_status fill(fr_lines *lines)
{
    if (lines->begin > 0) {
        memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end >= LONGEST)
        return fr_fail(FR_FAILED, "%s:%lld: the line is longer than 1 GiB", lines->path, (long long)lines->number + 1);
    if (lines->capacity - lines->end < BLOCK + 1) {
        lines->capacity *= 2;
        lines->data = fr_realloc(lines->data, lines->capacity);
    }
    size_t got = 0;
    if (lines->gzip) {
        FR_TRY(read_gzip(lines, lines->data + lines->end, BLOCK, &got));
    } else {
        got = fread(lines->data + lines->end, 1, BLOCK, lines->file);
        if (got == 0 && ferror(lines->file))
            return read_error(lines);
    }
    lines->end += got;
    lines->finished = got == 0;
    return FR_OK;
}

static fr_status start(fr_lines *lines)
{
    const char *path = lines->path;
    lines->file = fopen(path, "rb");
    if (!lines->file)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(errno));
    if (fr_is_folder(path))
        return fr_fail(FR_FAILED, "%s: is a folder, want a file", path);
    lines->capacity = 2 * BLOCK + 2;
    lines->data = fr_alloc(lines->capacity);
    lines->packed = fr_alloc(BLOCK);
    size_t got = fread(lines->packed, 1, BLOCK, lines->file);
    if (ferror(lines->file))
        return read_error(lines);
    lines->gzip = got >= 2 && lines->packed[0] == 0x1F && lines->packed[1] == 0x8B;
    size_t length = strlen(path);
    if (length > 3 && strcmp(path + length - 3, ".gz") == 0 && !lines->gzip)
        return fr_fail(FR_FAILED, "%s: is not a gzip file, though its name says so", path);
    if (lines->gzip) {
        lines->stream = fr_inflate_open(true);
        lines->next = lines->packed;
        lines->left = got;
        lines->inside = true;
        FR_TRY(fill(lines));
    } else {
        memcpy(lines->data, lines->packed, got);
        lines->end = got;
    }
    if (lines->end >= 3 && memcmp(lines->data, "\xEF\xBB\xBF", 3) == 0)
        lines->begin = 3;
    return FR_OK;
}

fr_status fr_lines_open(fr_lines **out, const char *path)
{
    *out = NULL;
    fr_lines *lines = FR_NEW(fr_lines, 1);
    lines->path = fr_strdup(path);
    fr_status status = start(lines);
    if (status != FR_OK)
        fr_lines_close(lines);
    else
        *out = lines;
    return status;
}

fr_status fr_lines_next(fr_lines *lines, char **text, size_t *bytes)
{
    *text = NULL;
    *bytes = 0;
    size_t searched = 0;
    char *newline = NULL;
    for (;;) {
        size_t left = lines->end - lines->begin;
        newline = left > searched ? memchr(lines->data + lines->begin + searched, '\n', left - searched) : NULL;
        if (newline || lines->finished)
            break;
        searched = left;
        FR_TRY(fill(lines));
    }
    if (!newline && lines->begin == lines->end)
        return FR_OK;
    char *from = lines->data + lines->begin, *to = newline ? newline : lines->data + lines->end;
    *to = 0;
    lines->begin = newline ? (size_t)(to + 1 - lines->data) : lines->end;
    lines->number++;
    *text = from;
    *bytes = (size_t)(to - from);
    return FR_OK;
}

fr_status fr_lines_check(const fr_lines *lines, const char *text, size_t bytes)
{
    const char *nul = memchr(text, 0, bytes);
    if (nul)
        return fr_fail(FR_FAILED, "%s:%lld: NUL character at byte %lld of the line", lines->path,
                       (long long)lines->number, (long long)(nul - text) + 1);
    int64_t bad = fr_utf8_invalid(text, bytes);
    if (bad >= 0)
        return fr_fail(FR_FAILED, "%s:%lld: invalid UTF-8 at byte %lld of the line (0x%02X)", lines->path,
                       (long long)lines->number, (long long)bad + 1, (unsigned char)text[bad]);
    return FR_OK;
}

void fr_lines_close(fr_lines *lines)
{
    if (!lines)
        return;
    fr_inflate_close(lines->stream);
    if (lines->file)
        fclose(lines->file);
    free(lines->packed);
    free(lines->data);
    free(lines->path);
    free(lines);
}
