/* safetensors.h - Hugging Face's tensor files: 8 bytes of little-endian header size, a JSON header, then raw data.
 *
 * A reader trusts nothing: the header's size, every shape, type and offset are checked against the file's length when
 * it is opened, and the tensors must cover the data from its first byte to its last without gap or overlap, as the
 * format demands. */
#ifndef FR_IO_SAFETENSORS_H
#define FR_IO_SAFETENSORS_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct fr_safetensors fr_safetensors;

/* Maps the file and checks its header. Errors name the file, the tensor and the offending value. */
FR_NODISCARD fr_status fr_safetensors_open(fr_safetensors **file, const char *path);
void fr_safetensors_close(fr_safetensors *file); /* accepts NULL */
bool fr_safetensors_has(const fr_safetensors *file, const char *name);

/* An F32, F16, BF16 or F64 tensor as f32; its shape must be exactly this one. out has room for the product of shape. */
FR_NODISCARD fr_status fr_safetensors_read(const fr_safetensors *file, const char *name, int rank, const int64_t *shape,
                                           float *out);

typedef struct fr_safetensor {
    const char *name;
    int rank;
    int64_t shape[4];
    const float *data;
} fr_safetensor;

/* Atomic; tensors as F32 in the given order, with the metadata {"format": "pt"} that transformers asks for. */
FR_NODISCARD fr_status fr_safetensors_write(const char *path, const fr_safetensor *tensor, int64_t count);

#endif
