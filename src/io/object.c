/* Objects opened for reading: bytes in the address space, so every read is a counted slice of them. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "io/io_private.h"

static void destroy_object(qv__owner *owner)
{
    qv__object *object = (qv__object *) owner;

    qv__bytes_unref(&object->bytes);
    qv__free(object->name);
    qv__free(object);
}

qv_status qv__object_new(const char *name, qv__bytes bytes, bool mapped, qv__object **out, qv_error *err)
{
    qv_status st = QV_OK;
    qv__object *object = NULL;

    QV_CHECK(QV_NEW(&object, 1, err));
    object->name = qv__strdup(name);
    if (!object->name)
        QV_CHECK(qv__fail_nomem(err, strlen(name) + 1));
    qv__owner_init(&object->owner, destroy_object);
    object->bytes = bytes;
    object->mapped = mapped;
    *out = object;
    return QV_OK;
done:
    qv__free(object);
    qv__bytes_unref(&bytes);
    return st;
}

qv__object *qv__object_ref(qv__object *object)
{
    if (object)
        qv__owner_ref(&object->owner);
    return object;
}

void qv__object_unref(qv__object *object)
{
    if (object)
        qv__owner_unref(&object->owner);
}

uint64_t qv__object_size(const qv__object *object) { return object->bytes.len; }
const char *qv__object_name(const qv__object *object) { return object->name; }

static _Thread_local qv__io_count counted;

qv__io_count qv__io_counted(void) { return counted; }

qv_status qv__object_read(qv__object *object, uint64_t at, uint64_t len, qv__bytes *out, qv_error *err)
{
    int failed = qv__fault_check(QV_OP_OTHER);

    if (failed)
        return qv__sys_fail(err, failed, "object \"%s\" cannot be read", object->name);
    if (!qv__inside(at, len, object->bytes.len))
        return qv__fail(err, QV_CORRUPT, "object \"%s\": %llu bytes at %llu lie outside its %zu bytes", object->name,
                        (unsigned long long) len, (unsigned long long) at, object->bytes.len);
    counted.calls++;
    counted.bytes += len;
    if (len == 0)
        *out = (qv__bytes){ 0 };
    else /* the reference is on the bytes, so a slice does not hold the object's name */
        *out = qv__bytes_slice(object->bytes, (size_t) at, (size_t) len);
    return QV_OK;
}

qv_status qv__object_read_many(qv__object *object, const qv__range *ranges, size_t n, qv__bytes *out, qv_error *err)
{
    for (size_t i = 0; i < n; i++) {
        qv_status st = qv__object_read(object, ranges[i].at, ranges[i].len, &out[i], err);
        if (st != QV_OK) {
            while (i > 0)
                qv__bytes_unref(&out[--i]);
            return st;
        }
    }
    return QV_OK;
}

void qv__object_will_need(qv__object *object, uint64_t at, uint64_t len)
{
    if (!object->mapped || at >= object->bytes.len)
        return;
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    size_t end = (size_t) (at + QV_MIN(len, object->bytes.len - at));
    size_t start = (size_t) at & ~(page - 1);
    madvise((void *) (object->bytes.data + start), end - start, MADV_WILLNEED); /* a hint: failure changes nothing */
}
