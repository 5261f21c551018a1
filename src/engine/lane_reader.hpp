#pragma once

#include "engine/backup.hpp"
#include "engine/checkpoints.hpp"
#include "engine/stream_chunker.hpp"
#include "repo/blob_writer.hpp"
#include "repo/content_writer.hpp"
#include "repo/entry_sorter.hpp"

#include <atomic>
#include <map>
#include <mutex>

namespace backstay::core
{

/// Figures of a backup while it runs. Thread-safe.
struct BackupFigures {
    std::atomic<std::uint64_t> entries{0}, entries_new{0}, entries_changed{0}, entries_unchanged{0},
        bytes_source{0}, bytes_read{0};
};

/// What the lanes of all sources share. Thread-safe.
struct BackupShared {
    Repository& repository;
    BlobWriter& writer;
    BlobReader& reader;
    Checkpointer& checkpointer;
    EntrySorter& sorter;
    const BackupOptions& options;
    JobContext& context;
    BackupFigures& figures;
    std::function<void(const ProblemRecord&)> problem; ///< counts, keeps for the snapshot, emits
};

/// Contents of files that have several names, so that each is read once. Bounded: beyond, a file is
/// read again. Thread-safe.
class LinkedContents
{
public:
    std::optional<Content> find(const LinkIdentity& link, const Bytes& token) const;
    void add(const LinkIdentity& link, const Bytes& token, const Content& content);

private:
    static constexpr std::size_t most = 100'000;
    struct Known {
        Bytes token;
        Content content;
    };
    mutable std::mutex mutex_; // guards known_
    std::map<LinkIdentity, Known> known_;
};

/// Drains one lane of a source: entries that did not change are taken over from the parent, others
/// are read, cut and stored. One thread at a time.
class LaneReader
{
public:
    /// `parent`: of this source, or null.
    LaneReader(const BackupShared& shared, const std::string& source_name, DataSource& source,
               std::uint32_t lane, SnapshotView* parent, LinkedContents& linked,
               std::stop_token stop);
    void drain();

private:
    enum class Change { new_entry, modified, unchanged };
    void take(SourceEntry entry);
    bool keep_entry(Entry& entry);
    std::optional<Entry> look_up(const std::string& path);
    Change store(SourceEntry& entry, const std::optional<Entry>& before, bool& keep);
    void complete(SourceEntry& entry);
    bool take_over(SourceEntry& entry, const Entry& before);
    const Content* begun_content(const SourceEntry& entry, const Entry& before) const;
    bool read(SourceEntry& entry, const Content* begun);
    void read_once(SourceEntry& entry, const Content* begun);
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
    void tell(const Entry& entry, Change change);
    void problem(ErrorCode code, const std::string& path, const std::string& message);

    const BackupShared& shared_;
    std::string name_;
    DataSource& source_;
    std::uint32_t lane_;
    SnapshotView* parent_;
    LinkedContents& linked_;
    std::stop_token stop_;
    std::unique_ptr<BlobWriter::Lane> blobs_;
    StreamChunker chunker_;
};

} // namespace backstay::core
