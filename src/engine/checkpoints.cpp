#include "engine/checkpoints.hpp"

#include "base/clock.hpp"
#include "base/error.hpp"
#include "format/encoding.hpp"
#include "repo/entry_sorter.hpp"
#include "repo/record_stream.hpp"
#include "repo/session.hpp"
#include "repo/tree_writer.hpp"

#include <algorithm>

namespace backstay::core
{

Checkpointer::Checkpointer(BlobWriter& writer, std::string series, std::uint64_t every_bytes,
                           double every_seconds, std::string temporary_folder)
    : writer_(writer), series_(std::move(series)), every_bytes_(every_bytes),
      every_seconds_(every_seconds), temporary_folder_(std::move(temporary_folder)),
      time_of_last_(monotonic_seconds())
{
}

void Checkpointer::add_source(const std::string& name)
{
    logs_.emplace(name, std::make_unique<EntryLog>(temporary_folder_));
}

void Checkpointer::entry_done(const std::string& source, const Entry& entry)
{
    logs_.at(source)->add(entry);
}

bool Checkpointer::is_time()
{
    return writer_.counts().bytes_new - bytes_at_last_ >= every_bytes_ ||
           monotonic_seconds() - time_of_last_ >= every_seconds_;
}

void Checkpointer::maybe_publish()
{
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && is_time()) {
        publish();
    }
}

void Checkpointer::publish()
{
    Checkpoint checkpoint;
    checkpoint.series = series_;
    {
        const auto lane = writer_.open_lane();
        for (const auto& [name, log] : logs_) {
            if (log->empty()) {
                continue;
            }
            RecordWriter records(*lane);
            log->take([&records](Bytes record) { records.add(record); });
            checkpoint.entry_logs.emplace_back(name, records.finish());
        }
        lane->flush();
    }
    writer_.publish(std::move(checkpoint));
    bytes_at_last_ = writer_.counts().bytes_new;
    time_of_last_ = monotonic_seconds();
}

namespace
{

bool was_committed(const std::vector<SessionId>& committed, const SessionId& id)
{
    return std::find(committed.begin(), committed.end(), id) != committed.end();
}

/// Damage in a log only costs reading again.
void read_log(BlobReader& reader, const Content& log, EntrySorter& sorter,
              const std::stop_token& stop)
{
    try {
        read_records(reader, log, stop, [&sorter](ByteSpan record) {
            Decoder decoder(record, "entry log");
            const Entry entry = decode_entry(decoder);
            if (is_entry_path(entry.path)) {
                sorter.add(entry);
            }
        });
    } catch (const Error& error) {
        const bool harmless =
            error.code() == ErrorCode::damaged || error.code() == ErrorCode::not_found;
        if (!harmless) {
            throw;
        }
    }
}

/// Sessions of this machine that died: a tombstone makes sure that they never commit.
void give_up_dead_sessions(Repository& repository, const std::vector<SessionId>& interrupted,
                           const std::stop_token& stop)
{
    for (const ListedSession& session : list_sessions(repository, stop)) {
        const bool ours =
            std::find(interrupted.begin(), interrupted.end(), session.id) != interrupted.end();
        if (ours && session.record && process_has_gone(*session.record)) {
            fence_session(repository, session.id, "interrupted; a later run went on", stop);
        }
    }
}

} // namespace

std::map<std::string, std::shared_ptr<SnapshotView>> resume_interrupted(
    Repository& repository, BlobWriter& writer, const std::shared_ptr<BlobReader>& reader,
    const std::string& series, Timestamp since, const std::vector<SessionId>& committed,
    const std::string& temporary_folder, std::size_t memory, const std::stop_token& stop)
{
    std::map<std::string, std::unique_ptr<EntrySorter>> sorters;
    std::vector<SessionId> interrupted;
    std::vector<BlobIndex::FoundCheckpoint> checkpoints = reader->index().checkpoints();
    // What was known last of an entry counts.
    std::stable_sort(checkpoints.begin(), checkpoints.end(),
                     [](const auto& a, const auto& b) { return a.written < b.written; });
    for (const BlobIndex::FoundCheckpoint& found : checkpoints) {
        if (found.checkpoint.series != series || found.written < since ||
            was_committed(committed, found.session)) {
            continue;
        }
        interrupted.push_back(found.session);
        for (const auto& [name, log] : found.checkpoint.entry_logs) {
            std::unique_ptr<EntrySorter>& sorter = sorters[name];
            if (!sorter) {
                sorter = std::make_unique<EntrySorter>(memory, temporary_folder);
            }
            read_log(*reader, log, *sorter, stop);
        }
    }
    if (sorters.empty()) {
        return {};
    }
    give_up_dead_sessions(repository, interrupted, stop);

    std::map<std::string, Subtree> roots;
    {
        const auto lane = writer.open_lane();
        for (const auto& [name, sorter] : sorters) {
            TreeWriter tree(repository.keys(), *lane);
            sorter->drain([&tree](ByteSpan encoded) { tree.add(encoded); },
                          [](const std::string&) {});
            roots[name] = tree.finish();
        }
        lane->flush();
    }
    writer.publish(std::nullopt); // so that its pages can be read
    std::map<std::string, std::shared_ptr<SnapshotView>> views;
    for (const auto& [name, root] : roots) {
        views[name] = std::make_shared<RepositoryView>(reader, root);
    }
    return views;
}

} // namespace backstay::core
