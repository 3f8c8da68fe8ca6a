# Text files as C++ strings, so that the program needs no file beside it.
#
#   ndcao_embed(OUT_VARIABLE NAME FILE)   adds to OUT_VARIABLE a source file that defines
#                                         `const std::string_view NAME` in namespace ndcao;
#                                         it is empty if FILE does not exist.
set(NDCAO_EMBED_TEMPLATE ${CMAKE_CURRENT_LIST_DIR}/embedded.cc.in)

function(ndcao_embed out name file)
  set(EMBED_NAME ${name})
  set(EMBED_TEXT "")
  if(EXISTS ${file})
    file(READ ${file} EMBED_TEXT)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  configure_file(${NDCAO_EMBED_TEMPLATE} ${source} @ONLY)
  set(${out} ${${out}} ${source} PARENT_SCOPE)
endfunction()
