#include "npy.h"

#include "utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADER = 1 << 16 };

static fr_status bad(const fr_npy *array, const char *what)
{
    return fr_fail(FR_FAILED, "%s: no good numpy array: %s", array->name, what);
}

/* ---- the header, a Python dict ---- */

static void skip_space(const char **at)
{
    while (**at == ' ' || **at == '\n' || **at == '\t')
        ++*at;
}

static bool take(const char **at, const char *text)
{
    skip_space(at);
    size_t length = strlen(text);
    if (strncmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* 'text' or "text" of at most room - 1 bytes. */
static bool take_text(const char **at, char *out, size_t room)
{
    skip_space(at);
    char quote = **at;
    if (quote != '\'' && quote != '"')
        return false;
    const char *end = strchr(*at + 1, quote);
    if (!end || (size_t)(end - *at) > room)
        return false;
    memcpy(out, *at + 1, (size_t)(end - *at - 1));
    out[end - *at - 1] = 0;
    *at = end + 1;
    return true;
}

static fr_status read_type(fr_npy *array, const char *type)
{
    char order = type[0];
    const char *size = type + 2;
    if (strchr(type, 'O'))
        return fr_fail(FR_FAILED,
                       "%s: holds Python objects, which are pickled code and not read; save it again as "
                       "numpy.array(list, dtype=str) for texts or dtype=float for numbers",
                       array->name);
    char *end = NULL;
    long bytes = order && type[1] && isdigit((unsigned char)*size) ? strtol(size, &end, 10) : -1;
    array->kind = order ? type[1] : 0;
    bool number = strchr("fiub", array->kind) != NULL;
    bool fits = array->kind == 'f'   ? bytes == 2 || bytes == 4 || bytes == 8
                : array->kind == 'b' ? bytes == 1
                : number             ? bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8
                                     : bytes >= 0 && bytes <= 1 << 28;
    if (!array->kind || !strchr("fiubUS", array->kind) || !strchr("<>=|", order) || !end || *end || !fits)
        return fr_fail(FR_FAILED, "%s: has elements of type \"%s\", want numbers (float, int, bool) or texts (str)",
                       array->name, type);
    array->bytes = array->kind == 'U' ? 4 * bytes : bytes;
    array->swapped = order == '>';
    return FR_OK;
}

/* (3, 4), (3,) or () */
static bool read_shape(fr_npy *array, const char **at)
{
    if (!take(at, "("))
        return false;
    while (!take(at, ")")) {
        char *end;
        if (array->rank == FR_NPY_RANKS || !isdigit((unsigned char)**at))
            return false;
        long long size = strtoll(*at, &end, 10);
        if (size < 0 || size > INT64_MAX / 2 || end - *at > 18)
            return false;
        array->shape[array->rank++] = size;
        *at = end;
        if (!take(at, ",")) {
            skip_space(at);
            if (**at != ')')
                return false;
        }
    }
    return true;
}

static fr_status read_dict(fr_npy *array, const char *at)
{
    char key[32], type[32] = "";
    bool order = false, shape = false;
    if (!take(&at, "{"))
        return bad(array, "its header is no dict");
    while (!take(&at, "}")) {
        if (!take_text(&at, key, sizeof key) || !take(&at, ":"))
            return bad(array, "its header is not as numpy writes it");
        skip_space(&at);
        bool good;
        if (strcmp(key, "descr") == 0 && *at == '[')
            return fr_fail(FR_FAILED, "%s: is an array of records, want one of numbers or texts", array->name);
        if (strcmp(key, "descr") == 0)
            good = take_text(&at, type, sizeof type);
        else if (strcmp(key, "fortran_order") == 0)
            good = order = (array->fortran = take(&at, "True")) || take(&at, "False");
        else if (strcmp(key, "shape") == 0)
            good = !shape && (shape = read_shape(array, &at));
        else
            return bad(array, "its header has a key that numpy does not write");
        if (!good || (!take(&at, ",") && (skip_space(&at), *at != '}')))
            return bad(array, "its header is not as numpy writes it");
    }
    if (!type[0] || !order || !shape)
        return bad(array, "its header lacks descr, fortran_order or shape");
    return read_type(array, type);
}

/* count = product of shape; count * bytes must not overflow. */
static fr_status check_size(fr_npy *array, uint64_t bytes)
{
    array->count = 1;
    for (int i = 0; i < array->rank; i++)
        if (array->shape[i] == 0)
            array->count = 0;
    for (int i = 0; i < array->rank && array->count; i++) {
        if (array->shape[i] > INT64_MAX / 16 / array->count)
            return bad(array, "its shape is larger than any file");
        array->count *= array->shape[i];
    }
    if (array->bytes && (uint64_t)array->count > bytes / (uint64_t)array->bytes)
        return bad(array, "its shape asks for more bytes than it has, as in a truncated file");
    if ((uint64_t)array->count * (uint64_t)array->bytes != bytes)
        return bad(array, "it has other bytes behind its elements");
    if (!array->bytes && array->count > 1 << 28)
        return bad(array, "it has more empty texts than are plausible");
    return FR_OK;
}

fr_status fr_npy_header(fr_npy *array, const char *name, const char *text, size_t bytes, uint64_t total, size_t *header)
{
    static const char magic[] = "\x93NUMPY";
    *array = (fr_npy){.name = fr_strdup(name)};
    if (bytes < 10 || memcmp(text, magic, 6) != 0)
        return bad(array, "it does not begin as one");
    int version = (unsigned char)text[6], prefix = version == 1 ? 10 : 12;
    if (version < 1 || version > 3 || bytes < (size_t)prefix)
        return bad(array, "its version is not 1, 2 or 3");
    size_t length = 0;
    for (int i = prefix; i-- > 8;)
        length = length << 8 | (unsigned char)text[i];
    if (length > MOST_HEADER || length > bytes - (size_t)prefix)
        return bad(array, "its header is longer than it is");
    char *dict = fr_strndup(text + prefix, length);
    fr_status status = read_dict(array, dict);
    free(dict);
    *header = (size_t)prefix + length;
    return status == FR_OK ? check_size(array, total - *header) : status;
}

/* ---- .npz ---- */

static int64_t find_array(const fr_zip *npz, const char *name)
{
    char *file = fr_format("%s.npy", name);
    int64_t member = fr_zip_find(npz, file);
    free(file);
    return member;
}

bool fr_npz_has(const fr_zip *npz, const char *name)
{
    return find_array(npz, name) >= 0;
}

fr_status fr_npz_read(fr_npy *array, fr_zip *npz, const char *name)
{
    *array = (fr_npy){0};
    int64_t member = find_array(npz, name);
    if (member < 0)
        return fr_fail(FR_FAILED, "%s: has no array %s", fr_zip_path(npz), name);
    size_t total = fr_zip_size(npz, member), header = 0, got;
    char *head = fr_alloc(MOST_HEADER), *whole = fr_format("%s: %s", fr_zip_path(npz), name);
    fr_status status = fr_zip_read(npz, member, head, MOST_HEADER, &got);
    if (status == FR_OK)
        status = fr_npy_header(array, whole, head, got, total, &header);
    free(head);
    free(whole);
    if (status == FR_OK) {
        array->data = fr_alloc(total + 1);
        status = fr_zip_read(npz, member, array->data, total, &got);
    }
    if (status != FR_OK)
        fr_npy_close(array);
    else
        memmove(array->data, array->data + header, total - header);
    return status;
}

void fr_npy_close(fr_npy *array)
{
    free(array->name);
    free(array->data);
    *array = (fr_npy){0};
}

/* ---- elements ---- */

bool fr_npy_is_text(const fr_npy *array)
{
    return array->kind == 'U' || array->kind == 'S';
}

/* Bytes of an element given in C order. In Fortran order the first index runs fastest. */
static const unsigned char *element(const fr_npy *array, int64_t index)
{
    if (array->fortran && array->rank > 1) {
        int64_t at = 0, stride[FR_NPY_RANKS] = {1};
        for (int i = 1; i < array->rank; i++)
            stride[i] = stride[i - 1] * array->shape[i - 1];
        for (int i = array->rank; i-- > 0; index /= array->shape[i])
            at += index % array->shape[i] * stride[i];
        index = at;
    }
    return (const unsigned char *)array->data + index * array->bytes;
}

static uint64_t bits_of(const fr_npy *array, const unsigned char *at, int bytes)
{
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++)
        bits |= (uint64_t)at[i] << 8 * (array->swapped ? bytes - 1 - i : i);
    return bits;
}

/* float16: 1 sign, 5 exponent, 10 fraction bits. */
static double half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023) / 1024, sign = bits >> 15 ? -1 : 1;
    if (exponent == 31)
        return fraction ? NAN : sign * (double)INFINITY;
    return sign * (exponent ? ldexp(1 + fraction, exponent - 15) : ldexp(fraction, -14));
}

