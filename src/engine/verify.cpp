#include "engine/verify.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/entry_difference.hpp"
#include "engine/living_path.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/stream_chunker.hpp"
#include "repo/content_reader.hpp"
#include "source/tree_choice.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <mutex>
#include <unordered_set>

namespace backstay::core
{

namespace
{

bool has_content(EntryKind kind)
{
    return kind == EntryKind::file || kind == EntryKind::image;
}

/// Reads a living source and holds it against the snapshot's view of it.
class Verification
{
public:
    Verification(Repository& repository, SnapshotAccess& access, RepositoryView& view,
                 DataSource& source, const SnapshotSource& recorded, JobContext& context)
        : repository_(repository), access_(access), view_(view), source_(source),
          recorded_(recorded), context_(context)
    {
    }

    void run()
    {
        const auto problems = [this](const Problem& problem) {
            tell_problem(problem.code, problem.path, problem.message);
        };
        const SessionPlan plan = source_.open(nullptr, problems, context_.stop());
        try {
            WorkerGroup lanes(context_.stop());
            for (std::uint32_t lane = 0; lane < plan.lanes; ++lane) {
                lanes.start("verify", [this, lane](const std::stop_token&) { drain(lane); });
            }
            lanes.join();
            throw_if_stopped(context_.stop());
            source_.finish();
        } catch (...) {
            source_.settle(false);
            throw;
        }
        source_.settle(false);
        tell_missing();
    }

    std::uint64_t differences() const { return differences_; }

private:
    void drain(std::uint32_t lane)
    {
        StreamChunker chunker(repository_.keys().cut_key(), repository_.config().chunker);
        while (std::optional<SourceEntry> living = source_.next(lane)) {
            throw_if_stopped(context_.stop());
            compare(lane, *living, chunker);
            source_.release(lane, living->item);
            context_.progress().entries += 1;
        }
    }

    void compare(std::uint32_t lane, SourceEntry& living, StreamChunker& chunker)
    {
        const std::string& path = living.entry.path;
        const std::optional<Entry> kept = view_.lookup(path);
        {
            const std::lock_guard lock(mutex_);
            seen_.insert(path);
        }
        if (!kept) {
            tell(path, "added", {});
            return;
        }
        if (lies_above_a_root(path)) {
            return; // kept so that a restore can make it; what else happens in it is not ours
        }
        if (living.is_incomplete()) {
            source_.complete(lane, living.item, living.entry);
        }
        std::vector<std::string> what = differing_attributes(*kept, living.entry);
        if (has_content(kept->kind) && kept->kind == living.entry.kind &&
            !same_content(lane, living, *kept, chunker)) {
            what.emplace_back("content");
        }
        if (!what.empty()) {
            tell(path, "modified", what);
        }
    }

    bool lies_above_a_root(const std::string& path) const
    {
        const std::string prefix = "/" + path + "/";
        return std::any_of(recorded_.roots.begin(), recorded_.roots.end(),
                           [&prefix](const std::string& root) { return root.starts_with(prefix); });
    }

    bool same_content(std::uint32_t lane, SourceEntry& living, const Entry& kept,
                      StreamChunker& chunker)
    {
        std::vector<ContentItem> items;
        for_each_chunk(access_.reader(), kept.content, context_.stop(),
                       [&items](std::uint64_t, const ContentItem& item) {
                           items.push_back(item);
                           return true;
                       });
        std::size_t next = 0;
        const auto matches = [&](std::uint64_t length, const BlobId& id) {
            const bool same =
                next < items.size() && items[next].length == length && items[next].id == id;
            ++next;
            return same;
        };
        bool equal = true;
        const StreamChunker::Sink sink{
            [&](ByteSpan chunk) {
                return equal = matches(chunk.size(),
                                       repository_.keys().namer().name(BlobKind::data, chunk));
            },
            [&](std::uint64_t length) { return equal = matches(length, BlobId{}); }};
        StreamChunker::NextData next_data;
        if (living.sparse) {
            next_data = [&](std::uint64_t offset) {
                return source_.next_data(lane, living.item, offset);
            };
        }
        try {
            chunker.run(
                living.policy, living.entry.kind, 0, living.entry.size,
                [&](std::uint64_t offset, MutableByteSpan buffer) {
                    throw_if_stopped(context_.stop());
                    const std::size_t got = source_.read(lane, living.item, offset, buffer);
                    context_.progress().bytes += got;
                    return got;
                },
                next_data, sink);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            tell_problem(error.code(), living.entry.path,
                         fmt::format("cannot be compared: {}", error.what()));
            return true;
        }
        return equal && next == items.size();
    }

    void tell_problem(ErrorCode code, const std::string& path, const std::string& message)
    {
        context_.problem({recorded_.name, living_path(recorded_.kind, path),
                          static_cast<std::int32_t>(code), message});
    }

    void tell(const std::string& path, const char* change, const std::vector<std::string>& what)
    {
        ++differences_;
        Record record("difference");
        record.set("path", RawText{path}).set("change", change);
        if (!what.empty()) {
            record.set("what", what);
        }
        context_.emit(std::move(record));
    }

    void tell_missing()
    {
        const auto cursor = view_.walk("", SnapshotView::Depth::all_levels);
        while (const std::optional<Entry> entry = cursor->next()) {
            if (seen_.find(entry->path) == seen_.end()) {
                tell(entry->path, "removed", {});
                cursor->skip_children();
            }
        }
    }

    Repository& repository_;
    SnapshotAccess& access_;
    RepositoryView& view_;
    DataSource& source_;
    const SnapshotSource& recorded_;
    JobContext& context_;
    std::atomic<std::uint64_t> differences_{0};
    std::mutex mutex_; // guards seen_
    std::unordered_set<std::string> seen_;
};

const SnapshotSource& find_source(const Snapshot& snapshot, const std::string& name)
{
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (source.name == name) {
            return source;
        }
    }
    throw Error(ErrorCode::not_found, fmt::format("the snapshot has no source '{}'", name), name);
}

} // namespace

std::shared_ptr<DataSource> recorded_source(const Snapshot& snapshot,
                                            const std::string& source_name,
                                            const EngineLimits& limits)
{
    const SnapshotSource& source = find_source(snapshot, source_name);
    if (source.kind != "tree") {
        throw Error(
            ErrorCode::unsupported,
            fmt::format(
                "source '{}' is of kind {}, which cannot be read again: give the living source",
                source.name, source.kind));
    }
    TreeSourceOptions options;
    options.roots = source.roots;
    options.lanes = limits.threads;
    options.force = true;
    apply_choice(source.record, options);
    return make_tree_source(std::move(options));
}

Record run_verify(Repository& repository, const Snapshot& snapshot, const std::string& source_name,
                  DataSource& source, const EngineLimits& limits, JobContext& context)
{
    const SnapshotSource& recorded = find_source(snapshot, source_name);
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::yes,
                          context.stop());
    const std::unique_ptr<RepositoryView> view = access.at(source_name);
    Verification verification(repository, access, *view, source, recorded, context);
    verification.run();
    access.finish(context.stop());
    const std::uint64_t problems = context.progress().problems + verification.differences();
    Record record("summary");
    record.set("command", "verify")
        .set("snapshot", snapshot.record.id.hex())
        .set("entries", context.progress().entries.load());
    record.set("differences", verification.differences())
        .set("bytes_checked", context.progress().bytes.load());
    record.set("problems", problems).set("verdict", problems == 0 ? "ok" : "problems");
    return record;
}

} // namespace backstay::core
