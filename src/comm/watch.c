#include "watch.h"

#include "base/memory.h"
#include "comm.h"
#include "finerouter/log.h"
#include "meet.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { WAITING = 16, TICK_MS = 250, RUNNING = -1 };

/* What is known of a rank. The root knows all, the others the root. */
typedef struct peer {
    fr_wire wire;
    char host[256], place[96];
    int64_t step, ticket;
    double heard, moved; /* when it spoke, when it was last seen to be elsewhere than before */
    bool left, echo;     /* its work is over */
    int code;
    double left_at;
    char text[2048];
} peer;

static struct {
    int rank, ranks;
    int speaker; /* who tells that the root is lost */
    double lost_after, stuck_after;
    peer *peer;
    int wake, listener, next;
    fr_wire waiting[WAITING]; /* connected, and not yet introduced */
    fr_meeting meeting;
    pthread_t thread;
    atomic_bool open, quit, stranded; /* stranded: the main thread will never ask for the verdict */
    bool stop_told, warned;
    double told, looked; /* when the last beat went out, when the thread last ran */
    const char *(*_Atomic broken)(void);

    /* between the main thread and this one */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool left, left_told, echo;
    int code, verdict;
    char text[2048];
} w = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .verdict = RUNNING};

static bool on;

/* ---- where the main thread is ---- */

static const char *_Atomic place;
static _Atomic int64_t place_step = -1, ticket;

void fr_watch_at(const char *what, int64_t step)
{
    atomic_store(&place_step, -1); /* never the new place with the old step */
    atomic_store(&place, what);
    atomic_store(&place_step, step);
}

void fr_watch_enter(void)
{
    atomic_fetch_add(&ticket, 1);
}

void fr_watch_leave(void)
{
    atomic_fetch_add(&ticket, 1);
}

static fr_message message_here(int kind)
{
    fr_message m = {.kind = kind, .rank = w.rank, .ticket = atomic_load(&ticket)};
    const char *what;
    do {
        m.step = atomic_load(&place_step);
        what = atomic_load(&place);
    } while (m.step != atomic_load(&place_step));
    snprintf(m.text, sizeof w.peer->place, "%s", what ? what : "");
    return m;
}

/* Takes over what a rank says of its place. */
static void note(peer *p, const fr_message *m, double now)
{
    p->heard = now;
    if (m->ticket != p->ticket || m->step != p->step || strcmp(m->text, p->place) != 0)
        p->moved = now;
    p->ticket = m->ticket;
    p->step = m->step;
    snprintf(p->place, sizeof p->place, "%s", m->text);
}

/* "at step 57 of quality estimator" */
static const char *where(const char *what, int64_t step, char *text, size_t bytes)
{
    if (what[0] && step >= 0)
        snprintf(text, bytes, "at step %lld of %s", (long long)step, what);
    else
        snprintf(text, bytes, "%s%s", what[0] ? "in " : "at the start", what);
    return text;
}

/* ---- the end ---- */

static void leave_now(int code)
{
    if (ftrylockfile(stdout) == 0) /* the main thread may be inside of it for ever */
        fflush(stdout);
    _exit(code);
}

static void post_verdict(int verdict)
{
    if (atomic_load(&w.stranded))
        leave_now(verdict);
    pthread_mutex_lock(&w.lock);
    w.verdict = verdict;
    pthread_cond_signal(&w.ended);
    pthread_mutex_unlock(&w.lock);
}

static void send_all(fr_message *m)
{
    for (int r = 0; r < w.ranks; r++)
        fr_wire_send(&w.peer[r].wire, m);
}

/* Root: the verdict goes out. The others close their connections when they have it; a connection closed here before
 * that, with a beat unread, would take the verdict away from them. */
