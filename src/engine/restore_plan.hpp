#pragma once

#include "repo/blob_index.hpp"
#include "target/directory_target.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace backstay::core
{

/// A file of the window, and how many of its chunks are still to come.
struct PlannedFile {
    std::shared_ptr<DirectoryTarget::File> file;
    std::string path;
    std::uint32_t waiting = 0;
    bool damaged = false;
};

/// One chunk to write: which file, where, and where it lies.
struct PlannedChunk {
    std::uint32_t file = 0; ///< of the window
    std::uint64_t offset = 0;
    BlobId id{};
    BlobPlace place;
};

/// What is restored in one go: bounded, so that the plan of any restore has a ceiling. Chunks are
/// sorted by pack, frame, place: each pack is read once a window, in order.
class RestoreWindow
{
public:
    explicit RestoreWindow(std::size_t most_chunks) : most_chunks_(most_chunks) {}

    std::uint32_t add_file(std::shared_ptr<DirectoryTarget::File> file, std::string path);
    void add_chunk(const PlannedChunk& chunk);
    bool full() const { return chunks_.size() >= most_chunks_ || files_.size() >= most_files; }
    bool empty() const { return files_.empty(); }
    void clear();

    std::vector<PlannedFile>& files() { return files_; }
    std::vector<PlannedChunk>& chunks() { return chunks_; }

    /// A run of frames of one pack that is worth one read: gaps between them are smaller than what
    /// another request costs.
    struct Read {
        std::uint32_t pack = 0;
        std::size_t first_chunk = 0; ///< of chunks(), sorted
        std::size_t end_chunk = 0;
    };
    /// Sorts, and cuts the chunks into reads of at most `most_bytes` of pack each.
    std::vector<Read> plan_reads(const BlobIndex& index, std::uint64_t most_bytes);

private:
    static constexpr std::size_t most_files = 8192;
    std::size_t most_chunks_;
    std::vector<PlannedFile> files_;
    std::vector<PlannedChunk> chunks_;
};

} // namespace backstay::core
