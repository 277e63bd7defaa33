/* check.h - how an operation checks its tensors before it calls a kernel. */
#ifndef FR_OPS_CHECK_H
#define FR_OPS_CHECK_H

#include "device/device.h"

/* Aborts with "fr_layernorm_forward: w is f32 1 x 31, want f32 32" unless tensor has data on `device` and this type and
 * shape. */
void fr_want(const char *op, const char *name, const fr_tensor *tensor, const fr_device *device, fr_dtype dtype,
             int rank, const int64_t *shape);
/* The same for tensors of any shape: only the number of elements counts. */
void fr_want_count(const char *op, const char *name, const fr_tensor *tensor, const fr_device *device, fr_dtype dtype,
                   int64_t count);
/* Aborts unless the tensor has data, a device and this rank. */
void fr_want_rank(const char *op, const char *name, const fr_tensor *tensor, int rank);
/* Aborts unless cu is (B+1) I32 and, where the host can read it, rises from 0 to N. Returns the longest sequence (N
 * where unseen). */
int64_t fr_want_sequences(const char *op, const fr_tensor *cu, const fr_device *device, int64_t N);

/* Where a kernel may write a result for the host: `host` itself on the CPU, else memory of the device, which
 * fr_result_end copies back and releases. A result of up to FR_SMALL_BYTES allocates nothing; one at a time. */
void *fr_result_begin(fr_device *device, void *host, size_t bytes);
void fr_result_end(fr_device *device, void *host, void *result, size_t bytes);

/* The same for host memory a kernel reads. */
const void *fr_operand_begin(fr_device *device, const void *host, size_t bytes);
void fr_operand_end(fr_device *device, const void *host, const void *operand);

/* How an operation of the encoder begins: its device, the element type of its activations as `real` (that of `tensor`:
 * the device's real or wide), the type of statistics and gradients of parameters as `wide`, its kernels. OP_WIDE: the
 * operations that work on the wide type alone. */
#define OP_TYPES(tensor, kind)                                                                                         \
    FR_CHECK((tensor).device, "%s is not there", #tensor);                                                             \
    fr_device *device = (tensor).device;                                                                               \
    const fr_dtype real = kind, wide = device->wide;                                                                   \
    const fr_kernels *kernels = fr_device_kernels(device, real);                                                       \
    (void)wide
#define OP(tensor) OP_TYPES(tensor, (tensor).dtype)
#define OP_WIDE(tensor) OP_TYPES(tensor, device->wide)

/* After OP. WANT(w, device, C): a tensor of type `real` and this shape; WANT_WIDE of type `wide`; WANT_AS of another.
 */
#define WANT(tensor, device, ...) fr_want(__func__, #tensor, &(tensor), device, real, FR_SHAPE(__VA_ARGS__))
#define WANT_WIDE(tensor, device, ...) fr_want(__func__, #tensor, &(tensor), device, wide, FR_SHAPE(__VA_ARGS__))
#define WANT_AS(tensor, device, dtype, ...) fr_want(__func__, #tensor, &(tensor), device, dtype, FR_SHAPE(__VA_ARGS__))
#define WANT_COUNT(tensor, device, count) fr_want_count(__func__, #tensor, &(tensor), device, real, count)
#define WANT_RANK(tensor, rank) fr_want_rank(__func__, #tensor, &(tensor), rank)
#define WANT_SEQUENCES(cu, device, N) fr_want_sequences(__func__, &(cu), device, N)

#endif
