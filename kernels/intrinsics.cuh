/* intrinsics.cuh - the matrix and copy instructions of the kernels, each under one name. On a device they are PTX; under
 * FR_SIMT tests/simt gives each its scalar meaning (same names, same fragment layouts: PTX ISA, "Matrix fragments for
 * mma.m16n8k16"). All are warp-wide: every lane calls them.
 *
 * With g = lane / 4, t = lane % 4, a fragment of D = A B + C holds
 *   A (16,16) row: a[0] = (g, 2t..), a[1] = (g+8, 2t..), a[2] = (g, 2t+8..), a[3] = (g+8, 2t+8..)   two bf16 each
 *   B (16,8) col:  b[0] = (k 2t.., n g), b[1] = (k 2t+8.., n g)                                      two bf16 each
 *   C, D (16,8):   c[0], c[1] = (g, 2t), (g, 2t+1);  c[2], c[3] = (g+8, 2t), (g+8, 2t+1)             f32 */
#ifndef FR_INTRINSICS_CUH
#define FR_INTRINSICS_CUH

#include "cuda.cuh"

#ifndef FR_SIMT

/* d = a b + c; d and c may be the same array. */
static __device__ inline void fr_mma(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4])
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
                 "{%10,%11,%12,%13};\n"
                 : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]),
                   "f"(c[3]));
}

static __device__ inline unsigned fr_shared_address(const void *shared)
{
    return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

/* Four 8 x 8 matrices of 16-bit elements: lane l gives the address (16-byte aligned, shared memory) of row l % 8 of
 * matrix l / 8; r[i] of lane l gets elements 2 (l % 4), + 1 of row l / 4 of matrix i. */
static __device__ inline void fr_ldmatrix4(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(fr_shared_address(row))
                 : "memory");
}

/* The same, each matrix transposed: r[i] of lane l gets elements (row 2 (l % 4), + 1; column l / 4) of matrix i. */
static __device__ inline void fr_ldmatrix4_transposed(uint32_t r[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(fr_shared_address(row))
                 : "memory");
}

/* Begins copying 16 bytes to shared memory (both 16-byte aligned); where !there it writes zeros and reads nothing. Not
 * warp-wide. The bytes are there after fr_copy_wait by the same thread and a barrier for the others. */
static __device__ inline void fr_copy_async(void *shared, const void *global, bool there)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(fr_shared_address(shared)), "l"(global),
                 "r"(there ? 16 : 0)
                 : "memory");
}

/* Closes a group of copies. */
static __device__ inline void fr_copy_commit()
{
    asm volatile("cp.async.commit_group;\n" ::: "memory");
}

/* Waits until at most PENDING of this thread's groups, the latest, are under way. */
template <int PENDING> static __device__ inline void fr_copy_wait()
{
    asm volatile("cp.async.wait_group %0;\n" ::"n"(PENDING) : "memory");
}

/* lo in the lower half */
static __device__ inline uint32_t fr_pack(float lo, float hi)
{
    __nv_bfloat162 pair = __floats2bfloat162_rn(lo, hi);
    return *reinterpret_cast<uint32_t *>(&pair);
}

#endif
#endif
