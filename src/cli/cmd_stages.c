/* cmd_stages.c - embed, discover, train, eval, run: the same pipeline, each up to another stage. */
#include "commands.h"

#include "stages.h"

#include <stdlib.h>

static fr_status up_to(const fr_args *args, fr_stage last)
{
    fr_config config;
    char *out = NULL;
    fr_status status = fr_args_config(&config, &out, args, true);
    if (status == FR_OK)
        status = fr_pipeline(&config, out, last);
    free(out);
    fr_config_close(&config);
    return status;
}

fr_status fr_cmd_embed(const fr_args *args)
{
    return up_to(args, FR_STAGE_EMBED);
}

fr_status fr_cmd_discover(const fr_args *args)
{
    return up_to(args, FR_STAGE_DISCOVER);
}

fr_status fr_cmd_train(const fr_args *args)
{
    return up_to(args, FR_STAGE_TRAIN);
}

fr_status fr_cmd_eval(const fr_args *args)
{
    return up_to(args, FR_STAGE_EVAL);
}

fr_status fr_cmd_run(const fr_args *args)
{
    return up_to(args, FR_STAGE_REPORT);
}
