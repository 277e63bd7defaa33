/* fuzz.h - what the harnesses share: bytes as a file in memory, since the parsers take paths. */
#ifndef FR_FUZZ_H
#define FR_FUZZ_H

#include "finerouter/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Harnesses are their own programs: what goes wrong in making a file ends them. */
static inline void fuzz_check(int right, const char *what)
{
    if (right)
        return;
    perror(what);
    _exit(70);
}

static inline const char *fuzz_folder(void);

/* What is left of a harness that ends well; scripts/fuzz.sh removes the folders of those that do not. */
static inline void fuzz_clean(void)
{
    DIR *folder = opendir(fuzz_folder());
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(fuzz_folder());
}

/* A folder of this process, in memory where the system has /dev/shm; FR_FUZZ_FOLDER says where else. */
static inline const char *fuzz_folder(void)
{
    static char path[256];
    if (!path[0]) {
        const char *where = getenv("FR_FUZZ_FOLDER");
        if (!where)
            where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(path, sizeof path, "%s/finerouter-fuzz-XXXXXX", where);
        fuzz_check(mkdtemp(path) != NULL, path);
        fr_log_level(0);
        atexit(fuzz_clean);
    }
    return path;
}

/* Writes the bytes to <folder>/<name> and returns that path, in static storage. */
static inline const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char path[320];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    fuzz_check(file >= 0 && write(file, data, size) == (ssize_t)size && close(file) == 0, path);
    return path;
}

#endif
