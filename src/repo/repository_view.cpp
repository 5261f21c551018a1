#include "repo/repository_view.hpp"

#include "base/error.hpp"
#include "repo/content_stream.hpp"
#include "repo/known_folders.hpp"
#include "repo/tree_cursor.hpp"
#include "repo/tree_pages.hpp"

namespace backstay::core
{

namespace
{

constexpr std::size_t page_memory = 8 * MiB;
/// Folders above a path that are looked for among those known; then the way from the root is taken.
constexpr int folders_tried = 8;

std::string_view parent_of(std::string_view path)
{
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view name_of(std::string_view path)
{
    return path.substr(path.rfind('/') + 1); // npos + 1 is 0
}

/// Calls `body`; damage that it meets is that of the folder `path`.
template <typename Body>
auto in_folder(std::string_view path, const Body& body)
{
    try {
        return body();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged) {
            throw;
        }
        throw Error(ErrorCode::damaged, error.what(), std::string(path));
    }
}

} // namespace

struct RepositoryView::State {
    std::shared_ptr<TreePages> pages;
    Subtree root;
    std::string source_record;
    Entry self; ///< the root itself, with an empty path
    KnownFolders known;

    State(std::shared_ptr<TreePages> shared_pages, Entry root_entry, std::string record)
        : pages(std::move(shared_pages)), root(root_entry.subtree.value_or(Subtree{})),
          source_record(std::move(record)), self(std::move(root_entry))
    {
        self.path.clear();
    }

    std::optional<TreePages::Found> find_in(const Subtree& folder, std::string_view folder_path,
                                            std::string_view name)
    {
        return in_folder(folder_path, [&] { return pages->find(folder, name); });
    }

    /// Empty if there is no such folder.
    std::optional<Subtree> folder(std::string_view path)
    {
        if (self.kind != EntryKind::directory) {
            return std::nullopt;
        }
        if (path.empty()) {
            return root;
        }
        if (const auto place = known.find(path)) {
            return *place;
        }
        const std::optional<Subtree> place = find_folder(path);
        known.add(path, place);
        return place;
    }

    std::optional<Subtree> find_folder(std::string_view path)
    {
        std::string_view at;
        std::optional<Subtree> place = nearest_known(path, at);
        while (place && at.size() < path.size()) {
            const std::size_t begin = at.empty() ? 0 : at.size() + 1;
            const std::size_t end = std::min(path.find('/', begin), path.size());
            const auto found = find_in(*place, at, path.substr(begin, end - begin));
            place = found && found->entry->kind == EntryKind::directory ? found->entry->subtree
                                                                        : std::nullopt;
            at = path.substr(0, end);
        }
        return place;
    }

    /// A folder above `path` whose place is known, and its path in `at`; the root always is.
    std::optional<Subtree> nearest_known(std::string_view path, std::string_view& at) const
    {
        at = parent_of(path);
        for (int i = 0; i < folders_tried && !at.empty(); ++i, at = parent_of(at)) {
            if (const auto place = known.find(at)) {
                return *place;
            }
        }
        at = {};
        return root;
    }
};

RepositoryView::RepositoryView(std::shared_ptr<BlobReader> reader, Subtree root,
                               std::string source_record)
{
    Entry self;
    self.kind = EntryKind::directory;
    self.subtree = root;
    state_ = std::make_unique<State>(std::make_shared<TreePages>(std::move(reader), page_memory),
                                     std::move(self), std::move(source_record));
}

RepositoryView::RepositoryView(std::unique_ptr<State> state) : state_(std::move(state)) {}

RepositoryView::~RepositoryView() = default;

std::optional<Entry> RepositoryView::lookup(std::string_view path)
{
    if (path.empty()) {
        return state_->self;
    }
    const std::string_view above = parent_of(path);
    const std::optional<Subtree> folder = state_->folder(above);
    if (!folder) {
        return std::nullopt;
    }
    const auto found = state_->find_in(*folder, above, name_of(path));
    if (!found) {
        return std::nullopt;
    }
    Entry entry = *found->entry;
    entry.path = path;
    return entry;
}

std::unique_ptr<EntryCursor> RepositoryView::walk(std::string_view path, Depth depth)
{
    const std::optional<Subtree> folder = state_->folder(path);
    if (!folder) {
        throw Error(ErrorCode::not_found, "there is no such folder in the snapshot",
                    std::string(path));
    }
    return std::make_unique<TreeCursor>(state_->pages, std::string(path), *folder, depth);
}

std::unique_ptr<SnapshotStream> RepositoryView::open_stream(const Entry& entry)
{
    if (entry.kind != EntryKind::file && entry.kind != EntryKind::image) {
        throw Error(ErrorCode::invalid,
                    std::string("a ") + entry_kind_name(entry.kind) + " has no content",
                    entry.path);
    }
    return std::make_unique<ContentStream>(state_->pages->shared_reader(), entry.content);
}

std::string RepositoryView::source_record() const
{
    return state_->source_record;
}

std::unique_ptr<RepositoryView> RepositoryView::at(std::string_view path, std::string source_record)
{
    std::optional<Entry> entry = lookup(path);
    if (!entry) {
        throw Error(ErrorCode::not_found, "there is no such path in the snapshot",
                    std::string(path));
    }
    if (entry->kind == EntryKind::directory && !entry->subtree) {
        throw Error(ErrorCode::damaged, "the folder has no page", std::string(path));
    }
    return std::unique_ptr<RepositoryView>(new RepositoryView(
        std::make_unique<State>(state_->pages, std::move(*entry), std::move(source_record))));
}

BlobReader& RepositoryView::reader()
{
    return state_->pages->reader();
}

const Subtree& RepositoryView::root() const
{
    return state_->root;
}

} // namespace backstay::core
