#pragma once

#include "target/archive_names.hpp"
#include "target/archive_writer.hpp"
#include "target/shortfalls.hpp"
#include "target/target.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// One pass over a view into an archive. Under Utf8Locale; one thread at a time. Everything is
/// borrowed.
class ArchiveExport
{
public:
    ArchiveExport(SnapshotView& view, ArchiveFormat format, ArchiveNames& names,
                  ArchiveWriter& writer, const TargetEvents& events, const std::stop_token& stop);

    /// Throws Error (damaged: a large file, of which the archive has the beginning).
    void run();
    /// Members that the archive has.
    std::uint64_t members() const { return members_; }

private:
    void add(const Entry& entry);
    void add_as(const Entry& entry, const Entry& with_content);
    void add_hard_link(const Entry& entry);
    bool add_other_name(const Entry& entry);
    void add_link(const Entry& entry, const std::string& first);
    std::string name_for(const std::string& path);
    void tell_rename(const Entry& entry);
    void tell_what_is_lost(const Entry& entry);
    std::vector<ArchiveMember::Extent> data_of(SnapshotStream& stream) const;
    bool begin(const ArchiveMember& member);
    void add_small(const ArchiveMember& member, SnapshotStream& stream);
    void add_large(const ArchiveMember& member, SnapshotStream& stream);
    void write_zeros(std::uint64_t count);
    void problem(ErrorCode code, const std::string& path, const std::string& message) const;
    void progress(std::uint64_t entries, std::uint64_t bytes) const;

    SnapshotView& view_;
    const ArchiveFormat format_;
    ArchiveNames& names_;
    ArchiveWriter& writer_;
    const TargetEvents& events_;
    const std::stop_token& stop_;
    Shortfalls shortfalls_;
    std::map<LinkIdentity, std::string> first_names_;
    /// Paths that hard links before them name: what the archive has their content as.
    std::map<std::string, std::string, std::less<>> given_before_;
    std::set<std::string, std::less<>> left_out_;
    Bytes piece_;
    std::uint64_t members_ = 0;
};

} // namespace backstay::core
