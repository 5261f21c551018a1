#include "repo/content_stream.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "repo/content_reader.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

/// Inner pages and leaves of a few readers.
constexpr std::size_t pages_kept = 16;
constexpr std::uint64_t times_trusted = 4;
/// Holes next to each other are joined when a list is written, so no honest list has many in a row.
constexpr int most_holes_in_a_row = 1000;

} // namespace

ContentStream::List::List(Content from) : content(std::move(from))
{
    ends.reserve(content.items.size());
    std::uint64_t end = 0;
    for (const ContentItem& item : content.items) {
        ends.push_back(end += item.length);
    }
}

std::uint64_t ContentStream::Place::begin() const
{
    return list_begin + (item == 0 ? 0 : list->ends[item - 1]);
}

ContentStream::ContentStream(std::shared_ptr<BlobReader> reader, const Content& content)
    : reader_(std::move(reader))
{
    check_content(content, {});
    root_ = std::make_shared<List>(content);
    size_ = content.size();
    order_.end = size_;
}

std::size_t ContentStream::read_at(std::uint64_t offset, MutableByteSpan buffer,
                                   const std::stop_token& stop)
{
    if (offset >= size_) {
        return 0;
    }
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_ - offset));
    for (std::size_t done = 0; done < wanted;) {
        throw_if_stopped(stop);
        const std::uint64_t at = offset + done;
        const Place place = locate(at, stop);
        const MutableByteSpan part = buffer.subspan(
            done,
            static_cast<std::size_t>(std::min<std::uint64_t>(place.end() - at, wanted - done)));
        if (place.what().is_hole()) {
            std::fill(part.begin(), part.end(), std::uint8_t{0});
        } else {
            read_ahead(place, at, at + part.size(), stop);
            reader_->read_part(place.what().id, BlobKind::data, at - place.begin(), part, stop);
        }
        done += part.size();
    }
    return wanted;
}

std::optional<SnapshotStream::Extent> ContentStream::next_data(std::uint64_t offset)
{
    for (int holes = 0; offset < size_; ++holes) {
        if (holes > most_holes_in_a_row) {
            throw Error(ErrorCode::damaged, "a content list is damaged: it has holes in a row");
        }
        const Place place = locate(offset, {});
        if (place.what().is_hole()) {
            offset = place.end();
            continue;
        }
        // As far as this list tells: the next one need not be read for it.
        Place last = place;
        while (last.item + 1 < last.list->content.items.size() &&
               !last.list->content.items[last.item + 1].is_hole()) {
            ++last.item;
        }
        return Extent{offset, last.end()};
    }
    return std::nullopt;
}

SnapshotStream::Chunk ContentStream::chunk_at(std::uint64_t offset, const std::stop_token& stop)
{
    const Place place = locate(offset, stop);
    return {place.begin(), place.end(), place.what().is_hole()};
}

bool ContentStream::chunk_equals(std::uint64_t offset, ByteSpan bytes, const std::stop_token& stop)
{
    const Place place = locate(offset, stop);
    if (place.what().is_hole()) {
        return bytes.size() <= place.end() - offset && is_zero(bytes);
    }
    const BlobNamer& namer = reader_->repository().keys().namer();
    return offset == place.begin() && namer.name(BlobKind::data, bytes) == place.what().id;
}

/// Requires: offset < size_.
ContentStream::Place ContentStream::locate(std::uint64_t offset, const std::stop_token& stop)
{
    Place place{root_, 0, 0};
    while (true) {
        const List& list = *place.list;
        const auto found =
            std::upper_bound(list.ends.begin(), list.ends.end(), offset - place.list_begin);
        place.item = static_cast<std::size_t>(found - list.ends.begin());
        const std::uint8_t depth = list.content.depth; // falls: page() sees to it
        if (depth == 0 || place.what().is_hole()) {
            return place;
        }
        const std::uint64_t begin = place.begin();
        place = {page(place.what(), depth, stop), 0, begin};
    }
}

