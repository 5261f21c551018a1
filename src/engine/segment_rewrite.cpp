#include "engine/segment_rewrite.hpp"

#include "base/error.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t most_entries_a_segment = 500'000;

} // namespace

std::optional<Segment> read_segment_if_there(Repository& repository, const SegmentId& id,
                                             const std::stop_token& stop)
{
    try {
        return read_segment(repository, id, stop);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) {
            throw;
        }
        return std::nullopt;
    }
}

SegmentRewrite::SegmentRewrite(Repository& repository, const Condemned& condemned,
                               std::stop_token stop)
    : repository_(repository), condemned_(condemned), stop_(std::move(stop)),
      writer_(random_id<SessionId>())
{
}

void SegmentRewrite::add(const SegmentId& id)
{
    const std::optional<Segment> segment = read_segment_if_there(repository_, id, stop_);
    if (!segment) {
        return;
    }
    const std::vector<SegmentPack>& packs = segment->footer.packs;
    const bool stays = std::none_of(packs.begin(), packs.end(),
                                    [this](const SegmentPack& pack) { return is_condemned(pack); });
    // An empty one is a sign of life of a session that has ended by now.
    if (stays && !packs.empty()) {
        return;
    }
    replace(id, *segment);
}

void SegmentRewrite::replace(const SegmentId& id, const Segment& segment)
{
    keep_living(segment);
    replaced_.push_back(id);
    if (pending_.entries.size() >= most_entries_a_segment) {
        write_pending();
    }
}

void SegmentRewrite::finish(PackRewriter::Stored copies)
{
    pending_.append(std::move(copies));
    write_pending();
    // One may have got the name of what it replaces, for it says the same.
    std::erase_if(replaced_, [this](const SegmentId& id) { return written_.contains(id); });
}

void SegmentRewrite::keep_living(const Segment& segment)
{
    PackRewriter::Stored kept;
    kept.key_records = segment.footer.key_records;
    std::vector<std::uint32_t> numbers(segment.footer.packs.size(), UINT32_MAX);
    for (std::size_t i = 0; i < segment.footer.packs.size(); ++i) {
        if (!is_condemned(segment.footer.packs[i])) {
            numbers[i] = static_cast<std::uint32_t>(kept.packs.size());
            kept.packs.push_back(segment.footer.packs[i]);
        }
    }
    for (SegmentEntry entry : segment.entries) {
        if (numbers[entry.pack] != UINT32_MAX) {
            entry.pack = numbers[entry.pack];
            kept.entries.push_back(entry);
        }
    }
    pending_.append(std::move(kept));
}

void SegmentRewrite::write_pending()
{
    if (pending_.packs.empty()) {
        return;
    }
    written_.insert(write_segment(repository_, writer_, std::move(pending_.key_records),
                                  std::move(pending_.packs), std::move(pending_.entries),
                                  std::nullopt, stop_)
                        .id);
    pending_ = {};
}

} // namespace backstay::core
