/* fuzz_data_file.c - an HDF5 data file. */
#include "fuzz.h"

#include "finerouter/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fr_dataset data;
    if (fr_dataset_read(&data, fuzz_file("data.h5", bytes, size)) == FR_OK)
        fr_dataset_close(&data);
    return 0;
}
