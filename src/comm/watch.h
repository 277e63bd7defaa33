/* watch.h - one thread a rank that looks after the others.
 *
 * A star of TCP connections around the root, which needs no MPI: it works while the main threads wait inside a
 * collective. Every rank tells the root once a second that it is there and where it is, and the root answers. From
 * that:
 *
 * - A rank whose connection closes (killed) or that is silent for `lost_after` seconds (stopped, frozen node) is lost:
 *   the root prints one line with its rank, host and place, and all end at once with exit code 1. If the root is lost,
 *   one of the others prints it. Long computations do not matter: the thread speaks for them.
 * - A failure of one rank goes to the root, which prints it and ends the job; failures of all ranks (a wrong key of the
 *   config) are printed once.
 * - A request to stop (log.h: Ctrl-C, SIGTERM, SIGUSR1) that reaches one rank reaches all.
 * - The end: all say that they are done, then leave MPI together.
 *
 * Environment variables, in seconds, the root's count: FINEROUTER_LOST_AFTER (20), and FINEROUTER_STUCK_AFTER (1800; 0:
 * never), after which one warning names the rank that all others wait for. */
#ifndef FR_COMM_WATCH_H
#define FR_COMM_WATCH_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

FR_NODISCARD fr_status fr_watch_start(int rank, int ranks, const char *host); /* together */
bool fr_watch_on(void);

/* The work of this rank is over, with this status and text; `echo`: the text only tells that others failed. Prints what
 * there is to print once for all, and returns the job's exit code when all ranks ended alike; else does not return. */
int fr_watch_end(fr_status status, const char *text, bool echo);

/* Asked a few times a second, from the watch's thread: NULL, or why the main thread, which waits for a GPU perhaps,
 * will never go on. The job ends as when this rank's work fails. */
void fr_watch_also(const char *(*broken)(void));

/* The same, from the main thread: ends the job and does not return. */
FR_NORETURN void fr_watch_abandon(const char *text);

/* Where the main thread is. The ticket counts beginnings and ends of collectives: odd inside of one. */
void fr_watch_at(const char *what, int64_t step);
void fr_watch_enter(void);
void fr_watch_leave(void);

#endif
