#pragma once

#include "base/aligned_buffer.hpp"
#include "target/postgres/cluster_folder.hpp"

#include <cstdint>
#include <string>

namespace backstay::core
{

/// A new file of a restored cluster, written in pieces by several threads. Large ones are written
/// past the page cache where the file system lets us: what has to be durable in the end is on its
/// way to the disk at once, and threads that write to one file do not wait for each other.
class ClusterFile
{
public:
    /// Takes its room on the disk at once. Throws Error{no_space, target…}.
    ClusterFile(const ClusterFolder& folder, const std::string& path, mode_t mode,
                std::uint64_t size);

    /// Past the cache if `offset` is aligned for it. Thread-safe.
    void write(std::uint64_t offset, const AlignedBuffer& bytes);
    /// Longer by zeroes. Throws Error{target}.
    void extend_to(std::uint64_t size);
    void set_time(std::int64_t seconds, std::uint32_t nanoseconds);
    void close();

private:
    std::string name_;
    FileDescriptor file_;
    FileDescriptor direct_; ///< the same; none: the file is small, or cannot be written so
};

} // namespace backstay::core
