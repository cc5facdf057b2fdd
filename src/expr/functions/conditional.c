/* Choosing between values: the group is empty so far. */
#include "expr/function.h"

const qv__function_group qv__conditional_functions = { 0 };
