#pragma once

#include "format/content.hpp"
#include "repo/blob_reader.hpp"
#include "repo/blob_writer.hpp"

#include <functional>
#include <memory>

namespace backstay::core {

/// Builds a content list of any length from its items in order, as a stream: beyond max_inline_items the items go to list pages, cut by content, recursively. One thread at a time.
class ContentWriter {
public:
    ContentWriter(const KeyChain& keys, BlobWriter::Lane& lane);
    ~ContentWriter();
    void add(ContentItem item); ///< holes next to each other are joined
    std::uint64_t size() const;
    Content finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Calls `each` for every chunk and hole in order, reading list pages as it goes; `offset` is the item's place in the stream. Checks that lengths add up. False from `each` ends it.
void for_each_chunk(BlobReader& reader, const Content& content, const std::stop_token& stop,
                    const std::function<bool(std::uint64_t offset, const ContentItem&)>& each);

/// Calls `each` for ids of list pages, too (with their kind): what a content refers to, for "is all of it known" and for marks.
void for_each_reference(BlobReader& reader, const Content& content, const std::stop_token& stop, const std::function<void(const BlobId&, BlobKind)>& each);

/// Stores a stream of small records (entry logs, problems) as BlobKind::record chunks of up to 128 KiB, each record behind its length. One thread at a time.
class RecordWriter {
public:
    RecordWriter(const KeyChain& keys, BlobWriter::Lane& lane);
    ~RecordWriter();
    void add(ByteSpan record);
    Content finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Reads it back, record by record.
void read_records(BlobReader& reader, const Content& content, const std::stop_token& stop, const std::function<void(ByteSpan)>& each);

} // namespace backstay::core
