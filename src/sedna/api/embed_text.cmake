# Makes a C++ file that holds a text file as one string_view:
#   cmake -DIN=core_schemas.json -DOUT=x.cpp -DNAME=sedna::api::kCoreSchemasText -DHEADER=sedna/api/core_schemas.hpp -P embed_text.cmake
file(READ "${IN}" text)
string(REGEX REPLACE "^(.*)::([^:]*)$" "\\1;\\2" parts "${NAME}")
list(GET parts 0 namespace)
list(GET parts 1 variable)
file(WRITE "${OUT}" "#include \"${HEADER}\"\n\n#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n\nnamespace ${namespace} {\n\nconst std::string_view ${variable} =\n    R\"sedna(${text})sedna\";\n\n}  // namespace ${namespace}\n")
