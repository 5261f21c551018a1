#pragma once

#include "base/random.hpp"
#include "repo/blob_reader.hpp"
#include "repo/blob_writer.hpp"
#include "support/sample_repository.hpp"

#include <algorithm>
#include <memory>

namespace backstay::core
{

/// Blobs of a repository in memory: what is put can be read once it is published. Counts what was
/// new. One thread at a time writes.
class SampleBlobs
{
public:
    BlobWriter::Lane& lane() { return lane_; }
    const KeyChain& keys() const { return sample_.repository->keys(); }

    void publish()
    {
        lane_.flush();
        writer_.publish(std::nullopt);
    }

    const std::shared_ptr<BlobReader>& reader() const { return reader_; }

    std::uint64_t new_blobs() const { return lane_.new_blobs; }
    std::size_t largest() const { return lane_.largest; }

private:
    class CountingLane final : public BlobWriter::Lane
    {
    public:
        explicit CountingLane(std::unique_ptr<BlobWriter::Lane> real) : real_(std::move(real)) {}

        Put put(BlobKind kind, ByteSpan plain) override
        {
            const Put put = real_->put(kind, plain);
            new_blobs += put.is_new ? 1 : 0;
            largest = std::max(largest, plain.size());
            return put;
        }
        void flush() override { real_->flush(); }

        std::uint64_t new_blobs = 0;
        std::size_t largest = 0;

    private:
        std::unique_ptr<BlobWriter::Lane> real_;
    };

    SampleRepository sample_;
    std::shared_ptr<BlobIndex> index_ =
        BlobIndex::load(*sample_.repository, Condemned{}, Freshness::fresh, {});
    WorkerGroup group_;
    BlobWriter writer_{*sample_.repository, random_id<SessionId>(), *index_, {}, group_};
    CountingLane lane_{writer_.open_lane()};
    std::shared_ptr<BlobReader> reader_ =
        std::make_shared<BlobReader>(*sample_.repository, index_, 16 * MiB);
};

} // namespace backstay::core
