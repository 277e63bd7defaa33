#include "commands.h"

#include "base/files.h"
#include "finerouter/report.h"

#include <stdlib.h>

fr_status fr_cmd_report(const fr_args *args)
{
    size_t count = (size_t)args->count;
    const char *out = fr_args_value(args, "--out"), *const *folders = args->positional;
    for (size_t i = 0; i < count; i++)
        if (!fr_is_folder(folders[i]))
            return fr_fail(FR_FAILED, "%s: no such run folder", folders[i]);
    FR_TRY(fr_report_write_all(folders, count, out, fr_args_value(args, "--title")));
    char *alone = fr_path_join(folders[0], "report.html");
    printf("%s\n", out ? out : count > 1 ? "report.html" : alone);
    free(alone);
    return FR_OK;
}
