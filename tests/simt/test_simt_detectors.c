/* Each planted mistake is found, in a process of its own, with a message that names the kernel and the line; its right
 * twin passes. SIMT_SHOW in the environment prints the messages. */
#include "planted.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the process prints on stderr, up to `bytes`; returns its wait status. */
static int run_child(const planted *bug, bool wrong, char *text, size_t bytes)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout); /* else the child prints it too */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        signal(SIGABRT, SIG_DFL);
        bug->run(wrong);
        _exit(0);
    }
    close(ends[1]);
    char rest[4096];
    size_t used = 0;
    ssize_t got;
    do {
        bool room = used + 1 < bytes;
        got = read(ends[0], room ? text + used : rest, room ? bytes - 1 - used : sizeof rest);
        used += room && got > 0 ? (size_t)got : 0;
    } while (got > 0);
    text[used] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static char report[1 << 16];

static void test_found(void **state)
{
    (void)state;
    for (int i = 0; i < planted_count; i++) {
        const planted *bug = &planted_bugs[i];
        if (bug->variant && strcmp(bug->variant, SIMT_VARIANT) != 0)
            continue;
        int status = run_child(bug, true, report, sizeof report);
        if (getenv("SIMT_SHOW"))
            printf("---- %s\n%s", bug->name, report);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            fail_msg("%s: not found", bug->name);
        if (!strstr(report, bug->message) || !strstr(report, "simt: kernel ") || !strstr(report, "planted.cu:"))
            fail_msg("%s: the report has no \"%s\" (or no kernel, or no line):\n%s", bug->name, bug->message, report);
    }
}

static void test_right_twins(void **state)
{
    (void)state;
    for (int i = 0; i < planted_count; i++) {
        int status = run_child(&planted_bugs[i], false, report, sizeof report);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("%s without the mistake fails:\n%s", planted_bugs[i].name, report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_right_twins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
