/* fuzz_import.c - one importer on one file: FUZZ_FORMAT as data.format, FUZZ_NAME as the file's name. */
#include "fuzz.h"

#include "finerouter/dataset.h"

#ifdef FUZZ_ZIP
#include "io/inflate.h"

#include <string.h>

static uint32_t word(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The right checksum in every directory entry of a stored member, as chance would never find it. */
static void right_checksums(uint8_t *zip, size_t size)
{
    for (size_t at = 0; size >= 46 && at + 46 <= size; at++) {
        uint8_t *entry = zip + at;
        if (word(entry) != 0x02014B50 || entry[10] || word(entry + 42) > size - 30)
            continue;
        const uint8_t *local = zip + word(entry + 42);
        size_t begin = word(entry + 42) + 30 + (local[26] | local[27] << 8) + (local[28] | local[29] << 8);
        if (begin > size || word(entry + 24) > size - begin)
            continue;
        uint32_t crc = fr_crc32(0, zip + begin, word(entry + 24));
        for (int i = 0; i < 4; i++)
            entry[16 + i] = (uint8_t)(crc >> 8 * i);
    }
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static fr_config config; /* once: it takes longer than a small import */
    fr_dataset data;
    if (!config.owned) {
        fr_config_defaults(&config);
        fuzz_check(fr_config_set(&config, "data.format=" FUZZ_FORMAT) == FR_OK, fr_error_text());
#ifdef FUZZ_MAP
        fuzz_check(fr_config_set(&config, "data.map=" FUZZ_MAP) == FR_OK, fr_error_text());
#endif
    }
#ifdef FUZZ_ZIP
    uint8_t *zip = malloc(size + 1);
    memcpy(zip, bytes, size);
    right_checksums(zip, size);
    const char *path = fuzz_file(FUZZ_NAME, zip, size);
    free(zip);
#else
    const char *path = fuzz_file(FUZZ_NAME, bytes, size);
#endif
    if (fr_import(&data, path, NULL, &config) == FR_OK)
        fr_dataset_close(&data);
    return 0;
}
