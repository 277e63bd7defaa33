/* simt_matrix.h - the scalar meaning of kernels/intrinsics.cuh, which says what each does. */
#ifndef FR_SIMT_MATRIX_H
#define FR_SIMT_MATRIX_H

#include "simt_run.h"
#include "simt_types.h"

#include <string.h>

namespace simt
{
void mma(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], const char *file, int line);
void load_matrices(uint32_t r[4], const void *row, bool transposed, const char *file, int line);
void copy_begin(void *shared, const void *global, bool there, const char *file, int line);
void copy_commit();
void copy_wait(unsigned pending, const char *file, int line);
} // namespace simt

static inline void fr_mma(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], SIMT_CALLER)
{
    simt::mma(d, a, b, c, file, line);
}

static inline void fr_ldmatrix4(uint32_t r[4], const void *row, SIMT_CALLER)
{
    simt::load_matrices(r, row, false, file, line);
}

static inline void fr_ldmatrix4_transposed(uint32_t r[4], const void *row, SIMT_CALLER)
{
    simt::load_matrices(r, row, true, file, line);
}

static inline void fr_copy_async(void *shared, const void *global, bool there, SIMT_CALLER)
{
    simt::copy_begin(shared, global, there, file, line);
}

static inline void fr_copy_commit()
{
    simt::copy_commit();
}

template <int PENDING> static inline void fr_copy_wait(SIMT_CALLER)
{
    simt::copy_wait(PENDING, file, line);
}

static inline uint32_t fr_pack(float lo, float hi)
{
    return static_cast<uint32_t>(__float2bfloat16_rn(hi).bits) << 16 | __float2bfloat16_rn(lo).bits;
}

#endif
