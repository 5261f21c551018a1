#include "repo/tree_writer.hpp"

#include "base/error.hpp"
#include "repo/tree_totals.hpp"

#include <algorithm>
#include <optional>

namespace backstay::core
{

namespace
{

constexpr std::size_t average_page_bytes = max_page_bytes / 2;
constexpr std::size_t min_page_bytes = max_page_bytes / 4;
/// By so much an entry may take more than encoded_size() says; its subtree comes only later.
constexpr std::size_t slack = 512;

/// About what it takes when encoded, never much less: pages need not be filled to the byte.
std::size_t encoded_size(const Entry& entry)
{
    std::size_t size = 96 + entry.path.size() + entry.user.size() + entry.group.size() +
                       entry.link_target.size() + entry.change_token.size();
    for (const Xattr& xattr : entry.xattrs) {
        size += xattr.name.size() + xattr.value.size() + 8;
    }
    size += entry.content.items.size() * 36;
    return size + (entry.subtree ? 48 : 0);
}

std::size_t encoded_size(const PageRef& ref)
{
    return ref.first_name.size() + 48;
}

const std::string& name_of(const Entry& entry)
{
    return entry.path;
}

const std::string& name_of(const PageRef& ref)
{
    return ref.first_name;
}

/// A page that is being filled, at one level of a folder.
struct OpenPage {
    TreePage page;
    TreeTotals totals;
    std::size_t bytes = 0;

    std::size_t count() const { return page.entries.size() + page.pages.size(); }
    const std::string& first_name() const
    {
        return page.entries.empty() ? name_of(page.pages.front()) : name_of(page.entries.front());
    }
    void push(Entry entry) { page.entries.push_back(std::move(entry)); }
    void push(PageRef ref) { page.pages.push_back(std::move(ref)); }
};

/// A folder whose entries are still coming.
struct OpenFolder {
    Entry entry;                 ///< as it will stand in the folder above
    std::size_t path_size = 0;   ///< of its path, with the '/' behind it
    std::vector<OpenPage> pages; ///< by level; none: no entry yet
};

} // namespace

struct TreeWriter::State {
    const KeyChain& keys;
    BlobWriter::Lane& lane;
    std::vector<OpenFolder> folders = std::vector<OpenFolder>(1);
    std::string last_path = {};
    bool last_is_folder = false;
    std::optional<BlobId> empty_page = {};

    void add(Entry entry)
    {
        check_order(entry.path);
        check_size(entry);
        leave_folders(entry.path);
        enter_implied_folders(entry.path);
        last_path = entry.path;
        last_is_folder = entry.kind == EntryKind::directory;
        entry.path.erase(0, folders.back().path_size);
        entry.subtree.reset();
        if (last_is_folder) {
            folders.push_back({std::move(entry), last_path.size() + 1, {}});
        } else {
            append(folders.back(), 0, std::move(entry));
        }
    }

    static void check_size(const Entry& entry)
    {
        check_entry_limits(entry);
        if (encoded_size(entry) > max_page_plain - slack) {
            throw Error(ErrorCode::invalid,
                        "its attributes are too large: a tree keeps 4 MiB of them at most",
                        entry.path);
        }
    }

    void check_order(const std::string& path) const
    {
        if (!is_entry_path(path)) {
            throw Error(ErrorCode::invalid, "this path cannot stand in a tree", path);
        }
        if (!last_path.empty() && !path_less(last_path, path)) {
            throw Error(ErrorCode::invalid, "entries of a tree come in order, each path once",
                        path);
        }
        // Nothing comes between a path and what is below it.
        if (!last_is_folder && !last_path.empty() && path.size() > last_path.size() &&
            path[last_path.size()] == '/' && path.starts_with(last_path)) {
            throw Error(ErrorCode::invalid, "lies below something that is no folder", path);
        }
    }

    /// Closes the open folders that `path` does not lie in.
    void leave_folders(const std::string& path)
    {
        const auto parting =
            std::mismatch(path.begin(), path.end(), last_path.begin(), last_path.end());
        auto common = static_cast<std::size_t>(parting.first - path.begin());
        if (common == last_path.size() && common < path.size() && path[common] == '/') {
            ++common; // the last one was the folder this one lies in
        }
        while (folders.back().path_size > common) {
            leave_folder();
        }
    }

