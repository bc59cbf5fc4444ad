#include "sedna/storage/s3.hpp"

#include <charconv>
#include <ctime>

#include "sedna/base/log.hpp"
#include "sedna/base/sha256.hpp"
#include "sedna/storage/xml.hpp"

namespace sedna::storage {

struct S3Client::Call {
  std::string method;
  std::string bucket;
  std::string key;
  Query query;
  net::Headers headers;  ///< further ones, signed too
  Bytes body;
  std::string subject() const { return "s3://" + bucket + "/" + key; }
};

namespace {

std::optional<SystemClock::time_point> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string copy(text);
  if (!strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S", &parts)) return std::nullopt;
  return SystemClock::from_time_t(timegm(&parts));
}

std::string encoded_path(const std::string& bucket, const std::string& key) {
  return "/" + bucket + (key.empty() ? "" : "/" + net::percent_encode(key, "/"));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Error s3_error(std::string_view method, const net::HttpResponse& response, const std::string& subject) {
  const auto xml = parse_xml(response.body.text());
  if (!xml || xml->name != "Error") return status_error(method, response, subject);
  const std::string message = std::string(method) + ": " + std::to_string(response.status) + " " +
                              std::string(xml->get("Code")) + ": " + std::string(xml->get("Message").substr(0, 300));
  return Error(error_code_from_http(response.status), message, subject);
}

Result<ListPage> parse_list_page(std::string_view text) {
  const auto xml = parse_xml(text);
  if (!xml) return xml.error();
  if (xml->name != "ListBucketResult")
    return Error(ErrorCode::kDataLoss,
                 "the object store's listing is no ListBucketResult but '" + xml->name.substr(0, 60) + "'");
  ListPage page;
  for (const auto& element : xml->children) {
    if (element.name != "Contents") continue;
    FileInfo info;
    // encoding-type=url was asked for, as XML cannot carry every key.
    auto key = net::percent_decode(element.get("Key"), true);
    const auto size = parse_size(element.get("Size"));
    if (!key || key->empty() || !size)
      return Error(ErrorCode::kDataLoss, "the object store's listing has an entry without a proper Key and Size");
    info.name = std::move(*key);
    info.size = *size;
    info.etag = std::string(element.get("ETag"));
    info.last_modified = std::string(element.get("LastModified"));
    page.objects.push_back(std::move(info));
  }
  if (xml->get("IsTruncated") == "true") {
    page.next_token = std::string(xml->get("NextContinuationToken"));
    if (page.next_token.empty())
      return Error(ErrorCode::kDataLoss, "the object store cut its listing short without saying how to go on");
  }
  return page;
}

S3Client::S3Client(S3Options options, HttpPool& pool, const Clock& clock)
    : endpoint_(normalize_endpoint(options.endpoint).value()), pool_(pool), clock_(clock) {
  host_ = endpoint_.substr(endpoint_.find("://") + 3);
  if (options.access_key_id.empty() != options.secret_access_key.empty())
    throw Error(ErrorCode::kInvalidArgument, "only one of the access key and its secret is set",
                options.access_key_id.empty() ? "ACCESS_KEY_ID" : "SECRET_ACCESS_KEY");
  key_ = SigningKey{std::move(options.access_key_id), std::move(options.secret_access_key),
                    std::move(options.session_token), std::move(options.region), "s3"};
}

net::HttpRequest S3Client::signed_request(const Call& call) const {
  net::HttpRequest request;
  request.method = call.method;
  const std::string path = encoded_path(call.bucket, call.key);
  const std::string query = canonical_query(call.query);
  request.target = query.empty() ? path : path + "?" + query;
  request.headers = call.headers;
  request.headers.set("Host", host_);
  if (!call.body.empty()) request.body.push_back(call.body);
  if (!key_.access_key_id.empty()) {
    const std::string hash = call.body.empty() ? std::string(kEmptyPayloadHash) : sha256_hex(call.body.text());
    const std::lock_guard lock(mutex_);
    sign_headers(key_, call.method, path, call.query, hash, clock_.wall() + skew_, request.headers);
  }
  return request;
}

/// What a refusal says about the bucket's region or our clock. True when signing again is worth it.
bool S3Client::learn_from(const net::HttpResponse& response) {
  if (response.status < 300 || response.status >= 500 || key_.access_key_id.empty()) return false;
  const auto xml = parse_xml(response.body.text());
  std::string region(response.headers.get("x-amz-bucket-region"));
  if (region.empty() && xml && xml->get("Code") == "AuthorizationHeaderMalformed") region = xml->get("Region");
  const std::lock_guard lock(mutex_);
  if (!region.empty() && region != key_.region && region.size() < 64) {
    key_.region = region;
    return true;
  }
  // Edge boxes without a battery wake up in 1970; the store tells the time in every answer.
  if (response.status == 403 && xml && xml->get("Code") == "RequestTimeTooSkewed") {
    const auto theirs = parse_http_date(response.headers.get("Date"));
    if (!theirs) return false;
    skew_ = std::chrono::duration_cast<std::chrono::seconds>(*theirs - clock_.wall());
    log::warning("this machine's clock differs from the object store's; requests are signed with the store's time",
                 {{"endpoint", endpoint_}, {"seconds", static_cast<long long>(skew_.count())}});
    return true;
  }
  return false;
}

net::HttpOutcome S3Client::send(const Call& call, Deadline deadline, const net::BodySink* sink,
                                const net::HeadSink* head) {
  auto& client = pool_.client(endpoint_, false);
  for (int round = 0;; ++round) {
    const net::HttpRequest request = signed_request(call);
    net::HttpOutcome outcome =
        sink ? client.exchange_to(request, deadline, *sink, *head) : client.exchange(request, deadline);
    if (round == 2 || !outcome.response || !learn_from(*outcome.response)) return outcome;
  }
}

net::HttpOutcome S3Client::exchange(const Call& call, Deadline deadline) {
  return send(call, deadline, nullptr, nullptr);
}

/// Retries what is worth it; anything but 2xx is an Error.
net::HttpResponse S3Client::must(const Call& call, const TransferOptions& options) {
  net::HttpResponse response =
      exchange_with_retries([&] { return exchange(call, options.deadline); }, call.method, call.subject(), options);
  if (response.status / 100 != 2) throw s3_error(call.method, response, call.subject());
  return response;
}

std::optional<FileInfo> S3Client::head(const std::string& bucket, const std::string& key,
                                       const TransferOptions& options) {
  const Call call{"HEAD", bucket, key, {}, {}, {}};
  const net::HttpResponse response =
      exchange_with_retries([&] { return exchange(call, options.deadline); }, "HEAD", call.subject(), options);
  if (response.status == 404) return std::nullopt;
  if (response.status / 100 != 2) throw s3_error("HEAD", response, call.subject());
  FileInfo info;
  info.name = key;
  info.size = parse_size(response.headers.get("Content-Length")).value_or(0);
  info.etag = std::string(response.headers.get("ETag"));
  info.last_modified = std::string(response.headers.get("Last-Modified"));
  return info;
}

std::vector<FileInfo> S3Client::list(const std::string& bucket, const std::string& prefix,
                                     const TransferOptions& options, std::size_t max) {
  std::vector<FileInfo> objects;
  std::string token;
  do {
    Call call{"GET", bucket, "", {{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}}, {}, {}};
    if (!token.empty()) call.query.emplace_back("continuation-token", token);
    const net::HttpResponse response = must(call, options);
    auto page = parse_list_page(response.body.text());
    if (!page) throw page.error().within("s3://" + bucket + "/" + prefix);
    if (page->next_token == token && !token.empty())
      throw Error(ErrorCode::kDataLoss, "the object store's listing goes in a circle", "s3://" + bucket + "/" + prefix);
    token = page->next_token;
    for (auto& object : page->objects) objects.push_back(std::move(object));
    if (objects.size() > max)
      throw Error(ErrorCode::kResourceExhausted, "more than " + std::to_string(max) + " objects",
                  "s3://" + bucket + "/" + prefix);
  } while (!token.empty());
  return objects;
}

bool S3Client::any_below(const std::string& bucket, const std::string& prefix, const TransferOptions& options) {
  const Call call{
      "GET", bucket, "", {{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}, {"max-keys", "1"}}, {}, {}};
  const net::HttpResponse response =
      exchange_with_retries([&] { return exchange(call, options.deadline); }, "GET", call.subject(), options);
  if (response.status == 404) return false;  // no such bucket
  if (response.status / 100 != 2) throw s3_error("GET", response, call.subject());
  return !parse_list_page(response.body.text()).value().objects.empty();
}

RangedGet S3Client::ranged_get(const std::string& bucket, const std::string& key) {
  return [this, bucket, key](const net::Headers& extra, Deadline deadline, const net::BodySink& sink,
                             const net::HeadSink& head) {
    const Call call{"GET", bucket, key, {}, extra, {}};
    return send(call, deadline, &sink, &head);
  };
}

void S3Client::put(const std::string& bucket, const std::string& key, Bytes body, const TransferOptions& options) {
  must(Call{"PUT", bucket, key, {}, {{"Content-Type", "application/octet-stream"}}, std::move(body)}, options);
}

void S3Client::remove(const std::string& bucket, const std::string& key, const TransferOptions& options) {
  must(Call{"DELETE", bucket, key, {}, {}, {}}, options);
}

void S3Client::put_parts(const std::string& bucket, const std::string& key, std::uint64_t size, std::size_t part_size,
                         const PartSource& source, const TransferOptions& options) {
  const std::string subject = "s3://" + bucket + "/" + key;
  const auto created =
      parse_xml(must(Call{"POST", bucket, key, {{"uploads", ""}}, {}, {}}, options).body.text()).value();
  const std::string upload_id(created.get("UploadId"));
  if (upload_id.empty())
    throw Error(ErrorCode::kDataLoss, "the object store began a multipart upload without an id", subject);
  try {
    std::string list = "<CompleteMultipartUpload>";
    int number = 0;
    for (std::uint64_t offset = 0; offset < size; offset += part_size) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(part_size, size - offset));
      const std::string part = std::to_string(++number);
      const net::HttpResponse done = must(
          Call{"PUT", bucket, key, {{"partNumber", part}, {"uploadId", upload_id}}, {}, source(offset, n)}, options);
      const std::string_view etag = done.headers.get("ETag");
      if (etag.empty()) throw Error(ErrorCode::kDataLoss, "the object store gave part " + part + " no ETag", subject);
      list += "<Part><PartNumber>" + part + "</PartNumber><ETag>" + xml_escape(etag) + "</ETag></Part>";
      if (options.progress) options.progress(offset + n, size);
    }
    list += "</CompleteMultipartUpload>";
    const net::HttpResponse completed = must(Call{"POST",
                                                  bucket,
                                                  key,
                                                  {{"uploadId", upload_id}},
                                                  {{"Content-Type", "application/xml"}},
                                                  Bytes::from_string(std::move(list))},
                                             options);
    // The store may answer 200 first and find out afterwards that it cannot complete.
    const auto answer = parse_xml(completed.body.text());
    if (!answer || answer->name != "CompleteMultipartUploadResult") {
      net::HttpResponse failed = completed;
      failed.status = 500;
      throw s3_error("POST", failed, subject);
    }
  } catch (...) {
    // Parts cost money until they are aborted, so this has its own time even when the transfer's is over.
    TransferOptions cleanup;
    cleanup.deadline = Deadline::after(std::chrono::seconds(10));
    try {
      must(Call{"DELETE", bucket, key, {{"uploadId", upload_id}}, {}, {}}, cleanup);
    } catch (const Error& error) {
      log::warning("could not abort a multipart upload; its parts stay in the object store until it expires them",
                   {{"object", subject}, {"upload_id", upload_id}, {"error", error.what()}});
    }
    throw;
  }
}

std::string S3Client::presign(std::string_view method, const std::string& bucket, const std::string& key,
                              std::chrono::seconds expires) const {
  if (key_.access_key_id.empty())
    throw Error(ErrorCode::kUnauthenticated, "a presigned URL needs ACCESS_KEY_ID and SECRET_ACCESS_KEY",
                "s3://" + bucket + "/" + key);
  const std::lock_guard lock(mutex_);
  return presign_url(key_, method, endpoint_, encoded_path(bucket, key), {}, expires, clock_.wall() + skew_);
}

}  // namespace sedna::storage
