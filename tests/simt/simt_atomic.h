/* simt_atomic.h - atomics on integers. Threads take turns only where they wait, so plain operations are atomic; the
 * race detector is told by hand (its instrumentation is off here). */
#ifndef FR_SIMT_ATOMIC_H
#define FR_SIMT_ATOMIC_H

#include "simt_run.h"

#include <type_traits>

#define SIMT_ATOMIC(name, result)                                                                                      \
    template <class T>                                                                                                 \
    __attribute__((noinline, no_sanitize("thread"))) T name(T *memory, typename std::common_type<T>::type value,       \
                                                            SIMT_CALLER)                                               \
    {                                                                                                                  \
        static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned>::value ||                               \
                          std::is_same<T, unsigned long long>::value,                                                  \
                      "CUDA has atomics for int, unsigned and unsigned long long");                                    \
        simt::note(simt::thread_number(), memory, sizeof(T), simt::ATOMIC, file, line);                                \
        T old = *memory;                                                                                               \
        *memory = static_cast<T>(result);                                                                              \
        return old;                                                                                                    \
    }
SIMT_ATOMIC(atomicAdd, old + value)
SIMT_ATOMIC(atomicMin, old < value ? old : value)
SIMT_ATOMIC(atomicMax, old > value ? old : value)
SIMT_ATOMIC(atomicExch, value)
SIMT_ATOMIC(atomicOr, old | value)
SIMT_ATOMIC(atomicAnd, old &value)
SIMT_ATOMIC(atomicXor, old ^ value)

template <class T>
__attribute__((noinline, no_sanitize("thread"))) T atomicCAS(T *memory, typename std::common_type<T>::type compare,
                                                             typename std::common_type<T>::type value, SIMT_CALLER)
{
    static_assert(std::is_same<T, int>::value || std::is_same<T, unsigned>::value ||
                      std::is_same<T, unsigned long long>::value,
                  "CUDA has atomics for int, unsigned and unsigned long long");
    simt::note(simt::thread_number(), memory, sizeof(T), simt::ATOMIC, file, line);
    T old = *memory;
    if (old == compare)
        *memory = value;
    return old;
}

#endif
