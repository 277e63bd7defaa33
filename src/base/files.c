#include "files.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool fr_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool fr_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

fr_status fr_make_folders(const char *path)
{
    char *part = fr_strdup(path);
    fr_status status = FR_OK;
    for (char *at = part + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char saved = *at;
        *at = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            status = fr_fail(FR_FAILED, "%s: cannot create folder: %s", part, strerror(errno));
            break;
        }
        if (!fr_is_folder(part)) {
            status = fr_fail(FR_FAILED, "%s: is not a folder", part);
            break;
        }
        *at = saved;
        if (!saved)
            break;
    }
    free(part);
    return status;
}

fr_status fr_file_read(char **data, size_t *bytes, const char *path, size_t limit)
{
    *data = NULL;
    if (bytes)
        *bytes = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return fr_fail(FR_FAILED, "%s: cannot open: %s", path, strerror(errno));
    if (fr_is_folder(path)) {
        fclose(file);
        return fr_fail(FR_FAILED, "%s: is a folder, want a file", path);
    }
    fr_buffer text = {0};
    char block[1 << 16];
    size_t got;
    fr_buffer_add(&text, "", 0);
    while ((got = fread(block, 1, sizeof block, file)) > 0) {
        fr_buffer_add(&text, block, got);
        if (limit && text.bytes > limit) {
            fclose(file);
            fr_buffer_close(&text);
            return fr_fail(FR_FAILED, "%s: larger than %zu bytes, which is more than such a file can be", path, limit);
        }
    }
    int failed = ferror(file);
    fclose(file);
    if (failed) {
        fr_buffer_close(&text);
        return fr_fail(FR_FAILED, "%s: cannot read: %s", path, strerror(errno));
    }
    *data = text.data;
    if (bytes)
        *bytes = text.bytes;
    return FR_OK;
}

fr_status fr_replace_begin(char **temporary, const char *path)
{
    char *folder = fr_path_folder(path);
    char host[65] = ""; /* nodes of a cluster share folders, and have the same numbers for processes */
    gethostname(host, sizeof host - 1);
    *temporary = fr_format("%s/.%s.tmp-%s-%ld", folder, fr_path_base(path), host, (long)getpid());
    fr_status status = FR_OK;
    int fd = open(*temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0)
        status = fr_fail(FR_FAILED, "%s: cannot write into folder %s: %s", path, folder, strerror(errno));
    else
        close(fd);
    free(folder);
    if (status != FR_OK) {
        free(*temporary);
        *temporary = NULL;
    }
    return status;
}

static fr_status sync_path(const char *path, int flags)
{
    int fd = open(path, flags);
    if (fd < 0)
        return fr_fail(FR_FAILED, "%s: cannot open to sync: %s", path, strerror(errno));
    int failed = fsync(fd) != 0 && errno != EINVAL && errno != EROFS;
    int reason = errno;
    close(fd);
    return failed ? fr_fail(FR_FAILED, "%s: cannot sync: %s", path, strerror(reason)) : FR_OK;
}

fr_status fr_replace_end(char *temporary, const char *path)
{
    fr_status status = sync_path(temporary, O_RDONLY);
    if (status == FR_OK && rename(temporary, path) != 0)
        status = fr_fail(FR_FAILED, "%s: cannot move the finished file into place: %s", path, strerror(errno));
    if (status != FR_OK) {
        fr_replace_cancel(temporary);
        return status;
    }
    free(temporary);
    char *folder = fr_path_folder(path);
    status = sync_path(folder, O_RDONLY | O_DIRECTORY);
    free(folder);
    return status;
}

void fr_replace_cancel(char *temporary)
{
    if (!temporary)
        return;
    unlink(temporary);
    free(temporary);
}

fr_status fr_file_write(const char *path, const void *data, size_t bytes)
{
    char *temporary;
    FR_TRY(fr_replace_begin(&temporary, path));
    FILE *file = fopen(temporary, "wb");
    size_t put = file && bytes ? fwrite(data, 1, bytes, file) : 0;
    int failed = !file || put != bytes;
    int reason = errno;
    if (file && fclose(file) != 0 && !failed) {
        failed = 1;
        reason = errno;
    }
    if (failed) {
        fr_replace_cancel(temporary);
        return fr_fail(FR_FAILED, "%s: cannot write %zu bytes: %s", path, bytes, strerror(reason));
    }
    return fr_replace_end(temporary, path);
}

fr_status fr_file_link(const char *from, const char *to)
{
    char *temporary;
    FR_TRY(fr_replace_begin(&temporary, to));
    unlink(temporary);
    if (link(from, temporary) == 0) {
        struct stat a, b;
        if (stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
            fr_replace_cancel(temporary); /* already the same file: rename would leave the temporary name behind */
            return FR_OK;
        }
        return fr_replace_end(temporary, to);
    }
    free(temporary);
    char *data;
    size_t bytes;
    FR_TRY(fr_file_read(&data, &bytes, from, 0));
    fr_status status = fr_file_write(to, data, bytes);
    free(data);
    return status;
}

char *fr_path_join(const char *folder, const char *name)
{
    if (name[0] == '/' || !folder[0])
        return fr_strdup(name);
    size_t length = strlen(folder);
    return fr_format("%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

char *fr_path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return fr_strdup(".");
    return fr_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

const char *fr_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *fr_path_stem(const char *path)
{
    const char *base = fr_path_base(path), *dot = strrchr(base, '.');
    return dot && dot != base ? fr_strndup(base, (size_t)(dot - base)) : fr_strdup(base);
}
