/* fuzz_import.c - one importer on one file: FUZZ_FORMAT as data.format, FUZZ_NAME as the file's name. */
#include "fuzz.h"

#include "finerouter/dataset.h"

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
    if (fr_import(&data, fuzz_file(FUZZ_NAME, bytes, size), NULL, &config) == FR_OK)
        fr_dataset_close(&data);
    return 0;
}
