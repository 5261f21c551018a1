#pragma once

#include "base/bounded_queue.hpp"
#include "base/bytes.hpp"
#include "base/worker_group.hpp"

#include <functional>
#include <stop_token>

namespace backstay::core
{

/// Reads a stream on a thread of its own, up to 2 MiB ahead of who takes it, so that waiting for
/// bytes and working on them go side by side. One thread at a time takes.
class ReadAhead
{
public:
    /// Gives some bytes, valid until the next call; none at the end. What it throws next() throws.
    using Read = std::function<ByteSpan()>;
    explicit ReadAhead(Read read, const std::stop_token& stop = {});
    /// Waits for the call of `read` that is under way.
    ~ReadAhead();

    /// Valid until the next call; empty at the end, and `read` is not called any more then. Throws
    /// Error{cancelled}.
    ByteSpan next();

private:
    void run(const std::stop_token& stop);

    const Read read_;
    BoundedQueue<Bytes> blocks_;
    BoundedQueue<Bytes> spare_; ///< blocks that were taken, to be filled again
    Bytes current_;
    WorkerGroup worker_;
};

} // namespace backstay::core
