/* pending.h - losses and gradient norms of steps the host has not looked at yet. On a GPU reading one would stop the
 * pipeline after every step, so they gather there and are read together; on the host each is read at once. */
#ifndef FR_TRAIN_PENDING_H
#define FR_TRAIN_PENDING_H

#include "nn/params.h"

typedef struct fr_pending {
    fr_arena *arena;
    fr_tensor loss, squares;          /* f64 (capacity) on the device */
    int64_t count, capacity;          /* steps begun since the last read; most of them */
    double *host_loss, *host_squares; /* (capacity) as read */
} fr_pending;

void fr_pending_open(fr_pending *pending, fr_device *device);
void fr_pending_close(fr_pending *pending); /* accepts an all-zero struct */

/* Begins a step and returns its loss (0), to which fr_mse_add and fr_bce_add add. */
fr_tensor fr_pending_next(fr_pending *pending);

/* Ends it: the optimizer's step. */
void fr_pending_launch(fr_pending *pending, const fr_optimizer *optimizer, fr_params *params, int64_t step);

bool fr_pending_full(const fr_pending *pending);

/* Waits for the device and fills host_loss and host_squares; returns how many steps there were and begins anew. */
int64_t fr_pending_read(fr_pending *pending);

#endif
