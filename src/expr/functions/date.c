/* Dates and times: the group is empty so far. */
#include "expr/function.h"

const qv__function_group qv__date_functions = { 0 };
