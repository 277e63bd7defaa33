/* cuda.h - the cuda backend (cuda.cu); only in builds with CUDA. */
#ifndef FR_DEVICE_CUDA_H
#define FR_DEVICE_CUDA_H

#ifdef __cplusplus
extern "C" {
#endif

int fr_cuda_count(void);    /* GPUs this process may use; 0 without a driver */
void fr_cuda_provide(void); /* makes cuda and cuda-bf16 known to fr_device_open */

#ifdef __cplusplus
}
#endif
#endif
