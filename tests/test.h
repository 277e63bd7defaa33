/* test.h - cmocka with what its header needs, and comparisons that fail on NaN. */
#ifndef FR_TEST_H
#define FR_TEST_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#include "finerouter/status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* |got - want| <= tolerance, and neither is NaN. */
#define assert_close(got, want, tolerance)                                                                             \
    do {                                                                                                               \
        double got_ = (got), want_ = (want), tolerance_ = (tolerance);                                                 \
        if (!(fabs(got_ - want_) <= tolerance_))                                                                       \
            fail_msg("%s = %.17g, want %.17g within %g", #got, got_, want_, tolerance_);                               \
    } while (0)

#define assert_ok(expr)                                                                                                \
    do {                                                                                                               \
        if ((expr) != FR_OK)                                                                                           \
            fail_msg("%s: %s", #expr, fr_error_text());                                                                \
    } while (0)

/* The call fails with this code, and its one line of text contains each given part. */
#define assert_fails(expr, code, part)                                                                                 \
    do {                                                                                                               \
        fr_status status_ = (expr);                                                                                    \
        assert_int_equal(status_, (code));                                                                             \
        if (!strstr(fr_error_text(), (part)))                                                                          \
            fail_msg("error text is \"%s\", want it to contain \"%s\"", fr_error_text(), (part));                      \
        if (strchr(fr_error_text(), '\n'))                                                                             \
            fail_msg("error text has more than one line: \"%s\"", fr_error_text());                                    \
    } while (0)

/* A fresh folder for the test's files, removed by the system's /tmp cleaning; static storage. */
static inline const char *test_folder(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/finerouter-test-XXXXXX");
    if (!mkdtemp(path))
        fail_msg("cannot make %s", path);
    return path;
}

#endif
