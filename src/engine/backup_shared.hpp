#pragma once

#include "engine/backup.hpp"
#include "engine/checkpoints.hpp"
#include "repo/blob_writer.hpp"
#include "repo/entry_sorter.hpp"

#include <atomic>
#include <functional>

namespace backstay::core
{

/// Figures of a backup while it runs. Thread-safe.
struct BackupFigures {
    std::atomic<std::uint64_t> entries{0}, entries_new{0}, entries_changed{0}, entries_unchanged{0},
        entries_relinked{0}, bytes_source{0}, bytes_read{0};
};

/// What the lanes of all sources share. Thread-safe.
struct BackupShared {
    Repository& repository;
    BlobWriter& writer;
    BlobReader& reader;
    Checkpointer& checkpointer;
    EntrySorter& sorter;
    const BackupOptions& options;
    JobContext& context;
    BackupFigures& figures;
    std::function<void(const ProblemRecord&)> problem; ///< counts, keeps for the snapshot, emits
};

} // namespace backstay::core
