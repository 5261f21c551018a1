#include "engine/backup.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/checkpoints.hpp"
#include "engine/lane_reader.hpp"
#include "engine/layered_view.hpp"
#include "engine/living_path.hpp"
#include "engine/lost.hpp"
#include "engine/problem_log.hpp"
#include "engine/series.hpp"
#include "engine/source_run.hpp"
#include "repo/heartbeat.hpp"
#include "repo/repository_view.hpp"
#include "repo/session.hpp"
#include "repo/snapshot_notes.hpp"
#include "repo/tree_writer.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <pwd.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

constexpr const char* program_name = "backstay " BACKSTAY_VERSION;

std::string user_name()
{
    std::array<char, 4096> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr) {
        return found->pw_name;
    }
    return std::to_string(::geteuid());
}

/// A parent that cannot be read is no parent.
std::shared_ptr<SnapshotView> source_view(const std::shared_ptr<RepositoryView>& root,
                                          const std::string& name, const Snapshot* parent)
{
    if (!root) {
        return nullptr;
    }
    std::string record;
    for (const SnapshotSource& source : parent->record.sources) {
        if (source.name == name) {
            record = source.record;
        }
    }
    try {
        return root->at(name, record);
    } catch (const Error& error) {
        if (!means_lost(error.code())) {
            throw;
        }
        return nullptr;
    }
}

Record source_record(const SnapshotSource& source)
{
    Record record("source");
    record.set("name", source.name).set("kind", source.kind).set("roots", source.roots);
    record.set("verdict", source.verdict == 1 ? "ok" : source.verdict == 2 ? "damaged" : "failed");
    record.set("problems", source.problems).set("message", source.message);
    return record;
}

/// A whole backup, step by step.
class BackupRun
{
public:
    BackupRun(Repository& repository, std::vector<BackupSource> sources,
              const BackupOptions& options, const EngineLimits& limits, JobContext& context)
        : repository_(repository), sources_(std::move(sources)), options_(options), limits_(limits),
          context_(context), problems_(context)
    {
        record_.kind = options.kind;
        record_.time = options.time.value_or(repository.clock().now());
        record_.host = options.host.empty() ? host_name() : options.host;
        record_.user = user_name();
        std::for_each(options.tags.begin(), options.tags.end(), check_tag);
        record_.tags = options.tags;
        record_.comment = options.comment;
        record_.program = program_name;
        record_.series = series_name(repository.keys(), record_.host, sources_);
    }

    Record run()
    {
        const std::stop_token& stop = context_.stop();
        check_order(sources_);
        if (!options_.dry_run) {
            session_ =
                std::make_unique<Session>(repository_, "backup", Session::Use::writing, stop);
            heartbeat_ = std::make_unique<Heartbeat>(repository_, session_->id(), stop);
            record_.id = session_->id();
        }
        const Condemned condemned =
            session_ ? session_->condemned() : read_condemned(repository_, stop);
        record_.condemned_digest = condemned.digest;
        const SnapshotList list = list_snapshots_seen(repository_, stop);
        parent_ = choose_parent(list, options_.parent, record_.series, record_.host);
        take_series(list);
        std::vector<std::string> damaged_segments;
        std::shared_ptr<BlobIndex> index =
            BlobIndex::load(repository_, condemned, Freshness::cached, stop, &damaged_segments);
        for (const std::string& segment : damaged_segments) {
            problems_.add({"", "", static_cast<std::int32_t>(ErrorCode::damaged),
                           segment + "; what only it knew is stored again; run check"});
        }
        WorkerGroup group(stop);
        try {
            store(list, condemned, index, group);
        } catch (...) {
            // What stopped the threads is the cause; what came of it is not.
            group.request_stop();
            group.join();
            throw;
        }
        return summary();
    }

private:
    void take_series(const SnapshotList& list)
    {
        record_.parent = parent_ ? parent_->record.id : SessionId{};
        if (const Snapshot* before = predecessor_of(list, record_.series); before != nullptr) {
            record_.counter = before->record.counter;
            record_.predecessor = before->record.id;
            record_.predecessor_digest = before->digest;
        }
        ++record_.counter;
    }

