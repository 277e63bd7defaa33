/* params.h - the parameters of a model as one named list, walked by optimizer, clipping, all-reduce, checkpoint, export
 * and report alike.
 *
 * Values, gradients and the two AdamW moments each lie in one contiguous block: first the trainable parameters, those
 * of equal settings together (a run) in list order, so that an optimizer step is one kernel a run; then the frozen
 * ones. Each parameter starts on a multiple of FR_PARAM_ALIGN elements; the padding between them holds zeros, which
 * every operation on whole blocks leaves zero.
 *
 * Use: declare all parameters, then fr_params_commit, then take the tensors. */
#ifndef FR_NN_PARAMS_H
#define FR_NN_PARAMS_H

#include "device/device.h"

#define FR_PARAM_ALIGN 16 /* elements: 64 bytes of f32 */

typedef enum fr_param_group {
    FR_GROUP_HEAD,    /* learning rate of the task at hand */
    FR_GROUP_ENCODER, /* encoder.lr */
} fr_param_group;

typedef struct fr_param {
    char name[120];        /* "encoder.layer.3.attention.self.query.weight": Hugging Face's names inside the encoder */
    fr_tensor value, grad; /* grad.data NULL when not trainable */
    fr_tensor m, v;        /* moments; data NULL when not trainable */
    fr_tensor real;        /* what the encoder computes with: value, or its copy in the device's real type */
    bool trainable, decay; /* decay: subject to weight decay */
    bool joined;           /* lies right behind its predecessor, without padding */
    fr_param_group group;
    int64_t at; /* first element in the blocks, from fr_params_commit on */
} fr_param;

/* Trainable parameters of equal settings, one behind the other. */
typedef struct fr_param_run {
    fr_param_group group;
    bool decay;
    int64_t at, n; /* elements, with padding */
} fr_param_run;

typedef struct fr_params {
    fr_device *device;
    fr_param *item;
    int64_t count;
    fr_arena *values, *state;          /* state: gradients and moments of the trainable ones */
    fr_tensor value_block, grad_block; /* (elements with padding); data NULL when there are none */
    fr_tensor real_block;              /* (elements); value_block itself where the device's types are one */
    fr_tensor factor;                  /* f64 scalar: what clipping makes of the gradients of a step */
    fr_param_run run[4];
    int runs;
    fr_tensor m_block, v_block;                 /* as grad_block */
    int64_t elements, state_elements, capacity; /* with padding; room in item */
} fr_params;

void fr_params_create(fr_params *params, fr_device *device);
void fr_params_close(fr_params *params); /* accepts an all-zero struct */

/* Declares a parameter of type device->wide; returns its index. FR_CHECKs that the name is new and fits. Pointers into
 * params->item are valid once all are declared. */
int64_t fr_params_add(fr_params *params, const char *name, int rank, const int64_t *shape, bool trainable, bool decay,
                      fr_param_group group);

/* The same, but its values (and gradients) lie right behind those of the parameter declared before, whose settings must
 * be the same: query, key and value weights are one matrix to the GEMM and three names to everyone else. */
int64_t fr_params_add_joined(fr_params *params, const char *name, int rank, const int64_t *shape, bool trainable,
                             bool decay, fr_param_group group);

void fr_params_commit(fr_params *params);                              /* allocates, zeroes */
fr_param *fr_params_find(fr_params *params, const char *name);         /* NULL if there is none */
int64_t fr_params_total(const fr_params *params, bool trainable_only); /* elements, without padding */

/* Brings `real` up to date after values were set other than by fr_params_set or an optimizer step. */
void fr_params_refresh(const fr_params *params);

void fr_params_zero_grad(fr_params *params);
double fr_params_grad_norm(const fr_params *params); /* sqrt of the sum of squares over trainable gradients */

/* Seeded initial values: normal with this deviation; keyed by the parameter's name, so that adding one moves no other.
 */
void fr_param_init_normal(fr_param *param, double deviation, uint64_t seed);
void fr_param_init_constant(fr_param *param, double value);

/* All values as f32 in list order, and back (total elements as fr_params_total). For checkpoints, early stopping
 * snapshots, hashes. */
void fr_params_get(const fr_params *params, float *host, bool trainable_only);
void fr_params_set(fr_params *params, const float *host, bool trainable_only);

/* Learning rate at a step (0-based) of `steps`:
 *   step < w = warmup * steps:  lr * min(1, (step + 1) / w)
 *   else with r = (step - w) / (steps - w):  lr (constant), lr (1 - r) (linear), lr (1 + cos(pi r)) / 2 (cosine); 0
 * from `steps` on for the latter two. schedule: FR_SCHEDULE_... of config.h. */
double fr_schedule(int schedule, double lr, double warmup, int64_t step, int64_t steps);

typedef struct fr_optimizer {
    double lr[2];                              /* by fr_param_group, before the schedule */
    double decay, beta1, beta2, epsilon, clip; /* clip 0 = none */
    int schedule;
    double warmup;
    int64_t steps; /* planned, for the schedule */
} fr_optimizer;

/* One step over all trainable parameters (step is 0-based): clips by global norm, then AdamW; parameters declared with
 * decay shrink. *norm (or NULL): the norm before clipping. A non-finite norm changes nothing: FR_FAILED with the name
 * of the first bad parameter. */
FR_NODISCARD fr_status fr_optimizer_step(const fr_optimizer *optimizer, fr_params *params, int64_t step, double *norm);

/* The same without waiting for the device: the sum of squares of the gradients is added to the last of the f64
 * `squares` (n) of the device, and parameters change only if all n, and all of the f64 `losses` (n; or FR_NONE), are
 * finite. Once the host has read squares, fr_optimizer_check says whether one was, and if not names the bad gradient
 * (of the gradients as they are then). */
void fr_optimizer_launch(const fr_optimizer *optimizer, fr_params *params, int64_t step, fr_tensor squares,
                         fr_tensor losses);
FR_NODISCARD fr_status fr_optimizer_check(const fr_params *params, int64_t step, double squares);

#endif
