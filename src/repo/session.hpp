#pragma once

#include "base/farewell.hpp"
#include "repo/condemned.hpp"
#include "repo/process_identity.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core
{

/// A writer's (or long reader's) announced session: protocol.md, "Writer" 1, 2, 5, 6, 7 and
/// "Reader" 3. One thread at a time.
class Session
{
public:
    enum class Use {
        writing, ///< may commit, so it ends by a commit or a tombstone
        reading, ///< never commits, so it ends by being removed
    };

    /// Creates sessions/<sid>, waits, then reads gc/. `purpose`: "backup", "restore", …
    Session(Repository& repository, const std::string& purpose, Use use,
            const std::stop_token& stop);
    /// Gives up if neither committed nor ended: best effort, errors are swallowed (a collector will
    /// fence it).
    ~Session();

    const SessionId& id() const { return id_; }
    /// What gc/ named after the announcement.
    const Condemned& condemned() const { return condemned_; }

    /// All segments must be durable. Creates snapshots/<sid>, then reads gc/. Throws Error{fenced}
    /// if somebody ended the session first, or spent it: nothing is committed then. After any other
    /// error it is not known whether it counts; calling again with the same bytes is harmless and
    /// may say so. Returns the SHA-256 of the object. Requires: a writing session that has not
    /// ended.
    Digest commit(ByteSpan encoded_snapshot, const std::stop_token& stop);

    /// A tombstone at snapshots/<sid>, then tidying. For a reader: merely removes the session.
    void give_up(const std::string& reason, const std::stop_token& stop);

    /// A reader's: throws Error{fenced} if the session was ended by a collector; then ends it.
    void finish_reading(const std::stop_token& stop);

private:
    Repository& repository_;
    SessionId id_;
    Condemned condemned_;
    Use use_;
    enum class State { live, ended } state_ = State::live;
    Farewell farewell_;

    void abandon() noexcept;
    void end(const std::stop_token& stop);
    [[noreturn]] void throw_fenced(const std::string& why);
};

/// Creates a tombstone for somebody else's session, which has ended when this returns. True if it
/// ended without a snapshot; false if something else than a tombstone stands there: it had
/// committed.
bool fence_session(Repository& repository, const SessionId& id, const std::string& reason,
                   const std::stop_token& stop);

/// sessions/ as listed, fresh.
struct ListedSession {
    SessionId id;
    std::optional<SessionRecord> record; ///< empty: unreadable
    Timestamp last_sign{}; ///< the store's time of the session object, or of the last segment of
                           ///< the session if that is later
};
std::vector<ListedSession> list_sessions(Repository& repository, const std::stop_token& stop);

/// True if it is of this host and boot and its process has gone.
bool process_has_gone(const SessionRecord& session);

} // namespace backstay::core
