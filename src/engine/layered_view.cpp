#include "engine/layered_view.hpp"

#include "base/error.hpp"

namespace backstay::core
{

LayeredView::LayeredView(std::shared_ptr<SnapshotView> newer, std::shared_ptr<SnapshotView> older)
    : newer_(std::move(newer)), older_(std::move(older))
{
}

std::optional<Entry> LayeredView::lookup(std::string_view path)
{
    if (newer_) {
        // A folder of the newer one is only there for what lies in it: it has no attributes of its
        // own.
        if (auto found = newer_->lookup(path);
            found && (!found->change_token.empty() || found->mode)) {
            return found;
        }
    }
    return older_ ? older_->lookup(path) : std::nullopt;
}

std::unique_ptr<EntryCursor> LayeredView::walk(std::string_view path, Depth depth)
{
    if (!older_) {
        throw Error(ErrorCode::not_found, "there is no parent snapshot to walk", std::string(path));
    }
    return older_->walk(path, depth);
}

std::unique_ptr<SnapshotStream> LayeredView::open_stream(const Entry& entry)
{
    // Both read the same repository: an entry's content says what to read.
    return (older_ ? older_ : newer_)->open_stream(entry);
}

std::string LayeredView::source_record() const
{
    return older_ ? older_->source_record() : std::string();
}

} // namespace backstay::core
