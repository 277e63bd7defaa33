#include "safetensors.h"

#include "base/files.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_HEADER_BYTES 100000000 /* the format's own limit */
#define MOST_RANK 8

typedef struct entry {
    const char *name, *dtype; /* owned by the header */
    int rank;
    int64_t shape[MOST_RANK];
    uint64_t begin, end; /* bytes from the start of the data */
} entry;

struct fr_safetensors {
    char *path;
    unsigned char *map;
    const unsigned char *data;
    size_t bytes, data_bytes;
    json_t *header;
    entry *item; /* in order of begin */
    size_t count;
};

/* Bytes of an element, 0 for a type we do not know. */
static unsigned dtype_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        unsigned bytes;
    } known[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},   {"U8", 1},  {"BOOL", 1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(dtype, known[i].name) == 0)
            return known[i].bytes;
    return 0;
}

static fr_status read_shape(entry *e, const json_t *shape, const char *path)
{
    if (!json_is_array(shape) || json_array_size(shape) > MOST_RANK)
        return fr_fail(FR_FAILED, "%s: tensor %s: shape is not a list of at most %d sizes", path, e->name, MOST_RANK);
    e->rank = (int)json_array_size(shape);
    for (int i = 0; i < e->rank; i++) {
        const json_t *size = json_array_get(shape, (size_t)i);
        if (!json_is_integer(size) || json_integer_value(size) < 0)
            return fr_fail(FR_FAILED, "%s: tensor %s: a size in its shape is not a whole number >= 0", path, e->name);
        e->shape[i] = json_integer_value(size);
    }
    return FR_OK;
}

static fr_status read_offsets(entry *e, const json_t *offsets, const char *path, size_t data_bytes)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return fr_fail(FR_FAILED, "%s: tensor %s: data_offsets are not [begin, end] with 0 <= begin <= end", path,
                       e->name);
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (e->end > data_bytes)
        return fr_fail(FR_FAILED, "%s: tensor %s ends at byte %llu of the data, but the file holds %zu: is it cut off?",
                       path, e->name, (unsigned long long)e->end, data_bytes);
    return FR_OK;
}

static fr_status check_size(const entry *e, const char *path)
{
    uint64_t want = dtype_bytes(e->dtype);
    if (want == 0)
        return FR_OK; /* a type of a later version of the format: no use for it, so no error until it is read */
    for (int i = 0; i < e->rank; i++)
        if (__builtin_mul_overflow(want, (uint64_t)e->shape[i], &want))
            return fr_fail(FR_FAILED, "%s: tensor %s: its shape is larger than any memory", path, e->name);
    if (want != e->end - e->begin)
        return fr_fail(FR_FAILED, "%s: tensor %s has %llu bytes of data, its shape and type %s want %llu", path,
                       e->name, (unsigned long long)(e->end - e->begin), e->dtype, (unsigned long long)want);
    return FR_OK;
}

