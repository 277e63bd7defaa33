/* llm.h - one-sentence answers of an OpenAI-compatible chat endpoint (llm.*), each asked for once.
 *
 * Answers are kept in a JSON Lines file ({"key", "answer"}) under the hash of URL, model and request; every answer is
 * appended as soon as it is there, so that a killed command loses none. The key of the endpoint is read from
 * $FINEROUTER_LLM_KEY and goes nowhere else. */
#ifndef FR_CLI_LLM_H
#define FR_CLI_LLM_H

#include "finerouter/config.h"
#include "finerouter/status.h"

#include <stdint.h>

#define FR_LLM_CHARACTERS 200 /* most in an answer */
#define FR_LLM_PATIENCE 3     /* failures in a row after which callers stop asking */

typedef struct fr_llm fr_llm;

/* path: the file of answers, made when it is not there. */
FR_NODISCARD fr_status fr_llm_open(fr_llm **llm, const fr_config *config, const char *path);
void fr_llm_close(fr_llm *llm); /* accepts NULL */

/* The answer to a request, valid until the next call: one line of valid UTF-8, neither empty nor longer than
 * FR_LLM_CHARACTERS. FR_FAILED: endpoint, an answer that is none, or the file; FR_INTERRUPTED. */
FR_NODISCARD fr_status fr_llm_ask(fr_llm *llm, const char **answer, const char *request);

int64_t fr_llm_asked(const fr_llm *llm);    /* answers that came from the endpoint, not out of the file */
int64_t fr_llm_failures(const fr_llm *llm); /* in a row, up to now */

#endif
