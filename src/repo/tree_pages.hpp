#pragma once

#include "repo/blob_reader.hpp"
#include "repo/tree_totals.hpp"

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace backstay::core
{

/// A page as it was read, with what lies below it. Immutable.
struct KnownPage {
    KnownPage(TreePage page, std::size_t plain_size);

    TreePage tree;
    TreeTotals totals;
    std::size_t memory; ///< about

    /// Of a leaf; null if there is none of that name.
    const Entry* find(std::string_view name) const;
    std::size_t count() const { return tree.entries.size() + tree.pages.size(); }

private:
    std::size_t same_ = 0;            ///< so many bytes begin all names of a leaf
    std::vector<std::uint64_t> keys_; ///< the next eight of each: a search that stays in the cache
};
using KnownPagePointer = std::shared_ptr<const KnownPage>;

/// The pages of trees, each checked against what refers to it; those used last are kept decoded, up
/// to `memory` bytes. What is damaged is remembered, for to find that out may take a while.
/// Thread-safe.
class TreePages
{
public:
    TreePages(std::shared_ptr<BlobReader> reader, std::size_t memory);

    /// A folder's root page. Throws Error{damaged}: it cannot be read, or its totals are not those
    /// of `folder`.
    KnownPagePointer root(const Subtree& folder);
    /// The page that `parent.pages[at]` refers to. Throws Error{damaged}: it cannot be read, lies
    /// on another level than the next, does not begin with the name said or has other totals.
    KnownPagePointer below(const TreePage& parent, std::size_t at);
    /// A page that was checked before.
    KnownPagePointer again(const BlobId& id);

    /// Where `name` may be found: in the entry of that name, if there is one.
    struct Found {
        KnownPagePointer page;
        const Entry* entry; ///< in `page`
    };
    std::optional<Found> find(const Subtree& folder, std::string_view name);

    BlobReader& reader() { return *reader_; }
    const std::shared_ptr<BlobReader>& shared_reader() { return reader_; }

private:
    KnownPagePointer load(const BlobId& id);
    KnownPagePointer read(const BlobId& id);
    KnownPagePointer cached(const BlobId& id);
    void keep(const BlobId& id, const KnownPagePointer& page);

    struct Kept {
        BlobId id;
        KnownPagePointer page;
    };
    std::shared_ptr<BlobReader> reader_;
    const std::size_t memory_;
    std::mutex mutex_;     // guards all below
    std::list<Kept> kept_; ///< used last first
    std::unordered_map<BlobId, std::list<Kept>::iterator, IdHash> places_;
    std::size_t used_ = 0;
    std::unordered_map<BlobId, std::string, IdHash> damaged_; ///< with what was said of it
};

} // namespace backstay::core
