/* device.h - where tensors live and kernels run. Nothing above src/ops asks which device it is. */
#ifndef FR_DEVICE_H
#define FR_DEVICE_H

#include "finerouter/status.h"
#include "kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fr_dtype { FR_F32, FR_F64, FR_BF16, FR_I32, FR_I64 } fr_dtype;
size_t fr_dtype_bytes(fr_dtype dtype);

/* Workspace for backward is about 30 KiB a token and layer of 384 channels in f32. */
enum {
    FR_SMALL_BYTES = 256,
    FR_HOST_INFERENCE_TOKENS = 8192,
    FR_HOST_TRAINING_TOKENS = 4096,
    FR_GPU_INFERENCE_TOKENS = 131072,
    FR_GPU_TRAINING_TOKENS = 65536
};

typedef struct fr_device {
    int kind;      /* FR_DEVICE_CPU, FR_DEVICE_REF, FR_DEVICE_CUDA, ... (config.h); never AUTO */
    fr_dtype real; /* type of the encoder's activations and of the parameters it computes with */
    fr_dtype wide; /* type of everything else: real, or f32 where real is bf16 */
    const fr_kernels *kernels, *wide_kernels; /* for tensors of type real, of type wide; the same where these are */
    fr_queue *queue;                          /* NULL on the CPU */
    void *stream; /* CUDA's stream of the queue; NULL elsewhere */
    char gpu[40]; /* "GPU-1f2e...", as nvidia-smi has it without dashes; "" elsewhere */
    int threads;
    void *small;           /* room for results of up to FR_SMALL_BYTES (src/ops/check.c); NULL until first used */
    char description[160]; /* "cpu: f32 AVX2, 2 threads, oneDNN 2.6.3" */
    void *(*allocate)(struct fr_device *device, size_t bytes); /* 64-byte aligned, zeroed */
    void (*release)(struct fr_device *device, void *memory);
    void (*copy_in)(struct fr_device *device, void *to, const void *from_host, size_t bytes);
    void (*copy_out)(struct fr_device *device, void *to_host, const void *from, size_t bytes);
    void (*copy)(struct fr_device *device, void *to, const void *from, size_t bytes);
    void (*zero)(struct fr_device *device, void *memory, size_t bytes);
    void (*synchronize)(struct fr_device *device);
    void (*close)(struct fr_device *device); /* NULL: nothing to give back but the struct */
    /* Bytes free and in all; NULL on the host. */
    void (*memory)(struct fr_device *device, size_t *free_bytes, size_t *total_bytes);
    /* Runs `run`, whose kernel calls are the same ones each time for a key (fr_device_replay); NULL: no advantage. */
    void (*replay)(struct fr_device *device, uint64_t key, void (*run)(void *context), void *context);
    /* Host memory that copies to and from the device are fast with; NULL: any is. */
    void *(*allocate_pinned)(size_t bytes);
    void (*release_pinned)(void *memory);
    int64_t inference_tokens, training_tokens; /* tokens in a batch that use the device well */
} fr_device;

/* kind: an FR_DEVICE_ choice. AUTO takes cpu when there is no GPU and says so. threads 0 = all cores. cuda in a build
 * without CUDA: one clear line. */
FR_NODISCARD fr_status fr_device_open(fr_device **device, int kind, int threads);
void fr_device_close(fr_device *device);

/* This process is number `index` of `processes` on this node, each of which takes a GPU of its own; 0 of 1 unless told
 * otherwise before fr_device_open. */
void fr_device_among(int index, int processes);
int fr_device_index(void);
int fr_device_processes(void);

/* The kernels for tensors of this type; FR_CHECKs that it is real or wide. */
const fr_kernels *fr_device_kernels(const fr_device *device, fr_dtype dtype);

/* Calls run(context). A GPU may record the kernels of the second call with a key and replay the record from then on
 * without calling: work for one key must always be the same kernels on the same memory, with no copy from the host and
 * no result read. Saves the time of hundreds of small launches. */
void fr_device_replay(fr_device *device, uint64_t key, void (*run)(void *context), void *context);

/* Backends that live outside this file: cuda.cu in builds with CUDA, tests/simt in test programs. Called before
 * fr_device_open. An opener's device starts as this file's host device would and overrides what differs; `close` (or
 * NULL) gives back what it holds. */
typedef fr_status (*fr_device_opener)(fr_device **device, int kind, int threads);
void fr_device_provide(int kind, fr_device_opener opener);

/* Tensors view memory; arenas own it. Passed by value; row-major, contiguous. */
typedef struct fr_tensor {
    void *data;
    fr_device *device;
    fr_dtype dtype;
    int rank;
    int64_t shape[4];
} fr_tensor;

int64_t fr_tensor_count(const fr_tensor *tensor); /* elements */
size_t fr_tensor_bytes(const fr_tensor *tensor);

/* The first `rows` rows of the leading dimension; FR_CHECKs the bound. */
fr_tensor fr_tensor_rows(fr_tensor tensor, int64_t first, int64_t rows);
/* The same elements under another shape. */
fr_tensor fr_tensor_view(fr_tensor tensor, int rank, const int64_t *shape);

/* Host transfers as f32 whatever the device's real type is (n = all elements); `ids` forms for I32/I64. Synchronous. */
void fr_tensor_set(fr_tensor tensor, const float *host);
void fr_tensor_get(fr_tensor tensor, float *host);
void fr_tensor_set_f64(fr_tensor tensor, const double *host); /* exact on ref; for tests and checkpoints of ref */
void fr_tensor_get_f64(fr_tensor tensor, double *host);
void fr_tensor_set_raw(fr_tensor tensor, const void *host); /* the tensor's own type */
void fr_tensor_get_raw(fr_tensor tensor, void *host);
void fr_tensor_zero(fr_tensor tensor);
void fr_tensor_copy(fr_tensor to, fr_tensor from); /* same device, type and count */

/* An arena owns one block. The same layout function runs twice: first to measure (data stays NULL), then for real:
 *
 *     fr_arena *arena = fr_arena_create(device);
 *     layout(model, arena);  fr_arena_commit(arena);  layout(model, arena);
 */
typedef struct fr_arena fr_arena;
fr_arena *fr_arena_create(fr_device *device);
void fr_arena_close(fr_arena *arena); /* accepts NULL */
fr_tensor fr_arena_tensor(fr_arena *arena, fr_dtype dtype, int rank, const int64_t *shape);
void fr_arena_commit(fr_arena *arena); /* allocates what was measured and starts again at its beginning */
size_t fr_arena_bytes(const fr_arena *arena);

/* Shape helper: fr_arena_tensor(arena, dtype, FR_SHAPE(N, C)) */
#define FR_SHAPE(...)                                                                                                  \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                                       \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

#ifdef __cplusplus
}
#endif

#endif
