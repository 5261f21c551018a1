#include "engine/restore_plan.hpp"

#include <algorithm>
#include <tuple>

namespace backstay::core
{

namespace
{

constexpr std::uint64_t gap_worth_reading =
    256 * KiB; // reading on is cheaper than asking again, on disks and in S3

} // namespace

std::uint32_t RestoreWindow::add_file(std::shared_ptr<DirectoryTarget::File> file, std::string path)
{
    files_.push_back({std::move(file), std::move(path), 0, false});
    return static_cast<std::uint32_t>(files_.size() - 1);
}

void RestoreWindow::add_chunk(const PlannedChunk& chunk)
{
    ++files_[chunk.file].waiting;
    chunks_.push_back(chunk);
}

void RestoreWindow::clear()
{
    files_.clear();
    chunks_.clear();
}

std::vector<RestoreWindow::Read> RestoreWindow::plan_reads(const BlobIndex& index,
                                                           std::uint64_t most_bytes)
{
    std::sort(chunks_.begin(), chunks_.end(), [](const PlannedChunk& a, const PlannedChunk& b) {
        return std::tie(a.place.pack, a.place.frame, a.place.offset, a.file, a.offset) <
               std::tie(b.place.pack, b.place.frame, b.place.offset, b.file, b.offset);
    });
    std::vector<Read> reads;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::vector<IndexedFrame> frames;
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        const BlobPlace& place = chunks_[i].place;
        const bool same_pack = !reads.empty() && reads.back().pack == place.pack;
        if (!same_pack) {
            frames = index.frames(place.pack);
        }
        const IndexedFrame& frame = frames.at(place.frame);
        const std::uint64_t frame_end = frame.offset + frame.stored_size;
        const bool joins =
            same_pack && frame.offset <= end + gap_worth_reading && frame_end - begin <= most_bytes;
        if (!joins) {
            reads.push_back({place.pack, i, i});
            begin = frame.offset;
        }
        end = std::max(joins ? end : 0, frame_end);
        reads.back().end_chunk = i + 1;
    }
    return reads;
}

} // namespace backstay::core
