// The one translation unit that compiles Boost.JSON (the library is used header-only, without its shared object).
#include <boost/json/src.hpp>
