# libsedna: headers, static libraries and a CMake package (find_package(sedna) → sedna::inference, …).
if(NOT SKBUILD)
  include(CMakePackageConfigHelpers)
  get_property(modules GLOBAL PROPERTY SEDNA_MODULES)
  list(REMOVE_ITEM modules testing)
  set(targets sedna_options)
  foreach(m IN LISTS modules)
    list(APPEND targets sedna_${m})
  endforeach()
  install(TARGETS ${targets} EXPORT sednaTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT sednaTargets NAMESPACE sedna:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sedna)
  configure_package_config_file(cmake/sednaConfig.cmake.in "${CMAKE_BINARY_DIR}/sednaConfig.cmake"
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sedna)
  write_basic_package_version_file("${CMAKE_BINARY_DIR}/sednaConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
  install(FILES "${CMAKE_BINARY_DIR}/sednaConfig.cmake" "${CMAKE_BINARY_DIR}/sednaConfigVersion.cmake"
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/sedna)
endif()
