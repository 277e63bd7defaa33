/* fuzz_models.c - the list of models that goes with an import. */
#include "fuzz.h"

#include "finerouter/dataset.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char table[] = "{\"id\":\"1\",\"prompt\":\"x\",\"quality\":{\"a\":1,\"b\":0},\"split\":\"train\"}\n"
                                "{\"id\":\"2\",\"prompt\":\"y\",\"quality\":{\"a\":0,\"b\":0.5},\"split\":\"dev\"}\n"
                                "{\"id\":\"3\",\"prompt\":\"z\",\"quality\":{\"a\":1,\"b\":1},\"split\":\"test\"}\n";
    static char *path;
    if (!path)
        path = strdup(fuzz_file("table.jsonl", (const uint8_t *)table, sizeof table - 1));
    fr_config config;
    fr_dataset data;
    fr_config_defaults(&config);
    if (fr_import(&data, path, fuzz_file("models.json", bytes, size), &config) == FR_OK)
        fr_dataset_close(&data);
    fr_config_close(&config);
    return 0;
}
