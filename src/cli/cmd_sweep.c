#include "commands.h"

#include "base/files.h"
#include "base/memory.h"
#include "sweep_array.h"
#include "sweep_group.h"
#include "sweep_jobs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a job does: one group, nothing but its points' files. */
static fr_status only(fr_sweep *sweep, const char *folder, double point)
{
    fr_sweep_follow_parent();
    FR_TRY(fr_sweep_set_cache(sweep, folder));
    if (point >= (double)sweep->points)
        return fr_fail(FR_USAGE, "--only %g: the sweep has points 0 to %lld", point, (long long)sweep->points - 1);
    char *points = fr_path_join(folder, "points");
    fr_status status = fr_make_folders(points);
    free(points);
    FR_TRY(status);
    FR_TRY(fr_make_folders(sweep->base.top.cache));
    int64_t failed;
    FR_TRY(fr_sweep_run_group(&failed, sweep, sweep->group[(int64_t)point], folder, sweep->base.top.cache));
    return failed ? fr_fail(FR_FAILED, "%s: %lld points failed", folder, (long long)failed) : FR_OK;
}

fr_status fr_cmd_sweep(const fr_args *args)
{
    fr_args_log_level(args);
    const char **sets = FR_NEW(const char *, args->flags), *out = fr_args_value(args, "--out");
    int64_t count = 0;
    for (int i = 0; i < args->flags; i++)
        if (strcmp(args->flag[i]->name, "--set") == 0)
            sets[count++] = args->value[i];
    bool list = fr_args_has(args, "--list"), collect = fr_args_has(args, "--collect");
    double jobs = 1, point = -1;
    fr_sweep sweep = {0};
    char *folder = NULL;
    fr_status status;
    FR_TRY_GOTO(fr_args_number(args, "--jobs", 1, 1024, &jobs), done);
    FR_TRY_GOTO(fr_args_number(args, "--only", 0, 1e9, &point), done);
    if (jobs != floor(jobs) || point != floor(point)) {
        status = fr_fail(FR_USAGE, "%s wants a whole number", jobs != floor(jobs) ? "--jobs" : "--only");
        goto done;
    }
    if (list + collect + (point >= 0) > 1) {
        status = fr_fail(FR_USAGE, "--list, --only and --collect: want one of them");
        goto done;
    }
    FR_TRY_GOTO(fr_sweep_read(&sweep, args->positional[0], sets, count), done);
    folder = out ? fr_strdup(out) : fr_format("sweeps/%s", sweep.name);
    for (size_t length = strlen(folder); length > 1 && folder[length - 1] == '/';)
        folder[--length] = 0;
    if (list)
        fr_sweep_list(&sweep);
    else if (collect)
        status = fr_sweep_collect(&sweep, folder, sets, count);
    else
        status = point >= 0 ? only(&sweep, folder, point) : fr_sweep_run(&sweep, folder, (int64_t)jobs);
done:
    free(folder);
    free(sets);
    fr_sweep_close(&sweep);
    return status;
}
