/* mpirun.h - the ranks of a test: its own program, started again by mpirun. */
#ifndef FR_TEST_MPIRUN_H
#define FR_TEST_MPIRUN_H

#include "test.h"

#include "base/memory.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum { NO_RANKS = 77 }; /* exit code of a rank where the build has no MPI; the sanitizers' own is 99 */

/* words: what follows the program's name, NULL at the end. ranks 0: one process without mpirun. -1: there is no mpirun.
 * The sanitizer looks for leaks without mpirun alone: Open MPI leaks. */
static inline pid_t ranks_start(int ranks, const char *program, const char *const *words)
{
    extern char **environ;
    const char *argv[24] = {"mpirun", "--oversubscribe", "-x"}, *set = getenv("ASAN_OPTIONS");
    char number[16], *variable = fr_format("ASAN_OPTIONS=%s:detect_leaks=0", set ? set : "");
    snprintf(number, sizeof number, "%d", ranks);
    int n = 3;
    argv[n++] = variable;
    argv[n++] = "-n";
    argv[n++] = number;
    int own = n;
    argv[n++] = program;
    for (; *words; words++) {
        assert_true(n < 23);
        argv[n++] = *words;
    }
    const char **from = ranks ? argv : argv + own;
    pid_t pid;
    int failed = posix_spawnp(&pid, from[0], NULL, NULL, (char *const *)from, environ);
    free(variable);
    return failed ? -1 : pid;
}

/* The exit code, or the signal's number below zero. */
static inline int ranks_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
