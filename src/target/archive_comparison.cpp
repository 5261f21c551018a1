#include "target/archive_comparison.hpp"

#include "base/file.hpp"
#include "base/worker_group.hpp"
#include "target/tree_comparison.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <cerrno>
#include <memory>
#include <string>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 256 * KiB;

struct FreeReader {
    void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};

/// Where libarchive reads from.
struct ArchiveFile {
    int descriptor;
    std::uint64_t begin;
    std::uint64_t at;
    Bytes piece;
};

la_ssize_t on_read(archive* reader, void* context, const void** data)
{
    auto* file = static_cast<ArchiveFile*>(context);
    try {
        const std::size_t size =
            read_at(file->descriptor, file->begin + file->at, file->piece, "the archive");
        file->at += size;
        *data = file->piece.data();
        return static_cast<la_ssize_t>(size);
    } catch (const Error& error) {
        archive_set_error(reader, error.system_error(), "%s", error.what());
        return -1;
    }
}

la_int64_t on_skip(archive*, void* context, la_int64_t count)
{
    static_cast<ArchiveFile*>(context)->at += static_cast<std::uint64_t>(count);
    return count;
}

/// zip wants its directory at the end first.
la_int64_t on_seek(archive* reader, void* context, la_int64_t offset, int whence)
{
    auto* file = static_cast<ArchiveFile*>(context);
    const off_t end = lseek(file->descriptor, 0, SEEK_END);
    if (end < 0) {
        archive_set_error(reader, errno, "cannot find the end of the archive");
        return ARCHIVE_FATAL;
    }
    const auto size = static_cast<la_int64_t>(end) - static_cast<la_int64_t>(file->begin);
    const la_int64_t base = whence == SEEK_SET   ? 0
                            : whence == SEEK_CUR ? static_cast<la_int64_t>(file->at)
                                                 : size;
    const la_int64_t wanted = base + offset;
    if (wanted < 0) {
        return ARCHIVE_FATAL;
    }
    file->at = static_cast<std::uint64_t>(wanted);
    return wanted;
}

/// "" if the rest of the stream is a hole, which libarchive does not give.
std::string compare_hole(archive_entry* member, SnapshotStream& stream, std::uint64_t at)
{
    const auto size = static_cast<std::uint64_t>(archive_entry_size(member));
    if (archive_entry_size_is_set(member) != 0 && size != stream.size()) {
        return "its size is " + std::to_string(size);
    }
    return at == stream.size() || !stream.next_data(at) ? "" : "its content differs";
}

/// "" if the member's bytes are the stream's, else what is wrong.
std::string compare_bytes(archive* reader, archive_entry* member, SnapshotStream& stream,
                          const std::stop_token& stop)
{
    Bytes there(piece_size);
    Bytes wanted(piece_size);
    std::uint64_t at = 0;
    while (true) {
        throw_if_stopped(stop);
        const la_ssize_t size = archive_read_data(reader, there.data(), there.size());
        if (size < 0) {
            return archive_error_string(reader);
        }
        if (size == 0) {
            return compare_hole(member, stream, at);
        }
        const auto count = static_cast<std::size_t>(size);
        const auto buffer = MutableByteSpan(wanted).first(count);
        if (stream.read_at(at, buffer, stop) != count ||
            !equal(buffer, ByteSpan(there).first(count))) {
            return "its content differs";
        }
        at += count;
    }
}

/// The path that a member has in the snapshot.
std::string path_of(archive_entry* member, const ArchiveNames& names)
{
    const char* name = archive_entry_pathname(member);
    std::string path = name == nullptr ? "" : name;
    while (!path.empty() && path.back() == '/') {
        path.pop_back();
    }
    return names.path_of(path);
}

std::string compare_member(archive* reader, archive_entry* member, SnapshotView& view,
                           const std::string& path, const std::stop_token& stop)
{
    auto entry = view.lookup(path);
    if (entry && entry->kind == EntryKind::hard_link) {
        entry = view.lookup(entry->link_target);
    }
    if (!entry) {
        return "the snapshot has no such thing";
    }
    const bool is_link = archive_entry_hardlink(member) != nullptr;
    if (!is_link && !is_of_kind(entry->kind, archive_entry_filetype(member))) {
        return std::string("it is no ") + entry_kind_name(entry->kind);
    }
    if (entry->kind == EntryKind::symlink && !is_link) {
        const char* target = archive_entry_symlink(member);
        return target != nullptr && entry->link_target == target ? "" : "it points elsewhere";
    }
    if (is_link || !is_of_kind(entry->kind, S_IFREG)) {
        return "";
    }
    return compare_bytes(reader, member, *view.open_stream(*entry), stop);
}

} // namespace

void compare_archive(int descriptor, std::uint64_t offset, std::uint64_t members,
                     SnapshotView& view, const ArchiveNames& names, const TargetEvents& events,
                     const std::stop_token& stop)
{
    const auto problem = [&](const std::string& path, const std::string& message) {
        if (events.problem) {
            events.problem({ErrorCode::target, path, "differs from the snapshot: " + message});
        }
    };
    ArchiveFile file{descriptor, offset, 0, Bytes(piece_size)};
    const std::unique_ptr<archive, FreeReader> reader(archive_read_new());
    archive_read_support_format_all(reader.get());
    archive_read_support_filter_all(reader.get());
    archive_read_set_read_callback(reader.get(), on_read);
    archive_read_set_skip_callback(reader.get(), on_skip);
    archive_read_set_seek_callback(reader.get(), on_seek);
    archive_read_set_callback_data(reader.get(), &file);
    int result = archive_read_open1(reader.get());
    std::uint64_t found = 0;
    while (result >= ARCHIVE_WARN) {
        throw_if_stopped(stop);
        archive_entry* member = nullptr;
        result = archive_read_next_header(reader.get(), &member);
        if (result == ARCHIVE_EOF || result < ARCHIVE_WARN) {
            break;
        }
        const std::string path = path_of(member, names);
        if (path.empty() || path == ".") {
            continue; // the root that ISO 9660 has by itself
        }
        ++found;
        const std::string difference = compare_member(reader.get(), member, view, path, stop);
        if (!difference.empty()) {
            problem(path, difference);
        }
    }
    if (result != ARCHIVE_EOF) {
        problem("", std::string("the archive cannot be read: ") +
                        (archive_error_string(reader.get()) != nullptr
                             ? archive_error_string(reader.get())
                             : "unknown reason"));
    } else if (found != members) {
        problem("", "the archive has " + std::to_string(found) + " members, not " +
                        std::to_string(members));
    }
}

} // namespace backstay::core
