/* Regular expressions: the group is empty so far. */
#include "expr/function.h"

const qv__function_group qv__regexp_functions = { 0 };
