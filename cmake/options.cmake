# What every target of ours is compiled with.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(ZLIB REQUIRED)

add_library(sedna_options INTERFACE)
target_compile_features(sedna_options INTERFACE cxx_std_20)
target_link_libraries(sedna_options INTERFACE Boost::headers Threads::Threads)
# Asio, Beast and Boost.JSON are compiled once (src/sedna/net/asio_impl.cpp, src/sedna/json/boost_json_impl.cpp).
target_compile_definitions(sedna_options INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_JSON_NO_LIB BOOST_JSON_SOURCE BOOST_ALL_NO_LIB BOOST_ERROR_CODE_HEADER_ONLY
  # Frames of coroutines kept by a thread for the next one: a request nests five, and Asio's own 2 send the others to
  # the allocator's slow, aligned path.
  BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)

add_library(sedna_warnings INTERFACE)
target_compile_options(sedna_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wcast-align
  -Woverloaded-virtual -Wimplicit-fallthrough -Wextra-semi $<$<BOOL:${SEDNA_WERROR}>:-Werror>)

if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" OR CMAKE_BUILD_TYPE STREQUAL "Release")
  # Hardening: fortified libc calls, stack protector, control-flow protection, full RELRO.
  add_compile_options(-fstack-protector-strong -fcf-protection)
  if(NOT SEDNA_SANITIZE)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
  add_link_options(-Wl,-z,relro,-z,now)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()
if(SEDNA_SANITIZE)
  add_compile_options(-fsanitize=${SEDNA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SEDNA_SANITIZE})
  add_compile_definitions(BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING)
  if(SEDNA_SANITIZE MATCHES "thread")
    add_compile_definitions(BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
endif()
if(SEDNA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
