/* fuzz_prompts.c - lines of prompts as `finerouter route --file` takes them, JSON and plain. */
#include "fuzz.h"

#include "cli/cmd_route.c" /* its reader of one line is static */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = fr_strndup((const char *)bytes, size), *rest = text;
    block *b = FR_NEW(block, 1);
    bool json = size % 2;
    for (int64_t number = 1; rest; number++) {
        char *line = strsep(&rest, "\n");
        if (take_line(b, "fuzz", number, line, json) != FR_OK)
            break;
        if (b->count == BLOCK)
            block_clear(b);
    }
    block_clear(b);
    free(b);
    free(text);
    return 0;
}
