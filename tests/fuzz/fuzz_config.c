/* fuzz_config.c - the YAML of a config; what is read is written and read back equal. */
#include "fuzz.h"

#include "base/memory.h"
#include "finerouter/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fr_config config, again;
    fr_config_defaults(&config);
    char *text = fr_strndup((const char *)bytes, size);
    if (fr_config_read_text(&config, text, "fuzz.yaml") == FR_OK) {
        char *first = fr_config_text(&config);
        fr_config_copy(&again, &config);
        char *second = fr_config_text(&again);
        FR_CHECK(strcmp(first, second) == 0, "a config reads back as another");
        if (fr_config_check(&config) == FR_OK)
            fr_config_apply_paper(&config);
        free(first);
        free(second);
        fr_config_close(&again);
    }
    free(text);
    fr_config_close(&config);
    return 0;
}
