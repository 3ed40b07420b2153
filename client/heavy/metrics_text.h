/* metrics_text.h - a look at a broker, as Prometheus' text format (0.0.4). */
#ifndef MEMFERRY_HEAVY_METRICS_TEXT_H
#define MEMFERRY_HEAVY_METRICS_TEXT_H

#include "client/heavy/look.h"

/* All of it; look NULL: there is no broker, and memferry_up says so. */
void metrics_write(FILE *out, const struct look *look);

#endif
