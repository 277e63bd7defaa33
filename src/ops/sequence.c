#include "check.h"
#include "ops.h"

/* ids inside the table, sequences no longer than the position table: where the host can see them. */
static void check_ids(const char *op, const fr_tensor *ids, const fr_device *device, int64_t longest, int64_t V,
                      int64_t P)
{
    if (device->queue)
        return;
    FR_CHECK(longest <= P, "%s: a sequence of %ld tokens, but %ld positions", op, (long)longest, (long)P);
    const int32_t *id = ids->data;
    for (int64_t n = 0; n < ids->shape[0]; n++)
        FR_CHECK(id[n] >= 0 && id[n] < V, "%s: ids[%ld] is %d, want 0 .. %ld", op, (long)n, id[n], (long)(V - 1));
}

void fr_embedding_forward(fr_tensor y, fr_tensor word, fr_tensor position, fr_tensor type, fr_tensor ids, fr_tensor cu)
{
    WANT_RANK(y, 2);
    WANT_RANK(word, 2);
    WANT_RANK(position, 2);
    WANT_RANK(type, 2);
    OP(y);
    int64_t N = y.shape[0], C = y.shape[1];
    WANT(y, device, N, C);
    WANT(word, device, word.shape[0], C);
    WANT(position, device, position.shape[0], C);
    WANT(type, device, type.shape[0], C);
    WANT_AS(ids, device, FR_I32, N);
    check_ids(__func__, &ids, device, WANT_SEQUENCES(cu, device, N), word.shape[0], position.shape[0]);
    kernels->embedding_forward(device->queue, y.data, word.data, position.data, type.data, ids.data, cu.data,
                               cu.shape[0] - 1, N, C);
}

void fr_embedding_backward(fr_tensor dword, fr_tensor dposition, fr_tensor dtype, fr_tensor dy, fr_tensor ids,
                           fr_tensor cu)
{
    WANT_RANK(dy, 2);
    WANT_RANK(dword, 2);
    WANT_RANK(dposition, 2);
    WANT_RANK(dtype, 2);
    OP(dy);
    int64_t N = dy.shape[0], C = dy.shape[1];
    WANT_WIDE(dword, device, dword.shape[0], C);
    WANT_WIDE(dposition, device, dposition.shape[0], C);
    WANT_WIDE(dtype, device, dtype.shape[0], C);
    WANT(dy, device, N, C);
    WANT_AS(ids, device, FR_I32, N);
    check_ids(__func__, &ids, device, WANT_SEQUENCES(cu, device, N), dword.shape[0], dposition.shape[0]);
    kernels->embedding_backward(device->queue, dword.data, dposition.data, dtype.data, dy.data, ids.data, cu.data,
                                cu.shape[0] - 1, N, C);
}

/* The key's position is cut to 18 bits where random numbers are drawn (kernels/attention.c). Returns the bound on the
 * length of a sequence that the kernel is told: `told`, or where that is 0 what was `seen`. */
static int64_t check_attention(const char *op, const fr_device *device, int64_t seen, int64_t told, double p)
{
    int64_t longest = told > 0 ? told : seen;
    FR_CHECK(p >= 0 && p < 1, "%s: p is %g, want 0 <= p < 1", op, p);
    FR_CHECK(device->queue || seen <= longest, "%s: a sequence of %ld tokens, told that the longest has %ld", op,
             (long)seen, (long)told);
    FR_CHECK(longest < 1 << 18, "%s: a sequence of %ld tokens, want at most %d", op, (long)longest, (1 << 18) - 1);
    return longest;
}

void fr_attention_forward(fr_tensor out, fr_tensor lse, fr_tensor qkv, fr_tensor cu, int64_t longest, double scale,
                          fr_dropout_key key)
{
    WANT_RANK(out, 3);
    OP(out);
    int64_t N = out.shape[0], H = out.shape[1], D = out.shape[2];
    WANT(out, device, N, H, D);
    WANT_WIDE(lse, device, N, H);
    WANT(qkv, device, N, 3, H, D);
    longest = check_attention(__func__, device, WANT_SEQUENCES(cu, device, N), longest, key.p);
    kernels->attention_forward(device->queue, out.data, lse.data, qkv.data, cu.data, cu.shape[0] - 1, N, H, D, scale,
                               longest, key.p, key.seed, key.stream, key.first);
}

void fr_attention_backward(fr_tensor dqkv, fr_tensor dout, fr_tensor out, fr_tensor lse, fr_tensor qkv, fr_tensor cu,
                           int64_t longest, double scale, fr_dropout_key key)
{
    WANT_RANK(out, 3);
    OP(out);
    int64_t N = out.shape[0], H = out.shape[1], D = out.shape[2];
    WANT(dqkv, device, N, 3, H, D);
    WANT(dout, device, N, H, D);
    WANT(out, device, N, H, D);
    WANT_WIDE(lse, device, N, H);
    WANT(qkv, device, N, 3, H, D);
    longest = check_attention(__func__, device, WANT_SEQUENCES(cu, device, N), longest, key.p);
    kernels->attention_backward(device->queue, dqkv.data, dout.data, out.data, lse.data, qkv.data, cu.data,
                                cu.shape[0] - 1, N, H, D, scale, longest, key.p, key.seed, key.stream, key.first);
}

void fr_pool_forward(fr_tensor y, fr_tensor x, fr_tensor cu, bool cls)
{
    WANT_RANK(y, 2);
    WANT_RANK(x, 2);
    OP(x);
    int64_t B = y.shape[0], C = y.shape[1], N = x.shape[0];
    fr_want(__func__, "y", &y, device, y.dtype == wide ? wide : real, FR_SHAPE(B, C));
    WANT(x, device, N, C);
    WANT_AS(cu, device, FR_I32, B + 1);
    WANT_SEQUENCES(cu, device, N);
    kernels->pool_forward(device->queue, y.data, x.data, cu.data, B, N, C, cls, y.dtype != real);
}

void fr_pool_backward(fr_tensor dx, fr_tensor dy, fr_tensor cu, bool cls)
{
    WANT_RANK(dy, 2);
    WANT_RANK(dx, 2);
    OP(dx);
    int64_t B = dy.shape[0], C = dy.shape[1], N = dx.shape[0];
    WANT(dx, device, N, C);
    fr_want(__func__, "dy", &dy, device, dy.dtype == wide ? wide : real, FR_SHAPE(B, C));
    WANT_AS(cu, device, FR_I32, B + 1);
    WANT_SEQUENCES(cu, device, N);
    kernels->pool_backward(device->queue, dx.data, dy.data, cu.data, B, N, C, cls, dy.dtype != real);
}
