#include "repo/expected_frames.hpp"

#include "repo/object_keys.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::size_t most_frames = 8192; ///< planned for and kept
/// Ranges that fit into the room: half of them for those who wait, half ahead of them.
constexpr std::uint64_t reads_in_room = 8;
/// Who reads several streams expects them in turn: so many of the last batches may go on.
constexpr int batches_tried = 16;

} // namespace

ExpectedFrames::ExpectedFrames(ObjectStore& store, std::size_t room, unsigned connections)
    : store_(store), room_(room), most_at_once_(std::min(most_read_at_once, room / reads_in_room)),
      threads_(std::min<unsigned>(connections, reads_in_room / 2))
{
}

ExpectedFrames::~ExpectedFrames()
{
    workers_.request_stop();
}

void ExpectedFrames::expect(const std::vector<Frame>& frames)
{
    {
        const std::lock_guard lock(mutex_);
        for (const Frame& frame : frames) {
            add(frame);
        }
    }
    std::call_once(started_, [this] {
        for (unsigned i = 0; i < threads_; ++i) {
            workers_.start("read ranges",
                           [this](const std::stop_token& stop) { read_ahead(stop); });
        }
    });
    changed_.notify_all();
}

void ExpectedFrames::add(const Frame& frame)
{
    if (batch_of_.contains(frame.key)) {
        return;
    }
    if (batch_of_.size() >= most_frames) {
        forget_oldest();
    }
    BatchPointer batch = joining(frame);
    if (!batch) {
        batch = std::make_shared<Batch>();
        batch->pack = frame.key.first;
        batch->place = frame.place;
        batch->where = waiting_.insert(waiting_.end(), batch);
    }
    batch->place = batch->place.with(frame.place);
    batch->frames.emplace(frame.key.second, frame.place);
    batch->left.insert(frame.key.second);
    batch_of_.emplace(frame.key, batch);
}

ExpectedFrames::BatchPointer ExpectedFrames::joining(const Frame& frame) const
{
    int tried = 0;
    for (auto at = waiting_.rbegin(); at != waiting_.rend() && tried < batches_tried; ++at) {
        const Batch& batch = **at;
        if (batch.state == Batch::State::planned && batch.pack == frame.key.first &&
            batch.place.joins(frame.place, most_at_once_)) {
            return *at;
        }
        ++tried;
    }
    return nullptr;
}

std::optional<Bytes> ExpectedFrames::take(const Key& key, const std::stop_token& stop)
{
    std::unique_lock lock(mutex_);
    while (true) {
        const auto found = batch_of_.find(key);
        if (found == batch_of_.end() || stop.stop_requested()) {
            return std::nullopt;
        }
        const BatchPointer batch = found->second;
        if (batch->state == Batch::State::planned) {
            drop_spent(batch->place.size());
            make_way(batch->place.size());
            read(batch, lock, stop);
        } else if (batch->state == Batch::State::under_way) {
            changed_.wait(lock, stop, [&] { return batch->state != Batch::State::under_way; });
        } else {
            return take_from(batch, key.second);
        }
    }
}

Bytes ExpectedFrames::take_from(const BatchPointer& batch, std::uint32_t number)
{
    const FrameRange place = batch->frames.at(number);
    const ByteSpan bytes = ByteSpan(batch->bytes)
                               .subspan(static_cast<std::size_t>(place.begin - batch->place.begin),
                                        static_cast<std::size_t>(place.size()));
    Bytes taken(bytes.begin(), bytes.end());
    if (batch->left.empty()) {
        spent_.splice(spent_.end(), spent_, batch->where);
        return taken;
    }
    batch->left.erase(number);
    if (batch->left.empty()) {
        spent_.splice(spent_.end(), waiting_, batch->where);
        held_ -= batch->place.size();
        kept_ += batch->place.size();
        changed_.notify_all(); // there is room ahead
    }
    return taken;
}

