#pragma once

#include "format/snapshot_view.hpp"
#include "repo/blob_reader.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace backstay::core
{

/// Reads the bytes that a content list stands for, at any offset: holes as zeroes, list pages as
/// they are needed. Who reads in order is read ahead for. Thread-safe.
class ContentStream final : public SnapshotStream
{
public:
    /// Throws Error{damaged} if the list itself is.
    ContentStream(std::shared_ptr<BlobReader> reader, const Content& content);
    std::uint64_t size() const override { return size_; }
    std::size_t read_at(std::uint64_t offset, MutableByteSpan buffer,
                        const std::stop_token& stop) override;
    void expect(std::uint64_t begin, std::uint64_t end) override;
    std::optional<Extent> next_data(std::uint64_t offset) override;
    Chunk chunk_at(std::uint64_t offset, const std::stop_token& stop) override;
    bool chunk_equals(std::uint64_t offset, ByteSpan bytes, const std::stop_token& stop) override;

private:
    /// A list with the offsets of its items' ends, from its own beginning.
    struct List {
        Content content;
        std::vector<std::uint64_t> ends;
        explicit List(Content from);
    };
    using ListPointer = std::shared_ptr<const List>;
    /// Where an offset lies: an item of the innermost list, and where that begins in the stream.
    struct Place {
        ListPointer list;
        std::size_t item;
        std::uint64_t list_begin;
        std::uint64_t begin() const;
        std::uint64_t end() const { return list_begin + list->ends[item]; }
        const ContentItem& what() const { return list->content.items[item]; }
    };
    Place locate(std::uint64_t offset, const std::stop_token& stop);
    void read_ahead(const Place& place, std::uint64_t from, std::uint64_t to,
                    const std::stop_token& stop);
    ListPointer page(const ContentItem& item, std::uint8_t depth, const std::stop_token& stop);
    std::vector<BlobId> blobs_between(std::uint64_t begin, std::uint64_t end,
                                      const std::stop_token& stop);
    void fetch_ahead(std::uint64_t from, std::uint64_t to, const std::stop_token& stop);
    void open_ahead(const Place& place, std::uint64_t to);

    std::shared_ptr<BlobReader> reader_;
    ListPointer root_;
    std::uint64_t size_;
    struct Kept {
        BlobId id;
        ListPointer list;
    };
    /// Of who reads one piece after the other.
    struct Order {
        std::uint64_t begin = 0;
        std::uint64_t next = 0;
        std::uint64_t end = 0;
        bool told = false;         ///< by expect()
        std::uint64_t opened = 0;  ///< up to where the reader was told to open
        std::uint64_t fetched = 0; ///< up to where it was told to fetch
    };
    std::mutex mutex_;       // guards all below
    std::vector<Kept> kept_; ///< pages used last, the last one at the end
    Order order_;
};

} // namespace backstay::core
