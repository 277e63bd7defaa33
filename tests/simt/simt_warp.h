/* simt_warp.h - the warp intrinsics. Only __syncwarp orders memory: CUDA promises that of no other (programming guide,
 * "Warp shuffle functions": these intrinsics do not imply a memory barrier). */
#ifndef FR_SIMT_WARP_H
#define FR_SIMT_WARP_H

#include "simt_run.h"

#include <string.h>
#include <type_traits>

namespace simt
{
enum shuffle_kind { INDEX, UP, DOWN, XOR };
uint64_t shuffle(shuffle_kind kind, unsigned mask, uint64_t bits, int lane, int width, const char *file, int line);
void sync_warp(unsigned mask, const char *file, int line);
unsigned ballot(const char *what, unsigned mask, bool predicate, const char *file, int line);
unsigned match_any(unsigned mask, uint64_t bits, const char *file, int line);

enum reduction_kind { ADD, MIN_SIGNED, MAX_SIGNED, MIN, MAX, AND, OR, EXCLUSIVE_OR };
unsigned reduce(const char *what, reduction_kind kind, unsigned mask, unsigned value, const char *file, int line);

template <class T>
T shuffle_any(shuffle_kind kind, unsigned mask, T value, int lane, int width, const char *file, int line)
{
    static_assert(std::is_trivially_copyable<T>::value && sizeof(T) >= 2 && sizeof(T) <= 8 &&
                      !std::is_pointer<T>::value,
                  "what CUDA shuffles: 2, 4 or 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    bits = shuffle(kind, mask, bits, lane, width, file, line);
    memcpy(&value, &bits, sizeof value);
    return value;
}
} // namespace simt

template <class T> static inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, SIMT_CALLER)
{
    return simt::shuffle_any(simt::INDEX, mask, value, lane, width, file, line);
}

template <class T> static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_CALLER)
{
    return simt::shuffle_any(simt::UP, mask, value, static_cast<int>(delta), width, file, line);
}

template <class T> static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, SIMT_CALLER)
{
    return simt::shuffle_any(simt::DOWN, mask, value, static_cast<int>(delta), width, file, line);
}

template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, SIMT_CALLER)
{
    return simt::shuffle_any(simt::XOR, mask, value, lane_mask, width, file, line);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, SIMT_CALLER)
{
    simt::sync_warp(mask, file, line);
}

static inline unsigned __ballot_sync(unsigned mask, int predicate, SIMT_CALLER)
{
    return simt::ballot("__ballot_sync", mask, predicate != 0, file, line);
}

static inline int __any_sync(unsigned mask, int predicate, SIMT_CALLER)
{
    return simt::ballot("__any_sync", mask, predicate != 0, file, line) != 0;
}

static inline int __all_sync(unsigned mask, int predicate, SIMT_CALLER)
{
    return simt::ballot("__all_sync", mask, predicate != 0, file, line) == mask;
}

template <class T> static inline unsigned __match_any_sync(unsigned mask, T value, SIMT_CALLER)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "what CUDA matches");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    return simt::match_any(mask, bits, file, line);
}

static inline unsigned __reduce_add_sync(unsigned mask, unsigned value, SIMT_CALLER)
{
    return simt::reduce("__reduce_add_sync", simt::ADD, mask, value, file, line);
}

static inline int __reduce_add_sync(unsigned mask, int value, SIMT_CALLER)
{
    return static_cast<int>(
        simt::reduce("__reduce_add_sync", simt::ADD, mask, static_cast<unsigned>(value), file, line));
}

static inline unsigned __reduce_min_sync(unsigned mask, unsigned value, SIMT_CALLER)
{
    return simt::reduce("__reduce_min_sync", simt::MIN, mask, value, file, line);
}

static inline int __reduce_min_sync(unsigned mask, int value, SIMT_CALLER)
{
    return static_cast<int>(
        simt::reduce("__reduce_min_sync", simt::MIN_SIGNED, mask, static_cast<unsigned>(value), file, line));
}

static inline unsigned __reduce_max_sync(unsigned mask, unsigned value, SIMT_CALLER)
{
    return simt::reduce("__reduce_max_sync", simt::MAX, mask, value, file, line);
}

static inline int __reduce_max_sync(unsigned mask, int value, SIMT_CALLER)
{
    return static_cast<int>(
        simt::reduce("__reduce_max_sync", simt::MAX_SIGNED, mask, static_cast<unsigned>(value), file, line));
}

static inline unsigned __reduce_and_sync(unsigned mask, unsigned value, SIMT_CALLER)
{
    return simt::reduce("__reduce_and_sync", simt::AND, mask, value, file, line);
}

static inline unsigned __reduce_or_sync(unsigned mask, unsigned value, SIMT_CALLER)
{
    return simt::reduce("__reduce_or_sync", simt::OR, mask, value, file, line);
}

static inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, SIMT_CALLER)
{
    return simt::reduce("__reduce_xor_sync", simt::EXCLUSIVE_OR, mask, value, file, line);
}

#endif
