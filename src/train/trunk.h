/* trunk.h - what turns prompts into h (B, d), and takes dh back.
 *
 *   frozen:     h = x P^T, x the cached embeddings, P (d, d) starts at the identity; P is left out without
 * encoder.projection (h = x) top, full:  h = encoder(tokens), the last encoder.top_layers layers or all of it trainable
 *
 * Rows go through in slices: a slice of the encoder holds a bounded number of tokens, so the memory of a step does not
 * grow with the batch. Slices of one batch add up to the batch's gradient, and random numbers are keyed by the place in
 * the batch, not in the slice. */
#ifndef FR_TRAIN_TRUNK_H
#define FR_TRAIN_TRUNK_H

#include "finerouter/train.h"
#include "nn/encoder.h"
#include "nn/params.h"

typedef struct fr_trunk fr_trunk;

/* Where rows are taken from: embedding (count, d) for a frozen trunk, tokens for an encoder. */
typedef struct fr_prompts {
    const float *embedding;
    const fr_tokens *tokens;
} fr_prompts;

/* Declares the trunk's parameters in `params`. frozen: whatever encoder.train says. trainable: with room for backward.
 * most_rows bounds a slice. Errors: the encoder's folder. */
FR_NODISCARD fr_status fr_trunk_create(fr_trunk **trunk, fr_params *params, const fr_training *training, bool frozen,
                                       bool trainable, int64_t most_rows);
void fr_trunk_commit(fr_trunk *trunk);                  /* after fr_params_commit */
void fr_trunk_close(fr_trunk *trunk);                   /* accepts NULL */
FR_NODISCARD fr_status fr_trunk_start(fr_trunk *trunk); /* the identity, or the weights of the encoder's folder */
fr_encoder *fr_trunk_encoder(const fr_trunk *trunk);    /* NULL when frozen */

/* How many of the rows go into the next slice (at least 1), and the tokens they have (0 when frozen). rows are indices
 * into prompts. */
int64_t fr_trunk_slice(const fr_trunk *trunk, const fr_prompts *prompts, const int64_t *rows, int64_t count,
                       int64_t *tokens);

/* The part of a batch that is this rank's: rows first .. first + count - 1, none for some ranks of a small batch. */
typedef struct fr_share {
    int64_t first, count, first_token; /* first_token: tokens of the rows before; 0 when frozen */
} fr_share;

/* Parts of about equal numbers of tokens, of rows when frozen. The whole batch for one rank. */
fr_share fr_trunk_share(const fr_trunk *trunk, const fr_prompts *prompts, const int64_t *rows, int64_t count);

/* h (count, d) of one slice; valid until the next forward. */
fr_tensor fr_trunk_forward(fr_trunk *trunk, const fr_prompts *prompts, const int64_t *rows, int64_t count,
                           fr_encoder_randomness randomness);

/* Where the gradient of h goes (count, d); FR_NONE when nothing below h is trainable. */
fr_tensor fr_trunk_dh(fr_trunk *trunk, int64_t count);
void fr_trunk_backward(fr_trunk *trunk,
                       fr_tensor dh); /* of the last forward; adds to gradients; does nothing for FR_NONE */

/* Adds the gradient of c/2 |P - I|^2: a pull of the projection to where it starts. Encoders have their learning rate
 * instead. */
void fr_trunk_pull(fr_trunk *trunk, double c);

/* Name of the first bad one of x and h, or NULL. */
const char *fr_trunk_first_bad(const fr_trunk *trunk);

/* Inference over many rows (NULL: 0 .. count-1), slice by slice, encoders in the order of length so that slices are
 * full of tokens of their kind: hands h and the places (0 .. count-1) of its rows to `take`. FR_INTERRUPTED between
 * slices when asked to stop. */
typedef void (*fr_trunk_take)(void *context, fr_tensor h, const int64_t *place, int64_t count);
FR_NODISCARD fr_status fr_trunk_apply(fr_trunk *trunk, const fr_prompts *prompts, const int64_t *rows, int64_t count,
                                      fr_trunk_take take, void *context);

/* Together: the same slices dealt to the ranks. `take` fills in rows of out (count, width) by place, and at the end
 * every rank has all of them, the same bits on any number of ranks. out NULL: the caller puts together. FR_INTERRUPTED
 * on all ranks when one is asked to stop. */
FR_NODISCARD fr_status fr_trunk_apply_shared(fr_trunk *trunk, const fr_prompts *prompts, const int64_t *rows,
                                             int64_t count, fr_trunk_take take, void *context, float *out,
                                             int64_t width);

#endif
