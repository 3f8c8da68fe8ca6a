# make install: the libraries, their headers, and the package that find_package(ndcao) finds.
# Include at the end of the top-level CMakeLists, when all libraries are known.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# Every library that ndcao_library() made, wherever it is.
function(ndcao_collect_libraries folder out)
  get_property(found DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  get_property(subfolders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(subfolder IN LISTS subfolders)
    ndcao_collect_libraries(${subfolder} more)
    list(APPEND found ${more})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

ndcao_collect_libraries(${PROJECT_SOURCE_DIR}/src/ndcao all)
set(libraries)
foreach(target IN LISTS all)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "STATIC_LIBRARY" AND target MATCHES "^ndcao_")
    list(APPEND libraries ${target})
  endif()
endforeach()

install(TARGETS ${libraries} EXPORT ndcaoTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/ndcao)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/ndcao DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h" PATTERN "cli" EXCLUDE)
install(EXPORT ndcaoTargets NAMESPACE ndcao::
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ndcao)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ndcaoConfig.cmake.in
  ${PROJECT_BINARY_DIR}/ndcaoConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ndcao)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ndcaoConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/ndcaoConfig.cmake
  ${PROJECT_BINARY_DIR}/ndcaoConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ndcao)
