#pragma once

#include "format/content.hpp"
#include "repo/blob_writer.hpp"

#include <memory>

namespace backstay::core
{

/// Builds a content list of any length from its items in order, as a stream: beyond
/// max_inline_items the items go to list pages, cut by content, recursively, so that one changed
/// chunk changes one page a level. Where a page ends, its last id decides: ids are keyed already.
/// Memory: one page a level. One thread at a time.
class ContentWriter
{
public:
    /// `lane` must outlive the writer.
    explicit ContentWriter(BlobWriter::Lane& lane);
    ~ContentWriter();
    /// Holes next to each other are joined; items without a length are left out.
    void add(ContentItem item);
    std::uint64_t size() const;
    /// As finish() would give it now. Costs a page a level.
    Content so_far() const;
    /// Only the destructor may follow.
    Content finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
