# Headers of others that most files read, parsed once per build tree instead of 600 times (docs/decisions/0083). None of
# ours is among them: a change to one of those rebuilds just the files that include it.
#
# SEDNA_PCH is OFF for whoever builds a package; our presets with clang turn it on (g++ 12 gains nothing by it).
# SEDNA_PCH_EXCEPT names modules that do without: in the release tree those that the Python wheel compiles too, so that
# one compiler cache serves both.
option(SEDNA_PCH "Precompile the headers that most files include" OFF)
set(SEDNA_PCH_EXCEPT "" CACHE STRING "Modules to compile without precompiled headers")

set(SEDNA_PCH_HEADERS
  <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <cstdint> <cstring> <deque> <filesystem> <fstream>
  <functional> <limits> <map> <memory> <mutex> <optional> <random> <set> <span> <sstream> <string> <string_view> <thread>
  <unordered_map> <utility> <variant> <vector>
  <boost/json.hpp> <spdlog/spdlog.h>)

# A cached object must not depend on when the headers were compiled.
set(SEDNA_PCH_OPTIONS "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")

# One set for each way in which targets are compiled: position-independent code of libraries, programs, and unit tests.
if(SEDNA_PCH)
  find_package(spdlog REQUIRED)
  add_library(sedna_pch_library STATIC cmake/precompiled.cpp)
  add_executable(sedna_pch_program EXCLUDE_FROM_ALL cmake/precompiled.cpp)
  set(precompiled sedna_pch_library sedna_pch_program)
  if(SEDNA_BUILD_TESTS)
    add_executable(sedna_pch_test EXCLUDE_FROM_ALL cmake/precompiled.cpp)
    target_link_libraries(sedna_pch_test PRIVATE GTest::gmock)
    target_precompile_headers(sedna_pch_test PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
    list(APPEND precompiled sedna_pch_test)
  endif()
  foreach(target IN LISTS precompiled)
    target_link_libraries(${target} PRIVATE sedna_options sedna_warnings spdlog::spdlog)
    target_precompile_headers(${target} PRIVATE ${SEDNA_PCH_HEADERS})
    target_compile_options(${target} PRIVATE ${SEDNA_PCH_OPTIONS})
  endforeach()
endif()

# sedna_precompiled(target kind): TARGET reads the precompiled headers of KIND, library, program or test, if there are any.
function(sedna_precompiled target kind)
  if(SEDNA_PCH)
    target_precompile_headers(${target} REUSE_FROM sedna_pch_${kind})
    target_compile_options(${target} PRIVATE ${SEDNA_PCH_OPTIONS})
  endif()
endfunction()
