/* fuzz_safetensors.c - a tensor file; three of its tensors are read. */
#include "fuzz.h"

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fr_safetensors *file;
    if (fr_safetensors_open(&file, fuzz_file("model.safetensors", bytes, size)) != FR_OK)
        return 0;
    static const char *const name[] = {"a", "b", "layer.weight"};
    fr_status status = FR_OK;
    for (int i = 0; i < 3 && status == FR_OK; i++) {
        float out[64];
        const int64_t shape[2] = {i + 1, 2};
        if (fr_safetensors_has(file, name[i]))
            status = fr_safetensors_read(file, name[i], 1 + i % 2, shape, out);
    }
    fr_safetensors_close(file);
    return 0;
}
