#include "store/s3_creator.hpp"

#include "base/error.hpp"
#include "base/farewell.hpp"
#include "base/random.hpp"
#include "base/side_by_side.hpp"
#include "base/worker_group.hpp"
#include "codec/hash.hpp"
#include "store/object_store.hpp"
#include "store/retrying_store.hpp"
#include "store/s3_object_reader.hpp"
#include "store/transient_error.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t large_object = MiB;
constexpr std::size_t racers = 4;

HeaderList headers_of_all(const S3Options& options)
{
    HeaderList headers;
    if (!options.encryption.empty()) {
        headers.emplace_back("x-amz-server-side-encryption", options.encryption);
    }
    if (!options.kms_key.empty()) {
        headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", options.kms_key);
    }
    return headers;
}

HeaderList headers_of_cold(const S3Options& options)
{
    HeaderList headers;
    if (!options.storage_class.empty()) {
        headers.emplace_back("x-amz-storage-class", options.storage_class);
    }
    return headers;
}

S3Request put_request(const std::string& key, ByteSpan object)
{
    S3Request request;
    request.operation = "store the object";
    request.method = "PUT";
    request.key = key;
    request.body = object;
    return request;
}

void add_condition(HeaderList& headers)
{
    headers.emplace_back("If-None-Match", "*");
}

/// The hash that a name of 64 hexadecimal digits promises. Not taking it anew saves time, and lets
/// the server notice what went wrong in memory since it was named.
std::string promised_hash(const std::string& key)
{
    const std::string last = key.substr(key.rfind('/') + 1); // npos + 1 is 0
    return PackId::parse(last) ? last : std::string();
}

std::string random_key(const char* kind)
{
    std::array<std::uint8_t, 16> random{};
    fill_random(random);
    return fmt::format("tmp/{}-{}", kind, to_hex(random));
}

[[noreturn]] void throw_exists(const std::string& key)
{
    throw Error(ErrorCode::exists, "the object is there already", key);
}

/// Goes again when the trial ends, however it ends.
class ProbeObject
{
public:
    ProbeObject(S3RequestSender& sender, const char* kind, const std::stop_token& stop)
        : key(random_key(kind)), sender_(sender), farewell_(stop)
    {
    }
    ~ProbeObject()
    {
        S3Request request;
        request.operation = "remove the object";
        request.method = "DELETE";
        request.key = key;
        try {
            sender_.send(request, farewell_.begin());
        } catch (const std::exception&) {
            return; // lists pass over what stays in tmp/
        }
    }
    ProbeObject(const ProbeObject&) = delete;
    ProbeObject& operator=(const ProbeObject&) = delete;

    const std::string key;

private:
    S3RequestSender& sender_;
    Farewell farewell_;
};

} // namespace

S3Creator::S3Creator(S3RequestSender& sender, S3Locks& locks, const S3Options& options)
    : sender_(sender), locks_(locks), headers_(headers_of_all(options)),
      cold_headers_(headers_of_cold(options)), largest_single_put_(options.largest_single_put),
      usual_part_(options.usual_part), connections_(std::max(1U, options.connections)),
      parts_(connections_), wants_md5_(locks.wanted())
{
}

void S3Creator::create(const std::string& key, ByteSpan object, Class storage,
                       const std::stop_token& stop)
{
    if (!is_object_key(key)) {
        throw Error(ErrorCode::invalid, "this is no name for an object", key);
    }
    throw_if_stopped(stop);
    const CreateIfAbsent known = create_if_absent_;
    const bool conditional = known != CreateIfAbsent::refused;
    // Better than nothing where the bucket does not look itself.
    const bool looks = known == CreateIfAbsent::refused || known == CreateIfAbsent::ignored;
    if (looks) {
        demand_absent(key, object.size(), stop);
    }
    S3Reply reply = send_object(key, object, storage, conditional, stop);
    if (conditional && reply.is(S3FailureKind::unsupported)) {
        create_if_absent_ = CreateIfAbsent::refused;
        demand_absent(key, object.size(), stop);
        reply = send_object(key, object, storage, false, stop);
    }
    if (reply.is(S3FailureKind::taken)) {
        throw_exists(key);
    }
    if (!reply.ok()) {
        sender_.refuse(put_request(key, {}), *reply.failure);
    }
}