ContentStream::ListPointer ContentStream::page(const ContentItem& item, std::uint8_t depth,
                                               const std::stop_token& stop)
{
    {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(kept_.begin(), kept_.end(),
                                        [&item](const Kept& kept) { return kept.id == item.id; });
        if (found != kept_.end()) {
            std::rotate(found, found + 1, kept_.end());
            ListPointer list = kept_.back().list;
            if (list->content.depth + 1 == depth && list->ends.back() == item.length) {
                return list;
            }
        }
    }
    auto list = std::make_shared<const List>(read_content_page(*reader_, item, depth, stop));
    const std::lock_guard lock(mutex_);
    if (kept_.size() == pages_kept) {
        kept_.erase(kept_.begin());
    }
    kept_.push_back({item.id, list});
    return list;
}

void ContentStream::expect(std::uint64_t begin, std::uint64_t end)
{
    const std::lock_guard lock(mutex_);
    order_ = {begin, begin, std::min(end, size_), true, begin, begin};
}

/// Tells the reader what comes next if this is read in order.
void ContentStream::read_ahead(const Place& place, std::uint64_t from, std::uint64_t to,
                               const std::stop_token& stop)
{
    {
        const std::lock_guard lock(mutex_);
        const bool in_order = from == order_.next && (from > 0 || order_.told);
        if (!in_order) {
            order_ = {from, to, size_, false, to, to};
            return;
        }
        order_.next = to;
    }
    fetch_ahead(from, to, stop);
    open_ahead(place, to);
}

/// From what is read now on, as soon as half of what was told before is used up. Who was not told
/// how far it goes is trusted with a few times of what was read in order.
void ContentStream::fetch_ahead(std::uint64_t from, std::uint64_t to, const std::stop_token& stop)
{
    std::uint64_t reach = reader_->fetched_ahead();
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    {
        const std::lock_guard lock(mutex_);
        if (!order_.told) {
            reach = std::min(reach, times_trusted * (to - order_.begin));
        }
        if (order_.fetched >= std::min(order_.end, to + reach / 2)) {
            return;
        }
        begin = std::max(order_.fetched, from);
        end = order_.fetched = std::min(order_.end, to + reach);
    }
    try {
        reader_->expect(blobs_between(begin, end, stop));
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled) {
            throw;
        }
        // A page is to come that cannot be read: whoever gets there is told.
    }
}

std::vector<BlobId> ContentStream::blobs_between(std::uint64_t begin, std::uint64_t end,
                                                 const std::stop_token& stop)
{
    std::vector<BlobId> ids;
    while (begin < end) {
        Place place = locate(begin, stop);
        for (; place.item < place.list->content.items.size() && begin < end; ++place.item) {
            if (!place.what().is_hole()) {
                ids.push_back(place.what().id);
            }
            begin = place.end();
            if (place.list->content.depth > 0) { // a hole between pages
                break;
            }
        }
    }
    return ids;
}

/// What comes after `to`, once half of what was told before is used up.
void ContentStream::open_ahead(const Place& place, std::uint64_t to)
{
    const std::uint64_t ahead = reader_->opened_ahead();
    std::vector<BlobId> ids;
    {
        const std::lock_guard lock(mutex_);
        if (order_.opened > to + ahead / 2) {
            return;
        }
        const std::uint64_t end = std::min(order_.end, to + ahead);
        const std::vector<ContentItem>& items = place.list->content.items;
        std::uint64_t at = place.end();
        for (std::size_t i = place.item + 1; i < items.size() && at < end; ++i) {
            if (at >= order_.opened && !items[i].is_hole()) {
                ids.push_back(items[i].id);
            }
            at += items[i].length;
        }
        order_.opened = std::max(order_.opened, at);
    }
    if (!ids.empty()) {
        reader_->prefetch(ids);
    }
}

} // namespace backstay::core
