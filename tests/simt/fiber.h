/* fiber.h - stacks to switch between. */
#ifndef FR_SIMT_FIBER_H
#define FR_SIMT_FIBER_H

#include <stddef.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#define SIMT_UCONTEXT
#endif

namespace simt
{
/* The main fiber is the thread's own stack: a zeroed struct that is switched from before it is switched to. */
struct fiber {
    char *stack; /* lowest usable address */
    size_t bytes;
    void *fake; /* AddressSanitizer's */
#ifdef SIMT_UCONTEXT
    ucontext_t context;
#else
    void *pointer;
#endif
};

/* A stack with a guard page below it, kept for the life of the program. */
void fiber_allocate(fiber *f);
/* The next switch to it calls entry(), which never returns: it switches away with fiber_leave. */
void fiber_start(fiber *f, void (*entry)());
/* First statement of entry(). */
void fiber_entered(fiber *main);
void fiber_switch(fiber *from, fiber *to);
void fiber_leave(fiber *from, fiber *to);

/* All stacks lie in here. */
extern char *stacks_begin, *stacks_end;
} // namespace simt

#endif
