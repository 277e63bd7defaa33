/* http.h - one JSON document posted to a web address, its answer read. http.c is the only file that includes curl. */
#ifndef FR_IO_HTTP_H
#define FR_IO_HTTP_H

#include "finerouter/status.h"

#include <stdint.h>

typedef struct fr_http fr_http;

/* bearer: sent as "Authorization: Bearer ..."; NULL or "": none. It is never part of an error. retries: how often a
 * request is sent again after status 408, 429 or 5xx, a time-out or a broken connection, with pauses of 0.5, 1, 2, ...
 * 30 s, or what Retry-After asks for up to 60 s. Redirects are not followed: the key would go elsewhere. */
FR_NODISCARD fr_status fr_http_open(fr_http **http, const char *url, const char *bearer, int64_t timeout_seconds,
                                    int64_t retries);

/* The body of an answer of status 2xx, malloc'd, at most 16 MiB. FR_FAILED with the URL and the status with the
 * beginning of the body, or what went wrong with the connection; FR_INTERRUPTED. */
FR_NODISCARD fr_status fr_http_post(fr_http *http, char **answer, const char *json);

void fr_http_close(fr_http *http); /* accepts NULL */

#endif
