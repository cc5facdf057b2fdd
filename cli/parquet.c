/* Parquet through the machine's python3 with pyarrow or DuckDB: a temporary Arrow IPC file stands between. */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

extern char **environ;

static const char to_ipc[] = "import sys\n"
                             "try:\n"
                             "    import pyarrow.parquet as pq, pyarrow as pa\n"
                             "    f = pq.ParquetFile(sys.argv[1])\n"
                             "    with pa.OSFile(sys.argv[2], 'wb') as o, pa.ipc.new_file(o, f.schema_arrow) as w:\n"
                             "        for b in f.iter_batches(): w.write_batch(b)\n"
                             "except ModuleNotFoundError:\n"
                             "    sys.exit('needs pyarrow in python3 to read Parquet')\n";
static const char from_ipc[] = "import sys\n"
                               "try:\n"
                               "    import pyarrow.parquet as pq, pyarrow as pa\n"
                               "    r = pa.ipc.open_file(sys.argv[1])\n"
                               "    with pq.ParquetWriter(sys.argv[2], r.schema) as w:\n"
                               "        for i in range(r.num_record_batches): w.write_batch(r.get_batch(i))\n"
                               "except ModuleNotFoundError:\n"
                               "    sys.exit('needs pyarrow in python3 to write Parquet')\n";

static int run_python(const char *script, const char *from, const char *to)
{
    const char *chosen = getenv("QUIVER_PYTHON"), *python = chosen ? chosen : "python3";
    char option[] = "-c";
    char *argv[] = { (char *) (uintptr_t) python, option, (char *) (uintptr_t) script, (char *) (uintptr_t) from,
                     (char *) (uintptr_t) to,     NULL };
    pid_t child;
    int status = 0;

    int failed = posix_spawnp(&child, python, NULL, NULL, argv, environ);
    if (failed)
        return cli_complain(EXIT_UNSUPPORTED, "Parquet needs python3 with pyarrow: %s", strerror(failed));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return cli_complain(EXIT_BAD_DATA, "%s could not be converted", from);
    return EXIT_OK;
}

int cli_stream_parquet(const char *path, struct ArrowArrayStream *out)
{
    const char *folder = getenv("TMPDIR");
    char temporary[512];
    qv_error err;

    if (access(path, R_OK) != 0)
        return cli_complain(EXIT_NOT_FOUND, "%s: %s", path, strerror(errno));
    snprintf(temporary, sizeof temporary, "%s/quiver-XXXXXX", folder && *folder ? folder : "/tmp");
    int file = mkstemp(temporary);
    if (file < 0)
        return cli_complain(EXIT_IO, "%s: %s", temporary, strerror(errno));
    close(file);
    int code = run_python(to_ipc, path, temporary);
    qv_status st = code == EXIT_OK ? qv_ipc_read(temporary, out, &err) : QV_OK;
    unlink(temporary); /* mapped by now, or of no use */
    return st == QV_OK ? code : cli_fail(st, &err);
}

int cli_export_parquet(const char *ipc_path, const char *path) { return run_python(from_ipc, ipc_path, path); }
