/* Self attention inside packed sequences: the twin of attention.c, which gives the formulas. Three ways:
 *
 *     attention_short.cuh    bf16 with D of 32 or 64, sequences of up to 128 tokens: everything on chip
 *     attention_tiled.cuh    the same, longer sequences: tiles of 64 keys, online softmax
 *     attention_generic.cuh  f32, and bf16 of other widths (up to 256): f32 arithmetic in tiles of 32
 *
 * P and dS are rounded to bf16 for the products of the first two, sums are f32. The backward pass makes P again from
 * lse; nothing is added up by atomics. */
#include "attention_generic.cuh"
#include "attention_short.cuh"
#include "attention_tiled.cuh"

template <class T>
static attention_call<T> call_of(const void *qkv, const int32_t *cu, int64_t H, int64_t D, double scale, double p,
                                 uint64_t seed, uint64_t stream, int64_t first)
{
    return {static_cast<const T *>(qkv),
            cu,
            static_cast<int>(H),
            static_cast<int>(D),
            static_cast<float>(scale),
            seed,
            stream,
            static_cast<uint64_t>(first),
            philox_threshold(p),
            static_cast<float>(p < 1 ? 1 / (1 - p) : 0)};
}

static dim3 grid_of(int64_t pairs, int64_t longest, int rows)
{
    return dim3(static_cast<unsigned>(pairs), static_cast<unsigned>(fr_ceil_div(longest, rows)));
}

/* ---- bf16, D of 32 or 64 -------------------------------------------------------------------------------------------
 */

template <int D, int ROWS, bool DROP>
static void forward_short(fr_queue *queue, fr_bf16 *out, float *lse, const attention_call<fr_bf16> &call, int64_t pairs)
{
    fr_launch(queue, (short_forward<D, ROWS, DROP>), grid_of(pairs, 1, 1), 2 * ROWS, (short_forward_bytes<D, ROWS>()),
              out, lse, call);
}

template <int D, bool DROP>
static void forward_bf16(fr_queue *queue, fr_bf16 *out, float *lse, const attention_call<fr_bf16> &call, int64_t pairs,
                         int64_t longest)
{
    if (longest > SHORT_LONGEST) {
        fr_launch(queue, (tiled_forward<D, DROP>), grid_of(pairs, longest, TILE), TILED_THREADS,
                  tiled_forward_bytes<D>(), out, lse, call);
        return;
    }
    auto launch = longest <= 32   ? forward_short<D, 32, DROP>
                  : longest <= 64 ? forward_short<D, 64, DROP>
                  : longest <= 96 ? forward_short<D, 96, DROP>
                                  : forward_short<D, 128, DROP>;
    launch(queue, out, lse, call, pairs);
}

template <int D, int ROWS, bool DROP>
static void backward_short(fr_queue *queue, fr_bf16 *dqkv, const fr_bf16 *dout, const fr_bf16 *out, const float *lse,
                           const attention_call<fr_bf16> &call, int64_t pairs)
{
    fr_launch(queue, (short_backward<D, ROWS, DROP>), grid_of(pairs, 1, 1), 2 * ROWS, (short_backward_bytes<D, ROWS>()),
              dqkv, dout, out, lse, call);
}

template <int D, bool DROP>
static void backward_bf16(fr_queue *queue, fr_bf16 *dqkv, const fr_bf16 *dout, const fr_bf16 *out, const float *lse,
                          const attention_call<fr_bf16> &call, int64_t pairs, int64_t N, int64_t longest)
{
    if (longest <= SHORT_LONGEST) {
        auto launch = longest <= 32   ? backward_short<D, 32, DROP>
                      : longest <= 64 ? backward_short<D, 64, DROP>
                      : longest <= 96 ? backward_short<D, 96, DROP>
                                      : backward_short<D, 128, DROP>;
        launch(queue, dqkv, dout, out, lse, call, pairs);
        return;
    }
    float *delta = fr_scratch<float>(queue, N * call.H);
    dim3 grid = grid_of(pairs, longest, TILE);
    fr_launch(queue, (tiled_queries<D, DROP>), grid, TILED_THREADS, tiled_queries_bytes<D>(), dqkv, delta, dout, out,
              lse, call);
    fr_launch(queue, (tiled_keys<D, DROP>), grid, TILED_THREADS, tiled_keys_bytes<D>(), dqkv, delta, dout, lse, call);
}

