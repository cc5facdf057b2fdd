#ifndef QV_BASE_LOG_H
#define QV_BASE_LOG_H

#include "base/status.h"

/* To the callback of qv_set_log, if any. Thread-safe. */
void qv__log(qv_log_level level, const char *format, ...) QV_PRINTF(2, 3);

#endif
