/* main.c - runs a harness once over every file of the folders and files given, as a test without a fuzzer. */
#include "fuzz.h"

#include "base/files.h"
#include "base/memory.h"

#include <dirent.h>
#include <string.h>

static int64_t run_path(const char *path)
{
    if (!fr_is_folder(path)) {
        char *data;
        size_t bytes;
        if (fr_file_read(&data, &bytes, path, 0) != FR_OK) {
            fprintf(stderr, "%s\n", fr_error_text());
            exit(1);
        }
        /* A block of exactly this size, so that a sanitizer sees reads past its end. */
        uint8_t *exact = malloc(bytes ? bytes : 1);
        memcpy(exact, data, bytes);
        LLVMFuzzerTestOneInput(exact, bytes);
        free(exact);
        free(data);
        return 1;
    }
    DIR *folder = opendir(path);
    fuzz_check(folder != NULL, path);
    int64_t count = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        char *inside = fr_path_join(path, entry->d_name);
        count += run_path(inside);
        free(inside);
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int64_t count = 0;
    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("%lld inputs\n", (long long)count);
    return count > 0 ? 0 : 1;
}
