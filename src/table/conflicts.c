/* Which newer transactions a change of ours may follow.
 *
 * Two rules stand above the table: what is unknown conflicts; a projection or merge that may have made a column non-null sends
 * an append back to look again (RETRY). An overwrite replaces everything, so another overwrite only sends it back too. */
#include "table/table_private.h"

#define OK QV_VERDICT_OK
#define R  QV_VERDICT_RETRY
#define X  QV_VERDICT_CONFLICT

enum { MINE_APPEND, MINE_OVERWRITE, MINE_COUNT };

/* clang-format off */
static const qv__verdict verdicts[MINE_COUNT][QV_OP_UNKNOWN + 1] = {
    [MINE_APPEND] = {
        [QV_OP_APPEND] = OK, [QV_OP_DELETE] = OK, [QV_OP_UPDATE] = OK, [QV_OP_CREATE_INDEX] = OK, [QV_OP_REWRITE] = OK,
        [QV_OP_OVERWRITE] = X, [QV_OP_MERGE] = OK, [QV_OP_RESTORE] = X, [QV_OP_RESERVE] = OK, [QV_OP_PROJECT] = OK,
        [QV_OP_CONFIG] = OK, [QV_OP_REPLACEMENT] = OK, [QV_OP_OVERLAY] = OK, [QV_OP_BASES] = OK, [QV_OP_MEM_WAL] = X,
        [QV_OP_CLONE] = OK, [QV_OP_UNKNOWN] = X,
    },
    [MINE_OVERWRITE] = {
        [QV_OP_APPEND] = OK, [QV_OP_DELETE] = OK, [QV_OP_UPDATE] = OK, [QV_OP_CREATE_INDEX] = OK, [QV_OP_REWRITE] = OK,
        [QV_OP_OVERWRITE] = R, [QV_OP_MERGE] = OK, [QV_OP_RESTORE] = OK, [QV_OP_RESERVE] = OK, [QV_OP_PROJECT] = OK,
        [QV_OP_CONFIG] = OK, [QV_OP_REPLACEMENT] = OK, [QV_OP_OVERLAY] = OK, [QV_OP_BASES] = OK, [QV_OP_MEM_WAL] = X,
        [QV_OP_CLONE] = OK, [QV_OP_UNKNOWN] = X,
    },
};
/* clang-format on */

qv__verdict qv__conflict(qv__operation mine, const qv__transaction *theirs)
{
    bool changes_schema = theirs->operation == QV_OP_MERGE || theirs->operation == QV_OP_PROJECT;

    if (mine == QV_OP_APPEND && changes_schema && !theirs->preserves_nullability)
        return R;
    return verdicts[mine == QV_OP_APPEND ? MINE_APPEND : MINE_OVERWRITE][theirs->operation];
}