static void end_all(int code, bool in_order, const char *line)
{
    if (line[0])
        fr_log_last_line(line);
    fr_message m = {.kind = FR_END, .code = code, .flag = in_order};
    send_all(&m);
    double until = fr_seconds() + 2;
    for (int r = 1; r < w.ranks; r++)
        while (fr_wire_receive(&w.peer[r].wire) >= 0 && fr_seconds() < until)
            poll(&(struct pollfd){w.peer[r].wire.fd, POLLIN, 0}, 1, 100);
    if (!in_order)
        leave_now(code);
    post_verdict(code);
}

static void lose(int rank, bool silent)
{
    const peer *p = &w.peer[rank];
    char line[1024], at[160], how[160];
    if (silent)
        snprintf(how, sizeof how, "has not answered for %.0f s (stopped, or its node or network is down), last",
                 w.lost_after);
    else
        snprintf(how, sizeof how, "was lost (killed, or its node went down)");
    snprintf(line, sizeof line, "finerouter: rank %d on %s %s %s; the same command continues from the last checkpoint",
             rank, p->host, how, where(p->place, p->step, at, sizeof at));
    if (w.rank == 0)
        end_all(FR_FAILED, false, line);
    send_all(&(fr_message){.kind = FR_END, .code = FR_FAILED});
    if (w.rank == w.speaker)
        fr_log_last_line(line);
    else
        usleep(500000); /* launchers end the job with the first of us: the line first */
    leave_now(FR_FAILED);
}

/* ---- root: what becomes of a job of which a rank has left ---- */

/* The rank whose line is printed: a failure goes before a stop, a reason before its echo, the root before others. */
static int spokesman(void)
{
    int best = -1, best_score = 0;
    for (int r = 0; r < w.ranks; r++) {
        const peer *p = &w.peer[r];
        int score = (p->code == FR_INTERRUPTED ? 4 : 0) + (p->echo ? 2 : 0) + (r ? 1 : 0);
        if (p->left && p->code != FR_OK &&
            (best < 0 || score < best_score || (score == best_score && p->left_at < w.peer[best].left_at))) {
            best = r;
            best_score = score;
        }
    }
    return best;
}

static void line_of(int rank, char *line, size_t bytes)
{
    const peer *p = &w.peer[rank];
    char name[320];
    snprintf(name, sizeof name, "rank %d on %s", rank, p->host);
    bool named = rank == 0 || p->code == FR_INTERRUPTED || strncmp(p->text, name, strlen(name)) == 0;
    line[0] = '\0';
    if (p->text[0])
        snprintf(line, bytes, "finerouter: %s%s%s", named ? "" : name, named ? "" : ": ", p->text);
}

/* The ranks that are still at work get a second to fail for the same reason. A stop leaves them all the time they need,
 * for a checkpoint perhaps, until they wait for one that has left: collectives are numbered alike on all ranks. */
static void judge(double now)
{
    int left = 0, code = FR_OK;
    double first = now;
    int64_t reached = INT64_MAX;
    bool alike = true, failed = false;
    for (int r = 0; r < w.ranks; r++) {
        const peer *p = &w.peer[r];
        if (!p->left)
            continue;
        alike = alike && (left == 0 || p->code == code);
        code = p->code;
        left++;
        reached = p->ticket / 2 < reached ? p->ticket / 2 : reached;
        if (p->code != FR_OK && p->code != FR_INTERRUPTED) {
            failed = true;
            first = p->left_at < first ? p->left_at : first;
        }
    }
    if (left == 0)
        return;
    bool hopeless = true;
    for (int r = 0; r < w.ranks; r++)
        hopeless = hopeless && (w.peer[r].left || (w.peer[r].ticket + 1) / 2 > reached);
    if (left < w.ranks && !(failed && now - first >= 1) && !(hopeless && !failed))
        return;
    char line[2600] = "";
    int who = spokesman();
    if (who >= 0)
        line_of(who, line, sizeof line);
    else if (left < w.ranks)
        snprintf(line, sizeof line,
                 "finerouter: internal error: some ranks were done after %lld exchanges, and others wait for more",
                 (long long)reached);
    end_all(who >= 0 ? w.peer[who].code : left < w.ranks ? FR_FAILED : FR_OK, alike && left == w.ranks, line);
}

