#include "engine/restore_walk.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"

#include <algorithm>
#include <utility>

namespace backstay::core
{

namespace
{

/// Whether everything that was there is in the snapshot: false for the folders above what was asked
/// for.
bool is_saved_whole(const Snapshot& snapshot, const std::string& path)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (path != source.name && !path.starts_with(source.name + "/")) {
            continue;
        }
        if (source.kind != "tree") {
            return true;
        }
        return std::any_of(source.roots.begin(), source.roots.end(), [&](const std::string& root) {
            const std::string saved = source.name + (root == "/" ? "" : root);
            return path == saved || path.starts_with(saved + "/");
        });
    }
    return false;
}

std::string join(const std::string& prefix, const std::string& path)
{
    if (prefix.empty() || path.empty()) {
        return prefix + path;
    }
    return prefix + "/" + path;
}

std::string last_name(const std::string& path)
{
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
}

} // namespace

std::string stripped_path(const std::string& path, unsigned names)
{
    std::size_t begin = 0;
    for (; names > 0; --names) {
        const std::size_t slash = path.find('/', begin);
        if (slash == std::string::npos) {
            return {};
        }
        begin = slash + 1;
    }
    return path.substr(begin);
}

/// One walk through one part.
struct RestoreWalk::Run {
    RestoreWalk& walk;
    const RestorePart& part;
    const Events& events;
    std::string base = snapshot_path(part.path);
    std::unique_ptr<RepositoryView> view = walk.access_.at(part.path);
    std::vector<Entry> pending = {}; ///< folders above, outermost first, that were not given

    void all()
    {
        const std::optional<Entry> self = view->lookup("");
        if (self && self->kind != EntryKind::directory) {
            Entry entry = other_name(*self, base);
            entry.path = join(part.prefix, last_name(part.path));
            events.take(entry);
            return;
        }
        // The folder itself, if it is meant whole and is not the root (see root_of).
        if (self && !part.prefix.empty() && walk.options_.include.empty() &&
            walk.options_.strip_components == 0 && saved_whole(base)) {
            Entry entry = *self;
            entry.path = part.prefix;
            events.take(entry);
        }
        const auto cursor = view->walk("", SnapshotView::Depth::all_levels);
        while (std::optional<Entry> entry = next(*cursor)) {
            throw_if_stopped(walk.stop_);
            consider(*cursor, std::move(*entry));
        }
    }

    /// A folder that cannot be read is told; the walk goes on behind it.
    std::optional<Entry> next(EntryCursor& cursor) const
    {
        while (true) {
            try {
                return cursor.next();
            } catch (const Error& error) {
                if (error.code() != ErrorCode::damaged) {
                    throw;
                }
                events.damaged(stripped_path(join(part.prefix, error.subject()),
                                             walk.options_.strip_components),
                               error.what());
            }
        }
    }

    void consider(EntryCursor& cursor, Entry entry)
    {
        const bool is_folder = entry.kind == EntryKind::directory;
        const std::string place = join(base, entry.path);
        const bool whole = saved_whole(place);
        entry = other_name(std::move(entry), place);
        entry.path = join(part.prefix, entry.path);
        const std::string stripped = stripped_path(entry.path, walk.options_.strip_components);
        switch (walk.filter_.decide(entry.path, is_folder)) {
        case PathFilter::Decision::skip:
            if (is_folder) {
                cursor.skip_children();
            }
            events.leave_out(stripped);
            return;
        case PathFilter::Decision::descend:
            drop_left_folders(entry.path);
            events.leave_out(stripped);
            pending.push_back(std::move(entry));
            return;
        case PathFilter::Decision::take:
            drop_left_folders(entry.path);
            give_pending();
            give(std::move(entry));
            if (!whole) {
                events.leave_out(stripped);
            }
            return;
        }
    }

    /// A hard link to where its first name is restored to; a file with the same content if that is
    /// nowhere. `where`: the entry's path in the snapshot.
    Entry other_name(Entry entry, const std::string& where) const
    {
        if (entry.kind != EntryKind::hard_link || !is_entry_path(entry.link_target)) {
            return entry;
        }
        const std::string first = join(where.substr(0, where.find('/')), entry.link_target);
        if (base.empty() || first.starts_with(base + "/")) {
            const std::string placed =
                join(part.prefix, first.substr(base.empty() ? 0 : base.size() + 1));
            const std::string stripped = stripped_path(placed, walk.options_.strip_components);
            if (!stripped.empty() && walk.is_wanted(placed)) {
                entry.link_target = stripped;
                return entry;
            }
        }
        std::optional<Entry> content = walk.access_.root().lookup(first);
        if (!content || content->kind != EntryKind::file) {
            return entry; // which the target cannot make, and tells
        }
        content->path = entry.path;
        return std::move(*content);
    }

    void drop_left_folders(const std::string& path)
    {
        while (!pending.empty() && !path.starts_with(pending.back().path + "/")) {
            pending.pop_back();
        }
    }

    void give_pending()
    {
        for (Entry& folder : pending) {
            const std::string here = stripped_path(folder.path, walk.options_.strip_components);
            give(std::move(folder));
            events.leave_out(here); // only a part of it is restored
        }
        pending.clear();
    }

    void give(Entry entry) const
    {
        entry.path = stripped_path(entry.path, walk.options_.strip_components);
        if (!entry.path.empty()) {
            events.take(entry);
        }
    }

    bool saved_whole(const std::string& path) const
    {
        return is_saved_whole(walk.access_.snapshot(), path);
    }
};

RestoreWalk::RestoreWalk(SnapshotAccess& access, const RestoreOptions& options,
                         std::stop_token stop)
    : access_(access), options_(options), filter_(options.include, options.exclude),
      first_names_(options.include, options.exclude), stop_(std::move(stop))
{
}

void RestoreWalk::run(const RestorePart& part, const Events& events)
{
    Run{*this, part, events}.all();
}

/// Of a file that the walk may not have come to.
bool RestoreWalk::is_wanted(const std::string& path)
{
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        if (first_names_.decide(path.substr(0, slash), true) == PathFilter::Decision::skip) {
            return false;
        }
    }
    return first_names_.decide(path, false) == PathFilter::Decision::take;
}

std::optional<Entry> RestoreWalk::root_of(const RestorePart& part) const
{
    if (!part.prefix.empty() || options_.strip_components != 0 ||
        !is_saved_whole(access_.snapshot(), snapshot_path(part.path))) {
        return std::nullopt;
    }
    std::optional<Entry> folder = access_.at(part.path)->lookup("");
    if (!folder || folder->kind != EntryKind::directory) {
        return std::nullopt;
    }
    const bool left_out = folder->contents_left_out;
    Entry root = options_.include.empty() ? std::move(*folder) : Entry{};
    root.contents_left_out = left_out;
    root.path.clear();
    root.kind = EntryKind::directory;
    return root;
}

} // namespace backstay::core