double fr_npy_number(const fr_npy *array, int64_t index)
{
    FR_CHECK(index >= 0 && index < array->count, "%s: element %lld of %lld", array->name, (long long)index,
             (long long)array->count);
    if (fr_npy_is_text(array))
        return NAN;
    int bytes = (int)array->bytes;
    uint64_t bits = bits_of(array, element(array, index), bytes);
    if (array->kind == 'b')
        return bits != 0;
    if (array->kind == 'u')
        return (double)bits;
    if (array->kind == 'i') {
        uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
        return bits & sign ? -(double)((~bits & (sign - 1)) + 1) : (double)bits;
    }
    if (bytes == 2)
        return half(bits);
    if (bytes == 8) {
        double value;
        memcpy(&value, &bits, 8);
        return value;
    }
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, 4);
    return (double)value;
}

fr_status fr_npy_text(const fr_npy *array, int64_t index, fr_buffer *out)
{
    FR_CHECK(index >= 0 && index < array->count, "%s: element %lld of %lld", array->name, (long long)index,
             (long long)array->count);
    if (!fr_npy_is_text(array))
        return fr_fail(FR_FAILED, "%s: holds numbers, want texts (str)", array->name);
    const unsigned char *at = array->bytes ? element(array, index) : (const unsigned char *)"";
    size_t before = out->bytes;
    if (array->kind == 'S') {
        fr_buffer_add(out, at, (size_t)array->bytes);
        while (out->bytes > before && !out->data[out->bytes - 1])
            out->bytes--;
    } else {
        int64_t count = array->bytes / 4;
        while (count > 0 && bits_of(array, at + 4 * (count - 1), 4) == 0)
            count--;
        for (int64_t i = 0; i < count; i++) {
            char utf8[4];
            uint64_t point = bits_of(array, at + 4 * i, 4);
            size_t bytes = fr_utf8_write(utf8, point);
            if (!bytes || !point)
                return fr_fail(FR_FAILED, "%s: text %lld: character %lld (0x%llX) is no Unicode character", array->name,
                               (long long)index, (long long)i, (unsigned long long)point);
            fr_buffer_add(out, utf8, bytes);
        }
    }
    fr_buffer_add(out, "", 0);
    if (array->kind == 'S' && (fr_utf8_invalid(out->data + before, out->bytes - before) >= 0 ||
                               memchr(out->data + before, 0, out->bytes - before)))
        return fr_fail(FR_FAILED, "%s: text %lld is not valid UTF-8", array->name, (long long)index);
    return FR_OK;
}
