#pragma once

#include "codec/hash.hpp"
#include "store/aws_signature.hpp"
#include "store/http_url.hpp"
#include "store/s3_failure.hpp"
#include "support/fake_archive.hpp"
#include "support/fake_http_server.hpp"

#include <fmt/core.h>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace backstay::core
{

/// How a FakeS3 differs from a good server.
struct FakeS3Manners {
    std::string region = "us-east-1";
    std::string token;                   ///< that must come with the key
    bool knows_conditions = true;        ///< false: 501
    bool honours_conditions = true;      ///< false: passes over them without a word
    bool honours_only_in_peace = false;  ///< two at once both win
    bool knows_v2 = true;                ///< false: answers any list as ListObjects
    bool wants_md5 = false;              ///< of every object, as a bucket with Object Lock
    bool knows_batches = true;           ///< false: 501 for DeleteObjects
    std::size_t page = 1000;             ///< keys of a list
    std::size_t smallest_part = 5 * MiB; ///< but for the last
    std::int64_t clock = 0;              ///< seconds ahead of the machine's
};

/// One bucket, called "bucket", in memory. Strict: verifies signatures and payload hashes, refuses
/// parameters and headers that come twice, and whatever it does not know. Key "key", secret
/// "secret". `fault` sees each request first and may answer it (true) instead.
class FakeS3
{
public:
    using Fault = std::function<bool(const FakeRequest&, FakeConnection&)>;

    /// May be replaced while the one before still runs.
    class SharedFault
    {
    public:
        SharedFault& operator=(Fault fault)
        {
            auto made = std::make_shared<const Fault>(std::move(fault));
            const std::lock_guard lock(mutex_);
            fault_ = std::move(made);
            return *this;
        }
        bool operator()(const FakeRequest& request, FakeConnection& connection) const
        {
            std::shared_ptr<const Fault> fault;
            {
                const std::lock_guard lock(mutex_);
                fault = fault_;
            }
            return fault && *fault && (*fault)(request, connection);
        }

    private:
        mutable std::mutex mutex_; // guards fault_
        std::shared_ptr<const Fault> fault_;
    };

    explicit FakeS3(FakeS3Manners how = {})
        : manners(std::move(how)),
          server_([this](const FakeRequest& request, FakeConnection& connection) {
              serve(request, connection);
          })
    {
    }

    std::string uri(std::string_view prefix = "/a/b") const
    {
        return "s3+" + server_.url("/bucket") + std::string(prefix);
    }
    int requests() const { return server_.requests(); }
    std::vector<std::string> problems() const { return server_.problems(); }

    std::map<std::string, std::string> objects() const
    {
        const std::lock_guard lock(mutex_);
        return objects_;
    }
    void put(const std::string& key, std::string bytes)
    {
        const std::lock_guard lock(mutex_);
        objects_[key] = std::move(bytes);
    }
    void begin_upload(const std::string& key, Timestamp begun)
    {
        const std::lock_guard lock(mutex_);
        uploads_["upload " + key] = {key, begun, {}};
    }
    std::size_t uploads() const
    {
        const std::lock_guard lock(mutex_);
        return uploads_.size();
    }

    /// For a fault, which has not read the request's body.
    static void refuse(FakeConnection& connection, int status, std::string_view code,
                       const HeaderList& headers = {}, std::string_view more = {})
    {
        connection.body();
        say_no(connection, status, code, headers, more, "No way.");
    }

    static std::string etag_of(std::string_view bytes)
    {
        return '"' + to_hex(sha256(as_bytes(bytes))).substr(0, 32) + '"';
    }

    FakeS3Manners manners; ///< to be changed while nobody asks
    SharedFault fault;
    FakeArchive archive;
    std::map<std::string, std::string> refused_removals; ///< key and code, of DeleteObjects

private:
    struct Upload {
        std::string key;
        Timestamp begun;
        std::map<int, std::string> parts;
    };

    using Parameters = std::map<std::string, std::string>;

    struct Call {
        const FakeRequest& request;
        FakeConnection& connection;
        std::string key; ///< empty: the bucket
        Parameters parameters;
        std::string body;

        bool has(const std::string& name) const { return parameters.contains(name); }
        std::string parameter(const std::string& name) const
        {
            const auto found = parameters.find(name);
            return found == parameters.end() ? "" : found->second;
        }
    };

    static void say_no(FakeConnection& connection, int status, std::string_view code,
                       HeaderList headers, std::string_view more, std::string_view message)
    {
        headers.emplace_back("x-amz-request-id", "REQUEST7");
        connection.reply(status,
                         fmt::format("<?xml version=\"1.0\"?><Error><Code>{}</Code><Message>{}"
                                     "</Message>{}</Error>",
                                     code, message, more),
                         headers);
    }

    static void refuse(const Call& call, int status, std::string_view code,
                       const HeaderList& headers = {}, std::string_view more = {},
                       std::string_view message = "No way.")
    {
        if (call.request.method == "HEAD") {
            call.connection.send(FakeConnection::head(status, 0, headers));
        } else {
            say_no(call.connection, status, code, headers, more, message);
        }
    }

    void serve(const FakeRequest& request, FakeConnection& connection)
    {
        if (fault(request, connection)) {
            return;
        }
        Call call{request, connection, {}, {}, connection.body()};
        const std::string target = request.target.substr(0, request.target.find('?'));
        if (target != "/bucket" && !target.starts_with("/bucket/")) {
            refuse(call, 404, "NoSuchBucket");
            return;
        }
        call.key = target.size() <= 8 ? "" : percent_decode(target.substr(8));
        if (!read_parameters(call) || !is_signed_well(call)) {
            return;
        }
        answer(call);
    }

    bool read_parameters(Call& call)
    {
        const std::size_t question = call.request.target.find('?');
        std::string rest =
            question == std::string::npos ? "" : call.request.target.substr(question + 1);
        if (rest.find('+') != std::string::npos) {
            refuse(call, 400, "InvalidURI");
            return false;
        }
        while (!rest.empty()) {
            const std::string part = rest.substr(0, rest.find('&'));
            rest = part.size() < rest.size() ? rest.substr(part.size() + 1) : "";
            const std::string name = percent_decode(part.substr(0, part.find('=')));
            const std::string value =
                part.find('=') == std::string::npos ? "" : part.substr(part.find('=') + 1);
            if (!call.parameters.emplace(name, percent_decode(value)).second) {
                refuse(call, 400, "InvalidArgument");
                return false;
            }
        }
        return true;
    }

    bool is_signed_well(const Call& call)
    {
        const FakeRequest& request = call.request;
        std::set<std::string> names;
        HeaderList headers;
        for (const auto& header : request.headers) {
            if (!names.insert(header.first).second) {
                refuse(call, 400, "InvalidRequest");
                return false;
            }
        }
        const std::string authorization = request.header("authorization");
        const std::string scope = between(authorization, "Credential=", ",");
        const std::string signed_names = ";" + between(authorization, "SignedHeaders=", ",") + ";";
        const std::vector<std::string> parts = split(scope, '/');
        if (parts.size() != 5 || parts[0] != "key") {
            refuse(call, 403, authorization.empty() ? "AccessDenied" : "InvalidAccessKeyId");
            return false;
        }
        if (parts[2] != manners.region) {
            refuse(call, 400, "AuthorizationHeaderMalformed", {},
                   "<Region>" + manners.region + "</Region>");
            return false;
        }
        for (const auto& header : request.headers) {
            if (signed_names.find(";" + lower(header.first) + ";") != std::string::npos &&
                lower(header.first) != "host") {
                headers.push_back(header);
            } else if (lower(header.first).starts_with("x-amz-")) {
                refuse(call, 403, "AccessDenied");
                return false;
            }
        }
        const Timestamp time = time_of(request.header("x-amz-date"));
        const std::int64_t now = system_clock().now().seconds + manners.clock;
        if (std::abs(time.seconds - now) > 900) {
            refuse(call, 403, "RequestTimeTooSkewed", {{"Date", http_date(now)}});
            return false;
        }
        if (request.header("x-amz-security-token") != manners.token) {
            refuse(call, 400, "ExpiredToken");
            return false;
        }
        const AwsCredentials credentials("key", "secret", request.header("x-amz-security-token"));
        const std::string hash = request.header("x-amz-content-sha256");
        const SignedHeaders expected =
            sign_headers({request.method, server_.url(request.target), headers, hash}, credentials,
                         {parts[2], "s3", time}, s3_signing_rules);
        if (between(authorization, "Signature=", ",") != expected.steps.signature) {
            refuse(call, 403, "SignatureDoesNotMatch");
            return false;
        }
        if (hash != to_hex(sha256(as_bytes(call.body)))) {
            refuse(call, 400, "XAmzContentSHA256Mismatch");
            return false;
        }
        return true;
    }

    void answer(const Call& call)
    {
        const std::string& method = call.request.method;
        const std::string digest = call.request.header("content-md5");
        if (!digest.empty() && digest != to_base64(md5(as_bytes(call.body)))) {
            refuse(call, 400, "BadDigest");
            return;
        }
        if (manners.wants_md5 && method == "PUT" && digest.empty()) {
            refuse(call, 400, "InvalidRequest", {}, "",
                   "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests "
                   "with Object Lock parameters");
            return;
        }
        if (call.key.empty() && method == "GET" && call.has("uploads")) {
            list_uploads(call);
        } else if (call.key.empty() && method == "GET") {
            list(call);
        } else if (call.key.empty() && method == "POST" && call.has("delete")) {
            remove_many(call);
        } else if (call.key.empty()) {
            refuse(call, 405, "MethodNotAllowed");
        } else if (call.has("uploads") || call.has("uploadId")) {
            multipart(call);
        } else if (method == "POST" && call.has("restore")) {
            give_out(call);
        } else if (method == "PUT") {
            create(call, call.body);
        } else if (method == "DELETE") {
            const std::lock_guard lock(mutex_);
            objects_.erase(call.key);
            call.connection.reply(204);
        } else {
            get(call);
        }
    }

    void create(const Call& call, const std::string& bytes)
    {
        const bool conditional = call.request.header("if-none-match") == "*";
        if (conditional && !manners.knows_conditions) {
            refuse(call, 501, "NotImplemented");
            return;
        }
        const bool honoured = conditional && manners.honours_conditions;
        std::unique_lock lock(mutex_);
        bool taken = objects_.contains(call.key);
        if (manners.honours_only_in_peace && !taken) {
            lock.unlock();
            call.connection.sleep(std::chrono::milliseconds(50));
            lock.lock();
            taken = false;
        }
        if (honoured && taken) {
            lock.unlock();
            refuse(call, 412, "PreconditionFailed");
            return;
        }
        objects_[call.key] = bytes;
        uploads_.erase(call.parameter("uploadId")); // if it was put together
        lock.unlock();
        if (call.has("uploadId")) {
            call.connection.reply(200, "<CompleteMultipartUploadResult/>");
        } else {
            call.connection.reply(200, "", {{"ETag", etag_of(bytes)}});
        }
    }

    void give_out(const Call& call)
    {
        const auto [status, code] = archive.give_out(call.key, call.body);
        if (code.empty()) {
            call.connection.reply(status);
        } else {
            refuse(call, status, code);
        }
    }

    void get(const Call& call)
    {
        std::unique_lock lock(mutex_);
        const auto found = objects_.find(call.key);
        const bool head = call.request.method == "HEAD";
        if (found == objects_.end()) {
            lock.unlock();
            refuse(call, 404, "NoSuchKey");
            return;
        }
        const std::string bytes = found->second;
        lock.unlock();
        HeaderList headers{{"ETag", etag_of(bytes)},
                           {"Last-Modified", http_date(system_clock().now().seconds)}};
        if (head) {
            const HeaderList archived = archive.look(call.key);
            headers.insert(headers.end(), archived.begin(), archived.end());
            headers.emplace_back("Date", http_date(system_clock().now().seconds));
            call.connection.send(FakeConnection::head(200, bytes.size(), headers));
            return;
        }
        if (!archive.is_readable(call.key)) {
            refuse(call, 403, "InvalidObjectState");
            return;
        }
        const std::string match = call.request.header("if-match");
        if (!match.empty() && match != etag_of(bytes)) {
            refuse(call, 412, "PreconditionFailed");
            return;
        }
        const std::string range = call.request.header("range");
        const std::size_t first = std::stoull(between(range, "bytes=", "-"));
        if (first >= bytes.size()) {
            refuse(call, 416, "InvalidRange");
            return;
        }
        const std::size_t last =
            std::min<std::size_t>(std::stoull(range.substr(range.find('-') + 1)), bytes.size() - 1);
        headers.emplace_back("Content-Range",
                             fmt::format("bytes {}-{}/{}", first, last, bytes.size()));
        call.connection.reply(206, bytes.substr(first, last - first + 1), headers);
    }

    void list(const Call& call)
    {
        const bool v2 = manners.knows_v2 && call.parameter("list-type") == "2";
        const std::string prefix = call.parameter("prefix");
        const std::string after =
            v2 ? call.parameter("continuation-token") : call.parameter("marker");
        std::string body = "<ListBucketResult><EncodingType>url</EncodingType>";
        std::string last;
        std::size_t given = 0;
        bool more = false;
        {
            const std::lock_guard lock(mutex_);
            for (const auto& [key, bytes] : objects_) {
                if (!key.starts_with(prefix) || key <= after) {
                    continue;
                }
                if (given == manners.page) {
                    more = true;
                    break;
                }
                body += fmt::format("<Contents><Key>{}</Key><Size>{}</Size><LastModified>{}"
                                    "</LastModified></Contents>",
                                    percent_encode(key), bytes.size(),
                                    format_time({system_clock().now().seconds, 0}));
                last = key;
                ++given;
            }
        }
        body += fmt::format("<IsTruncated>{}</IsTruncated>", more);
        if (more && v2) {
            body += "<NextContinuationToken>" + last + "</NextContinuationToken>";
        }
        call.connection.reply(200, body + "</ListBucketResult>");
    }

    void list_uploads(const Call& call)
    {
        std::string body = "<ListMultipartUploadsResult>";
        {
            const std::lock_guard lock(mutex_);
            for (const auto& [id, upload] : uploads_) {
                body += fmt::format("<Upload><Key>{}</Key><UploadId>{}</UploadId><Initiated>{}"
                                    "</Initiated></Upload>",
                                    upload.key, id, format_time(upload.begun));
            }
        }
        call.connection.reply(200, body + "</ListMultipartUploadsResult>",
                              {{"Date", http_date(system_clock().now().seconds)}});
    }

    void remove_many(const Call& call)
    {
        if (!manners.knows_batches) {
            refuse(call, 501, "NotImplemented");
            return;
        }
        if (call.request.header("content-md5") != to_base64(md5(as_bytes(call.body)))) {
            refuse(call, 400, "InvalidRequest");
            return;
        }
        std::string body = "<DeleteResult>";
        std::size_t named = 0;
        const std::lock_guard lock(mutex_);
        for (std::size_t at = 0; (at = call.body.find("<Key>", at)) != std::string::npos; ++at) {
            const std::string key = call.body.substr(at + 5, call.body.find('<', at + 5) - at - 5);
            ++named;
            const auto refusal = refused_removals.find(key);
            if (refusal != refused_removals.end()) {
                body += fmt::format("<Error><Key>{}</Key><Code>{}</Code><Message>No.</Message>"
                                    "</Error>",
                                    key, refusal->second);
            } else {
                objects_.erase(key);
            }
        }
        if (named > 1000) {
            refuse(call, 400, "MalformedXML");
        } else {
            call.connection.reply(200, body + "</DeleteResult>");
        }
    }

    void multipart(const Call& call)
    {
        const std::string& method = call.request.method;
        std::unique_lock lock(mutex_);
        if (method == "POST" && call.has("uploads")) {
            const std::string id = "upload+" + std::to_string(++uploads_begun_);
            uploads_[id] = {call.key, system_clock().now(), {}};
            lock.unlock();
            call.connection.reply(200, "<InitiateMultipartUploadResult><UploadId>" + id +
                                           "</UploadId></InitiateMultipartUploadResult>");
            return;
        }
        const auto found = uploads_.find(call.parameter("uploadId"));
        if (found == uploads_.end()) {
            lock.unlock();
            refuse(call, 404, "NoSuchUpload");
        } else if (method == "DELETE") {
            uploads_.erase(found);
            lock.unlock();
            call.connection.reply(204);
        } else if (method == "PUT") {
            found->second.parts[std::stoi(call.parameter("partNumber"))] = call.body;
            lock.unlock();
            call.connection.reply(200, "", {{"ETag", etag_of(call.body)}});
        } else {
            const std::map<int, std::string> parts = found->second.parts;
            lock.unlock();
            complete(call, parts);
        }
    }

    void complete(const Call& call, const std::map<int, std::string>& parts)
    {
        std::string whole;
        std::string expected;
        for (const auto& [number, part] : parts) {
            if (part.size() < manners.smallest_part && number != parts.rbegin()->first) {
                refuse(call, 400, "EntityTooSmall");
                return;
            }
            whole += part;
            expected += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>&quot;{}&quot;</ETag>"
                                    "</Part>",
                                    number, etag_of(part).substr(1, 32));
        }
        if (call.body.find(expected) == std::string::npos) {
            refuse(call, 400, "InvalidPart");
            return;
        }
        create(call, whole);
    }

    // --- texts

    static std::string between(const std::string& text, std::string_view from, std::string_view to)
    {
        const std::size_t begin = text.find(from);
        if (begin == std::string::npos) {
            return {};
        }
        const std::size_t end = text.find(to, begin + from.size());
        return text.substr(begin + from.size(),
                           end == std::string::npos ? end : end - begin - from.size());
    }

    static std::vector<std::string> split(const std::string& text, char at)
    {
        std::vector<std::string> out(1);
        for (const char c : text) {
            if (c == at) {
                out.emplace_back();
            } else {
                out.back() += c;
            }
        }
        return out;
    }

    static std::string lower(std::string text)
    {
        for (char& c : text) {
            c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
        return text;
    }

    static Timestamp time_of(const std::string& date) // 20261125T140307Z
    {
        if (date.size() != 16) {
            return {};
        }
        return parse_time(fmt::format("{}-{}-{}T{}:{}:{}Z", date.substr(0, 4), date.substr(4, 2),
                                      date.substr(6, 2), date.substr(9, 2), date.substr(11, 2),
                                      date.substr(13, 2)))
            .value_or(Timestamp{});
    }

    static std::string http_date(std::int64_t seconds)
    {
        const std::time_t time = seconds;
        std::tm parts{};
        ::gmtime_r(&time, &parts);
        char text[64];
        const std::size_t size =
            std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
        return {text, size};
    }

    mutable std::mutex mutex_; // guards all below but the server
    std::map<std::string, std::string> objects_;
    std::map<std::string, Upload> uploads_;
    int uploads_begun_ = 0;
    FakeHttpServer server_; // last: its threads end before what they use
};

} // namespace backstay::core
