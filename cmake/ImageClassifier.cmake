# What every target of this project has in common, and the three functions that make targets.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)

if(IC_SANITIZERS)
  list(JOIN IC_SANITIZERS "," _sanitizers)
  add_compile_options(-fsanitize=${_sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${_sanitizers})
  # GCC warns of the fences in Boost.Asio, which ThreadSanitizer does not follow (the locks around them it does), and,
  # wrongly, of uninitialised members once the sanitizers' checks are in the way of its analysis.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-tsan> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# What AddressSanitizer finds as well takes half of the compile time; the fuzz preset checks all of it in the parsers.
if("undefined" IN_LIST IC_SANITIZERS)
  add_compile_options(-fno-sanitize=null,object-size,alignment,vptr)
endif()

if(IC_FUZZ)
  # Every library is built for the fuzzer to see into; ordinary programs cannot be linked under this preset.
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()

function(_ic_common_properties target)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                                           -Woverloaded-virtual -Werror)
endfunction()

# ic_add_library(<target> SOURCES <file>... [DEPENDS <our libraries>...] [LIBRARIES <third-party>...])
# One static library per folder. DEPENDS are libraries of this repository whose headers ours include;
# LIBRARIES are third-party and stay private to the .cpp files.
function(ic_add_library target)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_library(${target} STATIC ${ARG_SOURCES})
  _ic_common_properties(${target})
  target_link_libraries(${target} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_LIBRARIES})
endfunction()

# ic_add_program(<target> SOURCES <file>... [DEPENDS ...] [LIBRARIES ...])
function(ic_add_program target)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  _ic_common_properties(${target})
  target_link_libraries(${target} PRIVATE ${ARG_DEPENDS} ${ARG_LIBRARIES})
endfunction()

# ic_add_test(<target> LABELS <label>... SOURCES <file>... [DEPENDS ...] [LIBRARIES ...] [FIXTURES <fixture>...]
#             [TIMEOUT <seconds>] [ENVIRONMENT <NAME=value>...])
# A Catch2 program, registered as one CTest case. Labels: unit, integration, cluster, torch.
# Undefined behaviour is looked for in the libraries, not in the tests, whose assertions take minutes to compile with the checks.
function(ic_add_test target)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;SOURCES;DEPENDS;LIBRARIES;FIXTURES;ENVIRONMENT" ${ARGN})
  add_executable(${target} ${ARG_SOURCES})
  _ic_common_properties(${target})
  if("undefined" IN_LIST IC_SANITIZERS)
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
  target_link_libraries(${target} PRIVATE ic_test_main ${ARG_DEPENDS} ${ARG_LIBRARIES})
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${target} COMMAND ${target})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(IC_SANITIZERS)
    math(EXPR ARG_TIMEOUT "3 * ${ARG_TIMEOUT}")
  endif()
  set_tests_properties(${target} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
                       WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  if(ARG_FIXTURES)
    set_tests_properties(${target} PROPERTIES FIXTURES_REQUIRED "${ARG_FIXTURES}")
  endif()
  if(ARG_ENVIRONMENT)
    set_tests_properties(${target} PROPERTIES ENVIRONMENT "${ARG_ENVIRONMENT}")
  endif()
endfunction()
