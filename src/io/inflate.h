/* inflate.h - deflated data, raw (ZIP) or with gzip's frame. inflate.c is the only file that includes zlib.h. */
#ifndef FR_IO_INFLATE_H
#define FR_IO_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fr_inflate fr_inflate;

/* More output is to come; the stream has ended; it is damaged (fr_inflate_message says how). */
typedef enum fr_inflate_state { FR_INFLATE_MORE, FR_INFLATE_END, FR_INFLATE_DAMAGED } fr_inflate_state;

fr_inflate *fr_inflate_open(bool gzip);
void fr_inflate_restart(fr_inflate *stream); /* for another gzip member */

/* Decodes what it can; *in, *in_bytes, *out and *out_bytes move on by what was read and written. */
fr_inflate_state fr_inflate_run(fr_inflate *stream, const unsigned char **in, size_t *in_bytes, char **out,
                                size_t *out_bytes);
const char *fr_inflate_message(const fr_inflate *stream);
void fr_inflate_close(fr_inflate *stream); /* accepts NULL */

uint32_t fr_crc32(uint32_t crc, const void *data, size_t bytes); /* begins with 0 */

#endif
