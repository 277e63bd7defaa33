/* gemm_plans.h - gemm.cu's plans, owned by the queue. */
#ifndef FR_GEMM_PLANS_H
#define FR_GEMM_PLANS_H

struct fr_gemm_plans;

const char *fr_gemm_load(void); /* loads cuBLASLt; NULL, or why not */
fr_gemm_plans *fr_gemm_plans_create(void);
void fr_gemm_plans_close(fr_gemm_plans *plans); /* accepts NULL */

#endif
