#pragma once

#include "repo/blob_index.hpp"
#include "repo/frame_opener.hpp"

#include <functional>
#include <stop_token>
#include <string>

namespace backstay::core
{

/// Reads whole packs and proves them against their names, their directories and the index. One
/// thread at a time.
class PackChecker
{
public:
    /// A damage of a pack, in words, and what cannot be read because of it.
    struct Damage {
        enum class Scope { nothing, frame, pack, gone };
        PackId pack{};
        std::string what;
        Scope scope = Scope::nothing;
        std::uint32_t frame = 0;
    };
    using Problem = std::function<void(const Damage&)>;
    PackChecker(Repository& repository, const BlobIndex& index, Problem problem);

    /// Bytes read. Throws Error{denied, unavailable}: the store does not hand it out.
    std::uint64_t check(std::uint32_t pack, const std::stop_token& stop);

private:
    bool read(const PackId& id, std::uint64_t size, const std::stop_token& stop);
    void check_directory(std::uint32_t pack, const PackId& id);
    void check_frame(const PackId& id, std::size_t number, const IndexedFrame& frame,
                     const Frame& row);

    Repository& repository_;
    const BlobIndex& index_;
    Problem problem_;
    FrameOpener opener_;
    Bytes object_;
    Bytes plain_;
};

/// The SHA-256 that a pack's or a segment's name claims, against its bytes, read in pieces. Empty:
/// it is right; else what is wrong. Needs no key. Throws Error{denied, unavailable}: the store does
/// not hand it out; Error{not_found}.
std::string check_name(ObjectStore& store, const std::string& key,
                       const std::array<std::uint8_t, 32>& name, std::uint64_t& bytes_read,
                       const std::stop_token& stop);

} // namespace backstay::core
