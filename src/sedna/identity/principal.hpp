// Who is at the other end: the name and roles that a bearer token or a client certificate stands for.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace sedna::identity {

struct Principal {
  std::string name;  ///< "" when nobody was asked
  std::vector<std::string> roles;
  bool has_role(std::string_view role) const { return std::find(roles.begin(), roles.end(), role) != roles.end(); }
};

}  // namespace sedna::identity
