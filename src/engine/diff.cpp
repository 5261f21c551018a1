#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/entry_difference.hpp"
#include "engine/listing.hpp"
#include "engine/snapshot_access.hpp"

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
        const auto left = before.walk("", SnapshotView::Depth::all_levels);
        const auto right = after.walk("", SnapshotView::Depth::all_levels);
        std::optional<Entry> a = left->next();
        std::optional<Entry> b = right->next();
        while (a || b) {
            throw_if_stopped(context_.stop());
            if (!b || (a && path_less(a->path, b->path))) {
                tell_one(*a, "removed", "size_before");
                a = left->next();
            } else if (!a || path_less(b->path, a->path)) {
                tell_one(*b, "added", "size_after");
                b = right->next();
            } else {
                compare(*a, *b, *left, *right);
                a = left->next();
                b = right->next();
            }
        }
    }

    Record summary() const
    {
        Record summary("summary");
        summary.set("command", "diff")
            .set("added", added_)
            .set("removed", removed_)
            .set("modified", modified_);
        return summary.set("differences", added_ + removed_ + modified_)
            .set("problems", 0)
            .set("verdict", "ok");
    }

private:
    std::string full(const std::string& path) const
    {
        return base_.empty() ? path : base_ + "/" + path;
    }

    void tell_one(const Entry& entry, const char* change, const char* size)
    {
        (change[0] == 'a' ? added_ : removed_) += 1;
        Record record("difference");
        record.set("path", RawText{full(entry.path)})
            .set("change", change)
            .set("kind", entry_kind_name(entry.kind));
        record.set(size, entry.size);
        context_.emit(std::move(record));
    }

    void compare(const Entry& a, const Entry& b, EntryCursor& left, EntryCursor& right)
    {
        // Equal pages: nothing below differs, and nothing below is read.
        if (a.subtree && b.subtree && a.subtree->page == b.subtree->page) {
            left.skip_children();
            right.skip_children();
        }
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
