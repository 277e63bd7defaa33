/* The scheduler: launches, blocks, barriers, what warps wait for, and reports. */
#include "simt_private.h"

#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of shared.ld: the .bss of all .cu files, which is their static shared memory. */
extern "C" char simt_shared_begin[], simt_shared_end[];
extern "C" void __sanitizer_print_stack_trace() __attribute__((weak));
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace simt
{
uint3 thread_index, block_index;
dim3 block_dim, grid_dim;
thread *self, *threads;
unsigned thread_count;

static const size_t MOST_SHARED = 227 * 1024;

static struct {
    const char *name, *file;
    int line;
    void (*run)(const void *);
    const void *context;
    unsigned char *dynamic;
    size_t dynamic_bytes;
} kernel;

static struct {
    unsigned waiting, exited; /* waiting: at the barrier */
    const thread *first;      /* at the barrier */
    int predicates, result;
    uint32_t ready[MOST_THREADS / WARP]; /* lanes of each warp that can run */
} block;

static fiber main_fiber;
static bool backwards;

void schedule_backwards(bool wanted)
{
    backwards = wanted;
}

bool running()
{
    return self != nullptr;
}

unsigned thread_number()
{
    return self ? self->number : 0;
}

void *dynamic_shared()
{
    return kernel.dynamic;
}

bool is_shared(const void *memory)
{
    const char *m = static_cast<const char *>(memory), *dynamic = reinterpret_cast<char *>(kernel.dynamic);
    return (m >= simt_shared_begin && m < simt_shared_end) || (m >= dynamic && m < dynamic + kernel.dynamic_bytes);
}

/* ---- reports ---------------------------------------------------------------------------------------------------- */

static void print_place(const thread *t)
{
    fflush(stdout);
    if (!kernel.name)
        return;
    fprintf(stderr, "simt: kernel %s (%s:%d), block (%u,%u,%u)", kernel.name, kernel.file, kernel.line, block_index.x,
            block_index.y, block_index.z);
    if (t)
        fprintf(stderr, ", thread (%u,%u,%u)", t->index.x, t->index.y, t->index.z);
    fprintf(stderr, ": ");
}

void report(int lane, const char *format, ...)
{
    const thread *t = lane < 0 || !self ? self : &threads[self->number / WARP * WARP + static_cast<unsigned>(lane)];
    print_place(t);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    if (__sanitizer_print_stack_trace && self)
        __sanitizer_print_stack_trace();
    self = nullptr; /* all is said */
    abort();
}

/* For what dies of something else inside a kernel: AddressSanitizer calls this after its report, and the others and
 * assert() abort. */
static void say_where()
{
    if (self) {
        print_place(self);
        fprintf(stderr, "dies of the error above\n");
    }
}

static void on_abort(int)
{
    say_where();
}

extern "C" const char *__ubsan_default_options()
{
    return "abort_on_error=1:print_stacktrace=1";
}

static void watch_deaths()
{
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_where);
    signal(SIGABRT, on_abort); /* which then ends the process nevertheless */
}

/* What a thread does instead of coming, for messages. */
static const char *activity(const thread *t)
{
    static char text[4][256];
    static unsigned next;
    char *to = text[next++ % 4];
    if (t->state == DONE)
        snprintf(to, sizeof text[0], "has returned");
    else if (t->state == READY)
        snprintf(to, sizeof text[0], "runs");
    else if (t->state == IN_WARP)
        snprintf(to, sizeof text[0], "waits in %s at %s:%d (mask 0x%08x)", t->what, t->file, t->line, t->mask);
    else
        snprintf(to, sizeof text[0], "waits in %s at %s:%d", t->what, t->file, t->line);
    return to;
}

/* Whether the other waits in the same warp intrinsic as t. */
static bool waits_for_same(const thread *other, const thread *t)
{
    return other->state == IN_WARP && other->mask == t->mask &&
           (other->what == t->what || strcmp(other->what, t->what) == 0);
}

[[noreturn]] static void report_missing_lane(const thread *waits, const thread *missing)
{
    self = const_cast<thread *>(waits);
    report(-1, "%s at %s:%d waits for lane %u of its mask 0x%08x, which never comes: thread (%u,%u,%u) %s", waits->what,
           waits->file, waits->line, missing->number % WARP, waits->mask, missing->index.x, missing->index.y,
           missing->index.z, activity(missing));
}

[[noreturn]] static void report_barrier(const thread *waits, const thread *other)
{
    self = const_cast<thread *>(waits);
    report(-1, "diverging barriers: it waits in %s at %s:%d, thread (%u,%u,%u) %s", waits->what, waits->file,
           waits->line, other->index.x, other->index.y, other->index.z, activity(other));
}

