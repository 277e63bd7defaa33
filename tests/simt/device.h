/* device.h - the devices simt (f32) and simt-bf16 (real bf16, wide f32): the kernels of the .cu files on host memory.
 */
#ifndef FR_SIMT_DEVICE_H
#define FR_SIMT_DEVICE_H

#include "device/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* kind: FR_DEVICE_SIMT, FR_DEVICE_SIMT_BF16 */
fr_status fr_simt_open(fr_device **device, int kind, int threads);
/* From now on fr_device_open opens both. */
void fr_simt_provide(void);

#ifdef __cplusplus
}
#endif

#endif
