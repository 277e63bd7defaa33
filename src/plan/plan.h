/* plan.h - what a run would cost, told without running it.
 *
 * A workload (sizes, out of the config) and the rates of a device (configs/devices.yaml) give, by the formulas in
 * stages.c and memory.c, time, operations, traffic, communication, memory and files of every stage on R ranks. Nothing
 * here reads prompts or loads a model. Times are the most a run takes: early stopping may end trainings before. */
#ifndef FR_PLAN_PLAN_H
#define FR_PLAN_PLAN_H

#include "finerouter/config.h"
#include "nn/encoder.h"

/* ---- rates of a device ---- */

typedef enum fr_rate {
#define RATE(name, part, help) FR_RATE_##name,
#include "rates.def"
#undef RATE
    FR_RATES
} fr_rate;

typedef struct fr_rates {
    char *name;
    bool gpu; /* it has a host: rates of the host's part are that device's */
    double value[FR_RATES];
    char *source[FR_RATES]; /* "measured ...", "as built ...", or where else the figure comes from */
} fr_rates;

/* Reads one device of a table. FR_USAGE with file and line: unknown device or key (with the nearest one), a rate that
 * is missing, no number, or not above 0. */
FR_NODISCARD fr_status fr_rates_read(fr_rates *rates, const char *path, const char *device);
void fr_rates_close(fr_rates *rates); /* accepts an all-zero struct */
const char *fr_rate_name(fr_rate rate);
bool fr_rate_measured(const fr_rates *rates, fr_rate rate);

/* The table to read when none is named: configs/devices.yaml here, beside the program's folder, or where it was
 * installed. malloc'd; NULL: there is none. */
char *fr_rates_find(void);

/* ---- what is to be done ---- */

typedef struct fr_workload {
    const fr_config *config;
    fr_encoder_shape shape;
    double prompts, training, dev, test; /* prompts = training + dev + test */
    double models, tasks, candidates;    /* candidates: of a task */
    double tokens, description_tokens;   /* of a mean prompt, after cutting; 0: no descriptions */
    double distinct;                     /* share of the descriptions that differ from all others */
    double text_bytes;                   /* of a prompt with description, id and pointers */
    bool binary;                         /* quality is 0 or 1 */
} fr_workload;

/* Where the figures of a workload come from, for the foot of the table. */
typedef struct fr_assumptions {
    char *line[8];
    int lines;
} fr_assumptions;
void fr_assumptions_close(fr_assumptions *assumptions);

typedef struct fr_plan_sizes {
    double prompts, models, tasks, tokens, description_tokens; /* NaN: by the config and the data */
} fr_plan_sizes;

/* Sizes by the config: synth.prompts, or the shapes in data.file's header. prompts stays NaN where only an import would
 * tell. Errors: the encoder's folder, the data file. */
FR_NODISCARD fr_status fr_workload_of(fr_workload *work, fr_assumptions *assumptions, const fr_config *config,
                                      const fr_plan_sizes *given);
/* The same work on so many prompts; tasks are those of that size unless they were given. */
fr_workload fr_workload_scaled(const fr_workload *work, double prompts, const fr_plan_sizes *given);

/* ---- what it costs ---- */

typedef struct fr_ranks {
    int64_t ranks, nodes;
} fr_ranks;

typedef enum fr_plan_stage {
    FR_PLAN_DATA,
    FR_PLAN_EMBED,
    FR_PLAN_NEIGHBOURS,
    FR_PLAN_RBO,
    FR_PLAN_LEIDEN,
    FR_PLAN_CLASSIFIER,
    FR_PLAN_STAGE1,
    FR_PLAN_PHASE1,
    FR_PLAN_PHASE2,
    FR_PLAN_SCORE,
    FR_PLAN_EVALUATE,
    FR_PLAN_FINISH,
    FR_PLAN_STAGES
} fr_plan_stage;
const char *fr_plan_stage_name(fr_plan_stage stage);

typedef struct fr_stage_cost {
    double seconds;      /* of the whole stage, communication included */
    double flops, bytes; /* of all ranks together: arithmetic; moved between memory and processor */
    double comm_bytes;   /* sent by one rank */
    double comm_seconds;
    double device_bytes, host_bytes; /* memory of a rank while the stage runs */
    double disk_bytes;               /* left in files, the cache included */
} fr_stage_cost;

typedef struct fr_plan {
    fr_workload work;
    fr_ranks ranks;
    fr_stage_cost stage[FR_PLAN_STAGES], total; /* total: sums, and peaks for memory */
} fr_plan;

void fr_plan_make(fr_plan *plan, const fr_workload *work, const fr_rates *rates, fr_ranks ranks);

/* Seconds of a ring all-reduce of so many bytes:
 *
 *   2 (R - 1)/R bytes / bandwidth + 2 (R - 1) latency
 *
 * by the links between nodes where there are several. *sent (or NULL): bytes of a rank. */
double fr_plan_allreduce(double *sent, double bytes, fr_ranks ranks, const fr_rates *rates);
/* Seconds to gather `bytes` that lie in equal parts on the ranks: (R - 1)/R bytes / bandwidth + (R - 1) latency. */
double fr_plan_gather(double *sent, double bytes, fr_ranks ranks, const fr_rates *rates);

/* Forward operations of a token in a text of `tokens`:  L (2 (4 C^2 + 2 C F) + 4 tokens C). */
double fr_plan_encoder_flops(const fr_encoder_shape *shape, double tokens);

/* memory.c: fills device_bytes, host_bytes and disk_bytes of every stage. */
void fr_plan_memory(fr_plan *plan, const fr_rates *rates);
/* Bytes that every rank's process holds of one kind, for the line that says what fills a node. */
double fr_plan_embedding_bytes(const fr_workload *work);
double fr_plan_edges(const fr_workload *work);
/* Trainable parameters: of the classifier, of phase 1, of the heads of one task. */
double fr_plan_classifier_params(const fr_workload *work, bool frozen);
double fr_plan_phase1_params(const fr_workload *work);
double fr_plan_task_params(const fr_workload *work);

/* Fewest ranks at which less than half of what R ranks could do is left: R t(R) > 2 t(1). 0: not up to `most`.
 * stage FR_PLAN_STAGES: the whole. Ranks fill one node after another. */
int64_t fr_plan_limit(const fr_workload *work, const fr_rates *rates, fr_plan_stage stage, int64_t most);
/* Most prompts whose processes, `per_node` of them, fit a node's memory; and a device's. */
double fr_plan_most_prompts(const fr_workload *work, const fr_rates *rates, const fr_plan_sizes *given, fr_ranks ranks,
                            bool device);
/* Nodes that so many ranks need. */
int64_t fr_plan_nodes(const fr_rates *rates, int64_t ranks);

/* ---- told ---- */

typedef struct fr_plan_report {
    const fr_rates *rates;
    const fr_plan *plan; /* (plans) */
    int64_t plans;
    const fr_plan_sizes *given;
    const fr_assumptions *assumptions;
    const char *table; /* path of the rates */
    bool own;          /* the first plan is of the size the config itself has */
} fr_plan_report;
void fr_plan_print(const fr_plan_report *report);
void fr_plan_print_json(const fr_plan_report *report);

#endif
