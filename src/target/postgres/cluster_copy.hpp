#pragma once

#include "base/aligned_buffer.hpp"
#include "base/bounded_queue.hpp"
#include "base/worker_group.hpp"
#include "target/postgres/cluster_layout.hpp"
#include "target/target.hpp"

#include <cstdint>
#include <memory>
#include <stop_token>

namespace backstay::core
{

/// Copies files of a physical backup to their places on several threads, large ones in parts, so
/// that a cluster of one large table keeps all threads busy. Of a file that is there already only
/// the chunks that differ are read and written. What was not waited for is stopped.
class ClusterCopy
{
public:
    /// `segment_size`: of the log; a shorter one is filled up. All references must outlive it.
    ClusterCopy(SnapshotView& view, const TargetEvents& events, unsigned threads,
                std::uint64_t segment_size, const std::stop_token& stop);
    ~ClusterCopy();

    /// Waits while many do. Once a thread has failed it does nothing: stop_token() and finish()
    /// tell.
    void add(Entry file, ClusterLayout::Place place);
    /// Waits until all are there. Throws what made a thread fail, or `failure`, whichever was
    /// first.
    void finish(std::exception_ptr failure = nullptr);

    std::stop_token stop_token() const { return workers_.stop_token(); }

private:
    struct File;
    struct Part {
        std::shared_ptr<File> file;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    void work(const std::stop_token& stop);
    void copy(const Part& part, AlignedBuffer& buffer, const std::stop_token& stop);
    void copy_bytes(File& file, SnapshotStream& stream, std::uint64_t begin, std::uint64_t end,
                    AlignedBuffer& buffer, const std::stop_token& stop) const;
    void copy_differing(File& file, SnapshotStream& stream, const Part& part, AlignedBuffer& buffer,
                        const std::stop_token& stop) const;
    static std::uint64_t first_chunk_of(const Part& part, SnapshotStream& stream,
                                        const std::stop_token& stop);
    void finish_file(File& file) const;

    SnapshotView& view_;
    const TargetEvents& events_;
    const std::uint64_t segment_size_;
    BoundedQueue<Part> parts_;
    WorkerGroup workers_;
};

} // namespace backstay::core
