#include "sedna/store/kube/token_source.hpp"

#include <fstream>

#include "sedna/base/error.hpp"
#include "sedna/base/log.hpp"

namespace sedna::store {

TokenSource::TokenSource(std::string token, std::string file, const Clock& clock)
    : file_(std::move(file)), clock_(clock), token_(std::move(token)) {
  if (!file_.empty() && !read()) {
    throw Error(ErrorCode::kInvalidArgument, "the token file cannot be read, or it is empty", file_);
  }
}

bool TokenSource::read() {
  looked_ = clock_.now();
  std::ifstream in(file_, std::ios::binary);
  constexpr std::size_t kMax = 64 * 1024;
  std::string text(kMax, '\0');
  in.read(text.data(), kMax);
  text.resize(static_cast<std::size_t>(in.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  if (text.empty()) return false;
  token_ = std::move(text);
  return true;
}

std::string TokenSource::token() {
  const std::lock_guard lock(mutex_);
  if (!file_.empty() && clock_.now() - looked_ >= kLookEvery && !read()) {
    log::warning("the token file cannot be read any more; the last token stays in use", {{"file", file_}});
  }
  return token_;
}

bool TokenSource::refused(const std::string& used) {
  const std::lock_guard lock(mutex_);
  if (file_.empty()) return false;
  return token_ != used || (read() && token_ != used);
}

}  // namespace sedna::store
