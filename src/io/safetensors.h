/* safetensors.h - Hugging Face's tensor files: 8-byte little-endian header size, JSON header, raw data. Sizes and
 * offsets are checked before use. */
#ifndef FR_IO_SAFETENSORS_H
#define FR_IO_SAFETENSORS_H

#include "finerouter/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct fr_safetensors fr_safetensors;

FR_NODISCARD fr_status fr_safetensors_open(fr_safetensors **file, const char *path); /* memory-mapped */
void fr_safetensors_close(fr_safetensors *file);
bool fr_safetensors_has(const fr_safetensors *file, const char *name);
/* F32, F16, BF16 and F64 tensors as f32; the shape must be exactly this one. */
FR_NODISCARD fr_status fr_safetensors_read(const fr_safetensors *file, const char *name, int rank, const int64_t *shape,
                                           float *out);

typedef struct fr_safetensor {
    const char *name;
    int rank;
    int64_t shape[4];
    const float *data;
} fr_safetensor;
/* Atomic; tensors as F32 in the given order. */
FR_NODISCARD fr_status fr_safetensors_write(const char *path, const fr_safetensor *tensor, int64_t count);

#endif
