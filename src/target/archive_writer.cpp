#include "target/archive_writer.hpp"

#include "base/error.hpp"
#include "format/posix_acl.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <string_view>
#include <sys/stat.h>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr int block_size = 64 * 1024;

unsigned file_type(EntryKind kind)
{
    switch (kind) {
    case EntryKind::directory:
        return AE_IFDIR;
    case EntryKind::symlink:
        return AE_IFLNK;
    case EntryKind::block_device:
        return AE_IFBLK;
    case EntryKind::character_device:
        return AE_IFCHR;
    case EntryKind::fifo:
        return AE_IFIFO;
    case EntryKind::socket:
        return AE_IFSOCK;
    case EntryKind::file:
    case EntryKind::image:
    case EntryKind::hard_link:
        break;
    }
    return AE_IFREG;
}

/// libarchive writes seconds, a point and nanoseconds, which before 1970 is not the decimal number
/// that POSIX means and GNU tar reads: two seconds and a quarter before is -3 s and 0.75 s, but has
/// to be written -2.25.
Timestamp as_written(Timestamp time)
{
    if (time.seconds >= 0 || time.nanoseconds == 0) {
        return time;
    }
    if (time.seconds == -1) {
        return {-1, 0}; // there is no way to make it write -0.25
    }
    return {time.seconds + 1, 1'000'000'000 - time.nanoseconds};
}

int archive_tag(AclLine::Tag tag)
{
    switch (tag) {
    case AclLine::Tag::user_object:
        return ARCHIVE_ENTRY_ACL_USER_OBJ;
    case AclLine::Tag::user:
        return ARCHIVE_ENTRY_ACL_USER;
    case AclLine::Tag::group_object:
        return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
    case AclLine::Tag::group:
        return ARCHIVE_ENTRY_ACL_GROUP;
    case AclLine::Tag::mask:
        return ARCHIVE_ENTRY_ACL_MASK;
    case AclLine::Tag::other:
        return ARCHIVE_ENTRY_ACL_OTHER;
    }
    return 0;
}

/// False if it is no access list.
bool add_acl(archive_entry* header, ByteSpan acl, int type)
{
    const auto lines = decode_posix_acl(acl);
    if (!lines) {
        return false;
    }
    for (const AclLine& line : *lines) {
        const bool has_id = line.tag == AclLine::Tag::user || line.tag == AclLine::Tag::group;
        archive_entry_acl_add_entry(header, type, line.rights & 7, archive_tag(line.tag),
                                    has_id ? static_cast<int>(line.id) : -1, nullptr);
    }
    return true;
}

void set_xattrs(archive_entry* header, const Entry& entry)
{
    for (const Xattr& xattr : entry.xattrs) {
        const bool is_acl = (xattr.name == access_acl_name &&
                             add_acl(header, xattr.value, ARCHIVE_ENTRY_ACL_TYPE_ACCESS)) ||
                            (xattr.name == default_acl_name &&
                             add_acl(header, xattr.value, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT));
        if (!is_acl) {
            archive_entry_xattr_add_entry(header, xattr.name.c_str(), xattr.value.data(),
                                          xattr.value.size());
        }
    }
}

} // namespace

void ArchiveWriter::Free::operator()(archive* writer) const noexcept
{
    archive_write_free(writer);
}

void ArchiveWriter::FreeEntry::operator()(archive_entry* entry) const noexcept
{
    archive_entry_free(entry);
}

bool ArchiveWriter::holds_sparse(ArchiveFormat format)
{
    return format == ArchiveFormat::tar || format == ArchiveFormat::tar_zst;
}

ArchiveWriter::ArchiveWriter(ArchiveFormat format, Sink sink)
    : format_(format), sink_(std::move(sink)), writer_(archive_write_new()),
      header_(archive_entry_new())
{
    if (!writer_ || !header_) {
        throw std::bad_alloc();
    }
    switch (format) {
    case ArchiveFormat::tar_zst:
        check(archive_write_add_filter_zstd(writer_.get()));
        [[fallthrough]];
    case ArchiveFormat::tar:
        check(archive_write_set_format_pax(writer_.get()));
        break;
    case ArchiveFormat::zip:
        check(archive_write_set_format_zip(writer_.get()));
        break;
    case ArchiveFormat::iso9660:
        check(archive_write_set_format_iso9660(writer_.get()));
        // Owners and modes as they are; files of 4 GiB and more.
        check(archive_write_set_options(writer_.get(), "iso9660:rockridge=strict,"
                                                       "iso9660:iso-level=3,iso9660:joliet"));
        break;
    }
    check(archive_write_set_bytes_per_block(writer_.get(), block_size));
    check(archive_write_set_bytes_in_last_block(writer_.get(), 1));
    check(archive_write_open(writer_.get(), this, nullptr, &ArchiveWriter::on_write, nullptr));
}

