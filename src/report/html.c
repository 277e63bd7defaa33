/* See html.h. */
#include "report/html.h"

#include "eval/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fr_html_text(fr_buffer *out, const char *text)
{
    fr_buffer clean = {0};
    fr_utf8_clean(&clean, text);
    for (const char *c = clean.data; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '&')
            fr_buffer_addf(out, "&amp;");
        else if (byte == '<')
            fr_buffer_addf(out, "&lt;");
        else if (byte == '>')
            fr_buffer_addf(out, "&gt;");
        else if (byte == '"')
            fr_buffer_addf(out, "&quot;");
        else if (byte == '\'')
            fr_buffer_addf(out, "&#39;");
        else if ((byte < 0x20 && byte != '\n') || byte == 0x7F)
            fr_buffer_add(out, " ", 1);
        else
            fr_buffer_add(out, c, 1);
    }
    fr_buffer_close(&clean);
}

void fr_html_add(fr_buffer *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (const char *percent; (percent = strchr(format, '%')); format = percent + 2) {
        fr_buffer_add(out, format, (size_t)(percent - format));
        if (percent[1] == 's')
            fr_html_text(out, va_arg(arguments, const char *));
        else if (percent[1] == 'd')
            fr_buffer_addf(out, "%lld", (long long)va_arg(arguments, int64_t));
        else
            fr_buffer_add(out, "%", 1);
    }
    fr_buffer_add(out, format, strlen(format));
    va_end(arguments);
}

void fr_html_number(fr_buffer *out, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof text, format, value);
    fr_buffer_addf(out, "<td class=\"n\">%s</td>", isnan(value) ? "\xE2\x80\x93" : text);
}

void fr_html_fact(fr_buffer *out, const char *name, const char *format, double value)
{
    char text[128];
    snprintf(text, sizeof text, format, value);
    fr_html_add(out, "<dt>%s</dt><dd>%s</dd>", name, isnan(value) ? "\xE2\x80\x93" : text);
}
