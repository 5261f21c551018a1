#include "repo/entry_sorter.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"
#include "repo/entry_arena.hpp"
#include "repo/entry_runs.hpp"

#include <algorithm>
#include <mutex>

namespace backstay::core
{

namespace
{

std::size_t block_size(std::size_t memory)
{
    return std::clamp<std::size_t>(memory / 16, 4 * KiB, 1 * MiB);
}

/// Gives sorted entries on, of those with one path the last.
class Delivery
{
public:
    Delivery(const std::function<void(ByteSpan)>& each,
             const std::function<void(const std::string&)>& twice)
        : each_(each), twice_(twice)
    {
    }

    void take(ByteSpan record)
    {
        if (!pending_.empty()) {
            const std::string_view path = encoded_entry_path(record);
            if (path == encoded_entry_path(pending_)) {
                if (!told_) {
                    twice_(std::string(path));
                }
                told_ = true;
            } else {
                finish();
                told_ = false;
            }
        }
        pending_.assign(record.begin(), record.end());
    }

    void finish()
    {
        if (!pending_.empty()) {
            each_(pending_);
        }
    }

private:
    const std::function<void(ByteSpan)>& each_;
    const std::function<void(const std::string&)>& twice_;
    Bytes pending_;
    bool told_ = false;
};

} // namespace

struct EntrySorter::State {
    State(std::size_t memory_limit, std::string temporary_folder)
        : memory(memory_limit), arena(block_size(memory_limit)),
          runs(memory_limit, std::move(temporary_folder))
    {
    }

    void spill()
    {
        runs.add_run([this](const EntryRuns::Each& each) { arena.drain(each); });
    }

    std::size_t memory;
    mutable std::mutex mutex; // guards all below
    EntryArena arena;
    EntryRuns runs;
    std::uint64_t entries = 0;
};

EntrySorter::EntrySorter(std::size_t memory, std::string temporary_folder)
    : state_(new State(memory, std::move(temporary_folder)))
{
}

EntrySorter::~EntrySorter() = default;

void EntrySorter::add(const Entry& entry)
{
    if (!is_entry_path(entry.path)) {
        throw Error(ErrorCode::invalid, "this path cannot stand in a tree", entry.path);
    }
    check_entry_limits(entry);
    Bytes encoded;
    encoded.reserve(512);
    Encoder encoder(encoded);
    encode_entry(encoder, entry);

    const std::lock_guard lock(state_->mutex);
    state_->arena.add(encoded);
    ++state_->entries;
    if (state_->arena.memory() >= state_->memory) {
        state_->spill();
    }
}

void EntrySorter::drain(const std::function<void(ByteSpan)>& each,
                        const std::function<void(const std::string&)>& twice)
{
    const std::lock_guard lock(state_->mutex);
    Delivery delivery(each, twice);
    const EntryRuns::Each take = [&delivery](ByteSpan record) { delivery.take(record); };
    if (state_->runs.empty()) {
        state_->arena.drain(take);
    } else {
        state_->spill(); // frees the memory that the merge needs
        state_->runs.merge(take);
    }
    delivery.finish();
}

std::uint64_t EntrySorter::entries() const
{
    const std::lock_guard lock(state_->mutex);
    return state_->entries;
}

} // namespace backstay::core