static void warn_of_stuck(double now)
{
    int inside = 0, busy = 0;
    for (int r = 0; r < w.ranks; r++) {
        if (w.peer[r].left)
            return;
        if (w.peer[r].ticket & 1)
            inside++;
        else
            busy = r;
    }
    const peer *p = &w.peer[busy];
    if (w.warned || w.stuck_after <= 0 || inside != w.ranks - 1 || now - p->moved < w.stuck_after)
        return;
    w.warned = true;
    char at[160];
    fr_log_warn("rank %d on %s has been %s for %.0f s without a step, and the other ranks wait for it", busy, p->host,
                where(p->place, p->step, at, sizeof at), now - p->moved);
}

/* ---- the thread ---- */

static void take(int rank, const fr_message *m, double now)
{
    peer *p = &w.peer[rank];
    p->heard = now;
    switch (m->kind) {
    case FR_BEAT:
        note(p, m, now);
        if (w.rank == 0) {
            fr_message answer = message_here(FR_BEAT);
            fr_wire_send(&p->wire, &answer);
        }
        break;
    case FR_STOP:
        fr_interrupt_ask();
        break;
    case FR_LEAVE:
        p->left = true;
        p->left_at = now;
        p->code = m->code;
        p->echo = m->flag;
        p->ticket = m->ticket;
        snprintf(p->text, sizeof p->text, "%s", m->text);
        break;
    case FR_END:
        if (w.rank == 0) /* a rank takes the root for lost, which was stopped perhaps, and has printed so */
            end_all(m->code, false, "");
        fr_wire_close(&p->wire);
        if (!m->flag)
            leave_now(m->code);
        post_verdict(m->code);
        break;
    default: /* no message of ours: from a program of another version, which comm.c refuses */
        break;
    }
}

/* Root: connections become ranks. Once all are there, nobody else is let in. */
static void introduce(double now)
{
    int missing = 0;
    for (int i = 0; i < WAITING; i++) {
        fr_wire *knocking = &w.waiting[i];
        if (fr_wire_receive(knocking) != 1)
            continue;
        int r = knocking->in.rank;
        if (fr_meeting_knows(&w.meeting, &knocking->in, w.ranks) && w.peer[r].wire.fd < 0) {
            peer *p = &w.peer[r];
            p->wire = *knocking;
            p->heard = p->moved = now;
            snprintf(p->host, sizeof p->host, "%.255s", knocking->in.text);
            knocking->fd = -1;
            fr_message answer = message_here(FR_BEAT);
            fr_wire_send(&p->wire, &answer);
        }
        fr_wire_close(knocking);
    }
    for (int r = 1; r < w.ranks; r++)
        missing += w.peer[r].wire.fd < 0;
    if (missing > 0)
        return;
    for (int i = 0; i < WAITING; i++)
        fr_wire_close(&w.waiting[i]);
    close(w.listener);
    w.listener = -1;
}

static void wait_for_news(struct pollfd *set)
{
    int n = 0;
    set[n++] = (struct pollfd){w.wake, POLLIN, 0};
    set[n++] = (struct pollfd){w.listener, POLLIN, 0}; /* -1 is passed over */
    for (int i = 0; i < WAITING; i++)
        set[n++] = (struct pollfd){w.waiting[i].fd, POLLIN, 0};
    for (int r = 0; r < w.ranks; r++)
        set[n++] = (struct pollfd){w.peer[r].wire.fd, POLLIN, 0};
    poll(set, (nfds_t)n, TICK_MS);
    uint64_t count;
    if (set[0].revents && read(w.wake, &count, sizeof count) < 0 && errno != EAGAIN)
        fr_log_warn("the watch over the other ranks is disturbed: %s", strerror(errno));
}

