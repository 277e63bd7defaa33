/* simt_run.h - launching, barriers, warps: what the scheduler (simt.cpp) offers to the intrinsics and to tests. */
#ifndef FR_SIMT_RUN_H
#define FR_SIMT_RUN_H

#include "simt_types.h"

#include <stddef.h>
#include <stdint.h>

/* Where an intrinsic was called, as its last parameters. */
#define SIMT_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

namespace simt
{
enum { WARP = 32, MOST_THREADS = 1024 };

extern uint3 thread_index, block_index;
extern dim3 block_dim, grid_dim;

void launch(const char *name, const char *file, int line, dim3 grid, dim3 block, size_t shared,
            void (*run)(const void *), const void *context);

/* What fr_launch calls. */
template <class F>
void launch(const char *name, const char *file, int line, dim3 grid, dim3 block, size_t shared, const F &kernel)
{
    launch(
        name, file, line, grid, block, shared, [](const void *context) { (*static_cast<const F *>(context))(); },
        &kernel);
}

void *dynamic_shared();

/* Every thread of the block waits for all; the result is the number of threads whose predicate is not 0. */
int barrier(const char *what, bool predicate, const char *file, int line);

/* A warp-wide operation: waits until every lane of the mask has come to the same one, then complete() gets the
 * arguments of all (NULL: a lane that is not in the mask) and writes the results into them. orders: memory too is
 * ordered. */
typedef void (*completion)(void *const argument[WARP], unsigned mask);
void collective(const char *what, unsigned mask, void *argument, completion complete, bool orders, const char *file,
                int line);

/* The last warp first, the last lane first, the last block first: a right kernel gives the same bits. */
void schedule_backwards(bool backwards);

/* Device memory: exactly `bytes`, so that AddressSanitizer sees the first byte beyond; known to the race detector. */
void *allocate(size_t bytes);
void release(void *memory);

/* One line with the kernel, block and thread, then abort(). lane: that lane of the running thread's warp, -1: the
 * thread itself. */
[[noreturn]] void report(int lane, const char *format, ...) __attribute__((format(printf, 2, 3)));

bool running();                     /* inside a kernel */
unsigned thread_number();           /* of the running thread, in its block */
bool is_shared(const void *memory); /* static or dynamic shared memory */

/* What race.cpp listens to; NULL where it is not linked. */
enum access_kind { READ, WRITE, ATOMIC, COPY_BEGINS };
struct race_hooks {
    void (*launch)();
    void (*block)();
    void (*barrier)();
    void (*warp)(unsigned first_thread, unsigned mask);
    /* where: a file when line > 0, else a code address */
    void (*access)(unsigned thread, const void *memory, size_t bytes, access_kind kind, const void *where, int line);
    void (*allocated)(void *memory, size_t bytes); /* global, or dynamic shared memory */
    void (*released)(void *memory);
};
extern const race_hooks *race;

static inline void note(unsigned thread, const void *memory, size_t bytes, access_kind kind, const char *file, int line)
{
    if (race)
        race->access(thread, memory, bytes, kind, file, line);
}
} // namespace simt

#define threadIdx simt::thread_index
#define blockIdx simt::block_index
#define blockDim simt::block_dim
#define gridDim simt::grid_dim
#define warpSize 32

static inline void __syncthreads(SIMT_CALLER)
{
    simt::barrier("__syncthreads", false, file, line);
}

static inline int __syncthreads_count(int predicate, SIMT_CALLER)
{
    return simt::barrier("__syncthreads_count", predicate != 0, file, line);
}

static inline int __syncthreads_or(int predicate, SIMT_CALLER)
{
    return simt::barrier("__syncthreads_or", predicate != 0, file, line) > 0;
}

static inline int __syncthreads_and(int predicate, SIMT_CALLER)
{
    return simt::barrier("__syncthreads_and", predicate == 0, file, line) == 0;
}

#endif
