#pragma once

#include "repo/expected_frames.hpp"
#include "repo/frame_opener.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace backstay::core
{

/// Fetches and opens frames: out of what was fetched ahead, or each by a read of its own.
/// Thread-safe.
class FrameReader
{
public:
    /// `room`: bytes for what is expected. `repository` must outlive it.
    FrameReader(Repository& repository, std::size_t room);

    /// Null if it cannot be had; `why` says so. Throws Error{cancelled, denied, unavailable}.
    FrameCache::Plain read(const FrameCache::Key& key, const IndexedFrame& frame, std::string& why,
                           const std::stop_token& stop);

    /// Whether the store is far away, so that it is worth telling.
    bool fetches_ahead() const { return connections_ > 0; }
    ExpectedFrames& expected() { return expected_; }

private:
    std::unique_ptr<FrameOpener> take_opener();
    void give_back(std::unique_ptr<FrameOpener> opener);
    bool open(FrameOpener& opener, const FrameCache::Key& key, const IndexedFrame& frame,
              MutableByteSpan plain, std::string& why, const std::stop_token& stop);

    Repository& repository_;
    const unsigned connections_;
    ExpectedFrames expected_;
    std::mutex mutex_; // guards openers_
    std::vector<std::unique_ptr<FrameOpener>> openers_;
};

} // namespace backstay::core
