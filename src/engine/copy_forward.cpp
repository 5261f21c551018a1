#include "engine/copy_forward.hpp"

#include "base/error.hpp"
#include "base/worker_group.hpp"
#include "repo/frame_opener.hpp"

#include <algorithm>
#include <tuple>

namespace backstay::core
{

namespace
{

/// Copies of both kinds of packs in one piece of work.
class Copier
{
public:
    Copier(BlobReader& reader, int compression, JobContext& context)
        : reader_(reader), repository_(reader.repository()), context_(context),
          opener_(repository_.keys()),
          data_(repository_, PackRewriter::Contents::data, compression),
          metadata_(repository_, PackRewriter::Contents::metadata, compression)
    {
    }

    /// All that is needed of one frame.
    void copy(const Stranded* begin, const Stranded* end)
    {
        throw_if_stopped(context_.stop());
        const IndexedFrame frame = reader_.index().frame(begin->place.pack, begin->place.frame);
        PackRewriter& to = frame.key_class == KeyClass::data ? data_ : metadata_;
        stored_.resize(frame.stored_size);
        plain_.resize(frame.plain_size);
        if (!open(frame, begin->place)) {
            for (const Stranded* at = begin; at != end; ++at) {
                // The reader knows every place; it throws where there is none.
                to.add_blob(at->id, at->place.kind,
                            reader_.read(at->id, at->place.kind, context_.stop()), context_.stop());
            }
            return;
        }
        if (fills_frame(frame, begin, end)) {
            to.add_frame(frame, blobs_of(begin, end), stored_, context_.stop());
            return;
        }
        for (const Stranded* at = begin; at != end; ++at) {
            to.add_blob(at->id, at->place.kind,
                        ByteSpan(plain_).subspan(at->place.offset, at->place.length),
                        context_.stop());
        }
    }

    PackRewriter::Stored finish()
    {
        PackRewriter::Stored all = data_.finish(context_.stop());
        append(all, metadata_.finish(context_.stop()));
        return all;
    }

private:
    bool open(const IndexedFrame& frame, const BlobPlace& place)
    {
        try {
            const std::string key = pack_key(reader_.index().pack(place.pack).id);
            return repository_.store().get(key, frame.offset, stored_, context_.stop()) ==
                       stored_.size() &&
                   opener_.open(frame, stored_, plain_);
        } catch (const Error& error) {
            const bool gone =
                error.code() == ErrorCode::not_found || error.code() == ErrorCode::storage;
            if (!gone) {
                throw;
            }
            return false;
        }
    }

    static bool fills_frame(const IndexedFrame& frame, const Stranded* begin, const Stranded* end)
    {
        std::uint64_t bytes = 0;
        for (const Stranded* at = begin; at != end; ++at) {
            bytes += at->place.length;
        }
        return static_cast<std::uint64_t>(end - begin) == frame.blobs && bytes == frame.plain_size;
    }

    static std::vector<FrameBlob> blobs_of(const Stranded* begin, const Stranded* end)
    {
        std::vector<FrameBlob> blobs;
        for (const Stranded* at = begin; at != end; ++at) {
            blobs.push_back({at->id, at->place.kind, at->place.length});
        }
        return blobs;
    }

    /// Numbers of packs and key records go on behind those that are there.
    static void append(PackRewriter::Stored& to, PackRewriter::Stored more)
    {
        const auto packs = static_cast<std::uint32_t>(to.packs.size());
        const auto records = static_cast<std::uint32_t>(to.key_records.size());
        for (SegmentPack& pack : more.packs) {
            for (SegmentFrame& frame : pack.frames) {
                frame.key_record += records;
            }
            to.packs.push_back(std::move(pack));
        }
        for (SegmentEntry& entry : more.entries) {
            entry.pack += packs;
            to.entries.push_back(entry);
        }
        to.key_records.insert(to.key_records.end(), more.key_records.begin(),
                              more.key_records.end());
        to.bytes += more.bytes;
    }

    BlobReader& reader_;
    Repository& repository_;
    JobContext& context_;
    FrameOpener opener_;
    PackRewriter data_;
    PackRewriter metadata_;
    Bytes stored_;
    Bytes plain_;
};

auto order(const Stranded& stranded)
{
    return std::tie(stranded.place.pack, stranded.place.frame, stranded.place.offset, stranded.id);
}

} // namespace

std::vector<Stranded> find_stranded(const BlobIndex& index, const Marks& marks)
{
    std::vector<Stranded> stranded;
    index.for_each([&](std::uint64_t ordinal, const BlobId& id, const BlobPlace& place) {
        if (!marks.test(ordinal) || !index.pack(place.pack).condemned) {
            return;
        }
        const std::vector<BlobPlace> places = index.find(id); // those in condemned packs last
        const bool lives_elsewhere = !index.pack(places.front().pack).condemned;
        // Of several condemned places the first stands for the blob.
        const bool first = places.front().pack == place.pack &&
                           places.front().frame == place.frame &&
                           places.front().offset == place.offset;
        if (!lives_elsewhere && first) {
            stranded.push_back({id, place});
        }
    });
    std::sort(stranded.begin(), stranded.end(),
              [](const Stranded& a, const Stranded& b) { return order(a) < order(b); });
    return stranded;
}

PackRewriter::Stored copy_forward(BlobReader& reader, const std::vector<Stranded>& stranded,
                                  int compression, JobContext& context)
{
    Copier copier(reader, compression, context);
    for (std::size_t begin = 0; begin < stranded.size();) {
        std::size_t end = begin;
        while (end < stranded.size() && stranded[end].place.pack == stranded[begin].place.pack &&
               stranded[end].place.frame == stranded[begin].place.frame) {
            ++end;
        }
        copier.copy(stranded.data() + begin, stranded.data() + end);
        begin = end;
    }
    return copier.finish();
}

} // namespace backstay::core
