#include "csv.h"

#include "base/memory.h"
#include "lines.h"

#include <stdlib.h>
#include <string.h>

struct fr_csv {
    fr_lines *lines;
    int64_t line;
    fr_buffer text; /* the fields, NUL behind each */
    size_t *start;  /* (count) offsets in text */
    const char **field;
    int64_t count, capacity;
};

fr_status fr_csv_open(fr_csv **out, const char *path)
{
    *out = NULL;
    fr_lines *lines;
    FR_TRY(fr_lines_open(&lines, path));
    *out = FR_NEW(fr_csv, 1);
    (*out)->lines = lines;
    return FR_OK;
}

int64_t fr_csv_line(const fr_csv *csv)
{
    return csv->line;
}

static void begin_field(fr_csv *csv)
{
    if (csv->count == csv->capacity) {
        csv->capacity = csv->capacity ? 2 * csv->capacity : 16;
        csv->start = fr_realloc(csv->start, (size_t)csv->capacity * sizeof *csv->start);
        csv->field = fr_realloc(csv->field, (size_t)csv->capacity * sizeof *csv->field);
    }
    csv->start[csv->count++] = csv->text.bytes;
}

/* The next line, checked, NULL at the end of the file. */
static fr_status next_line(fr_csv *csv, char **text)
{
    size_t bytes;
    FR_TRY(fr_lines_next(csv->lines, text, &bytes));
    return *text ? fr_lines_check(csv->lines, *text, bytes) : FR_OK;
}

static fr_status syntax(const fr_csv *csv, const char *what, int64_t column)
{
    return fr_fail(FR_FAILED, "%s:%lld: field %lld: %s", fr_lines_path(csv->lines),
                   (long long)fr_lines_number(csv->lines), (long long)column, what);
}

/* A quoted field from behind its opening quote, over as many lines as it takes; *at stands behind the closing quote. */
static fr_status read_quoted(fr_csv *csv, char **at)
{
    int64_t began = fr_lines_number(csv->lines);
    char *s = *at;
    for (;;) {
        char *quote = strchr(s, '"');
        if (!quote) {
            fr_buffer_add(&csv->text, s, strlen(s));
            fr_buffer_add(&csv->text, "\n", 1);
            FR_TRY(next_line(csv, &s));
            if (!s)
                return fr_fail(FR_FAILED, "%s:%lld: field %lld: its quote is never closed", fr_lines_path(csv->lines),
                               (long long)began, (long long)csv->count);
            continue;
        }
        fr_buffer_add(&csv->text, s, (size_t)(quote - s));
        s = quote + 1;
        if (*s != '"')
            break;
        fr_buffer_add(&csv->text, s++, 1);
    }
    *at = s;
    return FR_OK;
}

static bool line_end(const char *s)
{
    return !*s || (s[0] == '\r' && !s[1]);
}

static fr_status read_record(fr_csv *csv, char *s)
{
    for (;;) {
        begin_field(csv);
        if (*s == '"') {
            s++;
            FR_TRY(read_quoted(csv, &s));
            if (*s != ',' && !line_end(s))
                return syntax(csv, "text behind the closing quote; a quote inside a field is doubled (\"\")",
                              csv->count);
        } else {
            size_t length = strcspn(s, ",");
            if (memchr(s, '"', length))
                return syntax(csv, "a quote inside an unquoted field; quote the field and double the quote",
                              csv->count);
            size_t kept = length > 0 && s[length] == 0 && s[length - 1] == '\r' ? length - 1 : length;
            fr_buffer_add(&csv->text, s, kept);
            s += length;
        }
        fr_buffer_add(&csv->text, "", 1);
        if (*s != ',')
            return FR_OK;
        s++;
    }
}

fr_status fr_csv_next(fr_csv *csv, const char ***fields, int64_t *count)
{
    *fields = NULL;
    *count = 0;
    char *s;
    do {
        FR_TRY(next_line(csv, &s));
        if (!s)
            return FR_OK;
    } while (line_end(s));
    csv->line = fr_lines_number(csv->lines);
    csv->text.bytes = 0;
    csv->count = 0;
    FR_TRY(read_record(csv, s));
    for (int64_t i = 0; i < csv->count; i++)
        csv->field[i] = csv->text.data + csv->start[i];
    *fields = csv->field;
    *count = csv->count;
    return FR_OK;
}

void fr_csv_close(fr_csv *csv)
{
    if (!csv)
        return;
    fr_lines_close(csv->lines);
    fr_buffer_close(&csv->text);
    free(csv->start);
    free(csv->field);
    free(csv);
}
