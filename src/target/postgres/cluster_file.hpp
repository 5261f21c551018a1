#pragma once

#include "base/aligned_buffer.hpp"
#include "target/postgres/cluster_folder.hpp"

#include <cstdint>
#include <string>

namespace backstay::core
{

/// A file of a restored cluster, written in pieces by several threads. Large ones are written
/// past the page cache where the file system lets us: what has to be durable in the end is on its
/// way to the disk at once, and threads that write to one file do not wait for each other.
class ClusterFile
{
public:
    /// A new one, which takes its room on the disk at once; in an adopted folder the one that is
    /// there, brought to its size. Throws Error{no_space, target…}.
    ClusterFile(const ClusterFolder& folder, const std::string& path, mode_t mode,
                std::uint64_t size);

    /// Its bytes were there before.
    bool was_there() const { return was_there_; }
    /// Thread-safe.
    void read(std::uint64_t offset, MutableByteSpan bytes) const;

    /// Past the cache if `offset` is aligned for it. Thread-safe.
    void write(std::uint64_t offset, const AlignedBuffer& bytes);
    /// What it is longer by is zeroes. Throws Error{target}.
    void resize(std::uint64_t size);
    void set_time(std::int64_t seconds, std::uint32_t nanoseconds);
    void close();

private:
    std::string name_;
    bool was_there_ = false;
    FileDescriptor file_;
    FileDescriptor direct_; ///< the same; none: the file is small, or cannot be written so
};

} // namespace backstay::core
