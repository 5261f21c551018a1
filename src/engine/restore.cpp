#include "engine/restore.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/worker_group.hpp"
#include "engine/path_filter.hpp"
#include "engine/restore_plan.hpp"
#include "engine/snapshot_access.hpp"
#include "engine/window_reader.hpp"
#include "repo/content_reader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace backstay::core
{

namespace
{

/// A part of the snapshot and where it goes below the target's root.
struct Part {
    std::string path;   ///< in the snapshot
    std::string prefix; ///< names before each entry's path
};

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

/// Without its first names; empty if there are no more than those.
std::string strip(const std::string& path, unsigned names)
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

bool is_zero(ByteSpan bytes)
{
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// Whether bytes that `read` gives are what `content` says, and which items are; stops nowhere, so
/// that all is known.
class ExistingBytes
{
public:
    using Read = std::function<std::size_t(std::uint64_t, MutableByteSpan)>;
    ExistingBytes(const KeyChain& keys, Read read) : keys_(keys), read_(std::move(read)) {}

    bool equals(std::uint64_t offset, const ContentItem& item)
    {
        return item.is_hole() ? hole_equals(offset, item.length) : chunk_equals(offset, item);
    }
    ByteSpan last_chunk() const { return buffer_; }

private:
    bool chunk_equals(std::uint64_t offset, const ContentItem& item)
    {
        buffer_.resize(static_cast<std::size_t>(item.length));
        return read_(offset, buffer_) == buffer_.size() &&
               keys_.namer().name(BlobKind::data, buffer_) == item.id;
    }

    bool hole_equals(std::uint64_t offset, std::uint64_t length)
    {
        constexpr std::uint64_t step = 256 * KiB;
        while (length > 0) {
            const auto size = static_cast<std::size_t>(std::min(step, length));
            buffer_.resize(size);
            if (read_(offset, buffer_) != size || !is_zero(buffer_)) {
                return false;
            }
            offset += size;
            length -= size;
        }
        return true;
    }

    const KeyChain& keys_;
    Read read_;
    Bytes buffer_;
};

Record step_record(const PlanStep& step)
{
    const char* type = step.kind == PlanStep::Kind::step       ? "step"
                       : step.kind == PlanStep::Kind::conflict ? "conflict"
                                                               : "space";
    Record record(type);
    record.set("action", step.action).set("path", RawText{step.path}).set("bytes", step.bytes);
    if (!step.message.empty()) {
        record.set("message", step.message);
    }
    return record;
}

struct RestoreFigures {
    std::atomic<std::uint64_t> entries{0}, bytes_written{0}, bytes_reused{0};
};

TargetEvents make_events(JobContext& context, RestoreFigures& figures)
{
    TargetEvents events;
    events.plan = [&context](const PlanStep& step) { context.emit(step_record(step)); };
    events.problem = [&context](const RestoreProblem& problem) {
        context.problem(
            {"", problem.path, static_cast<std::int32_t>(problem.code), problem.message});
    };
    events.progress = [&context, &figures](std::uint64_t entries, std::uint64_t written,
                                           std::uint64_t reused) {
        figures.entries += entries;
        figures.bytes_written += written;
        figures.bytes_reused += reused;
        context.progress().entries += entries;
        context.progress().bytes += written + reused;
    };
    return events;
}

Record summary_of(const Snapshot& snapshot, const RestoreFigures& figures,
                  const RestoreOptions& options, const JobContext& context, std::uint64_t problems)
{
    Record record("summary");
    record.set("command", "restore").set("snapshot", snapshot.record.id.hex());
    record.set("entries", figures.entries.load())
        .set("bytes_written", figures.bytes_written.load())
        .set("bytes_reused", figures.bytes_reused.load());
    record.set("dry_run", options.dry_run)
        .set("problems", problems)
        .set("verdict", problems == 0 ? "ok" : "problems");
    const double seconds = context.seconds();
    record.set(
        "seconds",
        Seconds{static_cast<std::int64_t>(seconds),
                static_cast<std::uint32_t>(
                    (seconds - static_cast<double>(static_cast<std::int64_t>(seconds))) * 1e9)});
    return record;
}

/// A restore into a folder, from walk to finish.
class DirectoryRestore
{
public:
    DirectoryRestore(Repository& repository, SnapshotAccess& access, DirectoryTargetOptions target,
                     const RestoreOptions& options, const EngineLimits& limits, JobContext& context)
        : repository_(repository), access_(access), options_(options), context_(context),
          target_((target.dry_run = options.dry_run, std::move(target)),
                  make_events(context, figures_)),
          window_(static_cast<std::size_t>(limits.memory / 8 / sizeof(PlannedChunk))),
          reader_(
              repository, access, limits,
              [this](PlannedFile& file, std::uint64_t offset, ByteSpan bytes) {
                  target_.write(*file.file, offset, bytes);
              },
              [this](PlannedFile& file) { finish(file); },
              [this](PlannedFile& file, const std::string& why) { damaged(file.path, why); })
    {
    }

    void run(const std::vector<Part>& parts)
    {
        take_root(parts);
        for (const Part& part : parts) {
            walk(
                part, [this](const Entry& entry) { place(entry); },
                [this](const std::string& path) { target_.leave_alone(path); });
        }
        run_window();
        target_.finish_folders(context_.stop());
        if (options_.verify && !options_.dry_run) {
            for (const Part& part : parts) {
                walk(
                    part, [this](const Entry& entry) { verify(entry); }, [](const std::string&) {});
            }
        }
    }

    const RestoreFigures& figures() const { return figures_; }

private:
    using Take = std::function<void(const Entry&)>;
    /// The snapshot has more of, or in, this than is restored: no reason to remove anything there.
    using LeaveOut = std::function<void(const std::string& path)>;

    /// Tells the target that its root is a folder of the snapshot, of which it then knows the
    /// extras; and its attributes, unless only a part of it is restored.
    void take_root(const std::vector<Part>& parts)
    {
        const bool is_one_folder =
            parts.size() == 1 && parts.front().prefix.empty() && options_.strip_components == 0;
        if (!is_one_folder ||
            !is_saved_whole(access_.snapshot(), snapshot_path(parts.front().path))) {
            return;
        }
        const auto folder = access_.at(parts.front().path)->lookup("");
        if (folder && folder->kind == EntryKind::directory) {
            Entry root = options_.include.empty() ? *folder : Entry{};
            root.path.clear();
            root.kind = EntryKind::directory;
            target_.begin(root);
        }
    }

    /// Gives each wanted entry with its path below the target's root. Folders that are wanted only
    /// for what is in them come when something in them does.
    void walk(const Part& part, const Take& take, const LeaveOut& leave_out)
    {
        const std::unique_ptr<RepositoryView> view = access_.at(part.path);
        const std::optional<Entry> self = view->lookup("");
        PathFilter filter(options_.include, options_.exclude);
        if (self && self->kind != EntryKind::directory) {
            Entry entry = *self;
            entry.path = join(part.prefix, last_name(part.path));
            take(entry);
            return;
        }
        std::vector<Entry> pending; // folders above, outermost first, that were not given
        const std::string base = snapshot_path(part.path);
        // The folder itself, if it is meant whole and is not the root (see take_root).
        if (self && !part.prefix.empty() && options_.include.empty() &&
            options_.strip_components == 0 && is_saved_whole(access_.snapshot(), base)) {
            Entry entry = *self;
            entry.path = part.prefix;
            take(entry);
        }
        const auto cursor = view->walk("", SnapshotView::Depth::all_levels);
        while (std::optional<Entry> entry = next(*cursor)) {
            throw_if_stopped(context_.stop());
            const bool whole = is_saved_whole(access_.snapshot(), join(base, entry->path));
            const std::string in_snapshot = join(part.prefix, entry->path);
            switch (filter.decide(in_snapshot, entry->kind == EntryKind::directory)) {
            case PathFilter::Decision::skip:
                if (entry->kind == EntryKind::directory) {
                    cursor->skip_children();
                }
                leave_out(strip(in_snapshot, options_.strip_components));
                continue;
            case PathFilter::Decision::descend:
                drop_left_folders(pending, in_snapshot);
                leave_out(strip(in_snapshot, options_.strip_components));
                entry->path = in_snapshot;
                pending.push_back(std::move(*entry));
                continue;
            case PathFilter::Decision::take:
                break;
            }
            drop_left_folders(pending, in_snapshot);
            for (Entry& folder : pending) {
                const std::string here = strip(folder.path, options_.strip_components);
                give(std::move(folder), take);
                leave_out(here); // only a part of it is restored
            }
            pending.clear();
            entry->path = in_snapshot;
            give(std::move(*entry), take);
            if (!whole) {
                leave_out(strip(in_snapshot, options_.strip_components));
            }
        }
    }

    static void drop_left_folders(std::vector<Entry>& pending, const std::string& path)
    {
        while (!pending.empty() && !path.starts_with(pending.back().path + "/")) {
            pending.pop_back();
        }
    }

    void give(Entry entry, const Take& take)
    {
        entry.path = strip(entry.path, options_.strip_components);
        if (!entry.path.empty()) {
            take(entry);
        }
    }

    /// A folder that cannot be read is a problem; the walk goes on behind it.
    std::optional<Entry> next(EntryCursor& cursor)
    {
        while (true) {
            try {
                return cursor.next();
            } catch (const Error& error) {
                if (error.code() != ErrorCode::damaged) {
                    throw;
                }
                damaged(error.subject(), error.what());
                target_.keep_extras();
            }
        }
    }

    void damaged(const std::string& path, const std::string& why)
    {
        context_.problem({"", path, static_cast<std::int32_t>(ErrorCode::damaged), why});
    }

    void place(const Entry& entry)
    {
        context_.set_current(entry.path);
        if (options_.list) {
            context_.emit(entry_record(entry, entry.path));
        }
        if (entry.damaged) {
            damaged(entry.path, "was not whole when it was saved");
        }
        DirectoryTarget::Begun begun = target_.begin(entry);
        if (!begun.file || options_.dry_run) {
            return;
        }
        if (begun.existing > 0 && keep_existing(entry, begun)) {
            return;
        }
        plan_file(entry, begun);
        if (window_.full()) {
            run_window();
        }
    }

    /// True if all that lies there is right already.
    bool keep_existing(const Entry& entry, const DirectoryTarget::Begun& begun)
    {
        if (begun.existing != entry.size) {
            return false;
        }
        ExistingBytes existing(repository_.keys(),
                               [&](std::uint64_t offset, MutableByteSpan buffer) {
                                   return target_.read_existing(*begun.file, offset, buffer);
                               });
        bool equal = true;
        try {
            for_each_chunk(access_.reader(), entry.content, context_.stop(),
                           [&](std::uint64_t offset, const ContentItem& item) {
                               equal = existing.equals(offset, item);
                               return equal;
                           });
        } catch (const Error& error) {
            if (error.code() == ErrorCode::cancelled) {
                throw;
            }
            return false; // whatever it is, planning the file says it
        }
        if (equal) {
            target_.keep(begun.file);
        }
        return equal;
    }

    void plan_file(const Entry& entry, const DirectoryTarget::Begun& begun)
    {
        const std::uint32_t file = window_.add_file(begun.file, entry.path);
        ++window_.files()[file]
              .waiting; // so that it cannot be finished before all of it is planned
        ExistingBytes existing(repository_.keys(),
                               [&](std::uint64_t offset, MutableByteSpan buffer) {
                                   return target_.read_existing(*begun.file, offset, buffer);
                               });
        std::uint32_t current = file;
        try {
            for_each_chunk(access_.reader(), entry.content, context_.stop(),
                           [&](std::uint64_t offset, const ContentItem& item) {
                               plan_item(current, *begun.file, begun.existing, existing, offset,
                                         item);
                               if (window_.full()) {
                                   current = continue_in_next_window(begun, entry);
                               }
                               return true;
                           });
        } catch (const Error& error) {
            const bool lost =
                error.code() == ErrorCode::damaged || error.code() == ErrorCode::not_found;
            if (!lost) {
                throw;
            }
            window_.files()[current].damaged = true;
            damaged(entry.path, error.what());
        }
        PlannedFile& planned = window_.files()[current];
        if (--planned.waiting == 0) {
            finish(planned);
        }
    }

    void plan_item(std::uint32_t file, DirectoryTarget::File& target, std::uint64_t there,
                   ExistingBytes& existing, std::uint64_t offset, const ContentItem& item)
    {
        if (item.is_hole()) {
            return;
        }
        if (offset + item.length <= there && existing.equals(offset, item)) {
            target_.write(target, offset, existing.last_chunk());
            figures_.bytes_reused += item.length;
            figures_.bytes_written -= item.length;
            return;
        }
        const std::vector<BlobPlace> places = access_.index().find(item.id);
        if (places.empty() || places.front().length != item.length) {
            throw Error(ErrorCode::damaged,
                        fmt::format("blob {} is not in the index", item.id.hex()));
        }
        window_.add_chunk({file, offset, item.id, places.front()});
    }

    /// A file with more chunks than a window holds goes on in the next, still unfinished.
    std::uint32_t continue_in_next_window(const DirectoryTarget::Begun& begun, const Entry& entry)
    {
        run_window();
        const bool was_damaged = std::exchange(carried_damage_, false);
        const std::uint32_t file = window_.add_file(begun.file, entry.path);
        window_.files()[file].damaged = was_damaged;
        ++window_.files()[file].waiting;
        return file;
    }

    void run_window()
    {
        if (window_.empty()) {
            return;
        }
        reader_.run(window_, context_.stop());
        for (const PlannedFile& file : window_.files()) {
            carried_damage_ = carried_damage_ || (file.waiting > 0 && file.damaged);
        }
        window_.clear();
    }

    void finish(PlannedFile& file)
    {
        target_.finish(file.file, file.damaged ? DirectoryTarget::Wholeness::damaged
                                               : DirectoryTarget::Wholeness::whole);
        file.file.reset();
    }

    void verify(const Entry& entry)
    {
        context_.set_current(entry.path);
        target_.verify_entry(entry, [this](const Entry& wanted, int descriptor) {
            ExistingBytes existing(
                repository_.keys(),
                [descriptor, &wanted](std::uint64_t offset, MutableByteSpan buffer) {
                    return read_at(descriptor, offset, buffer, wanted.path);
                });
            bool equal = wanted.content.size() == wanted.size;
            for_each_chunk(access_.reader(), wanted.content, context_.stop(),
                           [&](std::uint64_t offset, const ContentItem& item) {
                               equal = equal && existing.equals(offset, item);
                               return equal;
                           });
            return equal;
        });
    }

    Repository& repository_;
    SnapshotAccess& access_;
    const RestoreOptions& options_;
    JobContext& context_;
    RestoreFigures figures_;
    DirectoryTarget target_;
    RestoreWindow window_;
    WindowReader reader_;
    bool carried_damage_ = false;
};

Record restore_parts(Repository& repository, SnapshotAccess& access, const std::vector<Part>& parts,
                     DirectoryTargetOptions target, const RestoreOptions& options,
                     const EngineLimits& limits, JobContext& context)
{
    const std::stop_token& stop = context.stop();
    for (const Part& part : parts) {
        const auto self = access.at(part.path)->lookup("");
        if (self && self->subtree) {
            context.progress().entries_total += self->subtree->entries;
            context.progress().bytes_total += self->subtree->bytes;
        }
    }
    DirectoryRestore restore(repository, access, std::move(target), options, limits, context);
    restore.run(parts);
    access.finish(stop);
    return summary_of(access.snapshot(), restore.figures(), options, context,
                      context.progress().problems);
}

/// The whole snapshot: what is in "files" comes by its full path, every other source below its
/// name.
std::vector<Part> parts_of(const Snapshot& snapshot, const std::string& path)
{
    if (!snapshot_path(path).empty()) {
        return {{path, ""}};
    }
    std::vector<Part> parts;
    for (const SnapshotSource& source : snapshot.record.sources) {
        parts.push_back({source.name, source.name == "files" ? "" : source.name});
    }
    return parts;
}

} // namespace

Record restore_to_directory(Repository& repository, const Snapshot& snapshot,
                            const std::string& path, DirectoryTargetOptions target,
                            const RestoreOptions& options, const EngineLimits& limits,
                            JobContext& context)
{
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::yes,
                          context.stop());
    return restore_parts(repository, access, parts_of(snapshot, path), std::move(target), options,
                         limits, context);
}

Record restore_in_place(Repository& repository, const Snapshot& snapshot, const std::string& path,
                        DirectoryTargetOptions target, const RestoreOptions& options,
                        const EngineLimits& limits, JobContext& context)
{
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::yes,
                          context.stop());
    const std::string where = snapshot_path(path);
    std::vector<Part> parts;
    for (const SnapshotSource& source : snapshot.record.sources) {
        if (source.kind != "tree") {
            continue;
        }
        if (where.empty() || where == source.name) {
            parts.push_back({source.name, ""});
        } else if (where.starts_with(source.name + "/")) {
            std::string below = where.substr(source.name.size() + 1);
            const bool folder =
                access.root().lookup(where).value_or(Entry{}).kind == EntryKind::directory;
            const std::size_t slash = below.rfind('/');
            parts.push_back({where, folder                       ? below
                                    : slash == std::string::npos ? ""
                                                                 : below.substr(0, slash)});
        }
    }
    if (parts.empty()) {
        throw Error(
            ErrorCode::invalid,
            "nothing of this path came from a tree of files: restore it into a folder instead",
            path);
    }
    target.path = "/";
    target.create_root = false;
    return restore_parts(repository, access, parts, std::move(target), options, limits, context);
}

