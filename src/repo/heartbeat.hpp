#pragma once

#include "base/farewell.hpp"
#include "base/worker_group.hpp"
#include "format/index_segment.hpp"
#include "repo/repository.hpp"

#include <chrono>
#include <optional>

namespace backstay::core
{

inline constexpr std::chrono::minutes heartbeat_period{5}; ///< protocol.md, "Writer" 4

/// Says again and again that a session lives, from a thread of its own, however long the work of
/// the session is silent: an empty segment, in place of the last one. Where nothing can be written
/// it says nothing: the session then lives as long as collectors are patient.
class Heartbeat
{
public:
    /// `repository` must outlive it. `work`: what stops the work of the session.
    Heartbeat(Repository& repository, const SessionId& session, const std::stop_token& work,
              std::chrono::milliseconds period = heartbeat_period);
    /// Takes the last sign away: its session has ended, or is about to. Best effort.
    ~Heartbeat();
    Heartbeat(const Heartbeat&) = delete;
    Heartbeat& operator=(const Heartbeat&) = delete;

private:
    void say(const std::stop_token& stop);
    void remove_last(const std::stop_token& stop) noexcept;

    Repository& repository_;
    SessionId session_;
    std::optional<SegmentId> last_; ///< of the thread, until that has ended
    Farewell farewell_;
    WorkerGroup thread_;
};

} // namespace backstay::core
