#include "table.h"

#include "cuda.cuh"

#include <stdio.h>
#include <stdlib.h>
#include <vector>

/* Weak: NULL where no .cu defines it. */
#define FR_ROW(kernel, arguments)                                                                                      \
    extern "C" decltype(fr_kernels::kernel) fr_##kernel##_simt_f32 __attribute__((weak));                              \
    extern "C" decltype(fr_kernels::kernel) fr_##kernel##_simt_bf16 __attribute__((weak));
FR_KERNELS(FR_ROW)
#undef FR_ROW

/* Every row is entered through a function of its own, which notes that it was called. */
enum {
#define FR_ROW(kernel, arguments) ROW_##kernel,
    FR_KERNELS(FR_ROW)
#undef FR_ROW
        ROWS
};
enum { F32, BF16 };
static bool called[2][ROWS];

template <int TYPE, int ROW, class F> struct noted;
template <int TYPE, int ROW, class... A> struct noted<TYPE, ROW, void (*)(A...)> {
    static void (*inner)(A...);
    static void enter(A... arguments)
    {
        called[TYPE][ROW] = true;
        inner(arguments...);
    }
};
template <int TYPE, int ROW, class... A> void (*noted<TYPE, ROW, void (*)(A...)>::inner)(A...);

template <int TYPE, int ROW, class F> static F row(const F *variable)
{
    if (!variable)
        return nullptr;
    noted<TYPE, ROW, F>::inner = *variable;
    return noted<TYPE, ROW, F>::enter;
}

/* The rows that this program called, for check_called.sh. */
static void write_called()
{
    static const char *const names[ROWS] = {
#define FR_ROW(kernel, arguments) #kernel,
        FR_KERNELS(FR_ROW)
#undef FR_ROW
    };
    FILE *file = getenv("FR_SIMT_CALLED") ? fopen(getenv("FR_SIMT_CALLED"), "a") : nullptr;
    for (int type = F32; file && type <= BF16; type++)
        for (int i = 0; i < ROWS; i++)
            if (called[type][i])
                fprintf(file, "%s %s\n", type == F32 ? "f32" : "bf16", names[i]);
    if (file)
        fclose(file);
}

static fr_kernels table_f32()
{
    fr_kernels t = {};
    t.name = "simt f32";
#define FR_ROW(kernel, arguments) t.kernel = row<F32, ROW_##kernel>(&fr_##kernel##_simt_f32);
    FR_KERNELS(FR_ROW)
#undef FR_ROW
    return t;
}

static fr_kernels table_bf16()
{
    fr_kernels t = table_f32();
    t.name = "simt bf16";
#define FR_ROW(kernel, arguments) t.kernel = row<BF16, ROW_##kernel>(&fr_##kernel##_simt_bf16);
    FR_TRUNK_KERNELS(FR_ROW)
#undef FR_ROW
    return t;
}

const fr_kernels *fr_simt_kernels(bool bf16)
{
    static const fr_kernels f32 = table_f32(), both = table_bf16();
    static const int registered = atexit(write_called);
    (void)registered;
    return bf16 ? &both : &f32;
}

const char *fr_simt_missing(int i)
{
    std::vector<const char *> missing;
    const fr_kernels *f32 = fr_simt_kernels(false), *bf16 = fr_simt_kernels(true);
#define FR_ROW(kernel, arguments)                                                                                      \
    if (!f32->kernel || !bf16->kernel)                                                                                 \
        missing.push_back(#kernel);
    FR_KERNELS(FR_ROW)
#undef FR_ROW
    return static_cast<size_t>(i) < missing.size() ? missing[static_cast<size_t>(i)] : nullptr;
}

void *fr_simt_allocate(size_t bytes)
{
    return simt::allocate(bytes);
}

void fr_simt_release(void *memory)
{
    simt::release(memory);
}

/* scratch_bytes stays 0, so that every fr_scratch comes here: what an earlier call left is gone, and what lies behind
 * the new block is out of bounds. */
void fr_queue_grow(fr_queue *q, size_t bytes)
{
    simt::release(q->scratch);
    q->scratch = static_cast<char *>(simt::allocate(bytes));
    memset(q->scratch, 0xff, bytes);
}

/* Two multiprocessors: grid-stride loops run more than once even in small tests. */
fr_queue *fr_simt_queue()
{
    static fr_queue queue = {nullptr, nullptr, 0, 2, 227 * 1024, nullptr};
    return &queue;
}

void fr_simt_backwards(bool backwards)
{
    simt::schedule_backwards(backwards);
}
