#include "store/s3_store.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "store/s3_archive.hpp"
#include "store/s3_creator.hpp"
#include "store/s3_leftovers.hpp"
#include "store/s3_lister.hpp"
#include "store/s3_locks.hpp"
#include "store/s3_object_reader.hpp"
#include "store/s3_remover.hpp"
#include "store/s3_versions.hpp"

#include <cstdlib>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t largest_object = 5120 * GiB;

const char* note_of(CreateIfAbsent found)
{
    switch (found) {
    case CreateIfAbsent::untried:
        return "create-if-absent was not tried on this bucket yet";
    case CreateIfAbsent::honoured:
        return "";
    case CreateIfAbsent::ignored:
        return "this bucket passes over If-None-Match and replaces objects (Ceph does so in "
               "versioned and Object Lock buckets)";
    case CreateIfAbsent::refused:
        return "this server does not know If-None-Match";
    }
    return "";
}

std::unique_ptr<S3Versions> versions_of(S3RequestSender& sender, const S3Options& options)
{
    return options.versions == S3VersionChoice::current
               ? nullptr
               : std::make_unique<S3Versions>(sender, options);
}

constexpr const char* nothing_is_removed =
    "old versions of objects are read, so nothing is removed: leave out s3-versions";

} // namespace

struct S3Store::State {
    const std::uint32_t connections;
    S3RequestSender sender;
    S3Locks locks;
    S3Creator creator;
    std::unique_ptr<S3Versions> versions; ///< null: objects are read as they are now
    S3ObjectReader reader;
    S3Archive archive;
    S3Lister lister;
    S3Remover remover;

    State(const std::string& uri, const S3Options& options)
        : connections(options.connections), sender(parse_s3_uri(uri), options),
          locks(sender, options), creator(sender, locks, options),
          versions(versions_of(sender, options)), reader(sender, versions.get()),
          archive(sender, reader), lister(sender), remover(sender)
    {
    }
};

S3Store::S3Store(const std::string& uri, const S3Options& options)
    : state_(std::make_unique<State>(uri, options))
{
}

S3Store::~S3Store() = default;

StoreDescription S3Store::describe(const std::stop_token& stop)
{
    throw_if_stopped(stop);
    const CreateIfAbsent found = state_->creator.create_if_absent();
    StoreDescription description;
    description.uri = state_->sender.uri();
    description.kind = "s3";
    description.exclusive_create = found == CreateIfAbsent::honoured;
    description.note = note_of(found);
    description.locks_objects = state_->locks.wanted();
    description.archives_objects = true;
    description.max_object_size = largest_object;
    description.max_concurrency = state_->connections;
    if (const std::int64_t seconds = state_->sender.clock_difference(); seconds != 0) {
        description.note += fmt::format("{}this machine's clock is {} s {} the server's: set it",
                                        description.note.empty() ? "" : "; ", std::abs(seconds),
                                        seconds > 0 ? "behind" : "ahead of");
    }
    return description;
}

void S3Store::probe(const std::stop_token& stop)
{
    state_->creator.probe(stop);
    remove_s3_leftovers(state_->sender, stop);
}

std::optional<ObjectInfo> S3Store::stat(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    return is_object_key(key) ? state_->reader.stat(key, stop) : std::nullopt;
}

std::size_t S3Store::get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                         const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (!is_object_key(key)) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    return state_->reader.get(key, offset, buffer, stop);
}

Bytes S3Store::read(const std::string& key, std::uint64_t limit, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    if (!is_object_key(key)) {
        throw Error(ErrorCode::not_found, "there is no such object", key);
    }
    return state_->reader.read(key, limit, stop);
}

void S3Store::create(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    state_->creator.create(key, object, S3Creator::Class::standard, stop);
}

void S3Store::create_cold(const std::string& key, ByteSpan object, const std::stop_token& stop)
{
    state_->creator.create(key, object, S3Creator::Class::cold, stop);
}

void S3Store::create_cold(const std::string& key, const AlignedBuffer& object,
                          const std::stop_token& stop)
{
    create_cold(key, object.span(), stop);
}

void S3Store::remove(const std::string& key, const std::stop_token& stop)
{
    if (state_->versions && state_->versions->covers(key)) {
        throw Error(ErrorCode::denied, nothing_is_removed, key);
    }
    state_->remover.remove(key, stop);
}

LockReport S3Store::keep_locks(std::span<const ObjectInfo> objects, LockUpkeep upkeep,
                               const std::stop_token& stop)
{
    throw_if_stopped(stop);
    return state_->locks.wanted() ? state_->locks.keep(objects, upkeep, stop) : LockReport{};
}

Readiness S3Store::readiness(const std::string& key, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    return state_->archive.readiness(key, stop);
}

Readiness S3Store::thaw(const std::string& key, const ThawWish& wish, const std::stop_token& stop)
{
    throw_if_stopped(stop);
    return state_->archive.thaw(key, wish, stop);
}

std::vector<RefusedRemoval> S3Store::remove_all(std::span<const std::string> keys,
                                                const std::stop_token& stop)
{
    return state_->versions ? ObjectStore::remove_all(keys, stop)
                            : state_->remover.remove_all(keys, stop);
}

void S3Store::list(const std::string& prefix, Freshness /*freshness*/,
                   const std::function<void(const ObjectInfo&)>& each, const std::stop_token& stop)
{
    if (state_->versions && state_->versions->covers(prefix)) {
        state_->versions->list(prefix, each, stop);
    } else {
        state_->lister.list(prefix, each, stop);
    }
}

void S3Store::list_all(std::span<const std::string> prefixes, Freshness freshness,
                       const std::function<void(const ObjectInfo&)>& each,
                       const std::stop_token& stop)
{
    if (state_->versions) {
        ObjectStore::list_all(prefixes, freshness, each, stop);
    } else {
        state_->lister.list_all(prefixes, each, stop);
    }
}

std::optional<StoreTraffic> S3Store::traffic() const
{
    return state_->sender.traffic();
}

} // namespace backstay::core
