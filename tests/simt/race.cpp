/* The race detector: the runtime that code compiled with -fsanitize=thread calls before each access, in place of
 * libtsan's.
 *
 * Two accesses to a byte, at least one a write and not both atomic, are a race unless ordered:
 *   - by one thread, or in different launches;
 *   - in one block, with a barrier between them (the epoch differs);
 *   - in one warp, with a __syncwarp of both between them, or a chain of such (vector clocks);
 *   - never, by two blocks of a launch, in global memory.
 * A byte whose asynchronous copy is under way may not be touched at all. Each byte remembers its last write and its
 * last two reads by different threads. Watched are shared memory and what simt::allocate gave out. */
#include "fiber.h"
#include "simt_run.h"

#include <dlfcn.h>
#include <map>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <vector>

extern "C" char simt_shared_begin[], simt_shared_end[];

namespace simt
{
enum { WRITTEN_ATOMICALLY = 1, IN_FLIGHT = 2 };

struct record {
    uint32_t epoch, time; /* epoch 0: none yet; time: the thread's own clock */
    const void *where;
    int32_t line;
    uint16_t thread, flags;
};

/* Of each byte; while split is 0 the first of an aligned word stands for all four. */
struct cell {
    record write, read[2];
    bool split;
};
enum { WORD = 4 };

struct region {
    const char *begin, *end;
    cell *cells;
    size_t bytes;
    bool shared; /* a block's own: what other blocks did with it is past */
};

static std::map<const char *, region> regions; /* by the end: upper_bound finds the one an address lies in */
static std::multimap<size_t, cell *> unused;   /* by size; what they hold is of earlier launches */
static region *last_region;
static uint32_t epoch = 1, launch_epoch, block_epoch;
static uint32_t clocks[MOST_THREADS][WARP]; /* what each thread knows of its warp */
struct block_start {
    uint32_t epoch;
    uint3 index;
};
static std::vector<block_start> blocks; /* of this launch */

static void region_add(const void *memory, size_t bytes)
{
    if (bytes == 0)
        return;
    size_t size = (bytes + WORD - 1) / WORD * WORD * sizeof(cell);
    auto old = unused.lower_bound(size);
    void *cells;
    if (old != unused.end() && old->first <= 2 * size) {
        size = old->first;
        cells = old->second;
        unused.erase(old);
    } else {
        cells = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (cells == MAP_FAILED) {
            perror("simt: shadow memory");
            abort();
        }
    }
    const char *begin = static_cast<const char *>(memory);
    regions[begin + bytes] = {begin, begin + bytes, static_cast<cell *>(cells), size, is_shared(memory)};
    last_region = nullptr;
}

static void region_remove(const void *memory)
{
    auto found = regions.upper_bound(static_cast<const char *>(memory));
    if (found == regions.end() || found->second.begin != memory)
        return;
    unused.insert({found->second.bytes, found->second.cells});
    regions.erase(found);
    last_region = nullptr;
}

static region *region_of(const char *memory)
{
    if (last_region && memory >= last_region->begin && memory < last_region->end)
        return last_region;
    auto found = regions.upper_bound(memory);
    if (found == regions.end() || memory < found->second.begin)
        return nullptr;
    return last_region = &found->second;
}

/* ---- time ---------------------------------------------------------------------------------------------------------
 */

static void on_launch()
{
    static bool first = true;
    if (first)
        region_add(simt_shared_begin, static_cast<size_t>(simt_shared_end - simt_shared_begin));
    first = false;
    launch_epoch = epoch + 1;
    blocks.clear();
}

static void on_block()
{
    block_epoch = ++epoch;
    blocks.push_back({epoch, block_index});
    for (unsigned t = 0; t < block_dim.x * block_dim.y * block_dim.z; t++) {
        memset(clocks[t], 0, sizeof clocks[t]);
        clocks[t][t % WARP] = 1;
    }
}

static void on_barrier()
{
    epoch++;
}

/* What one lane of the mask knows, all know; then each begins a new time. */
static void on_warp(unsigned first, unsigned mask)
{
    uint32_t known[WARP] = {};
    for (unsigned lane = 0; lane < WARP; lane++)
        for (unsigned i = 0; (mask >> lane & 1) && i < WARP; i++)
            if (known[i] < clocks[first + lane][i])
                known[i] = clocks[first + lane][i];
    for (unsigned lane = 0; lane < WARP; lane++)
        if (mask >> lane & 1) {
            memcpy(clocks[first + lane], known, sizeof known);
            clocks[first + lane][lane]++;
        }
}

/* Whether the access recorded happened before what `thread` does now. */
static bool ordered(const record *r, unsigned thread, bool shared)
{
    if (r->epoch < launch_epoch)
        return true;
    if (r->epoch < block_epoch)
        return shared;
    if (r->epoch != epoch || r->thread == thread)
        return true;
    return r->thread / WARP == thread / WARP && clocks[thread][r->thread % WARP] >= r->time;
}

/* ---- reports ------------------------------------------------------------------------------------------------------
 */

static void print_where(char *to, size_t bytes, const void *where, int line)
{
    if (line > 0) {
        snprintf(to, bytes, "%s:%d", static_cast<const char *>(where), line);
        return;
    }
    Dl_info info;
    snprintf(to, bytes, "%p", where);
    if (!dladdr(where, &info))
        return;
    char command[512], text[512];
    unsigned long offset =
        static_cast<unsigned long>(static_cast<const char *>(where) - static_cast<const char *>(info.dli_fbase));
    snprintf(command, sizeof command, "addr2line -e '%s' 0x%lx 2>/dev/null", info.dli_fname, offset - 1);
    FILE *pipe = popen(command, "r");
    if (pipe && fgets(text, sizeof text, pipe) && text[0] != '?') {
        text[strcspn(text, " \n")] = 0;
        snprintf(to, bytes, "%s", text);
    }
    if (pipe)
        pclose(pipe);
}

[[noreturn]] static void report_race(const record *other, const char *other_did, const char *memory, const char *did,
                                     const void *where, int line, const region *r)
{
    char here[600], there[600];
    print_where(here, sizeof here, where, line);
    print_where(there, sizeof there, other->where, other->line);
    uint3 index = block_index;
    for (const block_start &b : blocks)
        if (b.epoch <= other->epoch)
            index = b.index;
    unsigned n = other->thread;
    report(-1, "race: %s byte %zu of %s at %s; not ordered with the %s by thread (%u,%u,%u) of block (%u,%u,%u) at %s",
           did, static_cast<size_t>(memory - r->begin),
           is_shared(memory) ? (memory >= simt_shared_begin && memory < simt_shared_end ? "static shared memory"
                                                                                        : "dynamic shared memory")
                             : "an allocation",
           here, other_did, n % block_dim.x, n / block_dim.x % block_dim.y, n / block_dim.x / block_dim.y, index.x,
           index.y, index.z, there);
}

/* ---- accesses -----------------------------------------------------------------------------------------------------
 */

static void note_read(cell *c, const record *now)
{
    for (record &r : c->read)
        if (r.epoch == 0 || r.epoch < block_epoch || r.thread == now->thread) {
            r = *now;
            return;
        }
    c->read[0] = c->read[1];
    c->read[1] = *now;
}

/* The same access by the same thread, and it has not waited since. */
static inline bool again(const record *r, const record *now)
{
    return r->epoch == now->epoch && r->thread == now->thread && r->time == now->time && r->flags == now->flags;
}

/* Checks and notes the access `now` to the byte or word at `memory`. */
static inline void check(cell *c, const region *r, const char *memory, access_kind kind, const record *now)
{
    static const char *const names[] = {"reads", "writes", "changes (atomic)", "writes"};
    const char *did = names[kind];
    const record *w = &c->write;
    unsigned thread = now->thread;
    bool in_flight = (w->flags & IN_FLIGHT) && w->epoch >= block_epoch;
    /* Done before, and what others have done since would have been found. */
    if (kind == READ ? !in_flight && (again(&c->read[0], now) || again(&c->read[1], now))
                     : kind == WRITE && again(w, now))
        return;
    bool lands = kind == WRITE && w->thread == thread && w->where == now->where && w->line == now->line;
    if (in_flight && !lands)
        report_race(w, "asynchronous copy, which is not waited for,", memory, did, now->where, now->line, r);
    if (w->epoch && !(kind == ATOMIC && (w->flags & WRITTEN_ATOMICALLY)) && !ordered(w, thread, r->shared))
        report_race(w, "write", memory, did, now->where, now->line, r);
    if (kind == READ) {
        note_read(c, now);
        return;
    }
    for (record &read : c->read) {
        if (read.epoch && !ordered(&read, thread, r->shared))
            report_race(&read, "read", memory, did, now->where, now->line, r);
        read.epoch = 0; /* whoever comes after this write comes after that read */
    }
    c->write = *now;
}

static void split(cell *word)
{
    for (int i = 1; i < WORD; i++)
        word[i] = word[0];
    word->split = true;
}

static void on_access(unsigned thread, const void *address, size_t bytes, access_kind kind, const void *where, int line)
{
    const char *memory = static_cast<const char *>(address);
    region *r = region_of(memory);
    if (!r)
        return;
    record now = {epoch, clocks[thread][thread % WARP], where, line, static_cast<uint16_t>(thread), 0};
    now.flags = kind == ATOMIC ? WRITTEN_ATOMICALLY : kind == COPY_BEGINS ? IN_FLIGHT : 0;
    const char *end = memory + bytes < r->end ? memory + bytes : r->end;
    while (memory < end) {
        size_t at = static_cast<size_t>(memory - r->begin);
        cell *word = &r->cells[at / WORD * WORD];
        bool whole = at % WORD == 0 && end - memory >= WORD;
        if (whole && !word->split) {
            check(word, r, memory, kind, &now);
            memory += WORD;
            continue;
        }
        if (!word->split)
            split(word);
        for (int i = static_cast<int>(at % WORD); i < WORD && memory < end; i++, memory++)
            check(&word[i], r, memory, kind, &now);
        if (whole && kind != READ)
            word->split = false; /* all four were written by now */
    }
}

static void on_allocated(void *memory, size_t bytes)
{
    region_add(memory, bytes);
}

static void on_released(void *memory)
{
    region_remove(memory);
}

static const race_hooks hooks = {on_launch, on_block, on_barrier, on_warp, on_access, on_allocated, on_released};
const race_hooks *race = &hooks;

static inline void instrumented(const void *memory, size_t bytes, access_kind kind, const void *where)
{
    if (running() && !(memory >= stacks_begin && memory < stacks_end))
        on_access(thread_number(), memory, bytes, kind, where, 0);
}
} // namespace simt

