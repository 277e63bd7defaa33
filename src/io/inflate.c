#include "inflate.h"

#include "base/memory.h"
#include "finerouter/status.h"

#include <stdlib.h>
#include <zlib.h>

struct fr_inflate {
    z_stream stream;
};

enum { STEP = 1 << 30 }; /* zlib counts in unsigned int */

fr_inflate *fr_inflate_open(bool gzip)
{
    fr_inflate *stream = FR_NEW(fr_inflate, 1);
    FR_CHECK(inflateInit2(&stream->stream, gzip ? 15 + 16 : -15) == Z_OK, "out of memory for zlib");
    return stream;
}

void fr_inflate_restart(fr_inflate *stream)
{
    inflateReset(&stream->stream);
}

fr_inflate_state fr_inflate_run(fr_inflate *stream, const unsigned char **in, size_t *in_bytes, char **out,
                                size_t *out_bytes)
{
    z_stream *z = &stream->stream;
    unsigned in_step = *in_bytes < STEP ? (unsigned)*in_bytes : STEP,
             out_step = *out_bytes < STEP ? (unsigned)*out_bytes : STEP;
    z->next_in = (unsigned char *)*in; /* zlib does not write there */
    z->avail_in = in_step;
    z->next_out = (unsigned char *)*out;
    z->avail_out = out_step;
    int result = inflate(z, Z_NO_FLUSH);
    *in += in_step - z->avail_in;
    *in_bytes -= in_step - z->avail_in;
    *out += out_step - z->avail_out;
    *out_bytes -= out_step - z->avail_out;
    return result == Z_STREAM_END                    ? FR_INFLATE_END
           : result == Z_OK || result == Z_BUF_ERROR ? FR_INFLATE_MORE
                                                     : FR_INFLATE_DAMAGED;
}

const char *fr_inflate_message(const fr_inflate *stream)
{
    return stream->stream.msg ? stream->stream.msg : "zlib error";
}

void fr_inflate_close(fr_inflate *stream)
{
    if (!stream)
        return;
    inflateEnd(&stream->stream);
    free(stream);
}

uint32_t fr_crc32(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (; bytes > STEP; bytes -= STEP, at += STEP)
        crc = (uint32_t)crc32(crc, at, STEP);
    return (uint32_t)crc32(crc, at, (unsigned)bytes);
}