static int by_begin(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static fr_status check_cover(const fr_safetensors *file)
{
    uint64_t at = 0;
    for (size_t i = 0; i < file->count; i++) {
        const entry *e = &file->item[i];
        if (e->begin != at)
            return fr_fail(FR_FAILED,
                           "%s: tensor %s starts at byte %llu of the data, want %llu: tensors must neither "
                           "overlap nor leave gaps",
                           file->path, e->name, (unsigned long long)e->begin, (unsigned long long)at);
        at = e->end;
    }
    if (at != file->data_bytes)
        return fr_fail(FR_FAILED, "%s: holds %zu bytes of data, its header accounts for %llu", file->path,
                       file->data_bytes, (unsigned long long)at);
    return FR_OK;
}

static fr_status read_header(fr_safetensors *file)
{
    uint64_t header_bytes = 0;
    if (file->bytes < 8)
        return fr_fail(FR_FAILED, "%s: has %zu bytes, too few for a safetensors file", file->path, file->bytes);
    for (int i = 7; i >= 0; i--)
        header_bytes = header_bytes << 8 | file->map[i];
    if (header_bytes > MOST_HEADER_BYTES || header_bytes > file->bytes - 8)
        return fr_fail(FR_FAILED, "%s: says its header has %llu bytes, the file has %zu: cut off, or not safetensors",
                       file->path, (unsigned long long)header_bytes, file->bytes);
    file->data = file->map + 8 + header_bytes;
    file->data_bytes = file->bytes - 8 - header_bytes;

    json_error_t error;
    file->header = json_loadb((const char *)file->map + 8, header_bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(file->header))
        return fr_fail(FR_FAILED, "%s: header is not a JSON object%s%s", file->path, file->header ? "" : ": ",
                       file->header ? "" : error.text);
    file->item = FR_NEW(entry, json_object_size(file->header) + 1);
    const char *name;
    json_t *value;
    json_object_foreach(file->header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0)
            continue;
        entry *e = &file->item[file->count++];
        e->name = name;
        e->dtype = json_string_value(json_object_get(value, "dtype"));
        if (!e->dtype)
            return fr_fail(FR_FAILED, "%s: tensor %s has no dtype", file->path, name);
        FR_TRY(read_shape(e, json_object_get(value, "shape"), file->path));
        FR_TRY(read_offsets(e, json_object_get(value, "data_offsets"), file->path, file->data_bytes));
        FR_TRY(check_size(e, file->path));
    }
    qsort(file->item, file->count, sizeof *file->item, by_begin);
    return check_cover(file);
}

static fr_status map_file(fr_safetensors *file)
{
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", file->path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
        close(fd);
        return fr_fail(FR_FAILED, "%s: is empty or not a file, want safetensors", file->path);
    }
    file->bytes = (size_t)info.st_size;
    file->map = mmap(NULL, file->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (file->map == MAP_FAILED) {
        file->map = NULL;
        return fr_fail(FR_FAILED, "%s: cannot map: %s", file->path, strerror(errno));
    }
    return FR_OK;
}

fr_status fr_safetensors_open(fr_safetensors **file, const char *path)
{
    *file = FR_NEW(fr_safetensors, 1);
    (*file)->path = fr_strdup(path);
    fr_status status = map_file(*file);
    if (status == FR_OK)
        status = read_header(*file);
    if (status != FR_OK) {
        fr_safetensors_close(*file);
        *file = NULL;
    }
    return status;
}

void fr_safetensors_close(fr_safetensors *file)
{
    if (!file)
        return;
    if (file->map)
        munmap(file->map, file->bytes);
    json_decref(file->header);
    free(file->item);
    free(file->path);
    free(file);
}

static const entry *find(const fr_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->item[i].name, name) == 0)
            return &file->item[i];
    return NULL;
}

bool fr_safetensors_has(const fr_safetensors *file, const char *name)
{
    return find(file, name) != NULL;
}

/* "384 x 1536" */
static void shape_text(char *text, size_t bytes, int rank, const int64_t *shape)
{
    size_t used = 0;
    snprintf(text, bytes, "scalar");
    for (int i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? " x " : "", (long long)shape[i]);
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: sign 1, exponent 5 (bias 15), fraction 10. */
static float from_f16(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF;
    if (exponent == 31)
        return from_bits(sign | 0x7F800000u | fraction << 13);
    if (exponent)
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float small = (float)fraction * 0x1p-24f; /* subnormal or zero: exact */
    return sign ? -small : small;
}

static fr_status convert(float *out, const entry *e, const unsigned char *from, int64_t n, const char *path)
{
    if (strcmp(e->dtype, "F32") == 0) {
        if (n)
            memcpy(out, from, (size_t)n * sizeof *out);
    } else if (strcmp(e->dtype, "F64") == 0) {
        for (int64_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, from + 8 * i, sizeof value);
            out[i] = (float)value;
        }
    } else if (strcmp(e->dtype, "BF16") == 0 || strcmp(e->dtype, "F16") == 0) {
        bool brain = e->dtype[0] == 'B';
        for (int64_t i = 0; i < n; i++) {
            uint16_t value = (uint16_t)(from[2 * i] | from[2 * i + 1] << 8);
            out[i] = brain ? from_bits((uint32_t)value << 16) : from_f16(value);
        }
    } else {
        return fr_fail(FR_FAILED, "%s: tensor %s has type %s, want F32, F16, BF16 or F64", path, e->name, e->dtype);
    }
    return FR_OK;
}

