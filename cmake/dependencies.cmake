# protobuf-c (manifests), CRoaring (deletions, row sets), zstd and lz4 (pages), xxHash (checksums), PCRE2 (regular
# expressions), libunistring (letters large and small), Nettle (digests): Debian packages.
find_package(Threads REQUIRED)

function(qv_find_library variable header name)
    find_path(${variable}_INCLUDE ${header} REQUIRED)
    if(QV_STATIC_DEPS)
        find_library(${variable}_LIBRARY NAMES lib${name}.a ${name} REQUIRED)
    else()
        find_library(${variable}_LIBRARY NAMES ${name} REQUIRED)
    endif()
    mark_as_advanced(${variable}_INCLUDE ${variable}_LIBRARY)
endfunction()

qv_find_library(QV_PROTOBUF_C protobuf-c/protobuf-c.h protobuf-c)
qv_find_library(QV_ROARING roaring/roaring.h roaring)
qv_find_library(QV_ZSTD zstd.h zstd)
qv_find_library(QV_LZ4 lz4.h lz4)
qv_find_library(QV_XXHASH xxhash.h xxhash)
qv_find_library(QV_PCRE2 pcre2.h pcre2-8)
qv_find_library(QV_UNISTRING unicase.h unistring)
qv_find_library(QV_NETTLE nettle/sha2.h nettle)
set(QV_DEPENDENCIES ${QV_PROTOBUF_C_LIBRARY} ${QV_ROARING_LIBRARY} ${QV_ZSTD_LIBRARY} ${QV_LZ4_LIBRARY}
    ${QV_XXHASH_LIBRARY} ${QV_PCRE2_LIBRARY} ${QV_UNISTRING_LIBRARY} ${QV_NETTLE_LIBRARY} Threads::Threads m)