static void receive(double now)
{
    if (w.listener >= 0) {
        fr_meeting_accept(w.listener, w.waiting, WAITING, &w.next);
        introduce(now);
    }
    for (int r = 0; r < w.ranks; r++)
        while (w.verdict == RUNNING && fr_wire_receive(&w.peer[r].wire) == 1)
            take(r, &w.peer[r].wire.in, now);
}

static void wake(void)
{
    uint64_t one = 1;
    while (write(w.wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* This rank's work is over; the first reason counts. */
static void leave(int code, const char *text, bool echo)
{
    pthread_mutex_lock(&w.lock);
    if (!w.left) {
        w.left = true;
        w.code = code;
        w.echo = echo;
        snprintf(w.text, sizeof w.text, "%s", text);
    }
    pthread_mutex_unlock(&w.lock);
    wake();
}

/* The main thread will never come to its end. */
static void strand(const char *text)
{
    fr_message m = message_here(FR_LEAVE);
    char line[1200], at[160];
    snprintf(line, sizeof line, "%s, %s", text, where(m.text, m.step, at, sizeof at));
    atomic_store(&w.stranded, true);
    leave(FR_FAILED, line, false);
}

/* What this rank has to tell: that it is there, that it was asked to stop, that it is done. */
static void speak(double now)
{
    const char *(*broken)(void) = atomic_load(&w.broken);
    const char *why = broken ? broken() : NULL;
    if (why)
        strand(why);
    fr_message m = message_here(FR_BEAT);
    if (w.rank == 0)
        note(&w.peer[0], &m, now);
    else if (now - w.told >= 1) {
        w.told = now;
        send_all(&m);
    }
    if (fr_interrupt_wanted() && !w.stop_told && atomic_load(&w.open)) {
        w.stop_told = true;
        m.kind = FR_STOP;
        send_all(&m);
    }
    pthread_mutex_lock(&w.lock);
    bool leave = w.left && !w.left_told;
    w.left_told = w.left;
    pthread_mutex_unlock(&w.lock);
    if (!leave)
        return;
    m.kind = FR_LEAVE;
    m.code = w.code;
    m.flag = w.echo;
    snprintf(m.text, sizeof m.text, "%s", w.text);
    if (w.rank == 0)
        take(0, &m, now);
    else
        send_all(&m);
}

static void look_for_lost(double now)
{
    /* After a pause of this very process (Ctrl-Z, a suspended machine) nobody else was silent. */
    double pause = now - w.looked;
    w.looked = now;
    for (int r = 0; r < w.ranks; r++) {
        peer *p = &w.peer[r];
        if (pause > 2)
            p->heard += pause;
        if (r == w.rank || (w.rank != 0 && r != 0))
            continue;
        if (p->wire.fd < 0)
            lose(r, false);
        else if (now - p->heard > w.lost_after)
            lose(r, true);
    }
}

static void *watch(void *unused)
{
    (void)unused;
    struct pollfd *set = FR_NEW(struct pollfd, w.ranks + WAITING + 2);
    w.looked = fr_seconds();
    while (w.verdict == RUNNING && !atomic_load(&w.quit)) {
        wait_for_news(set);
        double now = fr_seconds();
        receive(now);
        if (w.verdict != RUNNING)
            break;
        speak(now);
        if (!atomic_load(&w.open))
            continue;
        look_for_lost(now);
        if (w.rank == 0) {
            judge(now);
            warn_of_stuck(now);
        }
    }
    free(set);
    return NULL;
}

/* ---- from the main thread ---- */

static fr_status seconds_in(double *seconds, const char *name, double standard, double low)
{
    const char *text = getenv(name);
    *seconds = standard;
    if (!text)
        return FR_OK;
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || *end || !(*seconds >= low && *seconds <= 1e6))
        return fr_fail(FR_USAGE, "%s: \"%s\", want seconds from %g to 1000000", name, text, low);
    return FR_OK;
}

static fr_status prepare(const char *host)
{
    w.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w.wake < 0)
        return fr_fail(FR_FAILED, "%s: cannot watch over the other ranks: %s", host, strerror(errno));
    if (w.rank != 0)
        return FR_OK;
    FR_TRY(seconds_in(&w.meeting.lost_after, "FINEROUTER_LOST_AFTER", 20, 2));
    FR_TRY(seconds_in(&w.meeting.stuck_after, "FINEROUTER_STUCK_AFTER", 1800, 0));
    return fr_meeting_open(&w.meeting, &w.listener, host);
}

/* Signals are for the main thread. */
static fr_status start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    on = error == 0;
    return on ? FR_OK
              : fr_fail(FR_FAILED, "cannot start the thread that watches over the other ranks: %s", strerror(error));
}

