/* In finerouter-simt, before main. */
#include "simt/device.h"

__attribute__((constructor)) static void provide(void)
{
    fr_simt_provide();
}
