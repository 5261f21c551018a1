#pragma once

#include "base/record.hpp"
#include "format/snapshot_record.hpp"
#include "store/object_store.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// How far a piece of work has come. Thread-safe.
struct ProgressCounters {
    std::atomic<std::uint64_t> entries{0};
    std::atomic<std::uint64_t> entries_total{0}; ///< 0: not known
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> bytes_total{0};
    std::atomic<std::uint64_t> problems{0};

    void reset(); ///< all that was done is to be done again
};

/// What a piece of work gets from whoever started it: the token it must see, counters to fill, and
/// a place for records. The functions that do the work return their summary. Thread-safe.
class JobContext
{
public:
    /// `emit` may wait while too many records are unread; it throws Error{cancelled} if stopped
    /// meanwhile. Null: records are dropped.
    explicit JobContext(std::stop_token stop = {}, std::function<void(Record)> emit = {});

    const std::stop_token& stop() const { return stop_; }
    ProgressCounters& progress() { return progress_; }
    void emit(Record record);
    /// Counts it, and emits {"type":"problem","source","path","code","message"}.
    void problem(const ProblemRecord& problem);
    /// What is being worked on, for a progress line.
    void set_current(std::string_view path);
    /// {"type":"progress", entries, entries_total, bytes, bytes_total, problems, current, seconds}.
    Record progress_record() const;
    double seconds() const;

private:
    std::stop_token stop_;
    std::function<void(Record)> emit_;
    ProgressCounters progress_;
    double started_;
    mutable std::mutex mutex_; // guards current_
    std::string current_;
};

/// Threads and memory that the operations of one engine may use.
struct EngineLimits {
    unsigned threads = 2;
    std::uint64_t memory = 128 * MiB; ///< of anonymous resident memory, all together
    std::string temporary_folder;     ///< empty: temporary_folder()

    /// Threads that read from `store`: more than there is to compute for, where a request takes
    /// long.
    unsigned readers(ObjectStore& store, const std::stop_token& stop) const;
};

/// The entry as records show it: type, path, kind, size, mode, owner, times, link…
Record entry_record(const Entry& entry, std::string_view path);

} // namespace backstay::core
