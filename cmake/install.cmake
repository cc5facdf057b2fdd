include(CMakePackageConfigHelpers)
install(TARGETS quiver EXPORT quiver-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/quiver DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT quiver-targets NAMESPACE quiver:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/quiver)
configure_package_config_file(cmake/quiver-config.cmake.in ${PROJECT_BINARY_DIR}/quiver-config.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/quiver)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/quiver-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/quiver-config.cmake ${PROJECT_BINARY_DIR}/quiver-config-version.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/quiver)
# The prefix is told relative to the file, so that an installation can be moved.
file(RELATIVE_PATH QV_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/quiver.pc.in quiver.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/quiver.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
