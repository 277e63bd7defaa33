/* commands.h - the commands' functions; the table of them stands in commands.c. */
#ifndef FR_CLI_COMMANDS_H
#define FR_CLI_COMMANDS_H

#include "args.h"

fr_status fr_cmd_import(const fr_args *args);
fr_status fr_cmd_synth(const fr_args *args);
fr_status fr_cmd_describe(const fr_args *args);
fr_status fr_cmd_info(const fr_args *args);
fr_status fr_cmd_embed(const fr_args *args);
fr_status fr_cmd_graph(const fr_args *args);
fr_status fr_cmd_discover(const fr_args *args);
fr_status fr_cmd_train(const fr_args *args);
fr_status fr_cmd_eval(const fr_args *args);
fr_status fr_cmd_run(const fr_args *args);
fr_status fr_cmd_plan(const fr_args *args);
fr_status fr_cmd_sweep(const fr_args *args);
fr_status fr_cmd_route(const fr_args *args);
fr_status fr_cmd_report(const fr_args *args);
fr_status fr_cmd_export(const fr_args *args);
fr_status fr_cmd_help(const fr_args *args);

#endif
