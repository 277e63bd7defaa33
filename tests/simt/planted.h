/* planted.h - kernels with one mistake each and their right twins, for test_simt_detectors. */
#ifndef FR_SIMT_PLANTED_H
#define FR_SIMT_PLANTED_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct planted {
    const char *name;
    void (*run)(bool wrong);
    const char *variant; /* which build finds it; NULL: both */
    const char *message; /* part of what is printed */
} planted;

extern const planted planted_bugs[];
extern const int planted_count;

#ifdef __cplusplus
}
#endif

#endif