static void close_all(void)
{
    if (on)
        pthread_join(w.thread, NULL);
    on = false;
    for (int r = 0; r < w.ranks; r++)
        fr_wire_close(&w.peer[r].wire);
    for (int i = 0; i < WAITING; i++)
        fr_wire_close(&w.waiting[i]);
    if (w.listener >= 0)
        close(w.listener);
    if (w.wake >= 0)
        close(w.wake);
    free(w.peer);
    w.peer = NULL;
}

/* The lowest rank that a node's end does not take with the root; without another node the next rank. */
static int speaker_of(const char *host)
{
    typedef char name[256];
    name *all = FR_NEW(name, w.ranks);
    snprintf(all[w.rank], sizeof *all, "%s", host);
    fr_comm_each(all, sizeof *all);
    int r = 1;
    while (r < w.ranks && strcmp(all[r], all[0]) == 0)
        r++;
    free(all);
    return r < w.ranks ? r : 1;
}

fr_status fr_watch_start(int rank, int ranks, const char *host)
{
    w.rank = rank;
    w.ranks = ranks;
    w.wake = w.listener = -1;
    w.peer = FR_NEW(peer, ranks);
    for (int r = 0; r < ranks; r++)
        w.peer[r].wire.fd = -1;
    for (int i = 0; i < WAITING; i++)
        w.waiting[i].fd = -1;
    snprintf(w.peer[rank].host, sizeof w.peer->host, "%s", host);
    fr_status status = prepare(host);
    w.speaker = speaker_of(host);
    fr_comm_broadcast(&w.meeting, sizeof w.meeting, 0);
    w.lost_after = w.meeting.lost_after;
    w.stuck_after = w.meeting.stuck_after;
    if (status == FR_OK && rank != 0 && w.meeting.port) {
        snprintf(w.peer[0].host, sizeof w.peer->host, "%s", w.meeting.host);
        status = fr_meeting_join(&w.peer[0].wire, &w.meeting, rank, host);
        w.peer[0].heard = w.peer[0].moved = fr_seconds();
    }
    if (status == FR_OK && w.meeting.port)
        status = start_thread();
    status = fr_comm_agree(status);
    if (status != FR_OK) {
        atomic_store(&w.quit, true);
        close_all();
        return status;
    }
    atomic_store(&w.open, true);
    return FR_OK;
}

bool fr_watch_on(void)
{
    return on;
}

int fr_watch_end(fr_status status, const char *text, bool echo)
{
    leave((int)status, status == FR_OK ? "" : text, echo);
    pthread_mutex_lock(&w.lock);
    while (w.verdict == RUNNING)
        pthread_cond_wait(&w.ended, &w.lock);
    int code = w.verdict;
    pthread_mutex_unlock(&w.lock);
    close_all();
    return code;
}

void fr_watch_abandon(const char *text)
{
    strand(text);
    for (;;)
        pause();
}

void fr_watch_also(const char *(*broken)(void))
{
    atomic_store(&w.broken, broken);
}
