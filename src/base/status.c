#include "finerouter/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char error_text[2048];

fr_status fr_fail(fr_status code, const char *format, ...)
{
    FR_CHECK(code != FR_OK, "a failure needs a code");
    /* The arguments may point into the old text, so the new one is built aside. */
    char text[sizeof error_text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(error_text, text, sizeof text);
    return code;
}

fr_status fr_fail_within(fr_status code, const char *prefix_format, ...)
{
    if (code == FR_OK)
        return code;
    char text[sizeof error_text];
    va_list args;
    va_start(args, prefix_format);
    int used = vsnprintf(text, sizeof text, prefix_format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof text)
        used = (int)strlen(text);
    snprintf(text + used, sizeof text - (size_t)used, ": %s", error_text);
    memcpy(error_text, text, sizeof text);
    return code;
}

const char *fr_error_text(void)
{
    return error_text;
}

_Noreturn void fr_check_failed(const char *file, int line, const char *condition, const char *format, ...)
{
    fprintf(stderr, "finerouter: internal error at %s:%d: %s: ", file, line, condition);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    fflush(stderr);
    abort();
}
