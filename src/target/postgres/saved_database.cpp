#include "target/postgres/saved_database.hpp"

#include "base/error.hpp"
#include "postgres/archive_names.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::size_t piece_size = 1 * MiB;

std::string below(const std::string& folder, const std::string& path)
{
    return folder.empty() ? path : folder + "/" + path;
}

} // namespace

std::vector<SavedDatabase> list_saved_databases(SnapshotView& view, const std::stop_token& stop)
{
    if (view.lookup("toc")) {
        SavedDatabase only;
        only.name = read_contents(view, only, stop).database();
        return {only};
    }
    std::vector<SavedDatabase> databases;
    const auto cursor = view.walk("", SnapshotView::Depth::one_level);
    while (const std::optional<Entry> entry = cursor->next()) {
        const auto name = unescape_postgres_name(entry->path);
        if (entry->kind != EntryKind::directory || !name) {
            continue;
        }
        if (view.lookup(entry->path + "/toc")) {
            databases.push_back({*name, entry->path, true});
        } else if (view.lookup(entry->path + "/archive")) {
            databases.push_back({*name, entry->path, false});
        }
    }
    if (view.lookup("backup_manifest")) {
        throw Error(ErrorCode::invalid,
                    "this is a physical backup of a whole cluster: it goes into "
                    "a folder, not to a server that runs");
    }
    if (databases.empty()) {
        throw Error(
            ErrorCode::invalid,
            "there is no PostgreSQL database here: name the source in the snapshot, such as "
            "SNAPSHOT:postgres");
    }
    return databases;
}

PostgresToc read_contents(SnapshotView& view, const SavedDatabase& database,
                          const std::stop_token& stop)
{
    const std::string path = below(database.folder, "toc");
    const std::optional<Entry> entry = view.lookup(path);
    if (!entry) {
        throw Error(ErrorCode::damaged, "the database has no table of contents", path);
    }
    return PostgresToc::decode(read_whole(view, *entry, 2 * PostgresTocReader::max_size, stop));
}

std::optional<Entry> find_block(SnapshotView& view, const SavedDatabase& database,
                                const PostgresTocEntry& entry)
{
    return view.lookup(below(database.folder, "data/" + entry.block_name));
}

Bytes read_whole(SnapshotView& view, const Entry& entry, std::size_t limit,
                 const std::stop_token& stop)
{
    Bytes all;
    stream_pieces(
        view, entry,
        [&](ByteSpan piece) {
            append(all, piece);
            if (all.size() > limit) {
                throw Error(ErrorCode::damaged, "is larger than it can be", entry.path);
            }
            return true;
        },
        stop);
    return all;
}

void stream_pieces(SnapshotView& view, const Entry& entry,
                   const std::function<bool(ByteSpan)>& take, const std::stop_token& stop)
{
    const auto stream = view.open_stream(entry);
    Bytes piece(static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, stream->size())));
    for (std::uint64_t at = 0; at < stream->size();) {
        const std::size_t got = stream->read_at(at, piece, stop);
        if (got == 0) {
            throw Error(ErrorCode::damaged, "the stream is shorter than the snapshot says",
                        entry.path);
        }
        if (!take(ByteSpan(piece).first(got))) {
            return;
        }
        at += got;
    }
}

} // namespace backstay::core
