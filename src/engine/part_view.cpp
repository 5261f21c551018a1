#include "engine/part_view.hpp"

#include <utility>

namespace backstay::core
{

class PartView::Cursor : public EntryCursor
{
public:
    Cursor(PartView& view, std::unique_ptr<EntryCursor> cursor)
        : view_(view), cursor_(std::move(cursor))
    {
    }

    std::optional<Entry> next() override
    {
        std::optional<Entry> entry = cursor_->next();
        return entry ? std::optional(view_.as_seen(std::move(*entry))) : std::nullopt;
    }

    void skip_children() override { cursor_->skip_children(); }

private:
    PartView& view_;
    std::unique_ptr<EntryCursor> cursor_;
};

PartView::PartView(RepositoryView& part, RepositoryView& whole, std::string base)
    : part_(part), whole_(whole), base_(std::move(base))
{
}

std::optional<Entry> PartView::lookup(std::string_view path)
{
    std::optional<Entry> entry = part_.lookup(path);
    return entry ? std::optional(as_seen(std::move(*entry))) : std::nullopt;
}

std::unique_ptr<EntryCursor> PartView::walk(std::string_view path, Depth depth)
{
    return std::make_unique<Cursor>(*this, part_.walk(path, depth));
}

std::unique_ptr<SnapshotStream> PartView::open_stream(const Entry& entry)
{
    return part_.open_stream(entry);
}

std::string PartView::source_record() const
{
    return part_.source_record();
}

Entry PartView::as_seen(Entry entry)
{
    if (entry.kind != EntryKind::hard_link || !is_entry_path(entry.link_target)) {
        return entry;
    }
    const std::string& source_and_more = base_.empty() ? entry.path : base_;
    const std::string first =
        source_and_more.substr(0, source_and_more.find('/')) + "/" + entry.link_target;
    if (base_.empty()) {
        entry.link_target = first;
    } else if (first.starts_with(base_ + "/")) {
        entry.link_target = first.substr(base_.size() + 1);
    } else if (std::optional<Entry> content = whole_.lookup(first);
               content && content->kind == EntryKind::file) {
        content->path = std::move(entry.path);
        return std::move(*content);
    }
    return entry;
}

} // namespace backstay::core