S3Reply S3Creator::send_object(const std::string& key, ByteSpan object, Class storage,
                               bool conditional, const std::stop_token& stop)
{
    const HeaderList headers = headers_of(key, object, storage);
    return object.size() > largest_single_put_
               ? put_in_parts(key, object, headers, conditional, stop)
               : put(key, object, headers, conditional, stop);
}

S3Reply S3Creator::put(const std::string& key, ByteSpan object, const HeaderList& headers,
                       bool conditional, const std::stop_token& stop)
{
    S3Request request = put_request(key, object);
    request.headers = headers;
    if (conditional) {
        add_condition(request.headers);
    }
    if (object.size() >= large_object) {
        request.payload_hash = promised_hash(key);
    }
    S3Reply reply = send(request, stop);
    if (reply.ok() || request.payload_hash.empty() || reply.failure->status != 400) {
        return reply;
    }
    const std::string hash = to_hex(sha256(object));
    if (hash == request.payload_hash) {
        return reply;
    }
    request.payload_hash = hash;
    return send(request, stop);
}

/// A bucket with a default retention says only by its refusal that it wants an MD5, which costs
/// more than the SHA-256 and proves less.
S3Reply S3Creator::send(S3Request& request, const std::stop_token& stop)
{
    const auto add_md5 = [&request] {
        request.headers.emplace_back("Content-MD5", to_base64(md5(request.body)));
    };
    if (wants_md5_ && !find_header(request.headers, "content-md5")) {
        add_md5();
    }
    S3Reply reply = sender_.send(request, stop);
    const bool asks = reply.failure && reply.failure->status == 400 &&
                      reply.failure->message.find("Content-MD5") != std::string::npos;
    if (asks && !find_header(request.headers, "content-md5")) {
        wants_md5_ = true;
        add_md5();
        reply = sender_.send(request, stop);
    }
    return reply;
}

S3Reply S3Creator::put_in_parts(const std::string& key, ByteSpan object, const HeaderList& headers,
                                bool conditional, const std::stop_token& stop)
{
    // Some servers pass over the condition where the parts are put together.
    demand_absent(key, object.size(), stop);
    const std::uint64_t size = s3_part_size(object.size(), usual_part_);
    const std::size_t parts = (object.size() + size - 1) / size;
    S3Multipart upload(sender_, key, parts, headers, wants_md5_, stop);
    side_by_side("part", parts, connections_, stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     const std::uint64_t begin = at * size;
                     const std::uint64_t end = std::min<std::uint64_t>(begin + size, object.size());
                     send_part(upload, at, object.subspan(begin, end - begin), stopped);
                 });
    HeaderList conditions;
    if (conditional) {
        add_condition(conditions);
    }
    S3Reply reply = upload.complete(conditions, stop);
    if (conditional && reply.is(S3FailureKind::unsupported)) {
        // The parts are all there: only the condition is not known here.
        create_if_absent_ = CreateIfAbsent::refused;
        reply = upload.complete({}, stop);
    }
    if (reply.ok() || reply.is(S3FailureKind::taken)) {
        demand_lock(key, stop);
    }
    return reply;
}

/// Several uploads at a time together send no more parts than there are to be connections, and
/// fewer where the server complains.
void S3Creator::send_part(S3Multipart& upload, std::size_t at, ByteSpan part,
                          const std::stop_token& stop)
{
    const GatePlace place(parts_, stop);
    try {
        upload.send_part(at, part, stop);
    } catch (const TransientError& error) {
        if (error.cause() == TransientError::Cause::throttled) {
            parts_.throttled(real_waiting().now());
        }
        throw;
    }
    parts_.succeeded();
}

