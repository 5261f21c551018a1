#include "source/postgres/base_lane.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t blocks_named = 20;

std::uint64_t hash_of(const std::string& path)
{
    return std::hash<std::string>()(path);
}

std::string bad_pages_text(const PageCheck& pages)
{
    std::string text =
        fmt::format("{} page{} not fit {} checksum: ", pages.count(),
                    pages.count() == 1 ? " does" : "s do", pages.count() == 1 ? "its" : "their");
    std::size_t named = 0;
    for (const PageCheck::Bad& bad : pages.bad()) {
        if (named == blocks_named) {
            break;
        }
        text += fmt::format("{}block {} (has {:04X}, should have {:04X})", named > 0 ? ", " : "",
                            bad.block, bad.stored, bad.computed);
        ++named;
    }
    return pages.count() > named ? text + " …" : text;
}

} // namespace

PostgresBaseLane::PostgresBaseLane(BaseBackup& backup, Options options)
    : backup_(backup), options_(std::move(options))
{
}

std::optional<SourceEntry> PostgresBaseLane::next()
{
    for (;;) {
        if (archive_) {
            if (std::optional<SourceEntry> entry = next_member(); entry) {
                return entry;
            }
            archive_.reset();
        }
        const std::optional<BaseBackup::Archive> archive = backup_.next_archive();
        if (!archive) {
            break;
        }
        if (archive->is_manifest) {
            return begin_manifest();
        }
        tablespace_ = archive->tablespace;
        archive_.emplace([this] { return backup_.read(); });
    }
    const BaseBackup::End end = backup_.finish();
    end_ = end.position;
    damage_.server_agrees = end.pages_damaged;
    options_.ended(end_);
    return std::nullopt;
}

std::optional<SourceEntry> PostgresBaseLane::next_member()
{
    while (const std::optional<TarMember> member = archive_->next()) {
        if (!member->path.empty()) { // the archive's own root says nothing new
            return entry_of(*member);
        }
    }
    return std::nullopt;
}

SourceEntry PostgresBaseLane::entry_of(const TarMember& member)
{
    if (!is_entry_path(member.path)) {
        throw Error(ErrorCode::source, "the server sent a file whose path leads elsewhere",
                    member.path);
    }
    const std::string space = std::to_string(tablespace_);
    path_ = (tablespace_ == 0 ? "data/" : "tablespaces/" + space + "/") + member.path;
    manifest_path_ = (tablespace_ == 0 ? "" : "pg_tblspc/" + space + "/") + member.path;
    is_manifest_ = false;
    is_file_ = member.kind == TarMember::Kind::file;

    SourceEntry result;
    result.item = ++item_;
    Entry& entry = result.entry;
    entry.path = path_;
    entry.mode = member.mode;
    entry.user_id = member.user_id;
    entry.group_id = member.group_id;
    entry.modified = Timestamp{member.modified, 0};
    switch (member.kind) {
    case TarMember::Kind::folder:
        entry.kind = EntryKind::directory;
        break;
    case TarMember::Kind::symlink:
        entry.kind = EntryKind::symlink;
        entry.link_target = member.link_target;
        break;
    case TarMember::Kind::file:
        entry.size = member.size;
        result.sequential = true;
        begin_file(member);
        if (relation_segment(member.path)) {
            result.policy = {ChunkPolicy::Kind::grid, 0}; // pages stay where they are
        }
        break;
    }
    return result;
}

void PostgresBaseLane::begin_file(const TarMember& member)
{
    size_ = 0;
    crc32c_ = {};
    pages_.reset();
    const std::optional<std::uint32_t> segment = relation_segment(member.path);
    if (options_.pages && segment) {
        pages_.emplace(*options_.pages, *segment);
    }
}

SourceEntry PostgresBaseLane::begin_manifest()
{
    FileDescriptor descriptor = open_unnamed_file(temporary_folder());
    manifest_.reset(::fdopen(descriptor.get(), "w+"));
    if (!manifest_) {
        throw_system_error(errno, "cannot open a temporary file", temporary_folder());
    }
    descriptor.release();
    is_manifest_ = true;
    is_file_ = false;
    SourceEntry result;
    result.item = ++item_;
    result.sequential = true;
    result.entry.path = "backup_manifest";
    result.entry.mode = 0600;
    return result;
}

std::size_t PostgresBaseLane::read(std::uint64_t item, MutableByteSpan buffer)
{
    if (item != item_) {
        throw Error(ErrorCode::internal, "a file of the backup was read out of order");
    }
    if (is_manifest_) {
        return read_manifest_piece(buffer);
    }
    const std::size_t got = archive_->read(buffer);
    const ByteSpan bytes = ByteSpan(buffer).first(got);
    size_ += got;
    crc32c_.update(bytes);
    if (pages_) {
        pages_->update(bytes);
    }
    return got;
}

std::size_t PostgresBaseLane::read_manifest_piece(MutableByteSpan buffer)
{
    std::size_t got = 0;
    while (got < buffer.size()) {
        if (manifest_piece_.empty()) {
            manifest_piece_ = backup_.read();
        }
        if (manifest_piece_.empty()) {
            break;
        }
        const std::size_t size = std::min(manifest_piece_.size(), buffer.size() - got);
        std::copy_n(manifest_piece_.begin(), size,
                    buffer.begin() + static_cast<std::ptrdiff_t>(got));
        manifest_piece_ = manifest_piece_.subspan(size);
        got += size;
    }
    if (std::fwrite(buffer.data(), 1, got, manifest_.get()) != got) {
        throw_system_error(errno, "cannot write a temporary file", temporary_folder());
    }
    return got;
}

void PostgresBaseLane::release(std::uint64_t item)
{
    if (item != item_ || !is_file_) {
        return;
    }
    received_.push_back({hash_of(manifest_path_), size_, crc32c_.value()});
    if (pages_ && pages_->count() > 0) {
        damage_.pages += pages_->count();
        ++damage_.files;
        options_.problems({ErrorCode::damaged, path_, bad_pages_text(*pages_)});
    }
}

void PostgresBaseLane::compare(const ManifestFile& file) const
{
    const std::uint64_t hash = hash_of(file.path);
    const auto found = std::lower_bound(
        received_.begin(), received_.end(), hash,
        [](const Received& received, std::uint64_t wanted) { return received.path < wanted; });
    if (found == received_.end() || found->path != hash) {
        throw Error(ErrorCode::source, "the server's manifest names a file that did not come",
                    file.path);
    }
    const bool fits = found->size == file.size && (!file.crc32c || *file.crc32c == found->crc32c);
    if (!fits) {
        throw Error(ErrorCode::source, "a file came otherwise than the server's manifest says",
                    file.path);
    }
}

Manifest PostgresBaseLane::check_manifest()
{
    if (!manifest_) {
        throw Error(ErrorCode::source, "the server sent no manifest");
    }
    if (std::fflush(manifest_.get()) != 0) {
        throw_system_error(errno, "cannot write a temporary file", temporary_folder());
    }
    std::sort(received_.begin(), received_.end(),
              [](const Received& a, const Received& b) { return a.path < b.path; });
    std::size_t files = 0;
    Manifest manifest = read_manifest(manifest_.get(), [&](const ManifestFile& file) {
        compare(file);
        ++files;
    });
    if (files != received_.size()) {
        throw Error(ErrorCode::source,
                    fmt::format("{} files came, but the server's manifest names {}",
                                received_.size(), files));
    }
    return manifest;
}

} // namespace backstay::core
