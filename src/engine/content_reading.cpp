#include "engine/content_reading.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "engine/lost.hpp"
#include "repo/content_reader.hpp"

#include <utility>

namespace backstay::core
{

bool is_begun(const Entry& entry)
{
    return entry.content.size() < entry.size;
}

bool can_be_begun(const SourceEntry& entry)
{
    return !entry.entry.change_token.empty() && !entry.sequential && !entry.kept_from;
}

ContentReading::ContentReading(const BackupShared& shared, std::string source_name,
                               DataSource& source, std::uint32_t lane, std::stop_token stop)
    : shared_(shared), name_(std::move(source_name)), source_(source), lane_(lane),
      stop_(std::move(stop)), blobs_(shared.writer.open_lane()),
      chunker_(shared.repository.keys().cut_key(), shared.repository.config().chunker)
{
}

void ContentReading::read(SourceEntry& entry, const Content* begun)
{
    ContentWriter content(*blobs_);
    if (begun != nullptr) {
        take_begun(*begun, content);
    }
    const std::uint64_t begin = content.size();
    std::uint64_t remembered = begin;
    const auto read = [&](std::uint64_t offset, MutableByteSpan buffer) {
        throw_if_stopped(stop_);
        const std::size_t got = source_.read(lane_, entry.item, offset, buffer);
        shared_.context.progress().bytes.fetch_add(got, std::memory_order_relaxed);
        return got;
    };
    StreamChunker::NextData next_data;
    if (entry.sparse) {
        next_data = [&](std::uint64_t offset) {
            return source_.next_data(lane_, entry.item, offset);
        };
    }
    const StreamChunker::Sink sink{
        [&](ByteSpan chunk) {
            content.add({chunk.size(), blobs_->put(BlobKind::data, chunk).id});
            remember(entry, content, remembered);
            shared_.checkpointer.maybe_publish();
            return true;
        },
        [&](std::uint64_t length) {
            content.add({length, BlobId{}});
            return true;
        }};
    const std::uint64_t bytes = entry.kept_from
                                    ? read_changed(entry, read, sink, content)
                                    : chunker_.run(entry.policy, entry.entry.kind, begin,
                                                   entry.entry.size, read, next_data, sink);
    shared_.figures.bytes_read.fetch_add(bytes, std::memory_order_relaxed);
    entry.entry.size = content.size();
    entry.entry.content = content.finish();
    if (entry.entry.content.depth > 0) {
        flush(); // nobody reads it anew for a page of its list that a checkpoint came too early for
    }
}

/// As far as the index knows its chunks.
void ContentReading::take_begun(const Content& begun, ContentWriter& content)
{
    const BlobIndex& index = shared_.reader.index();
    try {
        for_each_chunk(shared_.reader, begun, stop_, [&](std::uint64_t, const ContentItem& item) {
            const bool is_there = item.is_hole() || index.contains(item.id);
            if (is_there) {
                content.add(item);
            }
            return is_there;
        });
    } catch (const Error& error) {
        if (!means_lost(error.code())) {
            throw;
        }
    }
    shared_.context.progress().bytes.fetch_add(content.size(), std::memory_order_relaxed);
}

/// Every so often the next checkpoint gets what was read of a large file, so that an interrupted
/// run goes on within it.
void ContentReading::remember(const SourceEntry& entry, const ContentWriter& content,
                              std::uint64_t& remembered)
{
    const std::uint64_t enough = shared_.options.checkpoint_bytes / 4;
    if (!can_be_begun(entry) || content.size() - remembered < enough ||
        content.size() >= entry.entry.size) {
        return;
    }
    Entry begun = entry.entry;
    begun.content = content.so_far();
    flush();
    shared_.checkpointer.entry_done(name_, begun);
    remembered = content.size();
}

/// Chunks of the earlier content that lie in what is kept, where they begin, as long as the index
/// knows them. Those that a lost page of its list names are read like what changed.
std::vector<ContentReading::KeptChunk> ContentReading::kept_chunks(const SourceEntry& entry)
{
    const BlobIndex& index = shared_.reader.index();
    std::vector<KeptChunk> chunks;
    std::optional<SnapshotStream::Extent> kept = source_.next_kept(lane_, entry.item, 0);
    const auto take = [&](std::uint64_t begin, const ContentItem& item) {
        throw_if_stopped(stop_);
        const std::uint64_t end = begin + item.length;
        while (kept && kept->end < end) {
            kept = source_.next_kept(lane_, entry.item, kept->end);
        }
        if (kept && kept->begin <= begin && (item.is_hole() || index.contains(item.id))) {
            chunks.push_back({begin, item});
        }
        return kept.has_value();
    };
    try {
        for_each_chunk(shared_.reader, *entry.kept_from, stop_, take);
    } catch (const Error& error) {
        if (!means_lost(error.code())) {
            throw;
        }
    }
    return chunks;
}

/// Takes over what is kept, and reads the rest.
std::uint64_t ContentReading::read_changed(const SourceEntry& entry,
                                           const StreamChunker::Reader& read,
                                           const StreamChunker::Sink& sink, ContentWriter& content)
{
    std::uint64_t bytes = 0;
    std::uint64_t done = 0;
    const auto read_up_to = [&](std::uint64_t end) {
        if (end > done) {
            bytes += chunker_.run_stretch(entry.policy, entry.entry.kind, done, end, read, sink);
            done = end;
        }
    };
    for (const KeptChunk& chunk : kept_chunks(entry)) {
        read_up_to(chunk.begin);
        content.add(chunk.item);
        done += chunk.item.length;
        shared_.context.progress().bytes.fetch_add(chunk.item.length, std::memory_order_relaxed);
    }
    read_up_to(UINT64_MAX);
    return bytes;
}

} // namespace backstay::core