/// An attempt may have ended between an object that was sent in parts and its lock.
void S3Creator::demand_absent(const std::string& key, std::size_t size, const std::stop_token& stop)
{
    if (!is_there(key, stop)) {
        return;
    }
    if (size > largest_single_put_) {
        demand_lock(key, stop);
    }
    throw_exists(key);
}

void S3Creator::demand_lock(const std::string& key, const std::stop_token& stop)
{
    if (locks_.wanted()) {
        locks_.demand_on(key, stop);
    }
}

HeaderList S3Creator::headers_of(const std::string& key, ByteSpan object, Class storage) const
{
    HeaderList headers = headers_;
    if (storage == Class::cold && object.size() >= large_object) {
        headers.insert(headers.end(), cold_headers_.begin(), cold_headers_.end());
    }
    if (locks_.wanted() && !key.starts_with("tmp/")) {
        locks_.add_to(headers);
    }
    return headers;
}

bool S3Creator::is_there(const std::string& key, const std::stop_token& stop)
{
    return S3ObjectReader(sender_).stat(key, stop).has_value();
}

// --- Trial --------------------------------------------------------------------------------------

void S3Creator::probe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const ProbeObject twice(sender_, "probe", stop);
    CreateIfAbsent found = try_twice(twice.key, stop);
    if (found == CreateIfAbsent::honoured) {
        const ProbeObject raced(sender_, "race", stop);
        found = one_wins(raced.key, stop) ? CreateIfAbsent::honoured : CreateIfAbsent::ignored;
    }
    create_if_absent_ = found;
}

CreateIfAbsent S3Creator::try_twice(const std::string& key, const std::stop_token& stop)
{
    constexpr std::string_view first = "first";
    const S3Reply created = put(key, as_bytes(first), headers_, true, stop);
    if (created.is(S3FailureKind::unsupported)) {
        return CreateIfAbsent::refused;
    }
    if (!created.ok()) {
        sender_.refuse(put_request(key, {}), *created.failure);
    }
    const S3Reply again = put(key, as_bytes("again"), headers_, true, stop);
    if (!again.ok() && !again.is(S3FailureKind::taken)) {
        sender_.refuse(put_request(key, {}), *again.failure);
    }
    return !again.ok() && holds(key, first, stop) ? CreateIfAbsent::honoured
                                                  : CreateIfAbsent::ignored;
}

bool S3Creator::one_wins(const std::string& key, const std::stop_token& stop)
{
    std::array<bool, racers> won{};
    WorkerGroup group(stop);
    for (std::size_t i = 0; i < racers; ++i) {
        group.start("probe", [&, i](const std::stop_token& stopped) {
            const S3Reply reply = put(key, as_bytes(std::to_string(i)), headers_, true, stopped);
            // A conflict of writers at the same moment (409) is no win either.
            const bool lost = reply.is(S3FailureKind::taken) || reply.is(S3FailureKind::transient);
            if (!reply.ok() && !lost) {
                sender_.refuse(put_request(key, {}), *reply.failure);
            }
            won[i] = reply.ok();
        });
    }
    group.join();
    std::size_t winners = 0;
    bool kept = true;
    for (std::size_t i = 0; i < racers; ++i) {
        if (won[i]) {
            ++winners;
            kept = kept && holds(key, std::to_string(i), stop);
        }
    }
    return winners <= 1 && kept;
}

bool S3Creator::holds(const std::string& key, std::string_view bytes, const std::stop_token& stop)
{
    Bytes there(bytes.size() + 1);
    S3ObjectReader reader(sender_);
    there.resize(reader.get(key, 0, there, stop));
    return equal(there, as_bytes(bytes));
}

} // namespace backstay::core
