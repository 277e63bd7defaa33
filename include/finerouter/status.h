/* finerouter/status.h - how a failure is reported.
 *
 * Two families. The world failed (file, config, data, memory, disk): a function returns an fr_status other than FR_OK
 * and leaves one line of text that says what, where, the value, and what would be right. We failed: FR_CHECK
 * aborts with file, line and values; it is never compiled out. */
#ifndef FINEROUTER_STATUS_H
#define FINEROUTER_STATUS_H

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The values are the exit codes of the binary. */
typedef enum fr_status {
    FR_OK = 0,
    FR_FAILED = 1,      /* the work failed: data, file, disk, memory, device */
    FR_USAGE = 2,       /* wrong usage or config */
    FR_INTERRUPTED = 3, /* stopped cleanly by Ctrl-C, SIGTERM or SIGUSR1; the same command continues: a job that ends
                           with this code asks to be queued again */
} fr_status;

#define FR_NODISCARD __attribute__((warn_unused_result))
#define FR_NORETURN __attribute__((noreturn))
#define FR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Sets the calling thread's error text (printf style, no newline) and returns code. Never called with FR_OK. */
fr_status fr_fail(fr_status code, const char *format, ...) FR_PRINTF(2, 3) FR_NODISCARD;

/* Puts "prefix: " before the text of an error on its way up; returns code unchanged. Does nothing for FR_OK. */
fr_status fr_fail_within(fr_status code, const char *prefix_format, ...) FR_PRINTF(2, 3) FR_NODISCARD;

/* The text of the last failure of this thread; "" if none. */
const char *fr_error_text(void);

/* Returns from the calling function when expr is not FR_OK. */
#define FR_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        fr_status fr_try_status_ = (expr);                                                                             \
        if (fr_try_status_ != FR_OK)                                                                                   \
            return fr_try_status_;                                                                                     \
    } while (0)

/* The same for functions with a clean-up label: sets `status` (an fr_status in scope) and jumps. */
#define FR_TRY_GOTO(expr, label)                                                                                       \
    do {                                                                                                               \
        status = (expr);                                                                                               \
        if (status != FR_OK)                                                                                           \
            goto label;                                                                                                \
    } while (0)

FR_NORETURN void fr_check_failed(const char *file, int line, const char *condition, const char *format, ...)
    FR_PRINTF(4, 5);

/* FR_CHECK(condition, "format with the values", ...): our own mistakes. */
#define FR_CHECK(condition, ...)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fr_check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                                              \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