Record restore_to_target(Repository& repository, const Snapshot& snapshot, const std::string& path,
                         Target& target, const RestoreOptions& options, const EngineLimits& limits,
                         JobContext& context)
{
    const std::stop_token& stop = context.stop();
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::yes, stop);
    const std::unique_ptr<RepositoryView> view = access.at(path);
    RestoreFigures figures;
    std::atomic<bool> conflict{false};
    TargetEvents events = make_events(context, figures);
    events.plan = [&](const PlanStep& step) {
        conflict = conflict || step.kind == PlanStep::Kind::conflict;
        if (options.dry_run || step.kind == PlanStep::Kind::conflict) {
            context.emit(step_record(step));
        }
    };
    try {
        target.plan(*view, events, stop);
        if (conflict) {
            throw Error(ErrorCode::conflict,
                        "the target would overwrite what lives: nothing was done", path);
        }
        if (!options.dry_run) {
            target.run(*view, events, stop);
            if (options.verify) {
                target.verify(*view, events, stop);
            }
            access.finish(stop);
            target.commit();
        }
    } catch (...) {
        target.abandon();
        throw;
    }
    if (options.dry_run) {
        target.abandon();
    }
    return summary_of(snapshot, figures, options, context, context.progress().problems);
}

} // namespace backstay::core