/* Nobody can run: names the first thread that waits for one that does not come. */
[[noreturn]] static void report_standstill()
{
    for (unsigned i = 0; i < thread_count; i++) {
        const thread *t = &threads[i];
        for (unsigned lane = 0; t->state == IN_WARP && lane < WARP; lane++) {
            const thread *other = &threads[i / WARP * WARP + lane];
            if ((t->mask >> lane & 1) && !waits_for_same(other, t))
                report_missing_lane(t, other);
        }
    }
    const thread *other = threads;
    while (other->state == AT_BARRIER)
        other++;
    report_barrier(block.first, other);
}

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

static void set_ready(thread *t)
{
    t->state = READY;
    block.ready[t->number / WARP] |= 1u << t->number % WARP;
}

/* Lets others run until somebody makes this thread ready. */
static void wait()
{
    thread *t = self;
    fiber_switch(&t->own, &main_fiber);
}

static void wait_for(thread_state state, const char *what, const char *file, int line)
{
    self->state = state;
    self->what = what;
    self->file = file;
    self->line = line;
    block.ready[self->number / WARP] &= ~(1u << self->number % WARP);
}

int barrier(const char *what, bool predicate, const char *file, int line)
{
    wait_for(AT_BARRIER, what, file, line);
    if (block.waiting++ == 0) {
        block.first = self;
        block.predicates = 0;
    }
    block.predicates += predicate;
    const thread *first = block.first;
    bool same = first->line == line && (first->file == file || strcmp(first->file, file) == 0) &&
                (first->what == what || strcmp(first->what, what) == 0);
    if (!same)
        report_barrier(self, first);
    for (unsigned i = 0; block.exited > 0 && i < thread_count; i++)
        if (threads[i].state == DONE)
            report_barrier(self, &threads[i]);
    if (block.waiting < thread_count) {
        wait();
    } else {
        block.waiting = 0;
        block.result = block.predicates;
        for (unsigned i = 0; i < thread_count; i++)
            set_ready(&threads[i]);
        if (race)
            race->barrier();
    }
    return block.result; /* nobody can be at the next barrier's end before all have left this one */
}

