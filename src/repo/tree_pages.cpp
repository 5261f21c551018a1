#include "repo/tree_pages.hpp"

#include "base/error.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::size_t most_damaged = 4096; ///< remembered

[[noreturn]] void fail(const BlobId& id, const std::string& why)
{
    throw Error(ErrorCode::damaged, "a page of a folder is damaged: " + why, id.hex());
}

/// Bytes from `at` on, so that keys compare as names do.
std::uint64_t key_of(std::string_view name, std::size_t at)
{
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < 8; ++i) {
        key = key << 8 | (at + i < name.size() ? static_cast<unsigned char>(name[at + i]) : 0U);
    }
    return key;
}

} // namespace

KnownPage::KnownPage(TreePage page, std::size_t plain_size)
    : tree(std::move(page)), memory(2 * plain_size + tree.entries.size() * sizeof(Entry) +
                                    tree.pages.size() * sizeof(PageRef))
{
    for (const Entry& entry : tree.entries) {
        totals.add(entry);
    }
    for (const PageRef& ref : tree.pages) {
        totals.add(ref);
    }
    if (tree.entries.empty()) {
        return;
    }
    const std::string& first = tree.entries.front().path;
    const std::string& last = tree.entries.back().path;
    same_ = static_cast<std::size_t>(
        std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());
    keys_.reserve(tree.entries.size());
    for (const Entry& entry : tree.entries) {
        keys_.push_back(key_of(entry.path, same_));
    }
}

const Entry* KnownPage::find(std::string_view name) const
{
    if (keys_.empty() ||
        name.substr(0, same_) != std::string_view(tree.entries.front().path).substr(0, same_)) {
        return nullptr;
    }
    const auto [begin, end] = std::equal_range(keys_.begin(), keys_.end(), key_of(name, same_));
    const auto first = tree.entries.begin() + (begin - keys_.begin());
    const auto last = tree.entries.begin() + (end - keys_.begin());
    const auto found =
        std::lower_bound(first, last, name, [](const Entry& entry, std::string_view wanted) {
            return entry.path < wanted;
        });
    return found != last && found->path == name ? &*found : nullptr;
}

TreePages::TreePages(std::shared_ptr<BlobReader> reader, std::size_t memory)
    : reader_(std::move(reader)), memory_(memory)
{
}

KnownPagePointer TreePages::root(const Subtree& folder)
{
    KnownPagePointer page = load(folder.page);
    if (page->totals != TreeTotals{folder.entries, folder.bytes}) {
        fail(folder.page, "its totals are not those of its folder");
    }
    return page;
}

KnownPagePointer TreePages::below(const TreePage& parent, std::size_t at)
{
    const PageRef& ref = parent.pages[at];
    KnownPagePointer page = load(ref.page);
    if (page->tree.level + 1 != parent.level) {
        fail(ref.page, "it is not one level below the page that refers to it");
    }
    if (page->count() == 0) {
        fail(ref.page, "it is empty");
    }
    const std::string& first = page->tree.level == 0 ? page->tree.entries.front().path
                                                     : page->tree.pages.front().first_name;
    if (first != ref.first_name) {
        fail(ref.page, "it does not begin with the name that the page above says");
    }
    if (page->totals != TreeTotals{ref.entries, ref.bytes}) {
        fail(ref.page, "its totals are not those that the page above says");
    }
    return page;
}

KnownPagePointer TreePages::again(const BlobId& id)
{
    return load(id);
}

std::optional<TreePages::Found> TreePages::find(const Subtree& folder, std::string_view name)
{
    KnownPagePointer page = root(folder);
    while (page->tree.level > 0) { // levels fall: below() sees to it
        const std::vector<PageRef>& refs = page->tree.pages;
        const auto behind = std::upper_bound(
            refs.begin(), refs.end(), name,
            [](std::string_view wanted, const PageRef& ref) { return wanted < ref.first_name; });
        if (behind == refs.begin()) {
            return std::nullopt;
        }
        page = below(page->tree, static_cast<std::size_t>(behind - refs.begin()) - 1);
    }
    const Entry* const entry = page->find(name);
    return entry != nullptr ? std::optional(Found{page, entry}) : std::nullopt;
}

KnownPagePointer TreePages::load(const BlobId& id)
{
    if (KnownPagePointer page = cached(id)) {
        return page;
    }
    try {
        KnownPagePointer page = read(id);
        keep(id, page);
        return page;
    } catch (const Error& error) {
        const std::lock_guard lock(mutex_);
        if (error.code() == ErrorCode::damaged && damaged_.size() < most_damaged) {
            damaged_.emplace(id, error.what());
        }
        throw;
    }
}

KnownPagePointer TreePages::read(const BlobId& id)
{
    const Bytes plain = reader_->read(id, BlobKind::tree_node, {});
    return std::make_shared<const KnownPage>(decode_tree_page(plain), plain.size());
}

KnownPagePointer TreePages::cached(const BlobId& id)
{
    const std::lock_guard lock(mutex_);
    if (const auto damaged = damaged_.find(id); damaged != damaged_.end()) {
        throw Error(ErrorCode::damaged, damaged->second, id.hex());
    }
    const auto found = places_.find(id);
    if (found == places_.end()) {
        return nullptr;
    }
    kept_.splice(kept_.begin(), kept_, found->second);
    return found->second->page;
}

void TreePages::keep(const BlobId& id, const KnownPagePointer& page)
{
    std::list<Kept> dropped; // freed behind the lock
    const std::lock_guard lock(mutex_);
    if (places_.find(id) != places_.end()) {
        return; // another thread was faster
    }
    kept_.push_front({id, page});
    places_[id] = kept_.begin();
    used_ += page->memory;
    while (used_ > memory_ && kept_.size() > 1) {
        used_ -= kept_.back().page->memory;
        places_.erase(kept_.back().id);
        dropped.splice(dropped.begin(), kept_, std::prev(kept_.end()));
    }
}

} // namespace backstay::core
