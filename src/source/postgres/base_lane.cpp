#include "source/postgres/base_lane.hpp"

#include "base/error.hpp"
#include "postgres/backup_label.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

/// Of relation files: said outright, for what a file keeps of its parent's is whole pieces.
constexpr std::uint32_t grid = 32 * KiB;

} // namespace

PostgresBaseLane::PostgresBaseLane(BaseBackup& backup, Options options)
    : backup_(backup), options_(std::move(options))
{
    if (options_.parent != nullptr) {
        maps_.emplace(*options_.parent,
                      VisibilityMaps::Settings{options_.bounds, options_.pages.has_value()});
    }
}

std::optional<SourceEntry> PostgresBaseLane::next()
{
    for (;;) {
        if (archive_) {
            if (std::optional<SourceEntry> entry = next_member(); entry) {
                return entry;
            }
            end_archive();
        }
        const std::optional<BaseBackup::Archive> archive = backup_.next_archive();
        if (!archive) {
            break;
        }
        if (archive->is_manifest) {
            return begin_manifest();
        }
        tablespace_ = archive->tablespace;
        received_ahead_.emplace([this] { return backup_.read(); }, options_.stop);
        archive_.emplace([this] { return received_ahead_->next(); });
    }
    const BaseBackup::End end = backup_.finish();
    end_ = end.position;
    damage_.server_agrees = end.pages_damaged;
    options_.ended(end_);
    return std::nullopt;
}

/// To its last byte: what the server says there is an answer to us.
void PostgresBaseLane::end_archive()
{
    while (!received_ahead_->next().empty()) {
    }
    archive_.reset();
    received_ahead_.reset();
}

std::optional<SourceEntry> PostgresBaseLane::next_member()
{
    while (const std::optional<TarMember> member = archive_->next()) {
        if (member->path.empty()) { // the archive's own root says nothing new
            continue;
        }
        SourceEntry entry = entry_of(*member);
        if (!is_held_back_) {
            return entry;
        }
    }
    return maps_ ? next_map() : std::nullopt;
}

/// The table's blocks have come: its map can be told.
std::optional<SourceEntry> PostgresBaseLane::next_map()
{
    std::optional<VisibilityMaps::Ready> ready = maps_->next();
    if (!ready) {
        return std::nullopt;
    }
    is_held_back_ = true;
    is_file_ = true;
    pages_.reset();
    path_ = ready->map.entry.path;
    manifest_path_ = ready->map.manifest_path;
    SourceEntry result;
    result.item = ++item_;
    result.entry = std::move(ready->map.entry);
    result.sequential = true;
    result.policy = {ChunkPolicy::Kind::grid, grid};
    const auto next_page = [pages = std::move(ready->map.pages),
                            next = std::size_t{0}](std::uint32_t, MutableByteSpan page) mutable {
        const Bytes& came = pages.at(next++);
        std::copy(came.begin(), came.end(), page.begin());
    };
    begin_rebuilt(result, std::move(ready->map.head), std::move(ready->parent), next_page);
    return result;
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
    is_held_back_ = false;
    rebuilt_.reset();
    label_.reset();

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
        fill_file(result, member);
        break;
    }
    return result;
}

void PostgresBaseLane::fill_file(SourceEntry& result, const TarMember& member)
{
    const std::string original =
        options_.parent != nullptr ? incremental_original(member.path) : std::string();
    const std::optional<RelationFile> file =
        parse_relation_file(original.empty() ? member.path : original);
    begin_file(file);
    result.sequential = true;
    result.entry.size = member.size;
    if (file) {
        result.policy = {ChunkPolicy::Kind::grid, grid}; // pages stay where they are
    }
    if (!original.empty()) {
        begin_incremental(result, member, *file);
    } else if (maps_ && file) {
        maps_->came_whole(*file);
    } else if (maps_ && manifest_path_ == "backup_label") {
        begin_label(result, member);
    }
}

void PostgresBaseLane::begin_file(const std::optional<RelationFile>& file)
{
    size_ = 0;
    crc32c_ = {};
    pages_.reset();
    if (options_.pages && file) {
        pages_.emplace(*options_.pages, file->segment);
    }
}

/// The server sent the blocks that changed: the file is those and the parent's.
void PostgresBaseLane::begin_incremental(SourceEntry& result, const TarMember& member,
                                         const RelationFile& file)
{
    path_ = without_incremental_prefix(path_);
    result.entry.path = path_;
    IncrementalHead head =
        read_incremental_head([this](MutableByteSpan buffer) { return read_member(buffer); },
                              member.size, options_.bounds);
    if (file.fork == RelationFile::Fork::visibility) {
        hold_map_back(result, file, std::move(head));
        return;
    }
    maps_->came(file, head.blocks);
    begin_rebuilt(result, std::move(head),
                  options_.parent->open(path_, without_incremental_prefix(manifest_path_)),
                  [this](std::uint32_t block, MutableByteSpan page) { read_block(block, page); });
}

