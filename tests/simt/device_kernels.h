/* device_kernels.h - kernels that only call one thing each, for test_simt_device. */
#ifndef FR_SIMT_DEVICE_KERNELS_H
#define FR_SIMT_DEVICE_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* out[global thread number] = a digest of threadIdx, blockIdx, blockDim, gridDim */
void run_indices(uint64_t *out, const unsigned grid[3], const unsigned block[3]);
/* static and dynamic shared memory of each of 3 blocks before anything is written: out (3, 2), as bits */
void run_fresh_shared(uint32_t *out);
/* Sum over a block of 256 threads of thread + block by fr_block_sum, twice: out (2, 2) f64. */
void run_block_sums(double *out);
/* Each lane of a warp: out (kinds, 32) */
enum { SHUFFLES = 10, VOTES = 12 };
void run_shuffles(int32_t *out);
void run_shuffles_64(int64_t *xor_1, double *down_3, uint16_t *bf16_up_1);
void run_votes(uint32_t *out);
/* of 96 threads: how many have an odd number above 40; whether any; whether all: out (3, 96) */
void run_barrier_votes(int32_t *out);
/* d (16,8) = a (16,16) b (16,8) + c; a and b bf16 bits; b row-major, or (8,16) when b_transposed. The fragments come
 * through ldmatrix, or (plain) are put together by hand as intrinsics.cuh says. */
void run_mma(float *d, const uint16_t *a, const uint16_t *b, const float *c, bool plain, bool b_transposed);
/* Copies 4 of 8 16-byte rows (the others are not there) in two groups. before: shared memory before any wait; first:
 * after a wait that leaves one group; all: after the last. Each (8, 4). */
void run_copies(float *before, float *first, float *all, const float *in);
void run_bf16(uint16_t *bits, float *back, const float *x, int n);
void run_atomics(int32_t *add, uint32_t *max, uint64_t *cas);
void run_bits(int32_t *out, const uint32_t *x, int n); /* popc, ffs, clz, brev: out (n, 4) */

#ifdef __cplusplus
}
#endif

#endif
