#pragma once

#include "format/tree_page.hpp"
#include "repo/blob_writer.hpp"

#include <memory>
#include <string_view>

namespace backstay::core {

/// Writes a tree from its entries in path_less order: pages as they fill, folders as they end; nothing but the open folders' last pages is in memory. One thread at a time.
class TreeWriter {
public:
    TreeWriter(const KeyChain& keys, BlobWriter::Lane& lane);
    ~TreeWriter();
    /// An entry as encode_entry() writes it. Folders that no entry names are made without attributes; what is said to lie below one is left out. Throws Error{invalid} if out of order, a path
    /// twice, below something that is no folder, or too large.
    void add(ByteSpan encoded);
    /// The same of one that is not encoded, and may be out of bounds: Error{invalid}.
    void add(const Entry& entry);
    /// Whether it lies below what was added last, which is no folder: add() would refuse it.
    bool lies_below_no_folder(std::string_view path) const;
    /// The root's page and totals. Requires: no more entries.
    Subtree finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