void collective(const char *what, unsigned mask, void *argument, completion complete, bool orders, const char *file,
                int line)
{
    unsigned first = self->number / WARP * WARP, lane = self->number % WARP;
    wait_for(IN_WARP, what, file, line);
    self->mask = mask;
    self->argument = argument;
    if (!(mask >> lane & 1))
        report(-1, "%s at %s:%d: lane %u is not in its own mask 0x%08x", what, file, line, lane, mask);
    if (block.ready[first / WARP] & mask) { /* some still run */
        wait();
        return;
    }
    void *arguments[WARP] = {};
    bool all = true;
    for (unsigned l = 0; l < WARP; l++) {
        if (!(mask >> l & 1))
            continue;
        if (first + l >= thread_count)
            report(-1, "%s at %s:%d: lane %u of the mask 0x%08x is not there: the block has %u threads", what, file,
                   line, l, mask, thread_count);
        const thread *other = &threads[first + l];
        if (other->state == DONE)
            report_missing_lane(self, other);
        all = all && waits_for_same(other, self);
        arguments[l] = other->argument;
    }
    if (!all) {
        wait();
        return;
    }
    if (complete)
        complete(arguments, mask);
    if (orders && race)
        race->warp(first, mask);
    for (unsigned l = 0; l < WARP; l++)
        if (mask >> l & 1)
            set_ready(&threads[first + l]);
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static void thread_entry()
{
    fiber_entered(&main_fiber);
    thread *t = self;
    kernel.run(kernel.context);
    t->state = DONE;
    block.exited++;
    block.ready[t->number / WARP] &= ~(1u << t->number % WARP);
    if (block.waiting > 0)
        report_barrier(block.first, t);
    for (unsigned i = t->number / WARP * WARP; i < thread_count && i / WARP == t->number / WARP; i++)
        if (threads[i].state == IN_WARP && (threads[i].mask >> t->number % WARP & 1))
            report_missing_lane(&threads[i], t);
    fiber_leave(&t->own, &main_fiber);
}

/* Runs the warp until none of its lanes can. */
static bool run_warp(unsigned warp)
{
    bool any = false;
    while (block.ready[warp]) {
        uint32_t ready = block.ready[warp];
        any = true;
        while (ready) {
            unsigned lane = static_cast<unsigned>(backwards ? 31 - __builtin_clz(ready) : __builtin_ctz(ready));
            ready &= ~(1u << lane);
            if (!(block.ready[warp] >> lane & 1))
                continue;
            self = &threads[warp * WARP + lane];
            thread_index = self->index;
            fiber_switch(&main_fiber, &self->own);
            self = nullptr;
        }
    }
    return any;
}

/* By hand and through the red zones, which memset would report. */
__attribute__((no_sanitize("address"))) static void fill_static_shared()
{
    volatile uint64_t *words = reinterpret_cast<volatile uint64_t *>(simt_shared_begin);
    size_t bytes = static_cast<size_t>(simt_shared_end - simt_shared_begin); /* of whole words: shared.ld */
    for (size_t i = 0; i < bytes / sizeof *words; i++)
        words[i] = UINT64_MAX;
}

static void run_block()
{
    fill_static_shared();
    if (kernel.dynamic)
        memset(kernel.dynamic, 0xff, kernel.dynamic_bytes);
    memset(&block, 0, sizeof block);
    for (unsigned i = 0; i < thread_count; i++) {
        thread *t = &threads[i];
        t->groups.clear();
        t->open.clear();
        set_ready(t);
        fiber_start(&t->own, thread_entry);
    }
    if (race)
        race->block();
    unsigned warps = (thread_count + WARP - 1) / WARP;
    while (block.exited < thread_count) {
        bool any = false;
        for (unsigned w = 0; w < warps; w++)
            any |= run_warp(backwards ? warps - 1 - w : w);
        if (!any)
            report_standstill();
    }
}

static void prepare_threads()
{
    static thread all[MOST_THREADS];
    static unsigned made;
    if (made == 0)
        watch_deaths();
    threads = all;
    thread_count = block_dim.x * block_dim.y * block_dim.z;
    for (; made < thread_count; made++) {
        all[made].number = made;
        fiber_allocate(&all[made].own);
    }
    for (unsigned i = 0; i < thread_count; i++)
        all[i].index = {i % block_dim.x, i / block_dim.x % block_dim.y, i / block_dim.x / block_dim.y};
}

static void check_launch(size_t shared)
{
    uint64_t count = static_cast<uint64_t>(block_dim.x) * block_dim.y * block_dim.z;
    if (count == 0 || count > MOST_THREADS || block_dim.z > 64)
        report(-1, "a block of %u x %u x %u threads, a device takes 1 to 1024", block_dim.x, block_dim.y, block_dim.z);
    if (grid_dim.x > 0x7fffffffu || grid_dim.y > 65535 || grid_dim.z > 65535)
        report(-1, "a grid of %u x %u x %u blocks, a device takes 2147483647 x 65535 x 65535", grid_dim.x, grid_dim.y,
               grid_dim.z);
    if (shared > MOST_SHARED)
        report(-1, "%zu bytes of dynamic shared memory, a device has %zu", shared, MOST_SHARED);
}

void launch(const char *name, const char *file, int line, dim3 grid, dim3 threads_, size_t shared,
            void (*run)(const void *), const void *context)
{
    if (self)
        report(-1, "launches kernel %s (%s:%d)", name, file, line);
    kernel = {name, file, line, run, context, nullptr, shared};
    grid_dim = grid;
    block_dim = threads_;
    block_index = {};
    check_launch(shared);
    void *dynamic = nullptr; /* of its own for each launch, so that what lies behind it is out of bounds */
    if (shared > 0 && posix_memalign(&dynamic, 128, shared) != 0)
        abort();
    kernel.dynamic = static_cast<unsigned char *>(dynamic);
    prepare_threads();
    if (race) {
        race->allocated(dynamic, shared);
        race->launch();
    }
    uint64_t blocks = static_cast<uint64_t>(grid.x) * grid.y * grid.z;
    for (uint64_t i = 0; i < blocks; i++) {
        uint64_t b = backwards ? blocks - 1 - i : i;
        block_index = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                       static_cast<unsigned>(b / grid.x / grid.y)};
        run_block();
    }
    if (race && dynamic)
        race->released(dynamic);
    free(dynamic);
    kernel.name = nullptr;
    kernel.dynamic = nullptr;
    kernel.dynamic_bytes = 0;
}

void *allocate(size_t bytes)
{
    void *memory = nullptr;
    if (posix_memalign(&memory, 64, bytes > 0 ? bytes : 1) != 0) {
        fprintf(stderr, "simt: out of memory: %zu bytes\n", bytes);
        abort();
    }
    memset(memory, 0, bytes);
    if (race)
        race->allocated(memory, bytes);
    return memory;
}

void release(void *memory)
{
    if (race && memory)
        race->released(memory);
    free(memory);
}
} // namespace simt
