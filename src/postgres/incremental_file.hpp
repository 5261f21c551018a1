#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// The head of a file that an incremental base backup (PostgreSQL 17 and later) sends in place of a
/// relation's file: which blocks follow it, and how far the earlier backup's blocks still count.
struct IncrementalHead {
    /// In front of it, a block that was not sent is the earlier backup's (zeros where that is
    /// shorter); from here on it is zeros.
    std::uint32_t truncation = 0;
    std::vector<std::uint32_t> blocks; ///< of the segment, ascending: in this order they follow

    /// Blocks of the file that comes out.
    std::uint32_t length() const;
};

struct IncrementalBounds {
    std::size_t page_size = 8192;
    std::uint32_t segment_blocks = 131072; ///< a relation's file has no more
};

/// Reads the head, with the padding that brings the first block to a multiple of the page size,
/// and no byte more. `file_size`: of head and blocks, which must fit. `read` is short only at the
/// end. Throws Error{damaged}.
///
/// A truncation behind the segment's end means all of it: servers send the relation's.
IncrementalHead read_incremental_head(const std::function<std::size_t(MutableByteSpan)>& read,
                                      std::uint64_t file_size, const IncrementalBounds& bounds);

/// The file of the relation that "base/5/INCREMENTAL.16384" stands for; "" if the name is another.
std::string incremental_original(std::string_view path);

/// The same of any path: what follows the prefix of its last name.
std::string without_incremental_prefix(std::string_view path);

} // namespace backstay::core
