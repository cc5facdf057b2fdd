# One kernel file per instruction set; only that file gets the flags of its set.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(FILTER QV_SOURCES EXCLUDE REGEX "/kern_(avx2|avx512)[^/]*\\.c$")
else()
    list(FILTER QV_SOURCES EXCLUDE REGEX "/kern_neon[^/]*\\.c$")
endif()
foreach(source IN LISTS QV_SOURCES)
    if(source MATCHES "/kern_avx2[^/]*\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-mpopcnt;-O3")
    elseif(source MATCHES "/kern_avx512_bf16\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
            "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512bf16;-mfma;-mf16c;-O3")
    elseif(source MATCHES "/kern_avx512_vnni\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
            "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vnni;-mfma;-O3")
    elseif(source MATCHES "/kern_avx512_popcnt\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
            "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vpopcntdq;-mpopcnt;-O3")
    elseif(source MATCHES "/kern_avx512_vbmi\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
            "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mavx512vbmi;-mfma;-O3")
    elseif(source MATCHES "/kern_avx512[^/]*\\.c$")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS
            "-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mfma;-mf16c;-O3")
    elseif(source MATCHES "/(simd|expr|ann/[a-z]+)/kern_|/codec/")
        set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-O3")
    endif()
endforeach()

# The stack on which the address sanitizer looks for uses after return aligns frames to 32 bytes: a vector of 64 that is put there faults.
if(QV_SANITIZE MATCHES "address")
    foreach(source IN LISTS QV_SOURCES)
        if(source MATCHES "/kern_avx512[^/]*\\.c$")
            if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
                set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS "--param=asan-use-after-return=0")
            else()
                set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS "-fsanitize-address-use-after-return=never")
            endif()
        endif()
    endforeach()
endif()
