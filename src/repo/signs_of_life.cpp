#include "repo/signs_of_life.hpp"

#include "base/error.hpp"
#include "format/index_segment.hpp"
#include "repo/named_error.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

Bytes get_range(ObjectStore& store, const std::string& key, std::uint64_t offset, std::size_t size,
                const std::stop_token& stop)
{
    Bytes bytes(size);
    bytes.resize(store.get(key, offset, bytes, stop));
    return bytes;
}

/// Who wrote a segment; empty if it cannot be told.
std::optional<SessionId> writer_of(Repository& repository, const ObjectInfo& segment,
                                   const std::stop_token& stop)
{
    if (segment.size < segment_trailer_size) {
        return std::nullopt;
    }
    const std::uint64_t envelope_end = segment.size - segment_trailer_size;
    ObjectStore& store = repository.store();
    try {
        const Bytes trailer =
            get_range(store, segment.key, envelope_end, segment_trailer_size, stop);
        const std::uint64_t size = decode_segment_trailer(trailer, segment.size);
        if (size > envelope_end || size > max_envelope_size) {
            return std::nullopt;
        }
        const Bytes envelope = get_range(store, segment.key, envelope_end - size,
                                         static_cast<std::size_t>(size), stop);
        const Bytes footer = repository.keys().open_envelope(decode_envelope(envelope),
                                                             ObjectType::segment, segment.key);
        return decode_segment_footer(footer).session;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found && !is_unreadable(error)) {
            throw;
        }
        return std::nullopt;
    }
}

} // namespace

void add_signs_of_life(Repository& repository, std::vector<ListedSession>& sessions,
                       const std::stop_token& stop)
{
    if (sessions.empty()) {
        return;
    }
    const auto oldest = std::min_element(
        sessions.begin(), sessions.end(),
        [](const ListedSession& a, const ListedSession& b) { return a.last_sign < b.last_sign; });
    const Timestamp since = oldest->last_sign;
    std::vector<ObjectInfo> segments;
    repository.store().list(
        "index/", Freshness::fresh,
        [&](const ObjectInfo& info) {
            if (info.modified >= since) {
                segments.push_back(info);
            }
        },
        stop);
    for (const ObjectInfo& segment : segments) {
        const auto writer = writer_of(repository, segment, stop);
        for (ListedSession& session : sessions) {
            if (writer == session.id) {
                session.last_sign = std::max(session.last_sign, segment.modified);
            }
        }
    }
}

} // namespace backstay::core
