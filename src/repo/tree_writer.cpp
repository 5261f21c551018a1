#include "repo/tree_writer.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"
#include "repo/tree_totals.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t average_page_bytes = max_page_bytes / 2;
constexpr std::size_t min_page_bytes = max_page_bytes / 4;
/// By so much a folder's entry grows when its subtree is known.
constexpr std::size_t slack = 512;

/// Something that goes into a page: an entry with its name, or a reference to a page.
struct Item {
    std::string_view name;
    ByteSpan head; ///< the encoding of the name, and what else comes before `rest`
    ByteSpan rest;
    std::uint64_t entries = 1; ///< all in all, with what is below it
    std::uint64_t bytes = 0;

    std::size_t size() const { return head.size() + rest.size(); }
};

/// A page that is being filled, at one level of a folder.
struct OpenPage {
    std::uint8_t level = 0;
    std::size_t count = 0;
    Bytes items;
    std::string first_name;
    PageRef last_ref; ///< above level 0
    TreeTotals totals;

    void push(const Item& item)
    {
        if (count == 0) {
            first_name = item.name;
        }
        ++count;
        append(items, item.head);
        append(items, item.rest);
        totals.add(item.entries, item.bytes);
    }
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
    Bytes encoded_name = {}; ///< kept for its memory

    void add(ByteSpan encoded)
    {
        const EncodedEntry entry = peek_entry(encoded);
        if (entry.has_subtree) {
            const Bytes without = without_subtree(encoded);
            add(without);
            return;
        }
        check_order(entry.path);
        if (encoded.size() > max_page_plain - slack) {
            throw Error(ErrorCode::invalid,
                        "its attributes are too large: a tree keeps 4 MiB of them at most",
                        std::string(entry.path));
        }
        leave_folders(entry.path);
        enter_implied_folders(entry.path);
        last_path = entry.path;
        last_is_folder = entry.kind == EntryKind::directory;
        const std::string_view name = entry.path.substr(folders.back().path_size);
        if (last_is_folder) {
            enter_folder(encoded, name);
        } else {
            append_entry(folders.back(), name, entry.rest, 1, entry.size);
        }
    }

    void enter_folder(ByteSpan encoded, std::string_view name)
    {
        Decoder from(encoded, "entry");
        OpenFolder folder{decode_entry(from), last_path.size() + 1, {}};
        folder.entry.path = name;
        folders.push_back(std::move(folder));
    }

    static Bytes without_subtree(ByteSpan encoded)
    {
        Decoder from(encoded, "entry");
        Entry entry = decode_entry(from);
        entry.subtree.reset();
        Bytes without;
        Encoder to(without);
        encode_entry(to, entry);
        return without;
    }

    void check_order(std::string_view path) const
    {
        const auto refuse = [path](const char* why) {
            throw Error(ErrorCode::invalid, why, std::string(path));
        };
        if (!is_entry_path(path)) {
            refuse("this path cannot stand in a tree");
        }
        if (!last_path.empty() && !path_less(last_path, path)) {
            refuse("entries of a tree come in order, each path once");
        }
        if (lies_below_no_folder(path)) {
            refuse("lies below something that is no folder");
        }
    }

    /// Nothing comes between a path and what is below it.
    bool lies_below_no_folder(std::string_view path) const
    {
        return !last_is_folder && !last_path.empty() && path.size() > last_path.size() &&
               path[last_path.size()] == '/' && path.starts_with(last_path);
    }