void ExpectedFrames::keep(const Frame& frame, Bytes stored)
{
    const std::lock_guard lock(mutex_);
    drop_spent(frame.place.size());
    if (batch_of_.contains(frame.key) || held_ + kept_ + frame.place.size() > room_) {
        return;
    }
    if (batch_of_.size() >= most_frames) {
        forget_oldest();
    }
    const auto batch = std::make_shared<Batch>();
    batch->pack = frame.key.first;
    batch->place = frame.place;
    batch->frames.emplace(frame.key.second, frame.place);
    batch->state = Batch::State::here;
    batch->bytes = std::move(stored);
    batch->where = spent_.insert(spent_.end(), batch);
    batch_of_.emplace(frame.key, batch);
    kept_ += frame.place.size();
}

/// Without the lock while it reads. Forgets what does not come whole.
void ExpectedFrames::read(const BatchPointer& batch, std::unique_lock<std::mutex>& lock,
                          const std::stop_token& stop)
{
    batch->state = Batch::State::under_way;
    held_ += batch->place.size();
    lock.unlock();
    Bytes bytes;
    bool whole = false;
    try {
        bytes.resize(static_cast<std::size_t>(batch->place.size()));
        whole = store_.get(pack_key(batch->pack), batch->place.begin, bytes, stop) == bytes.size();
    } catch (const std::exception&) { // whoever needs a frame of it reads that, and is told
    }
    lock.lock();
    batch->state = Batch::State::here;
    batch->bytes = std::move(bytes);
    if (!whole) {
        forget(batch);
    }
    changed_.notify_all();
}

void ExpectedFrames::read_ahead(const std::stop_token& stop)
{
    std::unique_lock lock(mutex_);
    while (true) {
        BatchPointer batch;
        changed_.wait(lock, stop, [&] { return (batch = next_to_read()) != nullptr; });
        if (stop.stop_requested()) {
            return;
        }
        drop_spent(batch->place.size());
        read(batch, lock, stop);
    }
}

ExpectedFrames::BatchPointer ExpectedFrames::next_to_read() const
{
    const auto next = std::find_if(waiting_.begin(), waiting_.end(), [](const BatchPointer& batch) {
        return batch->state == Batch::State::planned && !batch->put_off;
    });
    const bool fits = next != waiting_.end() && held_ + (*next)->place.size() <= room_ / 2;
    return fits ? *next : nullptr;
}

void ExpectedFrames::drop_spent(std::uint64_t size)
{
    while (!spent_.empty() && held_ + kept_ + size > room_) {
        forget(BatchPointer(spent_.front()));
    }
}

/// For somebody who waits. What was begun is not read again as a whole.
void ExpectedFrames::make_way(std::uint64_t size)
{
    while (held_ + size > room_) {
        const BatchPointer batch = last_here();
        if (!batch) {
            return;
        }
        if (batch->left.size() < batch->frames.size()) {
            forget(batch);
            continue;
        }
        held_ -= batch->place.size();
        batch->bytes = {};
        batch->state = Batch::State::planned;
        batch->put_off = true;
    }
}

/// One of which nothing was taken, if there is one.
ExpectedFrames::BatchPointer ExpectedFrames::last_here() const
{
    BatchPointer begun;
    for (auto at = waiting_.rbegin(); at != waiting_.rend(); ++at) {
        const Batch& batch = **at;
        if (batch.state != Batch::State::here) {
            continue;
        }
        if (batch.left.size() == batch.frames.size()) {
            return *at;
        }
        begun = begun ? begun : *at;
    }
    return begun;
}

void ExpectedFrames::forget(const BatchPointer& batch)
{
    const bool spent = batch->left.empty();
    if (batch->state == Batch::State::here) {
        (spent ? kept_ : held_) -= batch->place.size();
    }
    for (const auto& [number, place] : batch->frames) {
        batch_of_.erase({batch->pack, number});
    }
    (spent ? spent_ : waiting_).erase(batch->where);
}

/// Nobody came for it.
void ExpectedFrames::forget_oldest()
{
    for (Batches* batches : {&spent_, &waiting_}) {
        for (const BatchPointer& batch : *batches) {
            if (batch->state != Batch::State::under_way) {
                forget(BatchPointer(batch));
                return;
            }
        }
    }
}

} // namespace backstay::core