    void store(const SnapshotList& list, const Condemned& condemned,
               const std::shared_ptr<BlobIndex>& index, WorkerGroup& group)
    {
        const std::stop_token& stop = context_.stop();
        BlobWriter writer(
            repository_, record_.id, *index,
            {options_.compression, limits_.threads, limits_.memory * 5 / 8, options_.dry_run},
            group);
        const auto reader = std::make_shared<BlobReader>(repository_, index, limits_.memory / 16);
        EntrySorter sorter(limits_.memory / 8, temporary_folder_());
        Checkpointer checkpointer(
            writer, record_.series, options_.dry_run ? UINT64_MAX : options_.checkpoint_bytes,
            options_.dry_run ? 1e18 : options_.checkpoint_seconds, temporary_folder_());
        const BackupShared shared{
            repository_,  writer,   *reader,
            checkpointer, sorter,   options_,
            context_,     figures_, [this](const ProblemRecord& problem) { tell(problem); }};

        auto resumed = find_interrupted(list, condemned, writer, reader);
        goes_on_ = !resumed.empty();
        const std::shared_ptr<RepositoryView> parent_root =
            parent_ ? std::make_shared<RepositoryView>(reader, parent_->record.root) : nullptr;
        std::vector<std::unique_ptr<SourceRun>> runs;
        for (const BackupSource& source : sources_) {
            checkpointer.add_source(source.name);
            auto older = source_view(parent_root, source.name, parent_ ? &*parent_ : nullptr);
            auto& newer = resumed[source.name];
            auto parent = newer ? std::make_shared<LayeredView>(newer, older) : older;
            runs.push_back(std::make_unique<SourceRun>(source, shared, std::move(parent)));
        }
        run_sources(runs, group.stop_token());
        throw_if_stopped(stop);
        for (const auto& run : runs) {
            record_.sources.push_back(run->result());
            context_.emit(source_record(run->result()));
        }
        write_tree(writer, sorter);
        writer.finish();
        counts_ = writer.counts();
        finish_record();
        commit(runs);
        group.join();
    }

    /// `path`: in the tree, whose first name is the source's.
    void tell_of_entry(std::string_view path, const char* message)
    {
        const std::size_t slash = std::min(path.find('/'), path.size());
        const std::string below(path.substr(std::min(slash + 1, path.size())));
        tell({std::string(path.substr(0, slash)), below,
              static_cast<std::int32_t>(ErrorCode::source), message});
    }

    void tell(ProblemRecord problem)
    {
        for (const BackupSource& source : sources_) {
            if (source.name == problem.source) {
                problem.path = living_path(source.kind, problem.path);
            }
        }
        problems_.add(problem);
    }

    std::string temporary_folder_() const
    {
        return limits_.temporary_folder.empty() ? temporary_folder() : limits_.temporary_folder;
    }

    std::map<std::string, std::shared_ptr<SnapshotView>>
    find_interrupted(const SnapshotList& list, const Condemned& condemned, BlobWriter& writer,
                     const std::shared_ptr<BlobReader>& reader)
    {
        if (options_.dry_run || options_.force) {
            return {};
        }
        std::vector<SessionId> ended(condemned.sessions.begin(), condemned.sessions.end());
        for (const Snapshot& snapshot : list.snapshots) {
            ended.push_back(snapshot.record.id);
        }
        return resume_interrupted(repository_, writer, reader, record_.series,
                                  parent_ ? parent_->record.time : Timestamp{INT64_MIN, 0}, ended,
                                  temporary_folder_(), limits_.memory / 16, context_.stop());
    }

    void write_tree(BlobWriter& writer, EntrySorter& sorter)
    {
        const auto lane = writer.open_lane();
        TreeWriter tree(repository_.keys(), *lane);
        sorter.drain(
            [&](ByteSpan encoded) {
                throw_if_stopped(context_.stop());
                const std::string_view path = peek_entry(encoded).path;
                if (tree.lies_below_no_folder(path)) {
                    tell_of_entry(path, "lies below what is no folder: left out");
                } else {
                    tree.add(encoded);
                }
            },
            [&](const std::string& path) {
                tell_of_entry(path, "came more than once: the last is kept");
            });
        record_.root = tree.finish();
        record_.problems = problems_.store(*lane);
        lane->flush();
    }

