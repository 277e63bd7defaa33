/* costs.h - what the formulas of a plan share. */
#ifndef FR_PLAN_COSTS_H
#define FR_PLAN_COSTS_H

#include "plan.h"

/* A workload on R ranks of a device. */
typedef struct bill {
    const fr_workload *work;
    const fr_rates *rates;
    fr_ranks ranks;
    double R;
    double threads; /* cores of a rank; below 1 where ranks share one */
} bill;

bill fr_plan_bill(const fr_workload *work, const fr_rates *rates, fr_ranks ranks);

/* One stage, memory and files aside. */
void fr_plan_stage_cost(const bill *b, fr_plan_stage stage, fr_stage_cost *cost);

/* evaluate.c: routers that are no products of the run's own stages, on every rank alike. */
void fr_plan_evaluate(const bill *b, fr_stage_cost *cost);

double fr_plan_partitions(const fr_workload *work); /* resolutions tried; 1 where it is given */
int64_t fr_plan_routers(const fr_config *config);

#endif
