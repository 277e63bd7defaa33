#include "h5_checksum.h"

#include "base/hash.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Followed by the checksum and a newline. */
static const char checksum_mark[] = "finerouter file, XXH3-128 of what follows byte 512: ";

/* Checksum of the bytes behind the user block. */
static fr_status checksum(char hex[FR_HASH_CHARS], int fd, const char *path)
{
    fr_hash *hash = fr_hash_create();
    char *block = fr_alloc(1 << 20);
    ssize_t got;
    for (off_t at = FR_H5_USER_BLOCK; (got = pread(fd, block, 1 << 20, at)) > 0; at += got)
        fr_hash_add(hash, block, (size_t)got);
    int why = errno;
    free(block);
    fr_hash_end(hash, hex);
    return got < 0 ? fr_fail(FR_FAILED, "%s: cannot read: %s", path, strerror(why)) : FR_OK;
}

fr_status fr_h5_checksum_write(const char *path, const char *name)
{
    char hex[FR_HASH_CHARS], block[FR_H5_USER_BLOCK] = {0};
    int fd = open(path, O_RDWR);
    if (fd < 0)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", name, strerror(errno));
    fr_status status = checksum(hex, fd, name);
    snprintf(block, sizeof block, "%s%s\n", checksum_mark, hex);
    if (status == FR_OK && pwrite(fd, block, sizeof block, 0) != FR_H5_USER_BLOCK)
        status = fr_fail(FR_FAILED, "%s: cannot write: %s", name, strerror(errno));
    close(fd);
    return status;
}

fr_status fr_h5_checksum_verify(bool *carried, int fd, const char *path)
{
    char hex[FR_HASH_CHARS], block[FR_H5_USER_BLOCK];
    *carried = pread(fd, block, sizeof block, 0) == FR_H5_USER_BLOCK &&
               memcmp(block, checksum_mark, strlen(checksum_mark)) == 0;
    if (!*carried)
        return FR_OK;
    FR_TRY(checksum(hex, fd, path));
    if (memcmp(block + strlen(checksum_mark), hex, FR_HASH_CHARS - 1) != 0)
        return fr_fail(FR_FAILED,
                       "%s: does not match its checksum: damaged, truncated or edited by another program (to accept an "
                       "edit, overwrite the first 512 bytes with zeros)",
                       path);
    return FR_OK;
}
