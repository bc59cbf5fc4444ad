#include "sedna/federated/client_options.hpp"

#include <fstream>

#include "sedna/base/error.hpp"

namespace sedna::federated {

std::string token_from_file(const std::string& file, const std::string& what) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line) || line.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "holds no token in its first line", what + " " + file);
  }
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

ClientEnvironment ClientEnvironment::from_context(const worker::Context& context, const std::string& plain,
                                                  const std::string& secure, const std::string& choices) {
  const std::string protocol = context.get_or("AGG_PROTOCOL", plain);
  if (protocol != plain && protocol != secure) {
    throw Error(ErrorCode::kInvalidArgument, "is \"" + protocol + "\"; it must be " + choices, "AGG_PROTOCOL");
  }
  ClientEnvironment out;
  out.origin = protocol + "://" + context.get_or("AGG_IP", "127.0.0.1") + ":" +
               std::to_string(context.get_integer("AGG_PORT", 7363, 1, 65535));
  out.client_id = context.worker_name();
  out.connect_timeout = std::chrono::milliseconds(
      static_cast<std::int64_t>(context.get_number("CONNECT_TIMEOUT", 300, 0.001, 1e7) * 1000));
  out.tls.ca_file = context.get_or("SEDNA_AGG_TLS_CA", "");
  out.tls.cert_file = context.get_or("SEDNA_AGG_TLS_CERT", "");
  out.tls.key_file = context.get_or("SEDNA_AGG_TLS_KEY", "");
  if (const auto file = context.get("SEDNA_TOKEN_FILE")) out.bearer_token = token_from_file(*file, "SEDNA_TOKEN_FILE");
  out.state_folder = context.get_or("SEDNA_FL_CLIENT_STATE", "");
  out.personal = context.get_or("SEDNA_FL_PERSONAL", "");
  return out;
}

}  // namespace sedna::federated
