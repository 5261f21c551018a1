#pragma once

#include "format/snapshot_view.hpp"
#include "repo/tree_pages.hpp"

#include <string>
#include <vector>

namespace backstay::core
{

/// Walks a folder of a snapshot, page by page: only the pages of the innermost folders are in
/// memory. One thread at a time.
class TreeCursor final : public EntryCursor
{
public:
    /// `path`: of `folder`, as the entries' paths begin; "" for the root.
    TreeCursor(std::shared_ptr<TreePages> pages, std::string path, const Subtree& folder,
               SnapshotView::Depth depth);
    std::optional<Entry> next() override;
    void skip_children() override;

private:
    /// A page on the way from the walk's root to where it is.
    struct Frame {
        BlobId id{};
        KnownPagePointer page;     ///< null: dropped, read again on the way back
        std::size_t at = 0;        ///< what comes next in it
        std::size_t folder = 0;    ///< which frame is the root page of this one's folder
        std::size_t path_size = 0; ///< of the folder
        std::string last_name;     ///< of the folder's pages so far; kept at its root page
    };
    void enter_folder();
    void enter_page();
    void push(const BlobId& id, KnownPagePointer page, std::size_t folder, std::size_t path_size);
    void check_order(const KnownPage& page);
    Entry give(const Entry& entry);
    std::string folder_path() const;
    [[noreturn]] void fail(const std::string& why) const;

    std::shared_ptr<TreePages> pages_;
    const SnapshotView::Depth depth_;
    std::string path_; ///< of the last entry, or of the folder to enter
    std::optional<Subtree> enter_;
    std::vector<Frame> frames_;
};

} // namespace backstay::core
