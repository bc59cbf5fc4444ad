// Base64 as RFC 4648 has it, with padding: certificates inside kubeconfigs, Secrets' data, frames of the GM-LC link.
#pragma once

#include <string>
#include <string_view>

#include "sedna/base/result.hpp"

namespace sedna {

std::string base64_encode(std::string_view bytes);
/// The standard alphabet, padded; line breaks are passed over. Anything else is an error (kInvalidArgument).
Result<std::string> base64_decode(std::string_view text);

}  // namespace sedna