    /// Closes the open folders that `path` does not lie in.
    void leave_folders(std::string_view path)
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
        const Subtree subtree = close(folder);
        folder.entry.subtree = subtree;
        const std::string name = std::exchange(folder.entry.path, {});
        Bytes encoded;
        Encoder to(encoded);
        encode_entry(to, folder.entry);
        TreeTotals totals{1, folder.entry.size};
        totals.add(subtree.entries, subtree.bytes);
        append_entry(folders.back(), name, peek_entry(encoded).rest, totals.entries, totals.bytes);
    }

    void enter_implied_folders(std::string_view path)
    {
        while (true) {
            const std::size_t begin = folders.back().path_size;
            const std::size_t slash = path.find('/', begin);
            if (slash == std::string_view::npos) {
                return;
            }
            Entry folder;
            folder.path = path.substr(begin, slash - begin);
            folder.kind = EntryKind::directory;
            folders.push_back({std::move(folder), slash + 1, {}});
        }
    }

    /// `rest`: what is encoded behind the name.
    void append_entry(OpenFolder& folder, std::string_view name, ByteSpan rest,
                      std::uint64_t entries, std::uint64_t bytes)
    {
        encoded_name.clear();
        Encoder(encoded_name).text(name);
        append(folder, 0, {name, encoded_name, rest, entries, bytes});
    }

    void append_ref(OpenFolder& folder, std::uint8_t level, PageRef ref)
    {
        Bytes encoded;
        Encoder to(encoded);
        encode_page_ref(to, ref);
        append(folder, level, {ref.first_name, encoded, {}, ref.entries, ref.bytes});
        folder.pages[level].last_ref = std::move(ref);
    }

    void append(OpenFolder& folder, std::uint8_t level, const Item& item)
    {
        if (level == folder.pages.size()) {
            if (level > max_tree_level) {
                throw Error(ErrorCode::invalid, "a folder has too many entries", last_path);
            }
            folder.pages.emplace_back().level = level;
        }
        if (folder.pages[level].count > 0 &&
            folder.pages[level].items.size() + item.size() > max_page_bytes) {
            close_page(folder, level);
        }
        OpenPage& page = folder.pages[level];
        page.push(item);
        if (ends_page(page, item)) {
            close_page(folder, level);
        }
    }

    /// Whether the item that makes `page` this large is the last of it. Large items end pages more
    /// often, so that pages are cut by names, not by the limit, whatever their items' size: behind
    /// a changed one the old cuts come back soon.
    bool ends_page(const OpenPage& page, const Item& item) const
    {
        if (page.count >= max_page_entries) {
            return true;
        }
        if (page.count < min_page_entries && page.items.size() < min_page_bytes) {
            return false;
        }
        const std::uint64_t by_count = UINT64_MAX / (average_page_entries - min_page_entries);
        const std::uint64_t by_bytes =
            UINT64_MAX / average_page_bytes * std::min(item.size(), average_page_bytes);
        return keys.cut_hash(as_bytes(item.name)) < std::max(by_count, by_bytes);
    }

    void close_page(OpenFolder& folder, std::uint8_t level)
    {
        OpenPage& page = folder.pages[level];
        PageRef ref{page.first_name, put(page), page.totals.entries, page.totals.bytes};
        page.count = 0;
        page.items.clear();
        page.totals = {};
        append_ref(folder, static_cast<std::uint8_t>(level + 1), std::move(ref));
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
            if (top && level > 0 && page.count == 1) {
                return {page.last_ref.page, page.last_ref.entries, page.last_ref.bytes};
            }
            if (top) {
                return {put(page), page.totals.entries, page.totals.bytes};
            }
            if (page.count > 0) {
                close_page(folder, level);
            }
        }
    }

    BlobId empty_page_id()
    {
        if (!empty_page) {
            empty_page = put(OpenPage{});
        }
        return *empty_page;
    }

    BlobId put(const OpenPage& page)
    {
        return lane.put(BlobKind::tree_node, assemble_tree_page(page.level, page.count, page.items))
            .id;
    }
};

TreeWriter::TreeWriter(const KeyChain& keys, BlobWriter::Lane& lane) : state_(new State{keys, lane})
{
}

TreeWriter::~TreeWriter() = default;

void TreeWriter::add(ByteSpan encoded)
{
    state_->add(encoded);
}

void TreeWriter::add(const Entry& entry)
{
    check_entry_limits(entry);
    Bytes encoded;
    Encoder to(encoded);
    encode_entry(to, entry);
    add(encoded);
}

bool TreeWriter::lies_below_no_folder(std::string_view path) const
{
    return state_->lies_below_no_folder(path);
}

Subtree TreeWriter::finish()
{
    while (state_->folders.size() > 1) {
        state_->leave_folder();
    }
    return state_->close(state_->folders.front());
}

} // namespace backstay::core
