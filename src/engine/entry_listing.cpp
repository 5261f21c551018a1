#include "engine/listing.hpp"

#include "base/error.hpp"
#include "base/path_pattern.hpp"
#include "base/worker_group.hpp"
#include "engine/snapshot_access.hpp"
#include "format/encoding.hpp"
#include "repo/record_stream.hpp"

#include <map>
#include <set>

namespace backstay::core
{

namespace
{

Record finish_listing(const char* command, std::uint64_t entries, JobContext& context)
{
    const std::uint64_t problems = context.progress().problems;
    Record summary("summary");
    summary.set("command", command).set("entries", entries).set("problems", problems);
    return summary.set("verdict", problems == 0 ? "ok" : "problems");
}

std::string under(const std::string& base, const std::string& path)
{
    return base.empty() ? path : path.empty() ? base : base + "/" + path;
}

/// The next entry of what lies at `base`; a folder that cannot be read is a problem, and the walk
/// goes on behind it.
std::optional<Entry> next_entry(EntryCursor& cursor, const std::string& base, JobContext& context)
{
    while (true) {
        throw_if_stopped(context.stop());
        try {
            return cursor.next();
        } catch (const Error& error) {
            if (error.code() != ErrorCode::damaged) {
                throw;
            }
            context.problem({"", under(base, error.subject()),
                             static_cast<std::int32_t>(ErrorCode::damaged), error.what()});
        }
    }
}

std::uint64_t list_problems(SnapshotAccess& access, JobContext& context)
{
    std::uint64_t count = 0;
    read_records(access.reader(), access.snapshot().record.problems, context.stop(),
                 [&](ByteSpan bytes) {
                     Decoder decoder(bytes, "problem");
                     const ProblemRecord problem = decode_problem(decoder);
                     Record record("problem");
                     record.set("source", problem.source).set("path", RawText{problem.path});
                     record.set("code", error_code_name(static_cast<ErrorCode>(problem.code)))
                         .set("message", problem.message);
                     context.emit(std::move(record));
                     ++count;
                 });
    return count;
}

} // namespace

Record list_entries(Repository& repository, const Snapshot& snapshot, const std::string& path,
                    const EntriesOptions& options, const EngineLimits& limits, JobContext& context)
{
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::no,
                          context.stop());
    if (options.problems) {
        return finish_listing("ls", list_problems(access, context), context);
    }
    const std::string base = snapshot_path(path);
    const std::unique_ptr<RepositoryView> view = access.at(path);
    const std::optional<Entry> self = view->lookup("");
    if (self && self->kind != EntryKind::directory) {
        context.emit(entry_record(*self, base));
        return finish_listing("ls", 1, context);
    }
    std::uint64_t count = 0;
    const auto cursor = view->walk("", options.recursive ? SnapshotView::Depth::all_levels
                                                         : SnapshotView::Depth::one_level);
    while (const std::optional<Entry> entry = next_entry(*cursor, base, context)) {
        context.emit(entry_record(*entry, under(base, entry->path)));
        context.progress().entries = ++count;
    }
    access.finish(context.stop());
    return finish_listing("ls", count, context);
}

namespace
{

/// Searches snapshots one after another. Of a folder that an earlier one had under the same path,
/// the matches are remembered, so nothing is read twice.
class Search
{
public:
    Search(const FindOptions& options, JobContext& context) : context_(context)
    {
        for (const std::string& pattern : options.patterns) {
            patterns_.add(pattern, options.ignore_case ? PathPatterns::Case::ignored
                                                       : PathPatterns::Case::sensitive);
        }
    }

    void run(SnapshotAccess& access)
    {
        const std::string id = access.snapshot().record.id.hex();
        const auto cursor = access.root().walk("", SnapshotView::Depth::all_levels);
        while (const std::optional<Entry> entry = next_entry(*cursor, "", context_)) {
            const bool folder = entry->kind == EntryKind::directory;
            // Patterns anchor at the source's root, as the paths do that a user types.
            const std::size_t slash = entry->path.find('/');
            const std::string inside =
                slash == std::string::npos ? entry->path : entry->path.substr(slash + 1);
            if (patterns_.match(inside, folder) == PathPatterns::Match::excluded) {
                context_.emit(entry_record(*entry, entry->path).set("snapshot", id));
                ++found_;
            }
            if (folder && entry->subtree && has_no_match(*entry)) {
                cursor->skip_children();
                continue;
            }
            note(*entry);
        }
        leave_all();
    }

    std::uint64_t found() const { return found_; }

private:
    using Key = std::pair<std::string, BlobId>; ///< path and page: patterns look at paths
    static constexpr std::size_t most_remembered = 200'000;

    bool has_no_match(const Entry& folder) const
    {
        return barren_.find({folder.path, folder.subtree->page}) != barren_.end();
    }

    /// Folders that were left without a match are barren.
    void note(const Entry& entry)
    {
        while (!open_.empty() && !entry.path.starts_with(open_.back().key.first + "/")) {
            leave();
        }
        if (entry.subtree) {
            open_.push_back({{entry.path, entry.subtree->page}, found_});
        }
    }

    void leave()
    {
        if (open_.back().found_before == found_ && barren_.size() < most_remembered) {
            barren_.insert(open_.back().key);
        }
        open_.pop_back();
    }

    void leave_all()
    {
        while (!open_.empty()) {
            leave();
        }
    }

    struct Open {
        Key key;
        std::uint64_t found_before;
    };
    JobContext& context_;
    PathPatterns patterns_;
    std::set<Key> barren_;
    std::vector<Open> open_;
    std::uint64_t found_ = 0;
};

} // namespace

Record find_entries(Repository& repository, const FindOptions& options, const EngineLimits& limits,
                    JobContext& context)
{
    const SnapshotList list = list_snapshots_seen(repository, context.stop());
    std::vector<Snapshot> chosen;
    if (!options.snapshot.empty()) {
        chosen.push_back(
            find_and_tell(repository, list, options.snapshot, options.filter, context));
    } else {
        std::copy_if(
            list.snapshots.begin(), list.snapshots.end(), std::back_inserter(chosen),
            [&options](const Snapshot& snapshot) { return options.filter.matches(snapshot); });
    }
    Search search(options, context);
    for (const Snapshot& snapshot : chosen) {
        SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::no,
                              context.stop());
        search.run(access);
    }
    return finish_listing("find", search.found(), context);
}

} // namespace backstay::core
