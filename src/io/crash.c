/*
 * The crash model for tests: what may a power loss leave on the disk?
 *
 * While it is on, every change through sys.c is noted: how far each file was written and how far it was synced, and per
 * change of a folder (create, rename, delete, make, remove) a step that is pending until that folder is synced. At the
 * chosen sync point the process "crashes": the sync does not happen and every operation fails from then on. Applying the
 * crash then undoes on the real folder what the seed takes away:
 *
 *   - bytes behind a file's last sync are cut off, cut in the middle, replaced by zeros in some 4 KiB blocks, or kept;
 *   - pending steps survive as a prefix of their order (a journalling file system), or each by chance (any other).
 *     Steps on one name survive in their order only, renames are atomic, and a folder that is lost takes everything
 *     below it along, synced or not.
 *
 * What a rename or delete destroys is kept in memory for the undoing: the model is for small tables.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/io_private.h"

#define BLOCK_BYTES 4096u

typedef enum step_kind { STEP_CREATE, STEP_RENAME, STEP_UNLINK, STEP_MAKE_FOLDER, STEP_REMOVE_FOLDER } step_kind;

typedef struct step {
    step_kind kind;
    char *path;
    char *to; /* renames only */
    qv__crash_saved saved;
    bool survived;
} step;

typedef struct file_state {
    char *path;
    uint64_t written;
    uint64_t synced;
} file_state;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool is_on;
static atomic_bool happened;
static uint64_t countdown;             /* sync points left; guarded by lock */
static step *steps;                    /* in their order; guarded by lock */
static size_t n_steps, steps_capacity; /* guarded by lock */
static file_state *files;              /* guarded by lock */
static size_t n_files, files_capacity; /* guarded by lock */

bool qv__crash_is_on(void) { return atomic_load_explicit(&is_on, memory_order_relaxed); }

bool qv__crash_happened(void) { return atomic_load(&happened); }

int qv__crash_check(qv__op op)
{
    int failed = 0;

    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    if (op == QV_OP_SYNC && !happened && countdown-- == 0)
        happened = true;
    if (happened)
        failed = QV_FAULT_CRASHED;
    pthread_mutex_unlock(&lock);
    return failed;
}

/* ---------------------------------------------------------------- noting what happens */

void qv__crash_forget(qv__crash_saved *saved)
{
    qv__free(saved->bytes);
    *saved = (qv__crash_saved){ 0 };
}

static void free_step(step *s)
{
    qv__free(s->path);
    qv__free(s->to);
    qv__crash_forget(&s->saved);
}

static void forget_all(void)
{
    for (size_t i = 0; i < n_steps; i++)
        free_step(&steps[i]);
    for (size_t i = 0; i < n_files; i++)
        qv__free(files[i].path);
    qv__free(steps);
    qv__free(files);
    steps = NULL;
    files = NULL;
    n_steps = steps_capacity = n_files = files_capacity = 0;
}

