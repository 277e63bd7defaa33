#include "commands.h"

#include "base/memory.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sizes every plan is also made for: the published pool's, and what may come. */
static const double sizes[] = {278977, 1e7, 1e8};
enum { SIZES = sizeof sizes / sizeof *sizes, MOST_PLANS = SIZES + 1 };

typedef struct options {
    fr_plan_sizes given;
    double ranks, nodes;
} options;

static fr_status read_options(options *o, const fr_args *args)
{
    *o = (options){.given = {NAN, NAN, NAN, NAN, NAN}, .ranks = 1, .nodes = NAN};
    FR_TRY(fr_args_number(args, "--ranks", 1, 1 << 20, &o->ranks));
    FR_TRY(fr_args_number(args, "--nodes", 1, 1 << 20, &o->nodes));
    FR_TRY(fr_args_number(args, "--prompts", 100, 1e12, &o->given.prompts));
    FR_TRY(fr_args_number(args, "--models", 2, 1e5, &o->given.models));
    FR_TRY(fr_args_number(args, "--tasks", 1, 1e6, &o->given.tasks));
    FR_TRY(fr_args_number(args, "--tokens", 1, 8192, &o->given.tokens));
    FR_TRY(fr_args_number(args, "--description-tokens", 0, 8192, &o->given.description_tokens));
    if (o->ranks != floor(o->ranks) || (!isnan(o->nodes) && o->nodes != floor(o->nodes)))
        return fr_fail(FR_USAGE, "--ranks and --nodes want whole numbers");
    if (o->nodes > o->ranks)
        return fr_fail(FR_USAGE, "--nodes %g: more nodes than the %g ranks", o->nodes, o->ranks);
    return FR_OK;
}

/* The device named, else what device: of the config means where nothing is known of the machine. */
static const char *device_of(const fr_args *args, const fr_config *config)
{
    const char *name = fr_args_value(args, "--device");
    bool gpu = config->top.device == FR_DEVICE_CUDA || config->top.device == FR_DEVICE_CUDA_BF16;
    return name ? name : gpu ? "h200" : "cpu";
}

static fr_status make(const fr_args *args, const options *o, const fr_config *config, const fr_rates *rates,
                      const char *table)
{
    fr_assumptions assumptions = {0};
    fr_workload own;
    fr_status status = fr_workload_of(&own, &assumptions, config, &o->given);
    if (status != FR_OK) {
        fr_assumptions_close(&assumptions);
        return status;
    }
    fr_ranks ranks = {(int64_t)o->ranks, 0};
    ranks.nodes = isnan(o->nodes) ? fr_plan_nodes(rates, ranks.ranks) : (int64_t)o->nodes;
    fr_plan plan[MOST_PLANS];
    int64_t plans = 0;
    bool known = !isnan(own.prompts);
    if (known)
        fr_plan_make(&plan[plans++], &own, rates, ranks);
    for (int i = 0; i < SIZES; i++) {
        fr_workload scaled = fr_workload_scaled(&own, sizes[i], &o->given);
        fr_plan_make(&plan[plans++], &scaled, rates, ranks);
    }
    fr_plan_report report = {.rates = rates,
                             .plan = plan,
                             .plans = plans,
                             .given = &o->given,
                             .assumptions = &assumptions,
                             .table = table,
                             .own = known};
    if (fr_args_has(args, "--json"))
        fr_plan_print_json(&report);
    else
        fr_plan_print(&report);
    fr_assumptions_close(&assumptions);
    return FR_OK;
}

fr_status fr_cmd_plan(const fr_args *args)
{
    options o;
    FR_TRY(read_options(&o, args));
    fr_config config;
    fr_rates rates = {0};
    char *table = NULL;
    fr_status status;
    FR_TRY_GOTO(fr_args_config(&config, NULL, args, true), done);
    FR_TRY_GOTO(fr_config_check(&config), done);
    const char *file = fr_args_value(args, "--devices");
    table = file ? fr_strdup(file) : fr_rates_find();
    if (!table) {
        status = fr_fail(FR_FAILED, "configs/devices.yaml is neither here nor beside the program; --devices FILE "
                                    "names a table of devices");
        goto done;
    }
    FR_TRY_GOTO(fr_rates_read(&rates, table, device_of(args, &config)), done);
    status = make(args, &o, &config, &rates, table);
done:
    fr_rates_close(&rates);
    free(table);
    fr_config_close(&config);
    return status;
}