ArchiveWriter::~ArchiveWriter()
{
    if (finished_) {
        return;
    }
    // An archive that failed is not ended (the rest of a large file would be made up), but only
    // closing it frees its buffers. Closing an image, though, would write all of it.
    sink_ = [](ByteSpan) {};
    archive_write_fail(writer_.get());
    if (format_ != ArchiveFormat::iso9660) {
        archive_write_close(writer_.get());
    }
}

long ArchiveWriter::on_write(archive* writer, void* self, const void* data, std::size_t size)
{
    auto* that = static_cast<ArchiveWriter*>(self);
    try {
        that->sink_({static_cast<const std::uint8_t*>(data), size});
        return static_cast<long>(size);
    } catch (...) { // nothing may unwind through libarchive; check() throws it again
        that->sink_error_ = std::current_exception();
        archive_set_error(writer, -1, "cannot write the archive");
        return -1;
    }
}

std::string ArchiveWriter::message() const
{
    const char* text = archive_error_string(writer_.get());
    return text != nullptr ? text : "unknown reason";
}

void ArchiveWriter::check(long result)
{
    if (sink_error_) {
        std::rethrow_exception(std::exchange(sink_error_, nullptr));
    }
    if (result < ARCHIVE_WARN) {
        throw Error(ErrorCode::target, "cannot write the archive: " + message());
    }
}

void ArchiveWriter::describe(const ArchiveMember& member)
{
    archive_entry* header = header_.get();
    const Entry& entry = member.entry;
    archive_entry_clear(header);
    archive_entry_copy_pathname(header, member.name.c_str());
    archive_entry_set_filetype(header, file_type(entry.kind));
    archive_entry_set_perm(
        header, entry.mode.value_or(entry.kind == EntryKind::directory ? 0755 : 0644) & 07777U);
    archive_entry_set_size(header, static_cast<la_int64_t>(member.size));
    archive_entry_set_uid(header, entry.user_id.value_or(0));
    archive_entry_set_gid(header, entry.group_id.value_or(0));
    if (!entry.user.empty()) {
        archive_entry_copy_uname(header, entry.user.c_str());
    }
    if (!entry.group.empty()) {
        archive_entry_copy_gname(header, entry.group.c_str());
    }
    const Timestamp modified = as_written(entry.modified.value_or(Timestamp{}));
    archive_entry_set_mtime(header, modified.seconds, static_cast<long>(modified.nanoseconds));
    if (entry.created && holds_xattrs(format_)) {
        const Timestamp created = as_written(*entry.created);
        archive_entry_set_birthtime(header, created.seconds,
                                    static_cast<long>(created.nanoseconds));
    }
    if (entry.kind == EntryKind::symlink) {
        archive_entry_copy_symlink(header, entry.link_target.c_str());
    }
    if (entry.link || entry.kind == EntryKind::hard_link) {
        archive_entry_set_nlink(header, 2); // more than one; ISO 9660 asks
    }
    if (!member.hard_link.empty()) {
        archive_entry_copy_hardlink(header, member.hard_link.c_str());
    }
    archive_entry_set_rdevmajor(header, static_cast<dev_t>(entry.device >> 32U));
    archive_entry_set_rdevminor(header, static_cast<dev_t>(entry.device & 0xffffffffU));
    if (holds_xattrs(format_)) {
        set_xattrs(header, entry);
        if (entry.file_flags) {
            archive_entry_set_fflags(header, *entry.file_flags, 0);
        }
    }
    for (const ArchiveMember::Extent& extent : member.data) {
        archive_entry_sparse_add_entry(header, static_cast<la_int64_t>(extent.begin),
                                       static_cast<la_int64_t>(extent.end - extent.begin));
    }
}

ArchiveWriter::Fit ArchiveWriter::begin(const ArchiveMember& member)
{
    describe(member);
    // A warning: some name is not UTF-8, and is kept as the bytes that it is.
    const int result = archive_write_header(writer_.get(), header_.get());
    if (result == ARCHIVE_FAILED && !sink_error_) {
        return Fit::left_out;
    }
    check(result);
    return Fit::whole;
}

void ArchiveWriter::write(ByteSpan bytes)
{
    while (!bytes.empty()) {
        const la_ssize_t size = archive_write_data(writer_.get(), bytes.data(), bytes.size());
        check(size < 0 ? size : ARCHIVE_OK);
        if (size == 0) {
            throw Error(ErrorCode::internal, "the archive takes no more bytes of a file");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(size));
    }
}

void ArchiveWriter::finish()
{
    check(archive_write_close(writer_.get()));
    finished_ = true;
}

} // namespace backstay::core
