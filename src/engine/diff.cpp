#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/entry_difference.hpp"
#include "engine/listing.hpp"
#include "engine/snapshot_access.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

/// Walks two views side by side, in the one order both have.
class Comparison
{
public:
    Comparison(const DiffOptions& options, std::string base, JobContext& context)
        : options_(options), base_(std::move(base)), context_(context)
    {
    }

    void run(RepositoryView& before, RepositoryView& after)
    {
        const std::optional<Entry> old_root = before.lookup("");
        const std::optional<Entry> new_root = after.lookup("");
        const bool folders =
            old_root->kind == EntryKind::directory && new_root->kind == EntryKind::directory;
        if (folders) {
            walk(before, after);
        } else {
            compare(*old_root, *new_root);
        }
    }

    Record summary() const
    {
        Record summary("summary");
        summary.set("command", "diff")
            .set("added", added_)
            .set("removed", removed_)
            .set("modified", modified_);
        const std::uint64_t problems = context_.progress().problems;
        return summary.set("differences", added_ + removed_ + modified_)
            .set("problems", problems)
            .set("verdict", problems == 0 ? "ok" : "problems");
    }

private:
    void walk(RepositoryView& before, RepositoryView& after)
    {
        const auto left = before.walk("", SnapshotView::Depth::all_levels);
        const auto right = after.walk("", SnapshotView::Depth::all_levels);
        std::optional<Entry> a = next(*left);
        std::optional<Entry> b = next(*right);
        while (a || b) {
            throw_if_stopped(context_.stop());
            if (!b || (a && path_less(a->path, b->path))) {
                tell_one(*a, "removed", "size_before");
                a = next(*left);
            } else if (!a || path_less(b->path, a->path)) {
                tell_one(*b, "added", "size_after");
                b = next(*right);
            } else {
                // Equal pages: nothing below differs, and nothing below is read.
                if (a->subtree && b->subtree && a->subtree->page == b->subtree->page) {
                    left->skip_children();
                    right->skip_children();
                }
                compare(*a, *b);
                a = next(*left);
                b = next(*right);
            }
        }
    }

    std::string full(const std::string& path) const
    {
        return base_.empty() ? path : path.empty() ? base_ : base_ + "/" + path;
    }

    /// A folder that cannot be read is a problem, and the walk goes on behind it.
    std::optional<Entry> next(EntryCursor& cursor)
    {
        while (true) {
            try {
                return cursor.next();
            } catch (const Error& error) {
                if (error.code() != ErrorCode::damaged) {
                    throw;
                }
                unreadable_.push_back(error.subject());
                context_.problem({"", full(error.subject()),
                                  static_cast<std::int32_t>(ErrorCode::damaged), error.what()});
            }
        }
    }

    /// What one side holds of a folder that the other cannot read may be in both.
    bool lies_in_unreadable(const std::string& path)
    {
        const auto holds = [&path](const std::string& folder) {
            return folder.empty() || path.starts_with(folder + "/");
        };
        std::erase_if(unreadable_, [&](const std::string& folder) {
            return !holds(folder) && path_less(folder, path); // the walks are past it
        });
        return std::any_of(unreadable_.begin(), unreadable_.end(), holds);
    }

    void tell_one(const Entry& entry, const char* change, const char* size)
    {
        if (lies_in_unreadable(entry.path)) {
            return;
        }
        (change[0] == 'a' ? added_ : removed_) += 1;
        Record record("difference");
        record.set("path", RawText{full(entry.path)})
            .set("change", change)
            .set("kind", entry_kind_name(entry.kind));
        record.set(size, entry.size);
        context_.emit(std::move(record));
    }

    void compare(const Entry& a, const Entry& b)
    {
        std::vector<std::string> what = differing_attributes(a, b);
        const bool content = a.content != b.content;
        if (content) {
            what.insert(what.begin(), "content");
        }
        const bool kind = a.kind != b.kind;
        const bool target = a.link_target != b.link_target;
        if (what.empty() || !(content || kind || target || options_.metadata)) {
            return;
        }
        ++modified_;
        Record record("difference");
        record.set("path", RawText{full(a.path)})
            .set("change", "modified")
            .set("kind", entry_kind_name(b.kind))
            .set("what", what);
        record.set("size_before", a.size).set("size_after", b.size);
        context_.emit(std::move(record));
    }

    const DiffOptions& options_;
    std::string base_;
    JobContext& context_;
    std::vector<std::string> unreadable_; ///< folders of either side
    std::uint64_t added_ = 0, removed_ = 0, modified_ = 0;
};

} // namespace

Record diff_snapshots(Repository& repository, const Snapshot& before, const std::string& path,
                      const Snapshot& after, const std::string& after_path,
                      const DiffOptions& options, const EngineLimits& limits, JobContext& context)
{
    SnapshotAccess left(repository, before, limits, SnapshotAccess::Announce::no, context.stop());
    SnapshotAccess right(repository, after, limits, SnapshotAccess::Announce::no, context.stop());
    Comparison comparison(options, snapshot_path(path), context);
    comparison.run(*left.at(path), *right.at(after_path));
    return comparison.summary();
}

} // namespace backstay::core
