/* fuzz_tokenizer.c - FUZZ_NAME (tokenizer.json or vocab.txt) as the only file of a tokenizer's folder; a tokenizer that
 * opens encodes its own file as a text. */
#include "fuzz.h"

#include "finerouter/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fr_tokenizer *tokenizer;
    fuzz_file(FUZZ_NAME, bytes, size);
    if (fr_tokenizer_open(&tokenizer, fuzz_folder()) != FR_OK)
        return 0;
    int32_t ids[128];
    bool cut;
    int64_t count = fr_tokenizer_encode(tokenizer, (const char *)bytes, size, 128, ids, &cut);
    fuzz_check(count >= 2 && count <= 128, "fr_tokenizer_encode");
    for (int64_t i = 0; i < count; i++)
        fuzz_check(fr_tokenizer_piece(tokenizer, ids[i]) != NULL, "fr_tokenizer_piece");
    fr_tokenizer_close(tokenizer);
    return 0;
}
