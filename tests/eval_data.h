/* eval_data.h - a data set small enough to work every metric out by hand: models a, b, c, sources s0 and s1.
 *
 *   row  split  source   quality a b c     cost a b c
 *   0    train  s0       1   0   0         .01 .02 .04
 *   1    train  s0       1   1   0         .01 .02 .04
 *   2    train  s1       0   1   1         .03 .02 .04
 *   3    train  s1       0   1   -         .03 .02 -
 *   4    dev    s0       1   0   0         .01 .02 .05
 *   5    dev    s1       0   1   0         .01 .02 .05
 *   6    test   s0       .5  1   1         .01 .02 .05
 *   7    test   s0       1   0   0         .01 .02 .05
 *   8    test   s1       0   0   1         .01 -   .05
 *   9    test   s1       0   -   .5        .01 .02 .05
 *
 * Training means of quality: a .5, b .75 (best single), c 1/3; of cost: .02, .02, .04. */
#ifndef FR_TEST_EVAL_DATA_H
#define FR_TEST_EVAL_DATA_H

#include "finerouter/dataset.h"

#include <math.h>

static const char *small_id[] = {"t0", "t1", "t2", "t3", "d4", "d5", "e6", "e7", "e8", "e9"};
static const char *small_text[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"};
static const char *small_description[] = {"", "", "", "", "", "", "", "", "", ""};
static const char *small_source[] = {"s0", "s1"}, *small_model[] = {"a", "b", "c"};
static int32_t small_source_of[] = {0, 0, 1, 1, 0, 1, 0, 0, 1, 1};
static int32_t small_planted[] = {0, 0, 1, 1, 0, 1, 0, 0, 1, -1};
static int8_t small_split[] = {0, 0, 0, 0, 1, 1, 2, 2, 2, 2};
static double small_price[] = {1, 2, NAN};
static float small_quality[] = {1, 0, 0, 1,   1, 0, 0, 1, 1, 0, 1, NAN, 1, 0,   0,
                                0, 1, 0, .5f, 1, 1, 1, 0, 0, 0, 0, 1,   0, NAN, .5f};
static float small_cost[] = {.01f, .02f, .04f, .01f, .02f, .04f, .03f, .02f, .04f, .03f, .02f, NAN,  .01f, .02f, .05f,
                             .01f, .02f, .05f, .01f, .02f, .05f, .01f, .02f, .05f, .01f, NAN,  .05f, .01f, .02f, .05f};

static inline fr_dataset small_data(void)
{
    return (fr_dataset){.N = 10,
                        .M = 3,
                        .sources = 2,
                        .id = small_id,
                        .text = small_text,
                        .description = small_description,
                        .source = small_source_of,
                        .source_name = small_source,
                        .split = small_split,
                        .planted = small_planted,
                        .model = small_model,
                        .input_price = small_price,
                        .output_price = small_price,
                        .quality = small_quality,
                        .cost = small_cost,
                        .hash = "0123456789abcdef0123456789abcdef"};
}

#endif
