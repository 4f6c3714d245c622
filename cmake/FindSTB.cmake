# stb: Debian ships the single-file libraries compiled into one, with a pkg-config file but no CMake package. Defines the target STB.
find_path(STB_INCLUDE_DIR stb/stb_image_resize.h)
find_library(STB_LIBRARY stb)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(STB REQUIRED_VARS STB_LIBRARY STB_INCLUDE_DIR)
if(STB_FOUND AND NOT TARGET STB)
  add_library(STB UNKNOWN IMPORTED)
  set_target_properties(STB PROPERTIES IMPORTED_LOCATION ${STB_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${STB_INCLUDE_DIR})
endif()
