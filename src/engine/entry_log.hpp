#pragma once

#include "base/file.hpp"
#include "format/entry.hpp"

#include <functional>
#include <mutex>
#include <string>

namespace backstay::core
{

/// Entries of one source that were read since the last checkpoint, encoded, in memory up to a limit
/// and then in an unnamed file. Thread-safe.
class EntryLog
{
public:
    explicit EntryLog(std::string temporary_folder);
    void add(const Entry& entry);
    /// Hands over all records so far, in order, and is empty then.
    void take(const std::function<void(Bytes)>& each);
    bool empty() const;

private:
    void spill();
    static constexpr std::size_t memory_limit = 2 * MiB;

    std::string temporary_folder_;
    mutable std::mutex mutex_; // guards all below
    Bytes buffer_;
    FileDescriptor file_;
    std::uint64_t in_file_ = 0;
};

} // namespace backstay::core
