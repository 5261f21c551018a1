#include "source/postgres/parent_cluster.hpp"

#include "base/error.hpp"
#include "base/record.hpp"
#include "postgres/base_backup.hpp"
#include "postgres/cluster_record.hpp"
#include "postgres/manifest.hpp"
#include "source/data_source.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr int versions_of_a_major = 10'000;

std::uint64_t hash_of(const std::string& path)
{
    return std::hash<std::string>()(path);
}

/// Why a backup cannot build on the snapshot that has this record; "" if it can.
std::string obstacle(const std::string& json, const ServerFacts& facts)
{
    const ClusterRecord cluster = parse_cluster_record(json);
    if (cluster.system_id != facts.system_id ||
        cluster.version / versions_of_a_major != facts.version / versions_of_a_major) {
        return "the parent snapshot is of another cluster";
    }
    if (cluster.timeline != facts.timeline) {
        return fmt::format("the parent snapshot is of timeline {}, and the server is on {}",
                           cluster.timeline, facts.timeline);
    }
    const Record record = Record::from_json(json);
    if (record.number("damaged_pages") != 0 || record.number("damage_in_log") != 0) {
        return "the parent snapshot has damaged pages";
    }
    return {};
}

/// What makes a parent useless, and no reason to fail. Archives that must be asked for it first
/// deny it.
bool means_no_parent(ErrorCode code)
{
    return code == ErrorCode::damaged || code == ErrorCode::not_found ||
           code == ErrorCode::invalid || code == ErrorCode::denied;
}

} // namespace

ParentCluster::Found ParentCluster::find(SnapshotView* view, const ServerFacts& facts,
                                         const std::stop_token& stop)
{
    SnapshotView* snapshot = view != nullptr ? view->committed() : nullptr;
    if (snapshot == nullptr || snapshot->source_record().empty()) {
        return {nullptr, "there is no parent snapshot to build on"};
    }
    try {
        if (std::string why = obstacle(snapshot->source_record(), facts); !why.empty()) {
            return {nullptr, std::move(why)};
        }
        return {std::unique_ptr<ParentCluster>(new ParentCluster(*snapshot, stop)), {}};
    } catch (const Error& error) {
        if (!means_no_parent(error.code())) {
            throw;
        }
        return {nullptr, fmt::format("the parent snapshot cannot be used: {}", error.what())};
    }
}

ParentCluster::ParentCluster(SnapshotView& snapshot, const std::stop_token& stop)
    : snapshot_(snapshot), manifest_(open_spool_file())
{
    const std::optional<Entry> entry = snapshot_.lookup("backup_manifest");
    if (!entry || entry->kind != EntryKind::file || entry->damaged) {
        throw Error(ErrorCode::damaged, "its backup_manifest is missing");
    }
    const std::unique_ptr<SnapshotStream> stream = snapshot_.open_stream(*entry);
    Bytes buffer(256 * KiB);
    for (std::uint64_t at = 0; at < stream->size();) {
        const std::size_t got = stream->read_at(at, buffer, stop);
        write_spool(manifest_.get(), ByteSpan(buffer).first(got));
        at += got;
    }
    flush_spool(manifest_.get());
    const Manifest manifest = read_manifest(manifest_.get(), [this](const ManifestFile& file) {
        if (!file.crc32c) {
            throw Error(ErrorCode::damaged, "its backup_manifest lacks a checksum", file.path);
        }
        files_.push_back({hash_of(file.path), file.size, *file.crc32c});
    });
    std::sort(files_.begin(), files_.end(),
              [](const Known& a, const Known& b) { return a.path < b.path; });
    if (!manifest.system_id) {
        throw Error(ErrorCode::damaged, "its backup_manifest does not name its cluster");
    }
    system_id_ = *manifest.system_id;
}

void ParentCluster::upload(PostgresConnection& connection)
{
    std::rewind(manifest_.get());
    upload_manifest(connection,
                    [this](MutableByteSpan buffer) { return read_spool(manifest_.get(), buffer); });
}

std::optional<Entry> ParentCluster::look_up(const std::string& path)
{
    try {
        return snapshot_.lookup(path);
    } catch (const Error& error) {
        if (!means_no_parent(error.code())) {
            throw;
        }
        return std::nullopt;
    }
}

ParentCluster::File ParentCluster::open(const std::string& path, const std::string& manifest_path)
{
    const std::uint64_t hash = hash_of(manifest_path);
    const auto known = std::lower_bound(
        files_.begin(), files_.end(), hash,
        [](const Known& file, std::uint64_t wanted) { return file.path < wanted; });
    const std::optional<Entry> entry = look_up(path);
    const bool fits = known != files_.end() && known->path == hash && entry &&
                      entry->kind == EntryKind::file && !entry->damaged &&
                      entry->size == known->size && entry->content.size() == known->size;
    if (!fits) {
        throw ParentUnreadable(ErrorCode::source,
                               "the parent snapshot does not have a file whole of which the server "
                               "sent changed blocks alone",
                               path);
    }
    return {entry->content, {snapshot_.open_stream(*entry), known->crc32c}};
}

} // namespace backstay::core
