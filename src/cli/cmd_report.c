#include "commands.h"

#include "base/files.h"
#include "base/memory.h"
#include "finerouter/report.h"

#include <stdlib.h>
#include <string.h>

fr_status fr_cmd_report(const fr_args *args)
{
    char *folder = fr_strdup(args->positional[0]);
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        folder[--length] = 0;
    const char *title = fr_args_value(args, "--title");
    fr_status status = fr_is_folder(folder) ? fr_report_write(folder, title ? title : fr_path_base(folder))
                                            : fr_fail(FR_FAILED, "%s: no such run folder", folder);
    if (status == FR_OK)
        printf("%s/report.html\n", folder);
    free(folder);
    return status;
}
