#pragma once

#include "base/file.hpp"

#include <functional>
#include <string>
#include <vector>

namespace backstay::core
{

/// Sorted runs of encoded entries, one after another in one unnamed temporary file, and their
/// merge. One thread at a time.
class EntryRuns
{
public:
    /// `memory`: for the buffers of a merge.
    EntryRuns(std::size_t memory, std::string temporary_folder);
    using Each = std::function<void(ByteSpan)>;
    /// `give` calls its argument with each entry, in path_less order. Throws Error{storage,
    /// no_space}.
    void add_run(const std::function<void(const Each&)>& give);
    /// Every entry in path_less order, those with one path in the order of their runs. What `each`
    /// gets is valid for the call.
    void merge(const Each& each) const;
    bool empty() const { return runs_.empty(); }

private:
    struct Run {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    class Writer;
    class Cursor;
    Run write(const std::function<void(const Each&)>& give);
    void merge_all_into_one();

    std::size_t memory_;
    std::size_t most_runs_;
    std::string temporary_folder_;
    FileDescriptor file_;
    std::uint64_t file_size_ = 0;
    std::vector<Run> runs_; ///< oldest first
};

} // namespace backstay::core
