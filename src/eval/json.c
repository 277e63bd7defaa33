/* See json.h. */
#include "eval/json.h"

#include "base/files.h"
#include "io/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fr_utf8_clean(fr_buffer *out, const char *text)
{
    size_t left = strlen(text);
    fr_buffer_add(out, "", 0);
    for (;;) {
        int64_t bad = fr_utf8_invalid(text, left);
        fr_buffer_add(out, text, bad < 0 ? left : (size_t)bad);
        if (bad < 0)
            return;
        fr_buffer_add(out, "\xEF\xBF\xBD", 3);
        text += bad + 1;
        left -= (size_t)bad + 1;
    }
}

json_t *fr_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

const char *fr_json_name(const char *text, fr_buffer *scratch)
{
    scratch->bytes = 0;
    fr_utf8_clean(scratch, text);
    return scratch->data;
}

json_t *fr_json_text(const char *text)
{
    if (!text)
        return json_null();
    fr_buffer clean = {0};
    json_t *string = json_string(fr_json_name(text, &clean));
    fr_buffer_close(&clean);
    return string;
}

void fr_json_set(json_t *object, const char *name, json_t *value)
{
    fr_buffer scratch = {0};
    json_object_set_new(object, fr_json_name(name, &scratch), value);
    fr_buffer_close(&scratch);
}

fr_status fr_json_write(const char *path, json_t *root)
{
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    json_decref(root);
    FR_CHECK(text, "%s: the document cannot be written as JSON", path);
    fr_buffer out = {0};
    fr_buffer_addf(&out, "%s\n", text);
    free(text);
    fr_status status = fr_file_write(path, out.data, out.bytes);
    fr_buffer_close(&out);
    return status;
}

/* RFC 8259: quotes, backslashes and control characters are escaped, all else stands as it is. */
void fr_json_quote(fr_buffer *out, const char *text)
{
    fr_buffer clean = {0};
    const char *c = fr_json_name(text, &clean);
    fr_buffer_add(out, "\"", 1);
    while (*c) {
        size_t plain = 0;
        while (c[plain] && c[plain] != '"' && c[plain] != '\\' && (unsigned char)c[plain] >= 0x20)
            plain++;
        fr_buffer_add(out, c, plain);
        c += plain;
        if (*c == '"' || *c == '\\')
            fr_buffer_addf(out, "\\%c", *c++);
        else if (*c == '\n')
            fr_buffer_add(out, "\\n", 2), c++;
        else if (*c)
            fr_buffer_addf(out, "\\u%04x", (unsigned char)*c++);
    }
    fr_buffer_add(out, "\"", 1);
    fr_buffer_close(&clean);
}

void fr_json_short(fr_buffer *out, double value)
{
    if (isfinite(value))
        fr_buffer_addf(out, "%.6g", value);
    else
        fr_buffer_add(out, "null", 4);
}
