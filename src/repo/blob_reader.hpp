#pragma once

#include "repo/blob_index.hpp"
#include "repo/repository.hpp"

#include <functional>
#include <memory>

namespace backstay::core
{

/// Gets single blobs, with a cache of opened frames (so neighbours cost nothing) and read-ahead by
/// hint. Every blob is compared with its id. protocol.md, "Reader" 1 and 2: every place is tried;
/// if all fail the index is read again while its list changes, and then the directories of packs
/// that no segment names. Thread-safe.
class BlobReader
{
public:
    /// From a store that is far away, what is expected is held besides, in up to twice
    /// `cache_bytes`. `still_counts`: whether what is being read (a snapshot) still counts; asked
    /// before damage is claimed. May be empty: always.
    BlobReader(Repository& repository, std::shared_ptr<BlobIndex> index, std::size_t cache_bytes,
               std::function<bool()> still_counts = {});
    ~BlobReader();

    /// Throws Error{damaged} naming blob and pack: missing, unreadable or false in every place;
    /// Error{fenced} if what was read does not count any more.
    Bytes read(const BlobId& id, BlobKind kind, const std::stop_token& stop);
    /// A part of it, into `out`, without a copy of the whole.
    void read_part(const BlobId& id, BlobKind kind, std::uint64_t offset, MutableByteSpan out,
                   const std::stop_token& stop);
    /// A hint: these will be read next, in this order. They are opened ahead.
    void prefetch(const std::vector<BlobId>& ids);
    /// How much at a time prefetch() is worth being told.
    std::uint64_t opened_ahead() const;
    /// A hint: these will be read, in about this order. Neighbours are fetched together.
    void expect(const std::vector<BlobId>& ids);
    /// How much at a time expect() is worth being told; 0 if the store is near.
    std::uint64_t fetched_ahead() const;

    BlobIndex& index() { return *index_; }
    Repository& repository() { return repository_; }

private:
    /// A blob's bytes, and the frame that keeps them alive.
    struct Found {
        std::shared_ptr<const Bytes> frame;
        ByteSpan bytes;
    };
    Found find(const BlobId& id, BlobKind kind, const std::stop_token& stop);
    std::optional<Found> find_in(BlobIndex& index, const BlobId& id, BlobKind kind,
                                 std::string& why, const std::stop_token& stop);

    BlobIndex& all_packs(const std::stop_token& stop);

    std::shared_ptr<const Bytes> frame_at(BlobIndex& index, const BlobPlace& place,
                                          std::string& why, const std::stop_token& stop);
    void open_frame_of(const BlobId& id, const std::stop_token& stop);

    Repository& repository_;
    std::shared_ptr<BlobIndex> index_;
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace backstay::core
