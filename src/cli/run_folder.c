#include "run_folder.h"

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm.h"
#include "finerouter/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef FR_COMMIT
#define FR_COMMIT "unknown"
#endif

const char *fr_commit(void)
{
    return FR_COMMIT;
}

char *fr_cache_folder(const fr_config *config, const char *out)
{
    if (config->top.cache[0])
        return fr_strdup(config->top.cache);
    char *beside = fr_path_folder(out), *cache = fr_path_join(beside, ".cache");
    free(beside);
    return cache;
}

static fr_status compare_ranks(const fr_config *config, const char *out, const fr_device *device)
{
    char *text = fr_config_text(config),
         *build = fr_format("%s: %s kernels, %d threads", fr_commit(), device->kernels->name, device->threads);
    fr_status status = fr_comm_agree(fr_comm_same("config", text));
    if (status == FR_OK)
        status = fr_comm_agree(fr_comm_same("--out", out));
    if (status == FR_OK)
        status = fr_comm_agree(fr_comm_same("build", build));
    free(text);
    free(build);
    return status;
}

fr_status fr_run_device_open(fr_device **device, const fr_config *config, const char *out)
{
    int threads = config->top.threads == 0 && fr_comm_ranks() > 1 ? fr_comm_cores() : (int)config->top.threads;
    FR_TRY(fr_device_open(device, config->top.device, threads));
    fr_status status = compare_ranks(config, out, *device);
    if (status != FR_OK)
        fr_device_close(*device);
    return status;
}

static fr_status take_lock(int *lock, const char *out)
{
    char *path = fr_path_join(out, ".lock");
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    fr_status status = FR_OK;
    if (*lock < 0)
        status = fr_fail(FR_FAILED, "%s: cannot write into the run folder: %s", path, strerror(errno));
    else if (flock(*lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) /* else a file system without locks */
        status = fr_fail(FR_FAILED,
                         "%s: another finerouter is writing into this folder; wait for it, or give another --out", out);
    free(path);
    if (status != FR_OK && *lock >= 0) {
        close(*lock);
        *lock = -1;
    }
    return status;
}

static fr_status write_environment(const char *out, const fr_device *device)
{
    struct utsname machine;
    uname(&machine);
    json_t *object = json_object();
    json_object_set_new(object, "finerouter", json_string(FR_VERSION));
    json_object_set_new(object, "commit", json_string(fr_commit()));
    json_object_set_new(object, "compiler", json_string(__VERSION__));
    json_object_set_new(object, "device", json_string(device->description));
    json_object_set_new(object, "threads", json_integer(device->threads));
    json_object_set_new(object, "ranks", json_integer(fr_comm_ranks()));
    json_object_set_new(object, "system", json_sprintf("%s %s %s", machine.sysname, machine.release, machine.machine));
    char *text = json_dumps(object, JSON_INDENT(2)), *path = fr_path_join(out, "environment.json");
    fr_status status = fr_file_write(path, text, strlen(text));
    free(text);
    free(path);
    json_decref(object);
    return status;
}

fr_status fr_run_folder_open(int *lock, const fr_config *config, const char *out, const char *cache,
                             const fr_device *device)
{
    *lock = -1;
    if (!fr_is_root())
        return FR_OK;
    FR_TRY(fr_make_folders(out));
    FR_TRY(fr_make_folders(cache));
    FR_TRY(take_lock(lock, out));
    char *text = fr_config_text(config), *path = fr_path_join(out, "config.yaml"),
         *log = fr_path_join(out, "log.jsonl");
    fr_status status = fr_file_write(path, text, strlen(text));
    if (status == FR_OK)
        status = write_environment(out, device);
    if (status == FR_OK)
        status = fr_log_open(log);
    free(text);
    free(path);
    free(log);
    if (status != FR_OK)
        fr_run_folder_close(*lock);
    return status;
}

void fr_run_folder_close(int lock)
{
    fr_log_close();
    if (lock >= 0)
        close(lock);
}
