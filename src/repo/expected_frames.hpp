#pragma once

#include "base/worker_group.hpp"
#include "repo/frame_cache.hpp"
#include "repo/frame_range.hpp"
#include "store/object_store.hpp"

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <vector>

namespace backstay::core
{

/// Stored bytes of frames that are read from a store that is far away: neighbours in a pack come in
/// one read, ahead of whoever takes them, over several connections, and stay while there is room. A
/// failure is no error here: the frame is then to be had by a read of its own, which tells.
/// Thread-safe.
class ExpectedFrames
{
public:
    using Key = FrameCache::Key;
    struct Frame {
        Key key;
        FrameRange place;
    };

    /// `room`: bytes that may be held; half of it is for what nobody waits for yet. `connections`:
    /// reads at once that pay. `store` must outlive it.
    ExpectedFrames(ObjectStore& store, std::size_t room, unsigned connections);
    /// Ends reads that are under way.
    ~ExpectedFrames();

    /// These will be taken, in about this order.
    void expect(const std::vector<Frame>& frames);

    /// Waits for a read that is under way, or reads. Empty if the frame is not expected (any more),
    /// or did not come.
    std::optional<Bytes> take(const Key& key, const std::stop_token& stop);

    /// A frame that was read alone: it may be wanted again.
    void keep(const Frame& frame, Bytes stored);

private:
    struct Batch;
    using BatchPointer = std::shared_ptr<Batch>;
    using Batches = std::list<BatchPointer>;
    /// Neighbours in a pack.
    struct Batch {
        enum class State { planned, under_way, here };
        PackId pack{};
        FrameRange place;
        std::map<std::uint32_t, FrameRange> frames;
        std::set<std::uint32_t> left; ///< those that were not taken yet
        State state = State::planned;
        bool put_off = false; ///< made room for others: only whoever needs it reads it
        Bytes bytes;
        Batches::iterator where;
    };

    void add(const Frame& frame);
    BatchPointer joining(const Frame& frame) const;
    void read(const BatchPointer& batch, std::unique_lock<std::mutex>& lock,
              const std::stop_token& stop);
    void read_ahead(const std::stop_token& stop);
    BatchPointer next_to_read() const;
    Bytes take_from(const BatchPointer& batch, std::uint32_t number);
    void drop_spent(std::uint64_t size);
    void make_way(std::uint64_t size);
    BatchPointer last_here() const;
    void forget(const BatchPointer& batch);
    void forget_oldest();

    ObjectStore& store_;
    const std::uint64_t room_;
    const std::uint64_t most_at_once_;
    std::mutex mutex_; // guards all below
    std::condition_variable_any changed_;
    Batches waiting_; ///< of which something is left to take, as they were first expected
    Batches spent_;   ///< the others, the one used last at the end
    std::map<Key, BatchPointer> batch_of_;
    std::uint64_t held_ = 0; ///< bytes of waiting_ that are under way and here
    std::uint64_t kept_ = 0; ///< of spent_
    const unsigned threads_;
    std::once_flag started_;
    WorkerGroup workers_;
};

} // namespace backstay::core
