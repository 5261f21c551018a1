#include "engine/restore.hpp"

#include "base/error.hpp"
#include "engine/directory_restore.hpp"
#include "engine/part_view.hpp"
#include "engine/restore_thaw.hpp"
#include "engine/snapshot_access.hpp"

#include <filesystem>
#include <utility>

namespace backstay::core
{

namespace
{

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

/// Of problems: what lies at `path` below the folder restored to is named as a file of this
/// machine.
TargetEvents below(std::string root, TargetEvents events)
{
    root = std::filesystem::absolute(root).string();
    root.erase(root.find_last_not_of('/') + 1);
    events.problem = [tell = std::move(events.problem),
                      root = std::move(root)](RestoreProblem problem) {
        problem.path = root + (problem.path.empty() && !root.empty() ? "" : "/") + problem.path;
        tell(std::move(problem));
    };
    return events;
}

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

void tell_damaged_segments(const SnapshotAccess& access, JobContext& context)
{
    for (const std::string& segment : access.damaged_segments()) {
        context.problem({"", "", static_cast<std::int32_t>(ErrorCode::damaged),
                         segment + "; what it said was read from the packs themselves"});
    }
}

Record restore_parts(Repository& repository, SnapshotAccess& access, RestoreThaw& thaw,
                     const std::vector<RestorePart>& parts, DirectoryTargetOptions target,
                     const RestoreOptions& options, const EngineLimits& limits, JobContext& context)
{
    const std::stop_token& stop = context.stop();
    tell_damaged_segments(access, context);
    thaw.bring_data(parts);
    for (const RestorePart& part : parts) {
        const auto self = access.at(part.path)->lookup("");
        if (self && self->subtree) {
            context.progress().entries_total += self->subtree->entries;
            context.progress().bytes_total += self->subtree->bytes;
        }
    }
    RestoreFigures figures;
    RestoreGuard guard(repository.store().describe(stop), access, parts, target.path,
                       options.strip_components, stop);
    TargetEvents events = below(target.path, make_events(context, figures));
    DirectoryRestore(repository, access, guard, std::move(target), std::move(events), options,
                     limits, context)
        .run(parts);
    access.finish(stop);
    return summary_of(access.snapshot(), figures, options, context, context.progress().problems);
}

/// The whole snapshot: what is in "files" comes by its full path, every other source below its
/// name.
std::vector<RestorePart> parts_of(const Snapshot& snapshot, const std::string& path)
{
    if (!snapshot_path(path).empty()) {
        return {{path, ""}};
    }
    std::vector<RestorePart> parts;
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
    RestoreThaw thaw(repository, access, options, limits, context);
    thaw.bring_metadata();
    return restore_parts(repository, access, thaw, parts_of(snapshot, path), std::move(target),
                         options, limits, context);
}

Record restore_in_place(Repository& repository, const Snapshot& snapshot, const std::string& path,
                        DirectoryTargetOptions target, const RestoreOptions& options,
                        const EngineLimits& limits, JobContext& context)
{
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::yes,
                          context.stop());
    RestoreThaw thaw(repository, access, options, limits, context);
    thaw.bring_metadata();
    const std::string where = snapshot_path(path);
    std::vector<RestorePart> parts;
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
    return restore_parts(repository, access, thaw, parts, std::move(target), options, limits,
                         context);
}

Record restore_to_target(Repository& repository, const Snapshot& snapshot, const std::string& path,
                         Target& target, const RestoreOptions& options, const EngineLimits& limits,
                         JobContext& context)
{
    const std::stop_token& stop = context.stop();
    SnapshotAccess access(repository, snapshot, limits, SnapshotAccess::Announce::yes, stop);
    tell_damaged_segments(access, context);
    RestoreThaw thaw(repository, access, options, limits, context);
    thaw.bring_metadata();
    thaw.bring_data({{path, ""}});
    const std::unique_ptr<RepositoryView> part = access.at(path);
    PartView view(*part, access.root(), snapshot_path(path));
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
        target.plan(view, events, stop);
        if (conflict) {
            throw Error(ErrorCode::conflict,
                        "the target would overwrite what lives: nothing was done", path);
        }
        if (!options.dry_run) {
            target.run(view, events, stop);
            if (options.verify) {
                target.verify(view, events, stop);
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
