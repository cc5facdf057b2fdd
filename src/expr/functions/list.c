/* Lists: the group is empty so far. */
#include "expr/function.h"

const qv__function_group qv__list_functions = { 0 };
