/* simt.h - what a .cu file needs of CUDA, as host C++: the very kernels run in CI, on machines without a GPU.
 *
 * Blocks run one after another; the threads of a block are fibers (fiber.h) that run until they wait. Shared memory is
 * filled with NaN before each block and dynamic shared memory has exactly the size asked for. Found and reported, with
 * the kernel, the block, the thread and the line (simt.cpp, race.cpp):
 *   - barriers and warp intrinsics that some of the threads they need never reach;
 *   - accesses out of bounds, in the build with AddressSanitizer;
 *   - unordered accesses to the same bytes, in the build for races;
 *   - launches that a device refuses, unaligned copies, shuffles from a lane outside the mask.
 * Not there, so that it does not compile: float atomics (their order is not fixed), __activemask, __threadfence. */
#ifndef FR_SIMT_H
#define FR_SIMT_H

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __forceinline__ inline __attribute__((always_inline))
/* One block runs at a time, so a static variable serves all. shared.ld gathers those of all .cu files (their .bss). */
#define __shared__ static
/* Not the one of src/device/cuda.cu, which the library has in a build with CUDA. */
#define fr_queue_grow fr_simt_queue_grow
#define FR_DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(simt::dynamic_shared())

#include "simt_types.h"

#include "simt_run.h"

#include "simt_atomic.h"
#include "simt_math.h"
#include "simt_matrix.h"
#include "simt_warp.h"

#endif
