#pragma once

#include "base/file.hpp"
#include "base/record.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>

namespace backstay::capi
{

/// The records of a job on their way to whoever pulls them. Listings wait for the reader; problems
/// never do and are never dropped: beyond some memory they wait in an unnamed temporary file.
/// Thread-safe.
class RecordQueue
{
public:
    static constexpr std::size_t listing_limit = 1024;
    static constexpr std::size_t memory_limit =
        4096; ///< problems in memory; the rest goes to the file

    explicit RecordQueue(std::string temporary_folder);
    ~RecordQueue();

    /// Waits while listing_limit listings are unread. Throws Error{cancelled} on stop.
    void push_listing(core::Record record, const std::stop_token& stop);
    void push(core::Record record);
    /// Nothing comes after this.
    void close();

    enum class Got { record, pending, done };
    /// timeout < 0: for ever.
    Got pop(std::int64_t timeout_ns, core::Record& out);

    bool drained() const; ///< closed, and everything was read
    int descriptor() const { return event_.get(); }

private:
    void spill(const core::Record& record);
    core::Record unspill();
    void signal();
    bool has_some() const { return !records_.empty() || spilled_ > 0; }

    std::string temporary_folder_;
    core::FileDescriptor event_;
    mutable std::mutex mutex_; // guards all below
    std::condition_variable_any changed_;
    std::deque<std::pair<core::Record, bool>> records_; ///< with: is a listing
    std::size_t listings_ = 0;
    core::FileDescriptor file_;
    std::uint64_t read_offset_ = 0;
    std::uint64_t write_offset_ = 0;
    std::uint64_t spilled_ = 0;
    bool closed_ = false;
};

} // namespace backstay::capi
