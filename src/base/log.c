#include "finerouter/log.h"

#include "memory.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static FILE *log_file;
static int level = 1;
static bool bar_on_screen; /* a bar stands on the current terminal line */
static bool mute;          /* another process of this run speaks for all */

double fr_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One line at a time: several threads speak (the main one and the watch over the other ranks). The lock is stderr's
 * own, which a thread may take twice. */
static void begin_line(void)
{
    flockfile(stderr);
}

static void end_line(void)
{
    funlockfile(stderr);
}

void fr_log_close(void)
{
    begin_line();
    if (log_file)
        fclose(log_file);
    log_file = NULL;
    end_line();
}

fr_status fr_log_open(const char *path)
{
    begin_line();
    fr_log_close();
    FILE *file = log_file = fopen(path, "a");
    end_line();
    if (!file)
        return fr_fail(FR_FAILED, "%s: cannot open the log: %s", path, strerror(errno));
    return FR_OK;
}

void fr_log_mute(void)
{
    mute = true;
}

int fr_log_level(int new_level)
{
    int old = level;
    level = new_level;
    return old;
}

static void write_event(json_t *object, const char *event)
{
    begin_line();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char stamp[40];
    size_t used = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + used, sizeof stamp - used, ".%03dZ", (int)(now.tv_nsec / 1000000));
    json_object_set_new(object, "time", json_string(stamp));
    json_object_set_new(object, "event", json_string(event));
    char *line = json_dumps(object, JSON_COMPACT);
    if (line && log_file) {
        fprintf(log_file, "%s\n", line);
        fflush(log_file);
    }
    free(line);
    end_line();
}

static void clear_bar(void)
{
    if (bar_on_screen)
        fputs("\r\033[K", stderr);
    bar_on_screen = false;
}

static void say(const char *event, int wanted_level, const char *format, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    begin_line();
    if (level >= wanted_level && !mute) {
        clear_bar();
        fprintf(stderr, "%s%s\n", strcmp(event, "warning") == 0 ? "warning: " : "", text);
    }
    if (log_file) {
        json_t *object = json_object();
        json_object_set_new(object, "text", json_string(text));
        write_event(object, event);
        json_decref(object);
    }
    end_line();
}

#define SAY(name, event, wanted_level)                                                                                 \
    void name(const char *format, ...)                                                                                 \
    {                                                                                                                  \
        va_list args;                                                                                                  \
        va_start(args, format);                                                                                        \
        say(event, wanted_level, format, args);                                                                        \
        va_end(args);                                                                                                  \
    }

SAY(fr_log, "info", 1)
SAY(fr_log_verbose, "detail", 2)
SAY(fr_log_warn, "warning", 0)

void fr_log_event(const char *event, const char *fields, ...)
{
    if (!log_file)
        return;
    json_t *object = json_object();
    va_list args;
    va_start(args, fields);
    while (*fields) {
        const char *equals = strchr(fields, '=');
        FR_CHECK(equals && equals[1], "log event %s: bad fields at \"%s\"", event, fields);
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)(equals - fields), fields);
        json_t *value = NULL;
        switch (equals[1]) {
        case 's':
            value = json_string(va_arg(args, const char *));
            break;
        case 'd':
            value = json_integer(va_arg(args, int64_t));
            break;
        case 'f':
            value = json_real(va_arg(args, double));
            break;
        default:
            FR_CHECK(0, "log event %s: unknown type %c", event, equals[1]);
        }
        json_object_set_new(object, key, value ? value : json_null()); /* json_real refuses NaN: null */
        fields = equals + 2;
        while (*fields == ' ')
            fields++;
    }
    va_end(args);
    write_event(object, event);
    json_decref(object);
}

static void format_seconds(char *text, size_t bytes, double s)
{
    if (s < 60)
        snprintf(text, bytes, "%.0f s", s);
    else if (s < 3600)
        snprintf(text, bytes, "%d:%02d min", (int)s / 60, (int)s % 60);
    else
        snprintf(text, bytes, "%d:%02d h", (int)(s / 3600), (int)(s / 60) % 60);
}