static file_state *find_file(const char *path)
{
    for (size_t i = 0; i < n_files; i++)
        if (strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

static void drop_file(const char *path)
{
    file_state *file = find_file(path);

    if (!file)
        return;
    qv__free(file->path);
    *file = files[--n_files];
}

/* Takes saved in every case. Call with the lock held. */
static int add_step(step_kind kind, const char *path, const char *to, qv__crash_saved *saved)
{
    step s = { .kind = kind, .path = qv__strdup(path), .to = to ? qv__strdup(to) : NULL };

    if (saved) {
        s.saved = *saved;
        *saved = (qv__crash_saved){ 0 };
    }
    if (!s.path || (to && !s.to) || QV_GROW(&steps, &steps_capacity, n_steps + 1, NULL) != QV_OK) {
        free_step(&s);
        return ENOMEM;
    }
    steps[n_steps++] = s;
    return 0;
}

int qv__crash_created(const char *path)
{
    int failed = 0;

    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    char *copy = qv__strdup(path);
    drop_file(path);
    if (!copy || QV_GROW(&files, &files_capacity, n_files + 1, NULL) != QV_OK) {
        qv__free(copy);
        failed = ENOMEM;
    } else {
        files[n_files++] = (file_state){ .path = copy };
        failed = add_step(STEP_CREATE, path, NULL, NULL);
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

int qv__crash_wrote(const char *path, uint64_t end)
{
    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    file_state *file = find_file(path);
    if (file && end > file->written)
        file->written = end;
    pthread_mutex_unlock(&lock);
    return 0;
}

int qv__crash_synced(const char *path)
{
    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    file_state *file = find_file(path);
    if (file)
        file->synced = file->written;
    pthread_mutex_unlock(&lock);
    return 0;
}

static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* The steps in this folder are durable now, and with the removal of a folder everything that happened in it before. */
int qv__crash_synced_folder(const char *path)
{
    size_t len = strlen(path), kept = 0;

    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n_steps; i++)
        steps[i].survived = qv__path_parent(steps[i].path) == len && strncmp(steps[i].path, path, len) == 0;
    for (size_t i = n_steps; i-- > 0;)
        for (size_t j = 0; steps[i].survived && steps[i].kind == STEP_REMOVE_FOLDER && j < i; j++)
            steps[j].survived |= is_below(steps[j].path, steps[i].path);
    for (size_t i = 0; i < n_steps; i++) {
        if (steps[i].survived)
            free_step(&steps[i]);
        else
            steps[kept++] = steps[i];
    }
    n_steps = kept;
    pthread_mutex_unlock(&lock);
    return 0;
}

static int note(step_kind kind, const char *path, qv__crash_saved *saved)
{
    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    if (kind == STEP_UNLINK)
        drop_file(path);
    int failed = add_step(kind, path, NULL, saved);
    pthread_mutex_unlock(&lock);
    return failed;
}

int qv__crash_made_folder(const char *path) { return note(STEP_MAKE_FOLDER, path, NULL); }
int qv__crash_removed_folder(const char *path) { return note(STEP_REMOVE_FOLDER, path, NULL); }
int qv__crash_unlinked(const char *path, qv__crash_saved *saved) { return note(STEP_UNLINK, path, saved); }

int qv__crash_renamed(const char *from, const char *to, qv__crash_saved *replaced)
{
    int failed;

    if (!qv__crash_is_on())
        return 0;
    pthread_mutex_lock(&lock);
    drop_file(to);
    file_state *file = find_file(from);
    failed = add_step(STEP_RENAME, from, to, replaced);
    if (!failed && file) {
        char *copy = qv__strdup(to);
        if (copy) {
            qv__free(file->path);
            file->path = copy;
        } else {
            failed = ENOMEM;
        }
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

static bool read_exactly(int fd, uint8_t *bytes, size_t n)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(fd, bytes + done, n - done, (off_t) done);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        done += got > 0 ? (size_t) got : 0;
    }
    return true;
}

int qv__crash_save(const char *path, qv__crash_saved *saved)
{
    struct stat info;

    if (!qv__crash_is_on() || lstat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno;
    size_t len = (size_t) info.st_size;
    uint8_t *bytes = qv__alloc(len, 1);
    bool whole = bytes && read_exactly(fd, bytes, len);
    close(fd);
    if (!whole) {
        qv__free(bytes);
        return bytes ? EIO : ENOMEM;
    }
    pthread_mutex_lock(&lock);
    file_state *file = find_file(path);
    *saved = (qv__crash_saved){ bytes, len, file ? file->synced : len };
    pthread_mutex_unlock(&lock);
    return 0;
}

/* ---------------------------------------------------------------- the power loss */

typedef struct dice {
    uint64_t state;
} dice;

static uint64_t roll(dice *d) /* splitmix64 */
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Changes the file's bytes behind `synced` as the dice say. */
static int tear_file(const char *path, uint64_t synced, uint64_t written, dice *d)
{
    static const uint8_t zeros[BLOCK_BYTES];
    uint64_t choice = roll(d) % 4, lost = written - synced;
    int failed = 0;

    if (synced >= written || choice == 3)
        return 0;
    if (choice < 2)
        return truncate(path, (off_t) (synced + (choice ? roll(d) % lost : 0))) && errno != ENOENT ? errno : 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    for (uint64_t at = synced; at < written && !failed;) {
        uint64_t end = QV_MIN((at / BLOCK_BYTES + 1) * BLOCK_BYTES, written);
        if (roll(d) & 1 && pwrite(fd, zeros, (size_t) (end - at), (off_t) at) != (ssize_t) (end - at))
            failed = EIO;
        at = end;
    }
    close(fd);
    return failed;
}

static int restore_file(const char *path, const qv__crash_saved *saved, dice *d)
{
    if (!saved->bytes)
        return 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return errno;
    int failed = 0;
    for (size_t done = 0; done < saved->len && !failed;) {
        ssize_t n = write(fd, saved->bytes + done, saved->len - done);
        if (n < 0 && errno != EINTR)
            failed = errno;
        done += n > 0 ? (size_t) n : 0;
    }
    close(fd);
    return failed ? failed : tear_file(path, saved->synced, saved->len, d);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    QV_UNUSED(info);
    QV_UNUSED(kind);
    QV_UNUSED(walk);
    return remove(path) != 0 && errno != ENOENT ? errno : 0;
}

static int undo(const step *s, dice *d)
{
    int failed = 0;

    switch (s->kind) {
    case STEP_CREATE:
        failed = unlink(s->path) ? errno : 0;
        break;
    case STEP_RENAME:
        failed = rename(s->to, s->path) ? errno : restore_file(s->to, &s->saved, d);
        break;
    case STEP_UNLINK:
        failed = restore_file(s->path, &s->saved, d);
        break;
    case STEP_MAKE_FOLDER:
        failed = nftw(s->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        if (failed == -1)
            failed = errno;
        break;
    case STEP_REMOVE_FOLDER:
        failed = mkdir(s->path, 0777) ? errno : 0;
        break;
    }
    return failed == ENOENT ? 0 : failed; /* its folder is lost: nothing is left to undo */
}

static bool touches(const step *s, const char *path)
{
    return strcmp(s->path, path) == 0 || (s->to && strcmp(s->to, path) == 0) ||
           (s->kind == STEP_REMOVE_FOLDER && is_below(path, s->path));
}

/* Must step i survive because a later one on the same name did? */
static bool is_forced(size_t i)
{
    for (size_t j = i + 1; j < n_steps; j++)
        if (steps[j].survived &&
            (touches(&steps[j], steps[i].path) || (steps[i].to && touches(&steps[j], steps[i].to))))
            return true;
    return false;
}

static qv_status lose_power(uint64_t seed, qv_error *err)
{
    dice d = { seed };
    bool in_order = roll(&d) & 1;
    size_t survivors = (size_t) (roll(&d) % (n_steps + 1));

    for (size_t i = 0; i < n_files; i++) {
        int failed = tear_file(files[i].path, files[i].synced, files[i].written, &d);
        if (failed)
            return qv__fail_errno(err, failed, "crash model: \"%s\" cannot be torn", files[i].path);
    }
    for (size_t i = n_steps; i-- > 0;) {
        steps[i].survived = is_forced(i) || (in_order ? i < survivors : (roll(&d) & 1) != 0);
        int failed = steps[i].survived ? 0 : undo(&steps[i], &d);
        if (failed)
            return qv__fail_errno(err, failed, "crash model: \"%s\" cannot be undone", steps[i].path);
    }
    return QV_OK;
}

qv_status qv__crash_arm(uint64_t n, qv_error *err)
{
    qv_status st = QV_OK;

    pthread_mutex_lock(&lock);
    if (atomic_load(&is_on)) {
        st = qv__fail(err, QV_INVALID, "the crash model is on already");
    } else {
        countdown = n;
        atomic_store(&happened, false);
        atomic_store(&is_on, true);
    }
    pthread_mutex_unlock(&lock);
    return st;
}

qv_status qv__crash_apply(uint64_t seed, qv_error *err)
{
    qv_status st = QV_OK;

    pthread_mutex_lock(&lock);
    if (atomic_load(&is_on))
        st = lose_power(seed, err);
    forget_all();
    atomic_store(&is_on, false);
    pthread_mutex_unlock(&lock);
    return st;
}
