#pragma once

#include "engine/backup.hpp"
#include "engine/check.hpp"
#include "engine/prune.hpp"
#include "engine/snapshot_access.hpp"
#include "support/memory_source.hpp"
#include "support/seeded_bytes.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/// Two days of files in memory, backed up, restored and checked.
namespace backstay::core
{

using Files = MemorySource::Files;

inline EngineLimits small_limits()
{
    EngineLimits limits;
    limits.threads = 2;
    limits.memory = 32 * MiB;
    return limits;
}

inline Files monday()
{
    return {{"a.txt", seeded_bytes(1, 1000)},
            {"folder/b.bin", seeded_bytes(2, 300'000)},
            {"folder/deep/c", {}},
            {"z", seeded_bytes(3, 5)}};
}

inline Files tuesday()
{
    Files files = monday();
    files["folder/d.bin"] = seeded_bytes(4, 200'000);
    files["a.txt"] = seeded_bytes(5, 1200);
    files.erase("z");
    return files;
}

inline Record back_up(Repository& repository, const std::shared_ptr<MemorySource>& source,
                      BackupOptions options = {})
{
    JobContext context;
    BackupSource given;
    given.name = "data";
    given.kind = "host";
    given.source = source;
    return run_backup(repository, {given}, options, small_limits(), context);
}

inline Record back_up(Repository& repository, const Files& files, BackupOptions options = {})
{
    return back_up(repository, std::make_shared<MemorySource>(files), std::move(options));
}

inline Files contents(Repository& repository, const Snapshot& snapshot)
{
    Files files;
    SnapshotAccess access(repository, snapshot, small_limits(), SnapshotAccess::Announce::no, {});
    const auto view = access.at("data");
    const auto cursor = view->walk("", SnapshotView::Depth::all_levels);
    while (const auto entry = cursor->next()) {
        if (entry->kind != EntryKind::file) {
            continue;
        }
        const auto stream = view->open_stream(*entry);
        Bytes bytes(static_cast<std::size_t>(stream->size()));
        bytes.resize(stream->read_at(0, bytes, {}));
        files[entry->path] = bytes;
    }
    return files;
}

inline std::vector<Files> all_contents(Repository& repository)
{
    std::vector<Files> all;
    for (const Snapshot& snapshot : list_snapshots(repository, {}).snapshots) {
        all.push_back(contents(repository, snapshot));
    }
    return all;
}

/// What check, reading all, complains of: one JSON object each.
inline std::vector<std::string> complaints_of_check(Repository& repository,
                                                    const EngineLimits& limits = small_limits())
{
    std::vector<std::string> complaints;
    std::mutex mutex; // guards complaints
    JobContext context({}, [&](const Record& record) {
        if (record.text("type") == "problem") {
            const std::lock_guard lock(mutex);
            complaints.push_back(record.json());
        }
    });
    CheckOptions options;
    options.read_data = 100;
    run_check(repository, options, limits, context);
    return complaints;
}

inline std::int64_t problems_of_check(Repository& repository)
{
    return static_cast<std::int64_t>(complaints_of_check(repository).size());
}

/// Waits for nobody: everybody else has crashed.
inline PruneOptions prune_all()
{
    PruneOptions options;
    options.max_unused_fraction = 0;
    options.max_unused_bytes = 0;
    options.fence_after = 0;
    return options;
}

} // namespace backstay::core
