#include "engine/restore_plan.hpp"

#include "repo/frame_range.hpp"

#include <algorithm>
#include <tuple>

namespace backstay::core
{

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
    FrameRange range;
    std::vector<IndexedFrame> frames;
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
        const BlobPlace& chunk = chunks_[i].place;
        const bool same_pack = !reads.empty() && reads.back().pack == chunk.pack;
        if (!same_pack) {
            frames = index.frames(chunk.pack);
        }
        const IndexedFrame& frame = frames.at(chunk.frame);
        const FrameRange place{frame.offset, frame.offset + frame.stored_size};
        if (same_pack && range.joins(place, most_bytes)) {
            range = range.with(place);
        } else {
            reads.push_back({chunk.pack, i, i});
            range = place;
        }
        reads.back().end_chunk = i + 1;
    }
    return reads;
}

} // namespace backstay::core
