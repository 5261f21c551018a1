#include "repo/tree_cursor.hpp"

#include "base/error.hpp"

namespace backstay::core
{

namespace
{

/// So many pages of the innermost folders stay in memory, whatever the depth.
constexpr std::size_t pages_held = 32;

} // namespace

TreeCursor::TreeCursor(std::shared_ptr<TreePages> pages, std::string path, const Subtree& folder,
                       SnapshotView::Depth depth)
    : pages_(std::move(pages)), depth_(depth), path_(std::move(path)), enter_(folder)
{
}

std::optional<Entry> TreeCursor::next()
{
    while (true) {
        if (enter_) {
            enter_folder();
        }
        if (frames_.empty()) {
            return std::nullopt;
        }
        Frame& frame = frames_.back();
        if (!frame.page) {
            frame.page = pages_->again(frame.id);
        }
        if (frame.at == frame.page->count()) {
            frames_.pop_back();
        } else if (frame.page->tree.level > 0) {
            enter_page();
        } else {
            return give(frame.page->tree.entries[frame.at++]);
        }
    }
}

void TreeCursor::skip_children()
{
    // At the very beginning nothing was given yet: the folder to enter is the walk's own.
    if (!frames_.empty()) {
        enter_.reset();
    }
}

/// What cannot be read is passed over: the next call goes on behind it. What may pass (a store that
/// cannot be reached) is tried again.
void TreeCursor::enter_folder()
{
    const Subtree folder = *enter_;
    try {
        push(folder.page, pages_->root(folder), frames_.size(), path_.size());
        enter_.reset();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged) {
            throw;
        }
        enter_.reset();
        throw Error(ErrorCode::damaged, error.what(), path_);
    }
}

void TreeCursor::enter_page()
{
    const std::size_t parent = frames_.size() - 1;
    const KnownPagePointer holder = frames_[parent].page;
    const std::size_t at = frames_[parent].at;
    try {
        KnownPagePointer page = pages_->below(holder->tree, at);
        check_order(*page);
        ++frames_[parent].at;
        push(holder->tree.pages[at].page, std::move(page), frames_[parent].folder,
             frames_[parent].path_size);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged) {
            throw;
        }
        ++frames_[parent].at;
        fail(error.what());
    }
}

void TreeCursor::push(const BlobId& id, KnownPagePointer page, std::size_t folder,
                      std::size_t path_size)
{
    frames_.push_back({id, std::move(page), 0, folder, path_size, {}});
    if (frames_.size() > pages_held) {
        frames_[frames_.size() - 1 - pages_held].page.reset();
    }
}

/// Each page is sorted in itself; here, that it lies behind those before it.
void TreeCursor::check_order(const KnownPage& page)
{
    std::string& last = frames_[frames_.back().folder].last_name;
    const bool leaf = page.tree.level == 0;
    const std::string& first =
        leaf ? page.tree.entries.front().path : page.tree.pages.front().first_name;
    if (first <= last) {
        throw Error(ErrorCode::damaged, "the pages of a folder are not in order");
    }
    if (leaf) {
        last = page.tree.entries.back().path;
    }
}

Entry TreeCursor::give(const Entry& entry)
{
    const Frame& frame = frames_.back();
    if (frame.path_size + 1 + entry.path.size() > max_path_size) {
        fail("the paths in it are longer than paths may be");
    }
    path_.resize(frame.path_size);
    if (!path_.empty()) {
        path_ += '/';
    }
    path_ += entry.path;
    if (depth_ == SnapshotView::Depth::all_levels && entry.kind == EntryKind::directory) {
        if (!entry.subtree) {
            fail("a folder in it has no page");
        }
        enter_ = entry.subtree;
    }
    Entry given = entry;
    given.path = path_;
    return given;
}

std::string TreeCursor::folder_path() const
{
    return path_.substr(0, frames_.back().path_size);
}

void TreeCursor::fail(const std::string& why) const
{
    throw Error(ErrorCode::damaged, why, folder_path());
}

} // namespace backstay::core
