#include "engine/copy_forward.hpp"

#include "base/error.hpp"
#include "base/side_by_side.hpp"
#include "repo/frame_opener.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <tuple>

namespace backstay::core
{

namespace
{

/// Copies of both kinds of packs, by one thread.
class Copier
{
public:
    Copier(BlobReader& reader, int compression)
        : reader_(reader), repository_(reader.repository()), opener_(repository_.keys()),
          data_(repository_, PackRewriter::Contents::data, compression),
          metadata_(repository_, PackRewriter::Contents::metadata, compression)
    {
    }

    void copy(const Stranded* begin, const Stranded* end, const std::stop_token& stop)
    {
        const auto same_frame = [](const Stranded& a, const Stranded& b) {
            return a.place.pack == b.place.pack && a.place.frame == b.place.frame;
        };
        while (begin != end) {
            const Stranded* const next = std::find_if_not(
                begin, end, [&](const Stranded& other) { return same_frame(*begin, other); });
            copy_frame(begin, next, stop);
            begin = next;
        }
    }

    /// Stores what is left.
    void finish(const std::stop_token& stop)
    {
        data_stored_ = data_.finish(stop);
        metadata_stored_ = metadata_.finish(stop);
    }
    /// After finish().
    void take_stored(PackRewriter::Stored& all)
    {
        all.append(std::move(data_stored_));
        all.append(std::move(metadata_stored_));
    }

private:
    /// All that is needed of one frame.
    void copy_frame(const Stranded* begin, const Stranded* end, const std::stop_token& stop)
    {
        throw_if_stopped(stop);
        const IndexedFrame frame = reader_.index().frame(begin->place.pack, begin->place.frame);
        PackRewriter& to = frame.key_class == KeyClass::data ? data_ : metadata_;
        stored_.resize(frame.stored_size);
        plain_.resize(frame.plain_size);
        if (!open(frame, begin->place, stop)) {
            for (const Stranded* at = begin; at != end; ++at) {
                // The reader knows every place; it throws where there is none.
                to.add_blob(at->id, at->place.kind, reader_.read(at->id, at->place.kind, stop),
                            stop);
            }
            return;
        }
        if (fills_frame(frame, begin, end)) {
            to.add_frame(frame, blobs_of(begin, end), stored_, stop);
            return;
        }
        for (const Stranded* at = begin; at != end; ++at) {
            to.add_blob(at->id, at->place.kind,
                        ByteSpan(plain_).subspan(at->place.offset, at->place.length), stop);
        }
    }

    bool open(const IndexedFrame& frame, const BlobPlace& place, const std::stop_token& stop)
    {
        try {
            const std::string key = pack_key(reader_.index().pack(place.pack).id);
            return repository_.store().get(key, frame.offset, stored_, stop) == stored_.size() &&
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

    BlobReader& reader_;
    Repository& repository_;
    FrameOpener opener_;
    PackRewriter data_;
    PackRewriter metadata_;
    PackRewriter::Stored data_stored_;
    PackRewriter::Stored metadata_stored_;
    Bytes stored_;
    Bytes plain_;
};

auto order(const Stranded& stranded)
{
    return std::tie(stranded.place.pack, stranded.place.frame, stranded.place.offset, stranded.id);
}

/// What is stranded in one pack: the numbers of the first and of the one behind the last.
using Part = std::pair<std::size_t, std::size_t>;

std::vector<Part> parts_by_pack(const std::vector<Stranded>& stranded)
{
    std::vector<Part> parts;
    for (std::size_t at = 0; at < stranded.size(); ++at) {
        if (at == 0 || stranded[at].place.pack != stranded[at - 1].place.pack) {
            parts.emplace_back(at, at);
        }
        parts.back().second = at + 1;
    }
    return parts;
}

/// Each thread gathers a pack of data; half of the memory may go into those.
unsigned copying_threads(Repository& repository, const EngineLimits& limits,
                         const std::stop_token& stop)
{
    const std::uint64_t fit = limits.memory / 2 / repository.config().pack_size;
    return static_cast<unsigned>(
        std::clamp<std::uint64_t>(fit, 1, limits.readers(repository.store(), stop)));
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
                                  int compression, const EngineLimits& limits,
                                  const std::stop_token& stop)
{
    const std::vector<Part> parts = parts_by_pack(stranded);
    const unsigned threads = copying_threads(reader.repository(), limits, stop);
    std::mutex mutex; // guards copiers while they are made
    std::vector<std::unique_ptr<Copier>> copiers;
    side_by_side_with(
        "copy", parts.size(), threads, stop,
        [&] {
            const std::lock_guard lock(mutex);
            return copiers.emplace_back(std::make_unique<Copier>(reader, compression)).get();
        },
        [&](std::size_t at, Copier* copier, const std::stop_token& stopped) {
            copier->copy(stranded.data() + parts[at].first, stranded.data() + parts[at].second,
                         stopped);
        });
    side_by_side(
        "copy", copiers.size(), threads, stop,
        [&](std::size_t at, const std::stop_token& stopped) { copiers[at]->finish(stopped); });
    PackRewriter::Stored all;
    for (const std::unique_ptr<Copier>& copier : copiers) {
        copier->take_stored(all);
    }
    return all;
}

} // namespace backstay::core
