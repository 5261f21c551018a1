#pragma once

#include "format/entry.hpp"
#include "target/archive_target.hpp"

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct archive;
struct archive_entry;

namespace backstay::core
{

/// One thing to be written.
struct ArchiveMember {
    const Entry& entry;
    std::string name;       ///< in the archive
    std::string hard_link;  ///< the name in the archive that it is another name of; empty: none
    std::uint64_t size = 0; ///< bytes that follow
    struct Extent {
        std::uint64_t begin;
        std::uint64_t end;
    };
    std::vector<Extent> data; ///< where it is not a hole; empty: everywhere
};

/// libarchive's writer of one format. One thread at a time, under Utf8Locale.
class ArchiveWriter
{
public:
    /// May throw; comes out of the call that made it write.
    using Sink = std::function<void(ByteSpan)>;
    ArchiveWriter(ArchiveFormat format, Sink sink);
    ~ArchiveWriter();

    enum class Fit {
        whole,
        left_out, ///< the format cannot hold it; message() says why
    };
    /// Throws Error{target} where the archive cannot go on.
    Fit begin(const ArchiveMember& member);
    /// The bytes of the member that begin() took, holes as zeros.
    void write(ByteSpan bytes);
    /// Requires: every member has all of its bytes.
    void finish();
    std::string message() const;

    static bool holds_sparse(ArchiveFormat format);
    static bool holds_xattrs(ArchiveFormat format) { return holds_sparse(format); }
    static bool holds_hard_links(ArchiveFormat format) { return format != ArchiveFormat::zip; }
    static bool holds_any_name(ArchiveFormat format) { return holds_sparse(format); }

private:
    struct Free {
        void operator()(archive* writer) const noexcept;
    };
    struct FreeEntry {
        void operator()(archive_entry* entry) const noexcept;
    };
    void check(long result);
    void describe(const ArchiveMember& member);
    static long on_write(archive* writer, void* self, const void* data, std::size_t size);

    const ArchiveFormat format_;
    Sink sink_;
    std::exception_ptr sink_error_;
    bool finished_ = false;
    std::unique_ptr<archive, Free> writer_;
    std::unique_ptr<archive_entry, FreeEntry> header_;
};

} // namespace backstay::core
