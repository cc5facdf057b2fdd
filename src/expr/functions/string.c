/* Text: the group is empty so far. */
#include "expr/function.h"

const qv__function_group qv__string_functions = { 0 };
