/* simt_private.h - a thread and its block, for the files of the scheduler. */
#ifndef FR_SIMT_PRIVATE_H
#define FR_SIMT_PRIVATE_H

#include "fiber.h"
#include "simt_run.h"

#include <vector>

namespace simt
{
enum thread_state { READY, AT_BARRIER, IN_WARP, DONE };

struct pending_copy { /* of fr_copy_async */
    void *to;
    unsigned char bytes[16];
    const char *file;
    int line;
};

struct thread {
    fiber own;
    uint3 index;
    unsigned number; /* in the block; its lane and warp follow */
    thread_state state;
    const char *what, *file; /* what it waits for */
    int line;
    unsigned mask;
    void *argument;
    std::vector<std::vector<pending_copy>> groups; /* closed groups, the oldest first */
    std::vector<pending_copy> open;
};

extern thread *self;    /* the running thread; NULL outside kernels */
extern thread *threads; /* of the block */
extern unsigned thread_count;
} // namespace simt

#endif
