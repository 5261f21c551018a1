#pragma once

#include "base/aligned_buffer.hpp"
#include "base/bytes.hpp"
#include "base/clock.hpp"

#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

struct ObjectInfo {
    std::string key;
    std::uint64_t size = 0;
    Timestamp modified;
};

/// What a store is and can do. `exclusive_create` is what probe() saw, not what the store claims.
struct StoreDescription {
    std::string uri;  ///< without credentials
    std::string kind; ///< "local", "memory", "s3", "host"
    bool exclusive_create = false;
    bool locks_objects = false;        ///< for a time: see ObjectStore::keep_locks()
    bool archives_objects = false;     ///< perhaps: see ObjectStore::readiness()
    bool strong_list = true;           ///< a plain list shows all that was created before
    std::string note;                  ///< what is unproven, in words; may be empty
    std::uint64_t max_object_size = 0; ///< 0: no limit known
    std::uint32_t max_concurrency = 0; ///< operations at once that pay; 0: it does not matter
    std::optional<std::uint64_t> free_bytes;
};

/// Requests to a store that bills them, since it was opened; attempts count each, but not those
/// that reached nobody.
struct StoreTraffic {
    std::uint64_t writes = 0;  ///< PUT, POST, LIST
    std::uint64_t reads = 0;   ///< GET, HEAD
    std::uint64_t removes = 0; ///< DELETE
    std::uint64_t retries = 0; ///< made because others had failed, also those that reached nobody
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
};

struct RefusedRemoval {
    std::string key;
    std::string reason;
};

enum class LockUpkeep { look, renew };

/// Of objects whose lock ends within half of the time for which objects are locked.
struct LockReport {
    std::uint64_t renewed = 0;
    std::uint64_t ending = 0; ///< and left so
    std::vector<RefusedRemoval> refused;
};

/// Whether an object can be read at once.
enum class Readiness {
    ready,
    thawing,  ///< on its way out of an archive
    archived, ///< in an archive that gives it out only if it is asked to
};

/// How an archive is to give an object out.
struct ThawWish {
    enum class Tier { standard, bulk, expedited };
    Tier tier = Tier::standard;
    std::uint32_t days = 7; ///< for how long it can be read then
};

enum class Freshness { cached, fresh };

/// Named immutable objects. Keys use [a-z0-9/._-]. Nothing is overwritten, renamed or locked; what
/// a key names never changes.
///
/// Thread-safe. Errors: Error{not_found}, {exists} (create only), {denied}, {no_space},
/// {unavailable} (may work later: the only one that the retrying decorator tries again), {storage},
/// {cancelled}. `subject` is the key (with the folder's path or the URL in the message).
class ObjectStore
{
public:
    virtual ~ObjectStore() = default;

    virtual StoreDescription describe(const std::stop_token& stop) = 0;

    /// Tries on the very place whether create-if-absent is honoured and remembers it for
    /// describe(). Leaves nothing behind.
    virtual void probe(const std::stop_token& stop) = 0;

    /// The object's size and time; empty if there is none.
    virtual std::optional<ObjectInfo> stat(const std::string& key, const std::stop_token& stop) = 0;

    /// Fills `buffer` from `offset`; returns how much it got: less only at the object's end. Throws
    /// Error{not_found}.
    virtual std::size_t get(const std::string& key, std::uint64_t offset, MutableByteSpan buffer,
                            const std::stop_token& stop) = 0;

    /// The whole object, at most `limit` bytes (Error{damaged} beyond). Throws Error{not_found}.
    virtual Bytes read(const std::string& key, std::uint64_t limit, const std::stop_token& stop);

    /// Create-if-absent: the object exists whole and durable under `key` when this returns, or not
    /// at all when it throws, except that after {unavailable} or {cancelled} it may turn up later.
    /// Throws Error{exists} if the key is taken (by whatever bytes).
    virtual void create(const std::string& key, ByteSpan object, const std::stop_token& stop) = 0;

    /// The same for a buffer that is aligned and padded, which a store may write past the page
    /// cache.
    virtual void create(const std::string& key, const AlignedBuffer& object,
                        const std::stop_token& stop)
    {
        create(key, object.span(), stop);
    }

    /// create() for what only a restore reads and whose name is its hash: a store with several
    /// classes of storage may put it into a cheap one, from which it can perhaps not be read at
    /// once. Error{exists} may also mean that an attempt of its own had worked.
    virtual void create_cold(const std::string& key, ByteSpan object, const std::stop_token& stop)
    {
        create(key, object, stop);
    }
    virtual void create_cold(const std::string& key, const AlignedBuffer& object,
                             const std::stop_token& stop)
    {
        create(key, object, stop);
    }

    /// Absent is success.
    virtual void remove(const std::string& key, const std::stop_token& stop) = 0;

    /// Removes many, in any order, in fewer requests where the store can. Returns those that may
    /// not be removed; throws for anything else that goes wrong, and some may then be gone.
    virtual std::vector<RefusedRemoval> remove_all(std::span<const std::string> keys,
                                                   const std::stop_token& stop);

    /// Calls `each` for every object whose key begins with `prefix`, in byte order of the keys.
    /// Freshness::fresh: all that was created before the call is listed, whatever is cached in
    /// between. Several folders' worth of prefixes are several calls.
    virtual void list(const std::string& prefix, Freshness freshness,
                      const std::function<void(const ObjectInfo&)>& each,
                      const std::stop_token& stop) = 0;

    /// list() for each prefix in turn, none of which is the beginning of another: in fewer requests
    /// where the store can.
    virtual void list_all(std::span<const std::string> prefixes, Freshness freshness,
                          const std::function<void(const ObjectInfo&)>& each,
                          const std::stop_token& stop);

    /// Where objects are locked for a time: looks at the locks of these, or renews those that end
    /// soon.
    virtual LockReport keep_locks(std::span<const ObjectInfo> /*objects*/, LockUpkeep /*upkeep*/,
                                  const std::stop_token& /*stop*/)
    {
        return {};
    }

    /// Reading what is not ready throws Error{denied}. May throw Error{not_found}.
    virtual Readiness readiness(const std::string& /*key*/, const std::stop_token& /*stop*/)
    {
        return Readiness::ready;
    }

    /// Has the archive give the object out, unless it is ready or on its way; returns how it was
    /// found or, where it was asked for, Readiness::thawing. May throw Error{not_found}; throws
    /// Error{unsupported} if the archive does not know the tier, or not now.
    virtual Readiness thaw(const std::string& key, const ThawWish& /*wish*/,
                           const std::stop_token& stop)
    {
        return readiness(key, stop);
    }

    /// Empty where nobody counts requests.
    virtual std::optional<StoreTraffic> traffic() const { return std::nullopt; }
};

/// ObjectStore::read().
Bytes get_object(ObjectStore& store, const std::string& key, std::uint64_t limit,
                 const std::stop_token& stop);

/// Throws Error{damaged} for an object that read() may not take.
void demand_size(const std::string& key, std::uint64_t size, std::uint64_t limit);

/// Whether a key may name an object: [a-z0-9/._-], no empty, "." or ".." component, none beginning
/// with "tmp/" (a store's own), at most 512 bytes, 255 between slashes.
bool is_object_key(std::string_view key);

} // namespace backstay::core