static void format_rate(char *text, size_t bytes, double rate)
{
    if (rate >= 10e6)
        snprintf(text, bytes, "%.0f M", rate / 1e6);
    else if (rate >= 10e3)
        snprintf(text, bytes, "%.0f k", rate / 1e3);
    else
        snprintf(text, bytes, rate >= 100 ? "%.0f " : "%.3g ", rate);
}

static void show(fr_progress *p, double now, bool last)
{
    bool terminal = isatty(STDERR_FILENO);
    double elapsed = now - p->started, rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    char rate_text[32], time_text[32];
    format_rate(rate_text, sizeof rate_text, rate);
    format_seconds(time_text, sizeof time_text,
                   last || p->total < 0 || rate <= 0 ? elapsed : (double)(p->total - p->done) / rate);
    const char *time_word = last || p->total < 0 || rate <= 0 ? "" : "ETA ";
    char bar[32] = "";
    if (p->total > 0) {
        int filled = (int)(20 * p->done / p->total);
        filled = filled > 20 ? 20 : filled;
        snprintf(bar, sizeof bar, " [%.*s%.*s]", filled, "####################", 20 - filled, "....................");
    }
    char count[64];
    if (p->total >= 0)
        snprintf(count, sizeof count, "%lld/%lld", (long long)p->done, (long long)p->total);
    else
        snprintf(count, sizeof count, "%lld", (long long)p->done);
    begin_line();
    clear_bar();
    fprintf(stderr, "%-22s%s %s %s, %s%s/s, %s%s%s%s", p->what, terminal ? bar : "", count, p->unit, rate_text, p->unit,
            time_word, time_text, p->note[0] ? ", " : "", p->note);
    if (terminal && !last)
        bar_on_screen = true;
    else
        fputc('\n', stderr);
    fflush(stderr);
    end_line();
    p->shown = now;
}

void fr_progress_begin(fr_progress *progress, const char *what, const char *unit, int64_t total)
{
    *progress = (fr_progress){.what = what, .unit = unit, .total = total, .started = fr_seconds()};
    progress->shown = progress->started;
}

void fr_progress_add(fr_progress *progress, int64_t more)
{
    progress->done += more;
    double now = fr_seconds(), pause = isatty(STDERR_FILENO) ? 0.1 : 10;
    if (progress->what && level >= 1 && !mute && now - progress->shown >= pause)
        show(progress, now, false);
}

void fr_progress_note(fr_progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(progress->note, sizeof progress->note, format, args);
    va_end(args);
}

void fr_progress_end(fr_progress *progress)
{
    if (!progress->what)
        return;
    double now = fr_seconds();
    if (level >= 1 && !mute)
        show(progress, now, true);
    if (log_file)
        fr_log_event("progress", "what=s done=d seconds=f", progress->what, progress->done, now - progress->started);
}

void fr_log_last_line(const char *line)
{
    char text[4096];
    bool locked = ftrylockfile(stderr) == 0, bar = locked && bar_on_screen;
    int bytes = snprintf(text, sizeof text, "%s%s\n", bar ? "\r\033[K" : "", line);
    size_t size = (size_t)bytes < sizeof text ? (size_t)bytes : sizeof text - 1;
    if (write(STDERR_FILENO, text, size) == (ssize_t)size && bar)
        bar_on_screen = false;
    if (locked)
        funlockfile(stderr);
}

static atomic_int wanted, presses; /* requests to stop at all, Ctrl-C alone */

static void on_signal(int number)
{
    atomic_store(&wanted, 1);
    if (number == SIGINT && atomic_fetch_add(&presses, 1) > 0) {
        signal(number, SIG_DFL);
        raise(number);
    }
}

void fr_interrupt_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

void fr_interrupt_ask(void)
{
    atomic_store(&wanted, 1);
}

bool fr_interrupt_wanted(void)
{
    return atomic_load(&wanted) != 0;
}

fr_status fr_interrupted(void)
{
    return fr_fail(FR_INTERRUPTED, "stopped as asked; the same command continues where it stood");
}
