/* In programs without the race detector. */
#include "simt_run.h"

namespace simt
{
const race_hooks *race = nullptr;
}
