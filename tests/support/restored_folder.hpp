#pragma once

#include "support/fake_view.hpp"
#include "support/temp_dir.hpp"
#include "support/tree_listing.hpp"
#include "target/directory_target.hpp"

#include <doctest/doctest.h>
#include <mutex>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace backstay::core
{

/// What a target told.
struct Told {
    std::mutex mutex;
    std::vector<PlanStep> steps;
    std::vector<RestoreProblem> problems;
    std::uint64_t entries = 0;
    std::uint64_t written = 0;
    std::uint64_t reused = 0;

    TargetEvents events()
    {
        TargetEvents events;
        events.plan = [this](const PlanStep& step) {
            const std::lock_guard lock(mutex);
            steps.push_back(step);
        };
        events.problem = [this](RestoreProblem problem) {
            const std::lock_guard lock(mutex);
            problems.push_back(std::move(problem));
        };
        events.progress = [this](std::uint64_t e, std::uint64_t w, std::uint64_t r) {
            const std::lock_guard lock(mutex);
            entries += e;
            written += w;
            reused += r;
        };
        return events;
    }

    std::string step_for(const std::string& path) const
    {
        for (const PlanStep& step : steps) {
            if (step.path == path) {
                return (step.kind == PlanStep::Kind::conflict ? "conflict " : "") + step.action;
            }
        }
        return "";
    }

    std::string all_problems() const
    {
        std::string text;
        for (const RestoreProblem& problem : problems) {
            text += problem.path + ": " + problem.message + "\n";
        }
        return text;
    }
};

struct OpenFile {
    Entry entry;
    std::shared_ptr<DirectoryTarget::File> file;
};

inline bool equals_existing(DirectoryTarget& target, SnapshotView& view, const OpenFile& open,
                            std::uint64_t existing)
{
    const auto stream = view.open_stream(open.entry);
    if (existing != stream->size()) {
        return false;
    }
    Bytes wanted(existing);
    Bytes there(existing);
    stream->read_at(0, wanted, {});
    return target.read_existing(*open.file, 0, there) == existing && there == wanted;
}

/// Begins everything; keeps what is equal, gives the rest.
inline std::vector<OpenFile> begin_all(SnapshotView& view, DirectoryTarget& target)
{
    std::vector<OpenFile> files;
    const auto cursor = view.walk("", SnapshotView::Depth::all_levels);
    while (auto entry = cursor->next()) {
        const auto begun = target.begin(*entry);
        if (!begun.file) {
            continue;
        }
        const OpenFile open{*entry, begun.file};
        if (begun.existing != 0 && equals_existing(target, view, open, begun.existing)) {
            target.keep(begun.file);
        } else {
            files.push_back(open);
        }
    }
    return files;
}

inline void write_data(SnapshotView& view, DirectoryTarget& target, const OpenFile& open)
{
    const auto stream = view.open_stream(open.entry);
    for (auto extent = stream->next_data(0); extent; extent = stream->next_data(extent->end)) {
        Bytes bytes(extent->end - extent->begin);
        stream->read_at(extent->begin, bytes, {});
        target.write(*open.file, extent->begin, bytes);
    }
}

inline void restore(SnapshotView& view, DirectoryTarget& target)
{
    for (const OpenFile& open : begin_all(view, target)) {
        write_data(view, target, open);
        target.finish(open.file, DirectoryTarget::Wholeness::whole);
    }
    target.finish_folders({});
}

inline void restore(SnapshotView& view, DirectoryTargetOptions options, Told& told)
{
    DirectoryTarget target(std::move(options), told.events());
    restore(view, target);
}

inline DirectoryTargetOptions into(const std::string& path)
{
    DirectoryTargetOptions options;
    options.path = path;
    options.numeric_owners = true;
    return options;
}

/// Attributes that need no rights.
inline Entry plain(std::string path, EntryKind kind = EntryKind::file)
{
    Entry entry;
    entry.path = std::move(path);
    entry.kind = kind;
    entry.mode = kind == EntryKind::directory ? 0755 : 0644;
    entry.user_id = geteuid();
    entry.group_id = getegid();
    entry.modified = Timestamp{1'600'000'000, 123'456'789};
    return entry;
}

inline Entry symlink_to(std::string path, std::string target)
{
    Entry entry = plain(std::move(path), EntryKind::symlink);
    entry.link_target = std::move(target);
    return entry;
}

inline struct stat stat_of(const std::string& path)
{
    struct stat status {
    };
    REQUIRE_MESSAGE(lstat(path.c_str(), &status) == 0, path);
    return status;
}

inline bool is_there(const std::string& path)
{
    struct stat status {
    };
    return lstat(path.c_str(), &status) == 0;
}

inline bool has_temporary_files(const std::string& root)
{
    for (const auto& [path, line] : list_tree(root)) {
        if (path.find(".backstay-restore-") != std::string::npos) {
            return true;
        }
    }
    return false;
}

/// A small file system of its own; needs root and the right to mount.
class SmallFileSystem
{
public:
    SmallFileSystem(std::string path, const char* options) : path_(std::move(path))
    {
        mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", 0, options) == 0;
    }
    ~SmallFileSystem()
    {
        if (mounted_) {
            umount2(path_.c_str(), MNT_DETACH);
        }
    }
    SmallFileSystem(const SmallFileSystem&) = delete;
    SmallFileSystem& operator=(const SmallFileSystem&) = delete;
    bool mounted() const { return mounted_; }

private:
    std::string path_;
    bool mounted_ = false;
};

} // namespace backstay::core