/* ---- any type, any D -----------------------------------------------------------------------------------------------
 */

template <int WIDTH, class T>
static void forward_plain(fr_queue *queue, T *out, float *lse, const attention_call<T> &call, int64_t pairs,
                          int64_t longest, bool drop)
{
    fr_launch(queue, (plain_forward<WIDTH, T>), grid_of(pairs, longest, PLAIN), PLAIN_THREADS,
              plain_bytes(call.D, 2, 1), out, lse, call, drop, fr_aligned<T>(call.qkv, call.D));
}

template <int WIDTH, class T>
static void backward_plain(fr_queue *queue, T *dqkv, const T *dout, const T *out, const float *lse,
                           const attention_call<T> &call, int64_t pairs, int64_t N, int64_t longest, bool drop)
{
    float *delta = fr_scratch<float>(queue, N * call.H);
    bool vectors = fr_aligned<T>(call.qkv, call.D) && fr_aligned<T>(dout, call.D);
    dim3 grid = grid_of(pairs, longest, PLAIN);
    fr_launch(queue, (plain_queries<WIDTH, T>), grid, PLAIN_THREADS, plain_bytes(call.D, 4, 1), dqkv, delta, dout, out,
              lse, call, drop, vectors);
    fr_launch(queue, (plain_keys<WIDTH, T>), grid, PLAIN_THREADS, plain_bytes(call.D, 4, 2), dqkv, delta, dout, lse,
              call, drop, vectors);
}

/* ---- the two rows of the table -------------------------------------------------------------------------------------
 */

template <class T>
static void attention_forward(fr_queue *queue, void *out_, void *lse_, const void *qkv, const int32_t *cu, int64_t B,
                              int64_t, int64_t H, int64_t D, double scale, int64_t longest, double p, uint64_t seed,
                              uint64_t stream, int64_t first)
{
    T *out = static_cast<T *>(out_);
    float *lse = static_cast<float *>(lse_);
    attention_call<T> call = call_of<T>(qkv, cu, H, D, scale, p, seed, stream, first);
    if (longest == 0)
        return;
    if constexpr (sizeof(T) == 2)
        if ((D == 32 || D == 64) && fr_aligned<T>(qkv, D) && fr_aligned<T>(out, D)) {
            auto launch = D == 32 ? (p > 0 ? forward_bf16<32, true> : forward_bf16<32, false>)
                                  : (p > 0 ? forward_bf16<64, true> : forward_bf16<64, false>);
            launch(queue, out, lse, call, B * H, longest);
            return;
        }
    auto launch = D <= 64 ? forward_plain<64, T> : D <= 128 ? forward_plain<128, T> : forward_plain<256, T>;
    launch(queue, out, lse, call, B * H, longest, p > 0);
}
FR_TRUNK(attention_forward)

template <class T>
static void attention_backward(fr_queue *queue, void *dqkv_, const void *dout_, const void *out_, const void *lse_,
                               const void *qkv, const int32_t *cu, int64_t B, int64_t N, int64_t H, int64_t D,
                               double scale, int64_t longest, double p, uint64_t seed, uint64_t stream, int64_t first)
{
    T *dqkv = static_cast<T *>(dqkv_);
    const T *dout = static_cast<const T *>(dout_), *out = static_cast<const T *>(out_);
    const float *lse = static_cast<const float *>(lse_);
    attention_call<T> call = call_of<T>(qkv, cu, H, D, scale, p, seed, stream, first);
    if (longest == 0)
        return;
    if constexpr (sizeof(T) == 2)
        if ((D == 32 || D == 64) && fr_aligned<T>(qkv, D) && fr_aligned<T>(dqkv, D) && fr_aligned<T>(dout, D) &&
            fr_aligned<T>(out, D)) {
            auto launch = D == 32 ? (p > 0 ? backward_bf16<32, true> : backward_bf16<32, false>)
                                  : (p > 0 ? backward_bf16<64, true> : backward_bf16<64, false>);
            launch(queue, dqkv, dout, out, lse, call, B * H, N, longest);
            return;
        }
    auto launch = D <= 64 ? backward_plain<64, T> : D <= 128 ? backward_plain<128, T> : backward_plain<256, T>;
    launch(queue, dqkv, dout, out, lse, call, B * H, N, longest, p > 0);
}
FR_TRUNK(attention_backward)
