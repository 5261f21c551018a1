#pragma once

#include "base/file.hpp"
#include "repo/index_row.hpp"

#include <functional>
#include <string>
#include <vector>

namespace backstay::core
{

/// Sorts rows of any number: what is more than `memory` bytes goes to unnamed files in
/// `temporary_folder`, in runs that drain() merges. One thread at a time.
class RowSorter
{
public:
    RowSorter(std::size_t memory, std::string temporary_folder);

    void add(const IndexRow& row);
    /// So many were added; drain() gives at most as many.
    std::uint64_t added() const { return added_; }

    /// All in order, each once. Then it is empty.
    void drain(const std::function<void(const IndexRow&)>& each);

private:
    struct Run {
        std::uint64_t begin = 0; ///< numbers of rows in the file
        std::uint64_t end = 0;
    };
    class RunReader;
    void sort_pending();
    void spill();

    std::size_t most_pending_;
    std::string temporary_folder_;
    std::vector<IndexRow> pending_;
    FileDescriptor file_; ///< all runs, one behind the other
    std::vector<Run> runs_;
    std::uint64_t added_ = 0;
};

} // namespace backstay::core
