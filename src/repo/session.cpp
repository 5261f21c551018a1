#include "repo/session.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "repo/named_error.hpp"
#include "repo/signs_of_life.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/core.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

SessionRecord describe_self(const SessionId& id, const std::string& purpose, Timestamp now)
{
    SessionRecord record;
    record.id = id;
    record.started = now;
    record.host = host_name();
    record.boot_id = boot_id();
    record.process = static_cast<std::uint64_t>(::getpid());
    record.process_start = process_start(record.process).value_or(0);
    record.purpose = purpose;
    return record;
}

/// False if something else stands there.
bool create_tombstone(Repository& repository, const SessionId& id, const std::string& reason,
                      const std::stop_token& stop)
{
    TombstoneRecord record;
    record.id = id;
    record.time = repository.clock().now();
    record.reason = reason;
    try {
        repository.write_object(snapshot_key(id), ObjectType::tombstone, KeyClass::open,
                                encode_tombstone(record), stop);
        return true;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::exists) {
            throw;
        }
        return false;
    }
}

/// The reason in the tombstone at snapshots/<sid>; empty if there is no tombstone to be read.
std::optional<std::string> tombstone_reason(Repository& repository, const SessionId& id,
                                            const std::stop_token& stop)
{
    try {
        const std::string key = snapshot_key(id);
        const auto object =
            repository.read_any_fresh(key, {ObjectType::tombstone, ObjectType::snapshot}, stop);
        if (object.type != ObjectType::tombstone) {
            return std::nullopt;
        }
        return decode_tombstone(object.body).reason;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found && !is_unreadable(error)) {
            throw;
        }
        return std::nullopt;
    }
}

bool listed(Repository& repository, const std::string& key, const std::stop_token& stop)
{
    bool found = false;
    repository.store().list(
        key, Freshness::fresh, [&](const ObjectInfo& info) { found |= info.key == key; }, stop);
    return found;
}

} // namespace

Session::Session(Repository& repository, const std::string& purpose, Use use,
                 const std::stop_token& stop)
    : repository_(repository), id_(random_id<SessionId>()), use_(use), farewell_(stop)
{
    const SessionRecord record = describe_self(id_, purpose, repository.clock().now());
    repository_.write_object(session_key(id_), ObjectType::session, KeyClass::open,
                             encode_session(record), stop);
    try {
        // Not before the announcement: a collector that came in between would not wait for this
        // session.
        condemned_ = read_condemned(repository_, stop);
    } catch (...) {
        abandon();
        throw;
    }
}

Session::~Session()
{
    abandon();
}

void Session::abandon() noexcept
{
    if (state_ == State::ended) {
        return;
    }
    try {
        give_up("given up", farewell_.begin());
    } catch (...) { // a collector will fence it
    }
}

Digest Session::commit(ByteSpan encoded_snapshot, const std::stop_token& stop)
{
    assert(use_ == Use::writing && state_ == State::live);
    Digest digest{};
    try {
        digest = repository_.write_object(snapshot_key(id_), ObjectType::snapshot, KeyClass::meta,
                                          encoded_snapshot, stop);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::exists) {
            throw;
        }
        const auto reason = tombstone_reason(repository_, id_, stop);
        throw_fenced(reason ? "was ended from elsewhere before it could commit: " + *reason
                            : "was ended from elsewhere before it could commit");
    }
    if (read_condemned(repository_, stop).sessions.contains(id_)) {
        throw_fenced("was forgotten before it could commit");
    }
    end(stop);
    return digest;
}

void Session::throw_fenced(const std::string& why)
{
    end(farewell_.begin());
    throw Error(ErrorCode::fenced, fmt::format("session {} {}", id_.hex(), why), session_key(id_));
}

/// Once it has ended, removing it is tidying.
void Session::end(const std::stop_token& stop)
{
    state_ = State::ended;
    try {
        repository_.store().remove(session_key(id_), stop);
    } catch (const Error&) { // anybody may do it later
    }
}

void Session::give_up(const std::string& reason, const std::stop_token& stop)
{
    assert(state_ == State::live);
    if (use_ == Use::writing) {
        // If something stands there already it has ended by that.
        create_tombstone(repository_, id_, reason, stop);
    }
    end(stop);
}

void Session::finish_reading(const std::stop_token& stop)
{
    assert(use_ == Use::reading && state_ == State::live);
    if (listed(repository_, snapshot_key(id_), stop)) {
        const auto reason = tombstone_reason(repository_, id_, stop);
        throw_fenced("was ended from elsewhere, so what it read may have been removed meanwhile" +
                     (reason ? ": " + *reason : ""));
    }
    if (read_condemned(repository_, stop).sessions.contains(id_)) {
        throw_fenced("was ended from elsewhere, so what it read may have been removed meanwhile");
    }
    end(stop);
}

bool fence_session(Repository& repository, const SessionId& id, const std::string& reason,
                   const std::stop_token& stop)
{
    return create_tombstone(repository, id, reason, stop) ||
           tombstone_reason(repository, id, stop).has_value();
}

std::vector<ListedSession> list_sessions(Repository& repository, const std::stop_token& stop)
{
    std::vector<ListedSession> sessions;
    repository.store().list(
        "sessions/", Freshness::fresh,
        [&sessions](const ObjectInfo& info) {
            if (const auto id = parse_id_key<SessionId>("sessions/", info.key)) {
                sessions.push_back({*id, std::nullopt, info.modified});
            }
        },
        stop);

    std::vector<ListedSession> present;
    for (ListedSession& session : sessions) {
        const std::string key = session_key(session.id);
        try {
            const auto object = repository.read_any_fresh(key, {ObjectType::session}, stop);
            SessionRecord record = naming(key, [&] { return decode_session(object.body); });
            if (record.id == session.id) {
                session.record = std::move(record);
            }
        } catch (const Error& error) {
            if (error.code() == ErrorCode::not_found) {
                continue; // which it is only after its end
            }
            if (!is_unreadable(error)) {
                throw;
            }
        }
        present.push_back(std::move(session));
    }
    add_signs_of_life(repository, present, stop);
    return present;
}

bool process_has_gone(const SessionRecord& session)
{
    const std::string boot = boot_id();
    return !boot.empty() && session.boot_id == boot && session.host == host_name() &&
           process_has_ended(session.process, session.process_start);
}

} // namespace backstay::core
