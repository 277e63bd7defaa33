#include "fiber.h"

#include "simt_run.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* There in programs with AddressSanitizer, which wants to know on which stack it is. */
extern "C" {
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size) __attribute__((weak));
}

namespace simt
{
char *stacks_begin, *stacks_end;

static const size_t STACK = 252 * 1024,
                    GUARD = 4096; /* room for AddressSanitizer's report; untouched pages cost nothing */

void fiber_allocate(fiber *f)
{
    static char *next;
    if (!next) {
        void *memory = mmap(nullptr, MOST_THREADS * (STACK + GUARD), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            perror("simt: stacks");
            abort();
        }
        next = stacks_begin = static_cast<char *>(memory);
        stacks_end = stacks_begin + MOST_THREADS * (STACK + GUARD);
    }
    if (mprotect(next, GUARD, PROT_NONE) != 0) {
        perror("simt: guard page");
        abort();
    }
    f->stack = next + GUARD;
    f->bytes = STACK;
    next += STACK + GUARD;
}

#ifdef SIMT_UCONTEXT
void fiber_start(fiber *f, void (*entry)())
{
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = f->bytes;
    f->context.uc_link = nullptr;
    makecontext(&f->context, entry, 0);
    f->fake = nullptr;
}

static void swap(fiber *from, fiber *to)
{
    swapcontext(&from->context, &to->context);
}
#else

/* void simt_swap(void **save, void *load): what a call must keep goes to the stack, whose pointer to *save. */
extern "C" void simt_swap(void **save, void *load);
#ifdef __x86_64__
enum { SAVED = 7 }; /* words on a stack that is switched to; the return address comes last */
asm(".text\n"
    ".globl simt_swap\n"
    ".type simt_swap, @function\n"
    "simt_swap:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size simt_swap, . - simt_swap\n");
#else
enum { SAVED = 20 }; /* x29, x30, x19 .. x28, d8 .. d15 */
asm(".text\n"
    ".globl simt_swap\n"
    ".type simt_swap, %function\n"
    "simt_swap:\n"
    "    sub sp, sp, #160\n"
    "    stp x29, x30, [sp]\n    stp x19, x20, [sp, #16]\n    stp x21, x22, [sp, #32]\n    stp x23, x24, [sp, #48]\n"
    "    stp x25, x26, [sp, #64]\n    stp x27, x28, [sp, #80]\n    stp d8, d9, [sp, #96]\n"
    "    stp d10, d11, [sp, #112]\n    stp d12, d13, [sp, #128]\n    stp d14, d15, [sp, #144]\n"
    "    mov x9, sp\n    str x9, [x0]\n"
    "    mov sp, x1\n"
    "    ldp x29, x30, [sp]\n    ldp x19, x20, [sp, #16]\n    ldp x21, x22, [sp, #32]\n    ldp x23, x24, [sp, #48]\n"
    "    ldp x25, x26, [sp, #64]\n    ldp x27, x28, [sp, #80]\n    ldp d8, d9, [sp, #96]\n"
    "    ldp d10, d11, [sp, #112]\n    ldp d12, d13, [sp, #128]\n    ldp d14, d15, [sp, #144]\n"
    "    add sp, sp, #160\n"
    "    ret\n"
    ".size simt_swap, . - simt_swap\n");
#endif

void fiber_start(fiber *f, void (*entry)())
{
    uintptr_t *top = reinterpret_cast<uintptr_t *>(f->stack + f->bytes);
    *--top = 0; /* aligned as after a call, with no caller */
    *--top = 0;
#ifdef __x86_64__
    *--top = 0;
    for (int i = 0; i < SAVED; i++)
        *--top = 0;
    top[SAVED - 1] = reinterpret_cast<uintptr_t>(entry);
#else
    for (int i = 0; i < SAVED; i++)
        *--top = 0;
    top[1] = reinterpret_cast<uintptr_t>(entry);
#endif
    f->pointer = top;
    f->fake = nullptr;
}

static void swap(fiber *from, fiber *to)
{
    simt_swap(&from->pointer, to->pointer);
}
#endif

void fiber_entered(fiber *main)
{
    if (__sanitizer_finish_switch_fiber) {
        const void *bottom;
        __sanitizer_finish_switch_fiber(nullptr, &bottom, &main->bytes);
        main->stack = static_cast<char *>(const_cast<void *>(bottom));
    }
}

void fiber_switch(fiber *from, fiber *to)
{
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(&from->fake, to->stack, to->bytes);
    swap(from, to);
    if (__sanitizer_finish_switch_fiber)
        __sanitizer_finish_switch_fiber(from->fake, nullptr, nullptr);
}

void fiber_leave(fiber *from, fiber *to)
{
    if (__sanitizer_start_switch_fiber)
        __sanitizer_start_switch_fiber(nullptr, to->stack, to->bytes);
    swap(from, to);
    abort(); /* nobody comes back */
}
} // namespace simt
