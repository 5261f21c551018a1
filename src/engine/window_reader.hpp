#pragma once

#include "engine/restore_plan.hpp"
#include "engine/snapshot_access.hpp"

#include <functional>

namespace backstay::core
{

/// Carries a window out: packs in order, frames opened by several threads, chunks written where
/// they belong. What cannot be had from its planned place is asked of the blob reader, which knows
/// all others; what cannot be had at all marks its file as damaged. Thread-safe is what it calls.
class WindowReader
{
public:
    using Write = std::function<void(PlannedFile&, std::uint64_t offset, ByteSpan)>;
    using Finished =
        std::function<void(PlannedFile&)>; ///< once a file: all of its chunks came, or failed
    using Damaged = std::function<void(PlannedFile&, const std::string& why)>;

    WindowReader(Repository& repository, SnapshotAccess& access, const EngineLimits& limits,
                 Write write, Finished finished, Damaged damaged);
    void run(RestoreWindow& window, const std::stop_token& stop);

private:
    struct Worker;
    void run_read(RestoreWindow& window, const RestoreWindow::Read& read, Worker& worker,
                  const std::stop_token& stop);
    void write_frame(RestoreWindow& window, std::size_t begin, std::size_t end,
                     const IndexedFrame& frame, ByteSpan stored, Worker& worker,
                     const std::stop_token& stop);
    /// Chunks that follow each other in the frame and in the file.
    void write_stretch(RestoreWindow& window, std::size_t begin, std::size_t end, ByteSpan plain);
    void chunk_done(RestoreWindow& window, const PlannedChunk& chunk);
    void fetch_elsewhere(RestoreWindow& window, const PlannedChunk& chunk,
                         const std::stop_token& stop);

    Repository& repository_;
    SnapshotAccess& access_;
    const EngineLimits& limits_;
    Write write_;
    Finished finished_;
    Damaged damaged_;
    std::mutex mutex_; // guards `waiting` and `damaged` of the window's files
};

} // namespace backstay::core
