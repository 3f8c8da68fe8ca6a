# One folder of src/ndcao is one static library, ndcao_<name>, with the alias ndcao::<name>.
# The folders that fold the journal promise the same bits everywhere (docs/architecture.md, rule 3):
# the compiler may not contract a*b+c into one rounding anywhere in the project.
add_compile_options(-Wall -Wextra -ffp-contract=off)

if(NDCAO_SANITIZE)
  add_compile_options(-fsanitize=${NDCAO_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${NDCAO_SANITIZE})
endif()

function(ndcao_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(ndcao_${name} STATIC ${ARG_SOURCES})
  add_library(ndcao::${name} ALIAS ndcao_${name})
  set_target_properties(ndcao_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(ndcao_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include>)
  target_link_libraries(ndcao_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()
