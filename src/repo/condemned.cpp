#include "repo/condemned.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "repo/named_error.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace backstay::core
{

namespace
{

/// Of one gc/<n>, so that it stays well below the largest envelope.
constexpr std::size_t most_names = std::size_t{1} << 20;

using Listing = std::map<std::uint64_t, std::string>;

void add(Listing& listing, const ObjectInfo& info)
{
    if (const auto number = parse_numbered_key("gc/", info.key)) {
        listing.emplace(*number, info.key);
    }
}

Listing list_condemnations(Repository& repository, Freshness freshness, const std::stop_token& stop)
{
    Listing listing;
    repository.store().list(
        "gc/", freshness, [&listing](const ObjectInfo& info) { add(listing, info); }, stop);
    return listing;
}

CondemnationRecord read_condemnation(Repository& repository, std::uint64_t number,
                                     const std::string& key, const std::stop_token& stop)
{
    const Bytes body = repository.read_object(key, ObjectType::condemnation, stop);
    CondemnationRecord record = naming(key, [&] { return decode_condemnation(body); });
    if (record.number != number) {
        throw Error(ErrorCode::damaged, key + ": this condemnation was made under another name",
                    key);
    }
    return record;
}

/// The number of one that has gone since it was listed, if any.
std::optional<std::uint64_t> read_all(Repository& repository, const Listing& listing,
                                      Condemned& condemned, const std::stop_token& stop)
{
    const std::vector<std::pair<std::uint64_t, std::string>> listed(listing.begin(), listing.end());
    std::optional<std::uint64_t> gone;
    std::mutex mutex; // guards gone and condemned
    side_by_side("gc", listed.size(), repository.reads_at_once(stop), stop,
                 [&](std::size_t at, const std::stop_token& stopped) {
                     const auto& [number, key] = listed[at];
                     try {
                         const CondemnationRecord record =
                             read_condemnation(repository, number, key, stopped);
                         const std::lock_guard lock(mutex);
                         condemned.packs.insert(record.packs.begin(), record.packs.end());
                         condemned.sessions.insert(record.sessions.begin(), record.sessions.end());
                     } catch (const Error& error) {
                         if (error.code() != ErrorCode::not_found) {
                             throw;
                         }
                         const std::lock_guard lock(mutex);
                         gone = number;
                     }
                 });
    Sha256 names;
    for (const auto& [number, key] : listed) {
        condemned.highest = number;
        names.update(as_bytes(key));
    }
    condemned.digest = names.finish();
    return gone;
}

/// `listing`: fresh.
Condemned read_listed(Repository& repository, Listing listing, const std::stop_token& stop)
{
    // None goes by the protocol's rules. If one did, what is left is what can be known.
    for (;;) {
        Condemned condemned;
        const auto gone = read_all(repository, listing, condemned, stop);
        if (!gone) {
            return condemned;
        }
        Listing again = list_condemnations(repository, Freshness::fresh, stop);
        if (again.contains(*gone)) {
            const std::string key = condemnation_key(*gone);
            throw Error(ErrorCode::damaged,
                        key + ": is listed, but cannot be had; nothing can be decided without it",
                        key);
        }
        listing = std::move(again);
    }
}

} // namespace

Condemned read_condemned(Repository& repository, const std::stop_token& stop)
{
    return read_listed(repository, list_condemnations(repository, Freshness::fresh, stop), stop);
}

Condemned read_condemned(Repository& repository, std::span<const ObjectInfo> listed,
                         const std::stop_token& stop)
{
    Listing listing;
    for (const ObjectInfo& info : listed) {
        add(listing, info);
    }
    return read_listed(repository, std::move(listing), stop);
}

namespace
{

std::uint64_t condemn_some(Repository& repository, CondemnationRecord record, std::uint64_t number,
                           const std::stop_token& stop)
{
    for (;; ++number) {
        record.number = number;
        try {
            repository.write_object(condemnation_key(number), ObjectType::condemnation,
                                    KeyClass::open, encode_condemnation(record), stop);
            return number;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::exists) {
                throw;
            }
        }
    }
}

/// Takes at most `most` from `from`, beginning at `position`, which moves.
template <typename IdType>
std::vector<IdType> take(const std::vector<IdType>& from, std::size_t& position, std::size_t most)
{
    const std::size_t end = position + std::min(most, from.size() - position);
    std::vector<IdType> taken(from.begin() + static_cast<std::ptrdiff_t>(position),
                              from.begin() + static_cast<std::ptrdiff_t>(end));
    position = end;
    return taken;
}

} // namespace

std::uint64_t condemn(Repository& repository, const std::vector<PackId>& packs,
                      const std::vector<SessionId>& sessions, const std::stop_token& stop)
{
    const Listing listing = list_condemnations(repository, Freshness::cached, stop);
    std::uint64_t number = listing.empty() ? 0 : listing.rbegin()->first;
    std::size_t next_pack = 0;
    std::size_t next_session = 0;
    do {
        CondemnationRecord record;
        record.time = repository.clock().now();
        record.packs = take(packs, next_pack, most_names);
        record.sessions = take(sessions, next_session, most_names - record.packs.size());
        number = condemn_some(repository, std::move(record), number + 1, stop);
    } while (next_pack < packs.size() || next_session < sessions.size());
    return number;
}

} // namespace backstay::core
