#include "repo/content_reader.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <vector>

namespace backstay::core
{

namespace
{

[[noreturn]] void fail(const std::string& subject, const std::string& why)
{
    throw Error(ErrorCode::damaged, "a content list is damaged: " + why, subject);
}

/// Goes through a list and the pages below it in order, one page a level in memory.
class ListWalk
{
public:
    ListWalk(BlobReader& reader, const Content& content, const std::stop_token& stop)
        : reader_(reader), stop_(stop)
    {
        check_content(content, {});
        lists_.push_back({&content, {}, 0});
    }

    struct Step {
        const ContentItem* item; ///< valid until the next call
        bool is_page;
    };

    /// Empty at the end. Pages come before what is in them.
    std::optional<Step> next()
    {
        if (enter_) {
            const ContentItem page = *enter_;
            enter_.reset();
            open(page);
        }
        while (!lists_.empty() && lists_.back().at == lists_.back().list().items.size()) {
            lists_.pop_back();
        }
        if (lists_.empty()) {
            return std::nullopt;
        }
        List& top = lists_.back();
        const ContentItem& item = top.list().items[top.at++];
        const bool is_page = top.list().depth > 0 && !item.is_hole();
        if (is_page) {
            enter_ = item;
        }
        return Step{&item, is_page};
    }

private:
    struct List {
        const Content* borrowed; ///< the caller's, at the bottom
        Content own;
        std::size_t at;
        const Content& list() const { return borrowed != nullptr ? *borrowed : own; }
    };

    void open(const ContentItem& page)
    {
        throw_if_stopped(stop_);
        const std::uint8_t depth = lists_.back().list().depth;
        lists_.push_back({nullptr, read_content_page(reader_, page, depth, stop_), 0});
    }

    BlobReader& reader_;
    const std::stop_token& stop_;
    std::vector<List> lists_; // depths fall, so there are few
    std::optional<ContentItem> enter_;
};

} // namespace

void check_content(const Content& content, const std::string& subject)
{
    if (content.depth > max_content_depth) {
        fail(subject, "it is deeper than lists may be");
    }
    std::uint64_t size = 0;
    for (const ContentItem& item : content.items) {
        if (item.length == 0 || item.length > UINT64_MAX - size) {
            fail(subject, "a length is impossible");
        }
        size += item.length;
    }
}

Content read_content_page(BlobReader& reader, const ContentItem& item, std::uint8_t depth,
                          const std::stop_token& stop)
{
    const std::string subject = item.id.hex();
    Content page = decode_content_page(reader.read(item.id, BlobKind::list_node, stop));
    check_content(page, subject);
    if (page.depth + 1 != depth) {
        fail(subject, "a page has the wrong depth");
    }
    if (page.size() != item.length) {
        fail(subject, "a page's lengths do not add up to what is said of it");
    }
    return page;
}

void for_each_chunk(BlobReader& reader, const Content& content, const std::stop_token& stop,
                    const std::function<bool(std::uint64_t offset, const ContentItem&)>& each)
{
    ListWalk walk(reader, content, stop);
    std::uint64_t offset = 0;
    while (const auto step = walk.next()) {
        if (step->is_page) {
            continue;
        }
        if (!each(offset, *step->item)) {
            return;
        }
        offset += step->item->length;
    }
}

void for_each_reference(BlobReader& reader, const Content& content, const std::stop_token& stop,
                        const std::function<void(const BlobId&, BlobKind)>& each)
{
    ListWalk walk(reader, content, stop);
    while (const auto step = walk.next()) {
        if (!step->item->is_hole()) {
            each(step->item->id, step->is_page ? BlobKind::list_node : BlobKind::data);
        }
    }
}

} // namespace backstay::core
