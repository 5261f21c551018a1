#include "engine/pack_check.hpp"

#include "base/error.hpp"
#include "codec/hash.hpp"
#include "repo/pack_listing.hpp"

#include <fmt/core.h>

namespace backstay::core
{

using Scope = PackChecker::Damage::Scope;

namespace
{

/// Whether an object that cannot be had may be whole all the same: the store denies it, as it does
/// what lies in an archive, or is not there for now.
bool tells_nothing(const Error& error)
{
    return error.code() == ErrorCode::cancelled || error.code() == ErrorCode::denied ||
           error.code() == ErrorCode::unavailable;
}

} // namespace

PackChecker::PackChecker(Repository& repository, const BlobIndex& index, Problem problem)
    : repository_(repository), index_(index), problem_(std::move(problem)),
      opener_(repository.keys())
{
}

std::uint64_t PackChecker::check(std::uint32_t pack, const std::stop_token& stop)
{
    const IndexedPack& known = index_.pack(pack);
    if (!read(known.id, known.size, stop)) {
        return 0;
    }
    if (PackId::from(sha256(object_)) != known.id) {
        problem_(
            {known.id, "its bytes do not hash to its name: it was changed after it was written"});
        // What exactly is hurt is worth knowing: go on.
    }
    try {
        check_directory(pack, known.id);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged) {
            throw;
        }
        problem_({known.id, error.what()});
    }
    return object_.size();
}

bool PackChecker::read(const PackId& id, std::uint64_t size, const std::stop_token& stop)
{
    if (size > max_pack_size) {
        problem_({id,
                  fmt::format("the index says it has {} bytes: more than a pack can have", size),
                  Scope::pack});
        return false;
    }
    object_.resize(static_cast<std::size_t>(size) + 1); // one more, to see that it ends there
    try {
        const std::size_t got = repository_.store().get(pack_key(id), 0, object_, stop);
        object_.resize(got);
        if (got != size) {
            problem_({id, got < size ? fmt::format("is cut short: {} bytes of {}", got, size)
                                     : "is longer than the index says"});
        }
        return true;
    } catch (const Error& error) {
        if (tells_nothing(error)) {
            throw;
        }
        const bool gone = error.code() == ErrorCode::not_found;
        problem_({id, error.what(), gone ? Scope::gone : Scope::pack});
        return false;
    }
}

void PackChecker::check_directory(std::uint32_t pack, const PackId& id)
{
    const std::size_t tail = std::min<std::size_t>(object_.size(), 2 * pack_trailer_size);
    const auto trailer = decode_pack_trailers(ByteSpan(object_).last(tail), object_.size());
    if (!trailer) {
        throw Error(ErrorCode::damaged, "has no readable trailer");
    }
    const SealedDirectory sealed = decode_sealed_directory(
        ByteSpan(object_).subspan(trailer->directory_offset, trailer->directory_size));
    const PackDirectory directory = open_pack_directory(repository_, sealed);
    const std::vector<IndexedFrame> frames = index_.frames(pack);
    if (directory.frames.size() != frames.size()) {
        throw Error(ErrorCode::damaged,
                    fmt::format("its directory has {} frames, the index says {}",
                                directory.frames.size(), frames.size()));
    }
    for (std::size_t number = 0; number < frames.size(); ++number) {
        check_frame(id, number, frames[number], directory.frames[number]);
    }
}

void PackChecker::check_frame(const PackId& id, std::size_t number, const IndexedFrame& frame,
                              const Frame& row)
{
    const auto hurt = [&](const std::string& what) {
        problem_({id, fmt::format("frame {} {}", number, what), Scope::frame,
                  static_cast<std::uint32_t>(number)});
    };
    if (frame.nonce != row.nonce || frame.stored_size != row.stored_size ||
        frame.plain_size != row.plain_size || frame.encoding != row.encoding) {
        hurt("is not what the index says");
        return;
    }
    if (frame.offset + frame.stored_size > object_.size()) {
        hurt("lies beyond the end");
        return;
    }
    if (!repository_.keys().may_open(frame.key_class)) {
        return; // a maintainer checks what it may
    }
    plain_.resize(frame.plain_size);
    if (!opener_.open(
            frame,
            ByteSpan(object_).subspan(static_cast<std::size_t>(frame.offset), frame.stored_size),
            plain_)) {
        hurt("does not open");
        return;
    }
    std::size_t offset = 0;
    for (const FrameBlob& blob : row.blobs) {
        const bool inside = offset + blob.length <= plain_.size();
        if (!inside || repository_.keys().namer().name(
                           blob.kind, ByteSpan(plain_).subspan(offset, blob.length)) != blob.id) {
            hurt(fmt::format("holds a blob {} that is not what its id says", blob.id.hex()));
            return;
        }
        offset += blob.length;
    }
}

std::string check_name(ObjectStore& store, const std::string& key,
                       const std::array<std::uint8_t, 32>& name, std::uint64_t& bytes_read,
                       const std::stop_token& stop)
{
    constexpr std::size_t step = 4 * MiB;
    Bytes buffer(step);
    Sha256 hash;
    std::uint64_t offset = 0;
    try {
        while (true) {
            const std::size_t got = store.get(key, offset, buffer, stop);
            hash.update(ByteSpan(buffer).first(got));
            offset += got;
            bytes_read += got;
            if (got < buffer.size()) {
                break;
            }
        }
    } catch (const Error& error) {
        if (tells_nothing(error) || error.code() == ErrorCode::not_found) {
            throw;
        }
        return error.what();
    }
    return hash.finish() == name
               ? std::string()
               : "its bytes do not hash to its name: it was changed after it was written";
}

} // namespace backstay::core