void PostgresBaseLane::hold_map_back(const SourceEntry& result, const RelationFile& file,
                                     IncrementalHead head)
{
    VisibilityMaps::Map map{result.entry, manifest_path_, file, std::move(head), {}};
    for (const std::uint32_t block : map.head.blocks) {
        map.pages.emplace_back(options_.bounds.page_size);
        read_block(block, map.pages.back());
    }
    maps_->hold_back(std::move(map));
    received_.add(manifest_path_, size_, crc32c_.value());
    tell_bad_pages();
    is_held_back_ = true;
}

void PostgresBaseLane::begin_rebuilt(SourceEntry& result, IncrementalHead head,
                                     ParentCluster::File parent, RebuiltFile::NextPage next_page)
{
    rebuilt_.emplace(std::move(head), options_.bounds.page_size, grid, std::move(parent.earlier),
                     std::move(next_page), options_.stop);
    result.entry.size = rebuilt_->size();
    result.kept_from = std::move(parent.content);
}

/// The next block that came.
void PostgresBaseLane::read_block(std::uint32_t block, MutableByteSpan page)
{
    for (MutableByteSpan rest = page; !rest.empty();) {
        rest = rest.subspan(read_member(rest)); // the head was told that it is all there
    }
    if (pages_) {
        pages_->seek(block);
        pages_->update(page);
    }
}

void PostgresBaseLane::begin_label(SourceEntry& result, const TarMember& member)
{
    if (member.size > longest_backup_label) {
        throw Error(ErrorCode::source, "the server sent an impossible backup_label");
    }
    Bytes came(member.size);
    came.resize(read_member(came));
    label_ = full_backup_label(as_text(came));
    result.entry.size = label_->size();
}

SourceEntry PostgresBaseLane::begin_manifest()
{
    manifest_ = open_spool_file();
    if (options_.parent != nullptr) {
        spool_whole_manifest();
    }
    is_manifest_ = true;
    is_file_ = false;
    SourceEntry result;
    result.item = ++item_;
    result.sequential = true;
    result.entry.path = "backup_manifest";
    result.entry.mode = 0600;
    return result;
}

/// What it says of changed files fits what came: it is written anew for what is kept.
void PostgresBaseLane::spool_whole_manifest()
{
    for (ByteSpan piece = backup_.read(); !piece.empty(); piece = backup_.read()) {
        write_spool(manifest_.get(), piece);
    }
    flush_spool(manifest_.get());
    rebuilt_manifest_ = open_spool_file();
    received_.write_manifest(manifest_.get(), options_.parent->system_id(),
                             rebuilt_manifest_.get());
}

std::size_t PostgresBaseLane::read(std::uint64_t item, std::uint64_t offset, MutableByteSpan buffer)
{
    if (item != item_) {
        throw Error(ErrorCode::internal, "a file of the backup was read out of order");
    }
    if (is_manifest_) {
        return rebuilt_manifest_ ? read_spool(rebuilt_manifest_.get(), buffer)
                                 : read_manifest_piece(buffer);
    }
    if (rebuilt_) {
        return rebuilt_->read(offset, buffer);
    }
    if (label_) {
        const std::size_t begin = std::min<std::size_t>(offset, label_->size());
        const std::size_t got = std::min(buffer.size(), label_->size() - begin);
        std::copy_n(label_->begin() + static_cast<std::ptrdiff_t>(begin), got, buffer.begin());
        return got;
    }
    const std::size_t got = read_member(buffer);
    if (pages_) {
        pages_->update(ByteSpan(buffer).first(got));
    }
    return got;
}

std::optional<SnapshotStream::Extent> PostgresBaseLane::next_kept(std::uint64_t item,
                                                                  std::uint64_t offset)
{
    return item == item_ && rebuilt_ ? rebuilt_->next_kept(offset) : std::nullopt;
}

/// As it came.
std::size_t PostgresBaseLane::read_member(MutableByteSpan buffer)
{
    const std::size_t got = archive_->read(buffer);
    size_ += got;
    crc32c_.update(ByteSpan(buffer).first(got));
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
    write_spool(manifest_.get(), ByteSpan(buffer).first(got));
    return got;
}

void PostgresBaseLane::release(std::uint64_t item)
{
    if (item != item_ || !is_file_) {
        return;
    }
    if (rebuilt_) {
        received_.add_rebuilt(manifest_path_, rebuilt_->size(), rebuilt_->finish());
    } else if (label_) {
        Crc32c sum;
        sum.update(as_bytes(*label_));
        received_.add_rebuilt(manifest_path_, label_->size(), sum.value());
    }
    if (!is_held_back_) {
        received_.add(manifest_path_, size_, crc32c_.value());
        tell_bad_pages();
    }
}

void PostgresBaseLane::tell_bad_pages()
{
    if (pages_ && pages_->count() > 0) {
        damage_.pages += pages_->count();
        ++damage_.files;
        options_.problems({ErrorCode::damaged, path_, bad_pages_text(*pages_)});
    }
}

Manifest PostgresBaseLane::check_manifest()
{
    if (!manifest_) {
        throw Error(ErrorCode::source, "the server sent no manifest");
    }
    flush_spool(manifest_.get());
    return received_.check(manifest_.get());
}

} // namespace backstay::core