    void finish_record()
    {
        SnapshotCounts& counts = record_.counts;
        counts.entries = figures_.entries;
        counts.entries_new = figures_.entries_new;
        counts.entries_changed = figures_.entries_changed;
        counts.entries_unchanged = figures_.entries_unchanged;
        counts.bytes_source = figures_.bytes_source;
        counts.bytes_read = figures_.bytes_read;
        counts.bytes_new = counts_.bytes_new;
        counts.bytes_stored = counts_.bytes_stored;
        counts.blobs_new = counts_.blobs_new;
        counts.problems = problems_.count();
        counts.milliseconds = static_cast<std::uint64_t>(context_.seconds() * 1000);
    }

    /// A tree is another one, too, where nothing but change tokens differ: those of files that
    /// were young when the parent was made are void in it. So where each entry was compared with
    /// the parent's (and not with an interrupted run's), what was found decides.
    bool unchanged() const
    {
        if (!parent_ || !options_.skip_if_unchanged) {
            return false;
        }
        const bool same_entries = !goes_on_ && figures_.entries_new == 0 &&
                                  figures_.entries_changed == 0 && figures_.entries_relinked == 0 &&
                                  figures_.entries == parent_->record.counts.entries;
        return same_entries || parent_->record.root.page == record_.root.page;
    }

    void commit(std::vector<std::unique_ptr<SourceRun>>& runs)
    {
        if (!session_) {
            return;
        }
        if (unchanged()) {
            session_->give_up("nothing changed", context_.stop());
            return;
        }
        throw_if_stopped(context_.stop());
        session_->commit(encode_snapshot(record_), context_.stop());
        committed_ = true;
        for (const auto& run : runs) {
            settle_after_commit(*run);
        }
    }

    /// The snapshot counts, whatever the source says now: its trouble is a problem to be told.
    void settle_after_commit(SourceRun& run)
    {
        try {
            run.settle(true);
        } catch (const Error& error) {
            problems_.add(
                {run.given().name, "", static_cast<std::int32_t>(error.code()), error.what()});
        }
    }

    Record summary() const
    {
        const SnapshotCounts& counts = record_.counts;
        Record record("summary");
        record.set("command", "backup");
        record.set("snapshot", committed_ ? record_.id.hex() : std::string());
        record.set("parent", parent_ ? parent_->record.id.hex() : std::string());
        record.set("entries", counts.entries).set("entries_new", counts.entries_new);
        record.set("entries_changed", counts.entries_changed)
            .set("entries_unchanged", counts.entries_unchanged);
        record.set("bytes_source", counts.bytes_source).set("bytes_read", counts.bytes_read);
        record.set("bytes_new", counts.bytes_new)
            .set("bytes_stored", counts.bytes_stored)
            .set("blobs_new", counts.blobs_new);
        record.set("problems", problems_.count());
        record.set("unchanged", unchanged()).set("dry_run", options_.dry_run);
        record.set("verdict", problems_.count() == 0 ? "ok" : "problems");
        record.set("seconds",
                   Seconds{static_cast<std::int64_t>(counts.milliseconds / 1000),
                           static_cast<std::uint32_t>(counts.milliseconds % 1000 * 1'000'000)});
        return record;
    }

    Repository& repository_;
    std::vector<BackupSource> sources_;
    const BackupOptions& options_;
    const EngineLimits& limits_;
    JobContext& context_;
    ProblemLog problems_;
    BackupFigures figures_;
    SnapshotRecord record_;
    std::unique_ptr<Session> session_;
    std::unique_ptr<Heartbeat> heartbeat_; ///< while sources are silent, too
    std::optional<Snapshot> parent_;
    BlobCounts counts_;
    bool goes_on_ = false; ///< where an interrupted run ended
    bool committed_ = false;
};

} // namespace

Record run_backup(Repository& repository, std::vector<BackupSource> sources,
                  const BackupOptions& options, const EngineLimits& limits, JobContext& context)
{
    // Each source finds its parent unreadable once at most, and is read whole from then on: so
    // there are no more new beginnings than sources, and the last attempt's failure is the
    // backup's.
    for (std::size_t i = 0; i < sources.size(); ++i) {
        try {
            return BackupRun(repository, sources, options, limits, context).run();
        } catch (const ParentUnreadable&) {
            context.progress().reset();
        }
    }
    return BackupRun(repository, std::move(sources), options, limits, context).run();
}

} // namespace backstay::core
