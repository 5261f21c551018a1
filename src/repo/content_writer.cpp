#include "repo/content_writer.hpp"

#include "base/error.hpp"

#include <vector>

namespace backstay::core
{

namespace
{

using Items = std::vector<ContentItem>;

/// What a list can say: a length and the mark of a hole share a number.
constexpr std::uint64_t longest_stream = std::uint64_t{1} << 62;

/// About one id in 256 ends a page that is long enough, so pages have 512 items on average.
bool ends_page(const Items& items)
{
    if (items.size() < min_page_items) {
        return false;
    }
    return items.size() >= max_page_items || items.back().id.bytes.back() == 0xff;
}

} // namespace

struct ContentWriter::State {
    BlobWriter::Lane& lane;
    std::vector<Items> levels = std::vector<Items>(1); ///< chunks, pages of them, pages of pages…
    std::uint64_t hole = 0;                            ///< at the end so far: it may still grow
    std::uint64_t size = 0;

    /// A full page is closed only when something follows it: what fits inline has no pages.
    void append(std::size_t level, const ContentItem& item)
    {
        if (level == levels.size()) {
            levels.emplace_back();
        }
        if (ends_page(levels[level])) {
            close_page(level);
        }
        levels[level].push_back(item);
    }

    void close_page(std::size_t level)
    {
        if (level == max_content_depth) {
            throw Error(ErrorCode::invalid, "a stream has too many chunks for a content list");
        }
        const Content page{static_cast<std::uint8_t>(level), std::move(levels[level])};
        levels[level].clear();
        const BlobId id = lane.put(BlobKind::list_node, encode_content_page(page)).id;
        append(level + 1, {page.size(), id});
    }

    void end_hole()
    {
        if (hole > 0) {
            append(0, {hole, BlobId{}});
            hole = 0;
        }
    }

    Content finish()
    {
        end_hole();
        for (std::size_t level = 0;; ++level) {
            const bool top = level + 1 == levels.size();
            if (top && levels[level].size() <= max_inline_items) {
                return {static_cast<std::uint8_t>(level), std::move(levels[level])};
            }
            close_page(level);
        }
    }
};

ContentWriter::ContentWriter(BlobWriter::Lane& lane) : state_(new State{lane}) {}

ContentWriter::~ContentWriter() = default;

void ContentWriter::add(ContentItem item)
{
    if (item.length > longest_stream - state_->size) {
        throw Error(ErrorCode::invalid, "a stream is longer than 2^62 bytes");
    }
    state_->size += item.length;
    if (item.is_hole()) {
        state_->hole += item.length;
    } else if (item.length > 0) {
        state_->end_hole();
        state_->append(0, item);
    }
}

std::uint64_t ContentWriter::size() const
{
    return state_->size;
}

Content ContentWriter::so_far() const
{
    return State(*state_).finish();
}

Content ContentWriter::finish()
{
    return state_->finish();
}

} // namespace backstay::core
