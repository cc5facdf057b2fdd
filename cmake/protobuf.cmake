# Generates the C of the message descriptions that lie beside the modules which use them.
find_program(QV_PROTOC_C protoc-c REQUIRED)
set(QV_PROTO_DIR ${PROJECT_BINARY_DIR}/generated)
set(QV_PROTO_SOURCES "")
file(GLOB protos RELATIVE ${PROJECT_SOURCE_DIR}/src CONFIGURE_DEPENDS src/*/*.proto)
foreach(proto IN LISTS protos)
    string(REGEX REPLACE "\\.proto$" ".pb-c" stem ${proto})
    add_custom_command(
        OUTPUT ${QV_PROTO_DIR}/${stem}.c ${QV_PROTO_DIR}/${stem}.h
        COMMAND ${CMAKE_COMMAND} -E make_directory ${QV_PROTO_DIR}
        COMMAND ${QV_PROTOC_C} --c_out=${QV_PROTO_DIR} -I ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/src/${proto}
        DEPENDS ${PROJECT_SOURCE_DIR}/src/${proto} VERBATIM)
    list(APPEND QV_PROTO_SOURCES ${QV_PROTO_DIR}/${stem}.c ${QV_PROTO_DIR}/${stem}.h)
endforeach()
