add_library(lictor_options INTERFACE)
target_compile_options(lictor_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # g++ 12 warns of appending to strings: GCC bug 105651
  -fno-omit-frame-pointer -fdiagnostics-color=auto)
target_compile_definitions(lictor_options INTERFACE LICTOR_VERSION="${PROJECT_VERSION}")
target_include_directories(lictor_options INTERFACE ${PROJECT_SOURCE_DIR}/src)

if(LICTOR_SANITIZE)
  target_compile_options(lictor_options INTERFACE -fsanitize=${LICTOR_SANITIZE} -fno-sanitize-recover=all -g1)
  target_link_options(lictor_options INTERFACE -fsanitize=${LICTOR_SANITIZE})
else()
  target_compile_options(lictor_options INTERFACE -fstack-protector-strong -fcf-protection)
  target_compile_definitions(lictor_options INTERFACE $<$<NOT:$<CONFIG:Debug>>:_FORTIFY_SOURCE=2>)
  target_link_options(lictor_options INTERFACE -Wl,-z,relro,-z,now)
endif()

if(LICTOR_FUZZ)  # every branch is watched; main() comes with the programs
  target_compile_options(lictor_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  add_link_options(-fuse-ld=mold)
endif()
