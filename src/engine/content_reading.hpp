#pragma once

#include "engine/backup_shared.hpp"
#include "engine/stream_chunker.hpp"
#include "repo/content_writer.hpp"

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace backstay::core
{

/// An entry of an interrupted run of which only the beginning was read.
bool is_begun(const Entry& entry);
/// Its bytes can be read again from any offset, and a change of them would be noticed.
bool can_be_begun(const SourceEntry& entry);

/// Reads the bytes of one lane's entries, cuts them and stores the chunks. What a source says is
/// kept, and what an interrupted run began, is taken over. One thread at a time.
class ContentReading
{
public:
    /// All references must outlive it.
    ContentReading(const BackupShared& shared, std::string source_name, DataSource& source,
                   std::uint32_t lane, std::stop_token stop);

    /// Sets the entry's content and size. `begun`: its beginning, or null. Throws Error.
    void read(SourceEntry& entry, const Content* begun);
    /// What was read is with the writer afterwards.
    void flush() { blobs_->flush(); }

private:
    void take_begun(const Content& begun, ContentWriter& content);
    void remember(const SourceEntry& entry, const ContentWriter& content,
                  std::uint64_t& remembered);
    struct KeptChunk {
        std::uint64_t begin;
        ContentItem item;
    };
    std::vector<KeptChunk> kept_chunks(const SourceEntry& entry);
    std::uint64_t read_changed(const SourceEntry& entry, const StreamChunker::Reader& read,
                               const StreamChunker::Sink& sink, ContentWriter& content);

    const BackupShared& shared_;
    const std::string name_;
    DataSource& source_;
    const std::uint32_t lane_;
    const std::stop_token stop_;
    std::unique_ptr<BlobWriter::Lane> blobs_;
    StreamChunker chunker_;
};

} // namespace backstay::core
