#include "record_queue.hpp"

#include "base/error.hpp"
#include "record_bytes.hpp"

#include <cerrno>
#include <chrono>
#include <sys/eventfd.h>
#include <unistd.h>

namespace backstay::capi
{

using core::Error;
using core::ErrorCode;
using core::Record;

RecordQueue::RecordQueue(std::string temporary_folder)
    : temporary_folder_(std::move(temporary_folder)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    if (!event_) {
        core::throw_system_error(errno, "cannot make an event descriptor", "", ErrorCode::internal);
    }
}

RecordQueue::~RecordQueue() = default;

/// The descriptor is readable exactly while something waits.
void RecordQueue::signal()
{
    std::uint64_t count = 0;
    if (has_some() || closed_) {
        count = 1;
        [[maybe_unused]] const ssize_t written = ::write(event_.get(), &count, sizeof count);
    } else {
        [[maybe_unused]] const ssize_t got = ::read(event_.get(), &count, sizeof count);
    }
    changed_.notify_all();
}

void RecordQueue::push_listing(Record record, const std::stop_token& stop)
{
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [this] { return listings_ < listing_limit; })) {
        throw Error(ErrorCode::cancelled, "cancelled");
    }
    ++listings_;
    records_.emplace_back(std::move(record), true);
    signal();
}

void RecordQueue::push(Record record)
{
    const std::lock_guard lock(mutex_);
    // Once some lie in the file, all follow there until it is read: order is kept.
    if (spilled_ > 0 || records_.size() >= memory_limit + listing_limit) {
        spill(record);
    } else {
        records_.emplace_back(std::move(record), false);
    }
    signal();
}

void RecordQueue::spill(const Record& record)
{
    if (!file_) {
        file_ = core::open_unnamed_file(temporary_folder_);
    }
    const core::Bytes bytes = record_to_bytes(record);
    const std::uint64_t size = bytes.size();
    core::write_at(file_.get(), write_offset_,
                   {reinterpret_cast<const std::uint8_t*>(&size), sizeof size}, temporary_folder_);
    core::write_at(file_.get(), write_offset_ + sizeof size, bytes, temporary_folder_);
    write_offset_ += sizeof size + size;
    ++spilled_;
}

Record RecordQueue::unspill()
{
    std::uint64_t size = 0;
    core::read_at(file_.get(), read_offset_, {reinterpret_cast<std::uint8_t*>(&size), sizeof size},
                  temporary_folder_);
    core::Bytes bytes(size);
    core::read_at(file_.get(), read_offset_ + sizeof size, bytes, temporary_folder_);
    read_offset_ += sizeof size + size;
    if (--spilled_ == 0) {
        read_offset_ = write_offset_ = 0;
    }
    return record_from_bytes(bytes);
}

void RecordQueue::close()
{
    const std::lock_guard lock(mutex_);
    closed_ = true;
    signal();
}

RecordQueue::Got RecordQueue::pop(std::int64_t timeout_ns, Record& out)
{
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return has_some() || closed_; };
    if (timeout_ns < 0) {
        changed_.wait(lock, ready);
    } else if (!changed_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), ready)) {
        return Got::pending;
    }
    if (!has_some()) {
        return Got::done;
    }
    if (records_.empty()) {
        out = unspill();
    } else {
        out = std::move(records_.front().first);
        listings_ -= records_.front().second ? 1 : 0;
        records_.pop_front();
    }
    signal();
    return Got::record;
}

bool RecordQueue::drained() const
{
    const std::lock_guard lock(mutex_);
    return closed_ && !has_some();
}

} // namespace backstay::capi