    void leave_folder()
    {
        OpenFolder folder = std::move(folders.back());
        folders.pop_back();
        folder.entry.subtree = close(folder);
        append(folders.back(), 0, std::move(folder.entry));
    }

    void enter_implied_folders(const std::string& path)
    {
        while (true) {
            const std::size_t begin = folders.back().path_size;
            const std::size_t slash = path.find('/', begin);
            if (slash == std::string::npos) {
                return;
            }
            Entry folder;
            folder.path = path.substr(begin, slash - begin);
            folder.kind = EntryKind::directory;
            folders.push_back({std::move(folder), slash + 1, {}});
        }
    }

    template <typename Item>
    void append(OpenFolder& folder, std::uint8_t level, Item item)
    {
        if (level == folder.pages.size()) {
            if (level > max_tree_level) {
                throw Error(ErrorCode::invalid, "a folder has too many entries", last_path);
            }
            folder.pages.emplace_back();
            folder.pages.back().page.level = level;
        }
        const std::size_t bytes = encoded_size(item);
        if (folder.pages[level].count() > 0 && folder.pages[level].bytes + bytes > max_page_bytes) {
            close_page(folder, level);
        }
        OpenPage& page = folder.pages[level];
        page.totals.add(item);
        page.bytes += bytes;
        const bool last = ends_page(page, name_of(item), bytes);
        page.push(std::move(item));
        if (last) {
            close_page(folder, level);
        }
    }

    /// Whether the item that makes `page` this large is the last of it. Large items end pages more
    /// often, so that pages are cut by names, not by the limit, whatever their items' size: behind
    /// a changed one the old cuts come back soon.
    bool ends_page(const OpenPage& page, const std::string& name, std::size_t bytes) const
    {
        const std::size_t count = page.count() + 1;
        if (count >= max_page_entries) {
            return true;
        }
        if (count < min_page_entries && page.bytes < min_page_bytes) {
            return false;
        }
        const std::uint64_t by_count = UINT64_MAX / (average_page_entries - min_page_entries);
        const std::uint64_t by_bytes =
            UINT64_MAX / average_page_bytes * std::min(bytes, average_page_bytes);
        return keys.cut_hash(as_bytes(name)) < std::max(by_count, by_bytes);
    }

    void close_page(OpenFolder& folder, std::uint8_t level)
    {
        OpenPage& page = folder.pages[level];
        PageRef ref{page.first_name(), put(page.page), page.totals.entries, page.totals.bytes};
        page = OpenPage{};
        page.page.level = level;
        append(folder, static_cast<std::uint8_t>(level + 1), std::move(ref));
    }

    /// Closes the folder's pages, level by level, until one page is the root.
    Subtree close(OpenFolder& folder)
    {
        if (folder.pages.empty()) {
            return {empty_page_id(), 0, 0};
        }
        for (std::uint8_t level = 0;; ++level) {
            OpenPage& page = folder.pages[level];
            const bool top = level + 1U == folder.pages.size();
            if (top && page.page.pages.size() == 1) {
                const PageRef& root = page.page.pages.front();
                return {root.page, root.entries, root.bytes};
            }
            if (top) {
                return {put(page.page), page.totals.entries, page.totals.bytes};
            }
            if (page.count() > 0) {
                close_page(folder, level);
            }
        }
    }

    BlobId empty_page_id()
    {
        if (!empty_page) {
            empty_page = put(TreePage{});
        }
        return *empty_page;
    }

    BlobId put(const TreePage& page)
    {
        return lane.put(BlobKind::tree_node, encode_tree_page(page)).id;
    }
};

TreeWriter::TreeWriter(const KeyChain& keys, BlobWriter::Lane& lane) : state_(new State{keys, lane})
{
}

TreeWriter::~TreeWriter() = default;

void TreeWriter::add(Entry entry)
{
    state_->add(std::move(entry));
}

Subtree TreeWriter::finish()
{
    while (state_->folders.size() > 1) {
        state_->leave_folder();
    }
    return state_->close(state_->folders.front());
}

} // namespace backstay::core
