/* fuzz_npy.c - one numpy array as in a .npy file: its header, then every element as number and as text. */
#include "fuzz.h"

#include "io/npy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fr_npy array;
    size_t header;
    if (fr_npy_header(&array, "fuzz", (const char *)bytes, size, size, &header) == FR_OK) {
        array.data = fr_alloc(size - header + 1);
        memcpy(array.data, bytes + header, size - header);
        fr_buffer text = {0};
        for (int64_t i = 0; i < array.count && i < 4096; i++) {
            text.bytes = 0;
            double value = fr_npy_number(&array, i);
            fr_status status = fr_npy_text(&array, i, &text);
            if (status == FR_OK)
                fuzz_check(value != value && !text.data[text.bytes], "a text's end");
        }
        fr_buffer_close(&text);
    }
    fr_npy_close(&array);
    return 0;
}