/* ---- what the compiler calls ----------------------------------------------------------------------------------------
 */

extern "C" {
#define SIMT_ACCESS(bytes)                                                                                             \
    void __tsan_read##bytes(void *memory)                                                                              \
    {                                                                                                                  \
        simt::instrumented(memory, bytes, simt::READ, __builtin_return_address(0));                                    \
    }                                                                                                                  \
    void __tsan_write##bytes(void *memory)                                                                             \
    {                                                                                                                  \
        simt::instrumented(memory, bytes, simt::WRITE, __builtin_return_address(0));                                   \
    }                                                                                                                  \
    void __tsan_volatile_read##bytes(void *memory)                                                                     \
    {                                                                                                                  \
        simt::instrumented(memory, bytes, simt::READ, __builtin_return_address(0));                                    \
    }                                                                                                                  \
    void __tsan_volatile_write##bytes(void *memory)                                                                    \
    {                                                                                                                  \
        simt::instrumented(memory, bytes, simt::WRITE, __builtin_return_address(0));                                   \
    }                                                                                                                  \
    void __tsan_unaligned_read##bytes(void *memory)                                                                    \
    {                                                                                                                  \
        simt::instrumented(memory, bytes, simt::READ, __builtin_return_address(0));                                    \
    }                                                                                                                  \
    void __tsan_unaligned_write##bytes(void *memory)                                                                   \
    {                                                                                                                  \
        simt::instrumented(memory, bytes, simt::WRITE, __builtin_return_address(0));                                   \
    }
SIMT_ACCESS(1)
SIMT_ACCESS(2)
SIMT_ACCESS(4)
SIMT_ACCESS(8)
SIMT_ACCESS(16)

void __tsan_read_range(void *memory, size_t bytes)
{
    simt::instrumented(memory, bytes, simt::READ, __builtin_return_address(0));
}

void __tsan_write_range(void *memory, size_t bytes)
{
    simt::instrumented(memory, bytes, simt::WRITE, __builtin_return_address(0));
}

void __tsan_vptr_update(void **, void *)
{
}

void __tsan_vptr_read(void **)
{
}

void __tsan_func_entry(void *)
{
}

void __tsan_func_exit()
{
}

void __tsan_init()
{
}
}
