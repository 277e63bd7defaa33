/* finerouter/log.h - what a person and a log file see of a run, and how a run is asked to stop. */
#ifndef FINEROUTER_LOG_H
#define FINEROUTER_LOG_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens <path> for appending JSON lines (one object an event, each with "time", "event"). */
FR_NODISCARD fr_status fr_log_open(const char *path);
void fr_log_close(void);

/* 0 quiet, 1 normal, 2 verbose. Warnings and errors are always shown. Returns the level before. */
int fr_log_level(int level);

/* From now on neither lines nor progress are shown, warnings included: the ranks of a run speak through one of them. */
void fr_log_mute(void);

/* A line for the person, on stderr, and an event {"event":"info","text":...} in the log. */
void fr_log(const char *format, ...) FR_PRINTF(1, 2);
void fr_log_verbose(const char *format, ...) FR_PRINTF(1, 2);
void fr_log_warn(const char *format, ...) FR_PRINTF(1, 2);

/* An event with numbers for the log file only: fr_log_event("epoch", "stage=s epoch=d loss=f", "classifier", 3, 0.5).
 * Types: s const char *, d int64_t (pass (int64_t)), f double. */
void fr_log_event(const char *event, const char *fields, ...);

/* Progress of long work: on a terminal one bar with rate and ETA, redrawn at most 10 times a second; else a plain line
 * at most every 10 seconds and one at the end. total < 0: unknown. what NULL: short work, nothing is shown. Nested
 * calls are not supported. Not thread-safe: advance from one thread. */
typedef struct fr_progress {
    const char *what, *unit;
    int64_t total, done;
    double started, shown;
    char note[96];
} fr_progress;

void fr_progress_begin(fr_progress *progress, const char *what, const char *unit, int64_t total);
void fr_progress_add(fr_progress *progress, int64_t more);
void fr_progress_note(fr_progress *progress, const char *format, ...) FR_PRINTF(2, 3); /* e.g. "dev loss .412" */
void fr_progress_end(fr_progress *progress);

double fr_seconds(void); /* monotonic clock */

/* A last line on stderr by a thread that ends the process: it waits for no lock that another thread may hold for ever.
 */
void fr_log_last_line(const char *line);

/* Ctrl-C, SIGTERM and SIGUSR1 set a flag; long work asks it between steps, writes its checkpoint and returns
 * fr_interrupted(). A second Ctrl-C ends the process at once; a second one of the others does not, since Slurm sends
 * both to a job that runs out of time: SIGUSR1 some time before the end (sbatch --signal=USR1@60), SIGTERM at it. Among
 * several ranks it is enough that one of them gets the signal. To ask an mpirun, send it SIGUSR1, which it hands on: on
 * SIGTERM or Ctrl-C Open MPI kills the ranks after a second, which is enough for few checkpoints (--mca
 * odls_base_sigkill_timeout 60 gives them a minute). srun hands every signal on. */
void fr_interrupt_install(void);
void fr_interrupt_ask(void); /* sets the flag, as a signal does */
bool fr_interrupt_wanted(void);
fr_status fr_interrupted(void); /* FR_INTERRUPTED with its text */

#endif
