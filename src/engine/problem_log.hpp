#pragma once

#include "engine/job_context.hpp"
#include "format/content.hpp"
#include "format/snapshot_record.hpp"
#include "repo/blob_writer.hpp"

#include <mutex>
#include <vector>

namespace backstay::core
{

/// What the problems of a snapshot will be, while lanes report them: each is told at once, and kept
/// up to a number that a snapshot can bear. Thread-safe.
class ProblemLog
{
public:
    explicit ProblemLog(JobContext& context) : context_(context) {}

    void add(const ProblemRecord& problem);
    std::uint64_t count() const;
    /// As a stream of records.
    Content store(BlobWriter::Lane& lane);

private:
    JobContext& context_;
    mutable std::mutex mutex_; // guards the two below
    std::uint64_t count_ = 0;
    std::vector<Bytes> records_;
};

} // namespace backstay::core
