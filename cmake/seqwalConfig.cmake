# find_package(seqwal): seqwal::core and seqwal::backends, with what the static libraries need at link time.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(fmt)
find_dependency(PkgConfig)

foreach(dependency IN ITEMS libisal liburing)
  string(TOUPPER "${dependency}" prefix)
  if(NOT TARGET PkgConfig::${prefix})
    pkg_check_modules(${prefix} QUIET IMPORTED_TARGET ${dependency})
  endif()
  if(NOT TARGET PkgConfig::${prefix})
    set(seqwal_FOUND FALSE)
    set(seqwal_NOT_FOUND_MESSAGE "seqwal needs ${dependency}, which pkg-config does not find")
    return()
  endif()
endforeach()

include("${CMAKE_CURRENT_LIST_DIR}/seqwalTargets.cmake")
