#include "zip.h"

#include "base/files.h"
#include "base/memory.h"
#include "inflate.h"
#include "utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 1 << 17,
    END_BYTES = 22,       /* end of the central directory, without its comment */
    END64_BYTES = 56,     /* its ZIP64 form */
    LOCATOR_BYTES = 20,   /* where that is */
    ENTRY_BYTES = 46,     /* entry of the directory, without name, extra and comment */
    LOCAL_BYTES = 30,     /* header in front of a member's data, the same */
    MOST_MEMBERS = 65536, /* more than any real file here has */
    DEFLATE_RATIO = 1032  /* bytes that one deflated byte can stand for, at most */
};

typedef struct zip_member {
    char *name;
    uint64_t packed, size, local; /* bytes; offset of the local header */
    uint32_t crc;
    int method;
    bool encrypted;
} zip_member;

struct fr_zip {
    char *path;
    FILE *file;
    uint64_t bytes; /* of the file */
    zip_member *member;
    int64_t count;
};

static uint64_t little(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static fr_status damaged(const fr_zip *zip, const char *what)
{
    return fr_fail(FR_FAILED, "%s: no good ZIP file: %s", zip->path, what);
}

/* `bytes` at an offset, which must lie within the file. */
static fr_status read_at(const fr_zip *zip, uint64_t offset, void *out, size_t bytes)
{
    if (offset > zip->bytes || bytes > zip->bytes - offset)
        return damaged(zip, "it points behind its end, as a truncated file does");
    if (fseeko(zip->file, (off_t)offset, SEEK_SET) != 0 || fread(out, 1, bytes, zip->file) != bytes)
        return fr_fail(FR_FAILED, "%s: cannot read: %s", zip->path,
                       ferror(zip->file) ? strerror(errno) : "it got shorter");
    return FR_OK;
}

typedef struct zip_directory {
    uint64_t offset, bytes, count;
} zip_directory;

/* The end record stands within the last 64 KiB, behind it a comment of the length it says. */
static fr_status find_directory(const fr_zip *zip, zip_directory *dir)
{
    size_t tail = zip->bytes < 65535 + END_BYTES ? (size_t)zip->bytes : 65535 + END_BYTES;
    unsigned char *end = fr_alloc(tail + 1);
    fr_status status = read_at(zip, zip->bytes - tail, end, tail);
    int64_t at = (int64_t)tail - END_BYTES;
    while (status == FR_OK && at >= 0 &&
           !(little(end + at, 4) == 0x06054B50 && little(end + at + 20, 2) == tail - END_BYTES - (size_t)at))
        at--;
    if (status == FR_OK && at < 0)
        status = damaged(zip, "the end of its directory is missing; it is truncated or something else");
    if (status == FR_OK) {
        *dir = (zip_directory){little(end + at + 16, 4), little(end + at + 12, 4), little(end + at + 10, 2)};
        uint64_t place = zip->bytes - tail + (uint64_t)at;
        unsigned char locator[LOCATOR_BYTES], end64[END64_BYTES];
        if (place >= LOCATOR_BYTES && read_at(zip, place - LOCATOR_BYTES, locator, LOCATOR_BYTES) == FR_OK &&
            little(locator, 4) == 0x07064B50) {
            status = read_at(zip, little(locator + 8, 8), end64, END64_BYTES);
            if (status == FR_OK && little(end64, 4) != 0x06064B50)
                status = damaged(zip, "its ZIP64 directory is missing");
            if (status == FR_OK)
                *dir = (zip_directory){little(end64 + 48, 8), little(end64 + 40, 8), little(end64 + 32, 8)};
        }
    }
    free(end);
    return status;
}

/* Sizes and offset of an entry that stand as all ones are in its ZIP64 extra field, in this order. */
static fr_status read_extra(const fr_zip *zip, zip_member *m, const unsigned char *extra, size_t bytes)
{
    uint64_t *wanted[3] = {&m->size, &m->packed, &m->local};
    bool needed = false;
    for (int i = 0; i < 3; i++)
        needed = needed || *wanted[i] == 0xFFFFFFFF;
    if (!needed)
        return FR_OK;
    while (bytes >= 4) {
        size_t length = (size_t)little(extra + 2, 2);
        if (length > bytes - 4)
            break;
        const unsigned char *at = extra + 4;
        for (int i = 0; i < 3 && little(extra, 2) == 1; i++)
            if (*wanted[i] == 0xFFFFFFFF) {
                if (at + 8 > extra + 4 + length)
                    return damaged(zip, "a ZIP64 field is too short");
                *wanted[i] = little(at, 8);
                at += 8;
            }
        if (little(extra, 2) == 1)
            return FR_OK;
        extra += 4 + length;
        bytes -= 4 + length;
    }
    return FR_OK; /* 4 GiB - 1 may be meant */
}

static fr_status check_member(const fr_zip *zip, const zip_member *m)
{
    char shown[FR_EXCERPT];
    if (m->packed > zip->bytes || m->local > zip->bytes)
        return fr_fail(FR_FAILED, "%s: %s: points behind the file's end, as in a truncated file", zip->path,
                       fr_utf8_excerpt(shown, m->name));
    if (m->method == 0 && m->packed != m->size)
        return fr_fail(FR_FAILED, "%s: %s: is stored in %llu bytes, but is said to have %llu", zip->path,
                       fr_utf8_excerpt(shown, m->name), (unsigned long long)m->packed, (unsigned long long)m->size);
    if (m->size / DEFLATE_RATIO > m->packed + 1)
        return fr_fail(FR_FAILED, "%s: %s: %llu bytes are said to unpack to %llu, more than deflate can", zip->path,
                       fr_utf8_excerpt(shown, m->name), (unsigned long long)m->packed, (unsigned long long)m->size);
    return FR_OK;
}

static fr_status read_directory(fr_zip *zip, const zip_directory *dir, const unsigned char *data)
{
    size_t at = 0;
    for (uint64_t i = 0; i < dir->count; i++) {
        const unsigned char *e = data + at;
        size_t left = (size_t)dir->bytes - at;
        if (left < ENTRY_BYTES || little(e, 4) != 0x02014B50)
            return damaged(zip, "its directory is not as long as it says");
        size_t name = (size_t)little(e + 28, 2), extra = (size_t)little(e + 30, 2), comment = (size_t)little(e + 32, 2);
        if (left - ENTRY_BYTES < name + extra + comment)
            return damaged(zip, "an entry of its directory is cut");
        zip_member *m = &zip->member[zip->count++];
        *m = (zip_member){.name = fr_strndup((const char *)e + ENTRY_BYTES, name),
                          .packed = little(e + 20, 4),
                          .size = little(e + 24, 4),
                          .local = little(e + 42, 4),
                          .crc = (uint32_t)little(e + 16, 4),
                          .method = (int)little(e + 10, 2),
                          .encrypted = little(e + 8, 2) & 1};
        FR_TRY(read_extra(zip, m, e + ENTRY_BYTES + name, extra));
        FR_TRY(check_member(zip, m));
        at += ENTRY_BYTES + name + extra + comment;
    }
    return FR_OK;
}

static fr_status open_all(fr_zip *zip)
{
    zip->file = fopen(zip->path, "rb");
    if (!zip->file)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", zip->path, strerror(errno));
    if (fr_is_folder(zip->path))
        return fr_fail(FR_FAILED, "%s: is a folder, want a file", zip->path);
    if (fseeko(zip->file, 0, SEEK_END) != 0)
        return fr_fail(FR_FAILED, "%s: cannot read: %s", zip->path, strerror(errno));
    zip->bytes = (uint64_t)ftello(zip->file);
    zip_directory dir;
    FR_TRY(find_directory(zip, &dir));
    if (dir.offset > zip->bytes || dir.bytes > zip->bytes - dir.offset || dir.count > dir.bytes / ENTRY_BYTES)
        return damaged(zip, "its directory does not fit into it, as in a truncated file");
    if (dir.count > MOST_MEMBERS)
        return damaged(zip, "it has more than 65536 members");
    zip->member = FR_NEW(zip_member, dir.count);
    unsigned char *data = fr_alloc((size_t)dir.bytes + 1);
    fr_status status = read_at(zip, dir.offset, data, (size_t)dir.bytes);
    if (status == FR_OK)
        status = read_directory(zip, &dir, data);
    free(data);
    return status;
}

fr_status fr_zip_open(fr_zip **out, const char *path)
{
    *out = NULL;
    fr_zip *zip = FR_NEW(fr_zip, 1);
    zip->path = fr_strdup(path);
    fr_status status = open_all(zip);
    if (status == FR_OK)
        *out = zip;
    else
        fr_zip_close(zip);
    return status;
}

void fr_zip_close(fr_zip *zip)
{
    if (!zip)
        return;
    for (int64_t i = 0; i < zip->count; i++)
        free(zip->member[i].name);
    free(zip->member);
    if (zip->file)
        fclose(zip->file);
    free(zip->path);
    free(zip);
}

const char *fr_zip_path(const fr_zip *zip)
{
    return zip->path;
}

int64_t fr_zip_count(const fr_zip *zip)
{
    return zip->count;
}

const char *fr_zip_name(const fr_zip *zip, int64_t i)
{
    return zip->member[i].name;
}

size_t fr_zip_size(const fr_zip *zip, int64_t i)
{
    return (size_t)zip->member[i].size;
}

int64_t fr_zip_find(const fr_zip *zip, const char *name)
{
    for (int64_t i = 0; i < zip->count; i++)
        if (strcmp(zip->member[i].name, name) == 0)
            return i;
    return -1;
}

static fr_status bad_member(const fr_zip *zip, const zip_member *m, const char *what)
{
    char shown[FR_EXCERPT];
    return fr_fail(FR_FAILED, "%s: %s: %s", zip->path, fr_utf8_excerpt(shown, m->name), what);
}

/* Where a member's data begins. */
static fr_status find_data(const fr_zip *zip, const zip_member *m, uint64_t *offset)
{
    unsigned char local[LOCAL_BYTES];
    FR_TRY(read_at(zip, m->local, local, LOCAL_BYTES));
    if (little(local, 4) != 0x04034B50)
        return bad_member(zip, m, "its header is missing");
    *offset = m->local + LOCAL_BYTES + little(local + 26, 2) + little(local + 28, 2);
    if (*offset > zip->bytes || m->packed > zip->bytes - *offset)
        return bad_member(zip, m, "points behind the file's end, as in a truncated file");
    return FR_OK;
}

/* Unpacks up to `bytes`; *ended tells whether the stream did. */
static fr_status unpack(const fr_zip *zip, const zip_member *m, uint64_t offset, char *out, size_t *bytes, bool *ended)
{
    unsigned char *block = fr_alloc(BLOCK);
    fr_inflate *stream = fr_inflate_open(false);
    uint64_t left = m->packed;
    const unsigned char *in = block;
    size_t have = 0, room = *bytes;
    fr_status status = FR_OK;
    *ended = false;
    while (status == FR_OK && !*ended && (have || left)) {
        if (have == 0) {
            in = block;
            have = left < BLOCK ? (size_t)left : BLOCK;
            status = read_at(zip, offset, block, have);
            offset += have;
            left -= have;
            continue;
        }
        size_t before_in = have, before_out = room;
        fr_inflate_state state = fr_inflate_run(stream, &in, &have, &out, &room);
        *ended = state == FR_INFLATE_END;
        if (state == FR_INFLATE_DAMAGED)
            status = fr_fail(FR_FAILED, "%s: %s: its deflated data is damaged: %s", zip->path, m->name,
                             fr_inflate_message(stream));
        else if (!*ended && before_in == have && before_out == room)
            break; /* out is full */
    }
    *bytes -= room;
    fr_inflate_close(stream);
    free(block);
    return status;
}

fr_status fr_zip_read(fr_zip *zip, int64_t i, void *out, size_t bytes, size_t *got)
{
    const zip_member *m = &zip->member[i];
    uint64_t offset = 0;
    bool whole = bytes >= m->size, ended = true;
    *got = whole ? (size_t)m->size : bytes;
    if (m->encrypted)
        return bad_member(zip, m, "is encrypted");
    if (m->method != 0 && m->method != 8)
        return bad_member(zip, m, "is packed in a way other than stored and deflated");
    FR_TRY(find_data(zip, m, &offset));
    if (m->method == 0) {
        FR_TRY(read_at(zip, offset, out, *got));
    } else {
        size_t want = *got;
        FR_TRY(unpack(zip, m, offset, out, got, &ended));
        if (*got != want)
            return bad_member(zip, m, "unpacks to fewer bytes than it says");
    }
    if (whole && fr_crc32(0, out, *got) != m->crc)
        return bad_member(zip, m, "its checksum is wrong: the file is damaged");
    return FR_OK;
}
