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

/* Rows that are summed in host memory, all ranks but one bringing zeros, so that the bits stay: an all-reduce by MPI.
 * Adds to the communication. */
void fr_plan_add_united(const bill *b, fr_stage_cost *cost, double bytes, double times);

/* How much slower the search is among a fresh encoder's rows: they lie close together, and screening keeps more. */
double fr_plan_screening(const bill *b);

/* evaluate.c: routers that are no products of the run's own stages. */
void fr_plan_evaluate(const bill *b, fr_stage_cost *cost);

double fr_plan_partitions(const fr_workload *work); /* resolutions tried; 1 where it is given */
int64_t fr_plan_routers(const fr_config *config);

#endif
