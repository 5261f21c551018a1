#pragma once

#include "engine/entry_log.hpp"
#include "repo/blob_reader.hpp"
#include "repo/blob_writer.hpp"
#include "repo/repository_view.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace backstay::core
{

/// Publishes, every so often, what a running backup has done, so that an interrupted one goes on
/// there. Thread-safe.
class Checkpointer
{
public:
    Checkpointer(BlobWriter& writer, std::string series, std::uint64_t every_bytes,
                 double every_seconds, std::string temporary_folder);
    /// Only before the lanes start.
    void add_source(const std::string& name);
    /// An entry of `source` that was read and whose blobs are with the writer; or, where its
    /// content is shorter than its size, was begun to be.
    void entry_done(const std::string& source, const Entry& entry);
    /// Publishes if it is time and nobody else does. Cheap otherwise: call it often.
    void maybe_publish();

private:
    bool is_time();
    void publish();

    BlobWriter& writer_;
    std::string series_;
    std::uint64_t every_bytes_;
    double every_seconds_;
    std::string temporary_folder_;
    std::map<std::string, std::unique_ptr<EntryLog>> logs_;
    std::mutex mutex_; // guards the two below; held while publishing
    std::uint64_t bytes_at_last_ = 0;
    double time_of_last_;
};

/// What interrupted runs of the series left after `since` (the parent's time; sessions not among
/// `committed`): a tree for each source, as views over blobs that this session stored. Empty if
/// there is nothing. Sessions of this host whose process has gone are given up for them
/// (tombstones).
std::map<std::string, std::shared_ptr<SnapshotView>> resume_interrupted(
    Repository& repository, BlobWriter& writer, const std::shared_ptr<BlobReader>& reader,
    const std::string& series, Timestamp since, const std::vector<SessionId>& committed,
    const std::string& temporary_folder, std::size_t memory, const std::stop_token& stop);

} // namespace backstay::core