/* Gives back the memory of the whole pages a tensor was read from: a model is copied once, and must not stand in memory
 * twice. They come from the file again if they are asked for. */
static void forget(const fr_safetensors *file, const entry *e)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), data = (size_t)(file->data - file->map);
    size_t first = (data + e->begin + page - 1) / page * page, end = (data + e->end) / page * page;
    if (first < end)
        madvise(file->map + first, end - first, MADV_DONTNEED);
}

fr_status fr_safetensors_read(const fr_safetensors *file, const char *name, int rank, const int64_t *shape, float *out)
{
    const entry *e = find(file, name);
    if (!e)
        return fr_fail(FR_FAILED, "%s: has no tensor %s", file->path, name);
    bool same = rank == e->rank;
    int64_t n = 1;
    for (int i = 0; i < rank; i++) {
        same = same && shape[i] == e->shape[i];
        n *= shape[i];
    }
    if (!same) {
        char is[200], want[200];
        shape_text(is, sizeof is, e->rank, e->shape);
        shape_text(want, sizeof want, rank, shape);
        return fr_fail(FR_FAILED, "%s: tensor %s is %s, want %s", file->path, name, is, want);
    }
    fr_status status = convert(out, e, file->data + e->begin, n, file->path);
    forget(file, e);
    return status;
}

static int64_t element_count(const fr_safetensor *tensor)
{
    int64_t n = 1;
    for (int i = 0; i < tensor->rank; i++)
        n *= tensor->shape[i];
    return n;
}

/* The header, padded with spaces so that the data starts on a multiple of 8 bytes; malloc'd. */
static char *make_header(const fr_safetensor *tensor, int64_t count)
{
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    json_int_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        for (int r = 0; r < tensor[i].rank; r++)
            json_array_append_new(shape, json_integer(tensor[i].shape[r]));
        json_int_t end = at + (json_int_t)(element_count(&tensor[i]) * (int64_t)sizeof(float));
        json_object_set_new(header, tensor[i].name,
                            json_pack("{s:s,s:o,s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets", at, end));
        at = end;
    }
    char *text = json_dumps(header, JSON_COMPACT), *padded;
    json_decref(header);
    FR_CHECK(text, "safetensors header of %lld tensors cannot be written", (long long)count);
    padded = fr_format("%s%*s", text, (int)(-strlen(text) & 7), "");
    free(text);
    return padded;
}

static fr_status write_all(const char *temporary, const char *path, const fr_safetensor *tensor, int64_t count)
{
    char *header = make_header(tensor, count);
    uint64_t bytes = strlen(header);
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)(bytes >> 8 * i);
    FILE *file = fopen(temporary, "wb");
    bool ok = file && fwrite(size, 1, 8, file) == 8 && fwrite(header, 1, bytes, file) == bytes;
    for (int64_t i = 0; ok && i < count; i++) {
        size_t n = (size_t)element_count(&tensor[i]);
        ok = fwrite(tensor[i].data, sizeof(float), n, file) == n;
    }
    int reason = errno;
    if (file && fclose(file) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    free(header);
    return ok ? FR_OK : fr_fail(FR_FAILED, "%s: cannot write: %s", path, strerror(reason));
}

fr_status fr_safetensors_write(const char *path, const fr_safetensor *tensor, int64_t count)
{
    char *temporary;
    FR_TRY(fr_replace_begin(&temporary, path));
    fr_status status = write_all(temporary, path, tensor, count);
    if (status != FR_OK) {
        fr_replace_cancel(temporary);
        return status;
    }
    return fr_replace_end(temporary, path);
}
