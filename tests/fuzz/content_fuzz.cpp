#include "canonical.hpp"
#include "pieces.hpp"
#include "repo/content_reader.hpp"
#include "repo/content_stream.hpp"
#include "repo/record_stream.hpp"
#include "support/sample_blobs.hpp"

using namespace backstay::core;

namespace
{

constexpr int most_blobs = 48;
constexpr std::size_t most_items = 4; ///< of a list, so that lists of lists are soon read
constexpr int inputs_of_a_repository = 200;

/// A repository is dear to make, and one that only grows is slow: one for some inputs.
SampleBlobs& blobs()
{
    static std::unique_ptr<SampleBlobs> kept;
    static int inputs = 0;
    if (!kept || ++inputs % inputs_of_a_repository == 0) {
        kept = std::make_unique<SampleBlobs>();
    }
    return *kept;
}

/// What somebody with the keys stores to hurt who reads it.
class HostileContent
{
public:
    explicit HostileContent(Pieces pieces)
    {
        for (int count = 0; !pieces.at_end() && count < most_blobs; ++count) {
            apply(pieces);
        }
        blobs().publish();
        const std::size_t begin = stored_.size() - std::min(stored_.size(), most_items);
        content_.depth = depth_;
        content_.items.assign(stored_.begin() + static_cast<std::ptrdiff_t>(begin), stored_.end());
    }

    const Content& content() const { return content_; }

private:
    void apply(Pieces& pieces)
    {
        switch (pieces.byte() % 6) {
        case 0:
            put(BlobKind::record, pieces.bytes(pieces.byte()), 0);
            break;
        case 1:
            put(BlobKind::list_node, pieces.bytes(pieces.number()), pieces.byte());
            break;
        case 2:
            put_list(pieces);
            break;
        case 3:
            stored_.push_back({pieces.number(), BlobId{}});
            break;
        case 4:
            stored_.push_back({UINT64_MAX - pieces.byte(), BlobId{{pieces.byte()}}});
            break;
        default:
            depth_ = pieces.byte();
            break;
        }
    }

    /// `more`: by so much the length is false.
    void put(BlobKind kind, ByteSpan bytes, std::uint64_t more)
    {
        stored_.push_back({bytes.size() + more, blobs().lane().put(kind, bytes).id});
    }

    /// A page of what was stored last.
    void put_list(Pieces& pieces)
    {
        Content page;
        page.depth = pieces.byte() % (max_content_depth + 2);
        const std::size_t count =
            std::min<std::size_t>(pieces.byte() % (most_items + 1), stored_.size());
        page.items.assign(stored_.end() - static_cast<std::ptrdiff_t>(count), stored_.end());
        const Bytes plain = encode_content_page(page);
        const std::uint64_t length = page.size() + pieces.byte() % 2;
        stored_.push_back({length, blobs().lane().put(BlobKind::list_node, plain).id});
        depth_ = page.depth + 1;
    }

    std::vector<ContentItem> stored_;
    std::uint8_t depth_ = 0;
    Content content_;
};

void read_stream(const Content& content)
{
    ContentStream stream(blobs().reader(), content);
    if (stream.size() != content.size()) {
        found("a stream has another size than its list says");
    }
    Bytes buffer(4096);
    const std::uint64_t size = stream.size();
    for (const std::uint64_t offset :
         {std::uint64_t{0}, size / 2, size - std::min<std::uint64_t>(size, 1), size}) {
        accepts([&] {
            const std::size_t got = stream.read_at(offset, buffer, {});
            if (got != std::min<std::uint64_t>(buffer.size(), size - offset)) {
                found("a stream is cut short");
            }
            const auto extent = stream.next_data(offset);
            if (extent &&
                (extent->begin < offset || extent->end <= extent->begin || extent->end > size)) {
                found("data lies outside of its stream");
            }
        });
    }
}

void walk(const Content& content)
{
    std::uint64_t expected = 0;
    for_each_chunk(*blobs().reader(), content, {},
                   [&](std::uint64_t offset, const ContentItem& item) {
                       if (offset != expected || item.length == 0) {
                           found("a chunk is not where the one before ended");
                       }
                       expected += item.length;
                       return true;
                   });
    if (expected != content.size()) {
        found("chunks do not add up to their list");
    }
}

} // namespace

// An input says what blobs are stored, and which of them make a stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const HostileContent hostile(Pieces({data, size}));
    const Content& content = hostile.content();
    accepts([&] { walk(content); });
    accepts([&] { read_stream(content); });
    accepts([&] {
        std::uint64_t total = 0;
        read_records(*blobs().reader(), content, {}, [&total](ByteSpan record) {
            total += record.size();
            if (record.size() > max_record_size) {
                found("a record is larger than records may be");
            }
        });
        if (total > content.size()) {
            found("records hold more than their stream");
        }
    });
    accepts([&] {
        for_each_reference(*blobs().reader(), content, {}, [](const BlobId&, BlobKind) {});
    });
    return 0;
}
