#pragma once

#include "codec/blob_id.hpp"
#include "codec/cipher.hpp"
#include "codec/compression.hpp"
#include "format/key_record.hpp"

#include <optional>
#include <vector>

namespace backstay::core {

/// A blob within its frame's plain bytes; blobs lie one after another.
struct FrameBlob {
    BlobId id{};
    BlobKind kind = BlobKind::data;
    std::uint32_t length = 0;
    bool operator==(const FrameBlob&) const = default;
};

/// A frame as the directory of its pack tells it: enough to copy it as it is, or to open it. Frames lie one after another behind the header.
struct Frame {
    KeyClass key_class = KeyClass::data;
    std::uint32_t key_record = 0; ///< which of the directory's key records
    Nonce nonce{};
    Encoding encoding = Encoding::raw;
    std::uint32_t stored_size = 0; ///< with the tag
    std::uint32_t plain_size = 0;
    std::vector<FrameBlob> blobs;
    bool operator==(const Frame&) const = default;
};

/// Sealed under the index class at the end of a pack.
struct PackDirectory {
    std::array<std::uint8_t, 16> random{}; ///< makes the pack's name unique for ever
    std::vector<KeyRecord> key_records;
    std::vector<Frame> frames;
    bool operator==(const PackDirectory&) const = default;
};

inline constexpr std::uint32_t max_data_frame = 1 * MiB;    ///< plain; a chunk longer than that has a frame of its own
inline constexpr std::uint32_t max_meta_frame = 256 * KiB;
inline constexpr std::uint32_t max_frame_plain = 16 * MiB;  ///< what a reader accepts
inline constexpr std::size_t pack_header_size = 8;          ///< magic
inline constexpr std::uint64_t max_pack_size = 1 * GiB;     ///< what a reader accepts

ByteSpan pack_header();

Bytes encode_pack_directory(const PackDirectory& directory);
PackDirectory decode_pack_directory(ByteSpan plain);

/// Where the directory lies: its own key record and nonce stand in the clear in front of the sealed bytes. Stands twice at the end of the object, so that a bad sector costs one.
struct PackTrailer {
    std::uint64_t directory_offset = 0;
    std::uint64_t directory_size = 0; ///< key record, nonce and sealed bytes
    std::uint32_t parity_layout = 0;  ///< 0: none; others are a feature to come
    bool operator==(const PackTrailer&) const = default;
};
inline constexpr std::size_t pack_trailer_size = 40; ///< one copy, with magic and a check sum
Bytes encode_pack_trailers(const PackTrailer& trailer);            ///< both copies
std::optional<PackTrailer> decode_pack_trailers(ByteSpan last_bytes, std::uint64_t object_size); ///< the first copy that is good and fits the object

/// The directory's place in the object: key record, nonce, sealed bytes.
struct SealedDirectory {
    KeyRecord key_record;
    Nonce nonce{};
    Bytes sealed;
};
Bytes encode_sealed_directory(const SealedDirectory& directory);
SealedDirectory decode_sealed_directory(ByteSpan bytes);

/// What is authenticated beside a frame or a directory: format, repository, class, key record, nonce; a directory's begins differently, so neither passes for the other.
Bytes frame_associated_data(const RepositoryId& repository, KeyClass key_class, const KeyRecord& record, const Nonce& nonce);
Bytes directory_associated_data(const RepositoryId& repository, const KeyRecord& record, const Nonce& nonce);

/// What a frame's nonce is computed from: class ‖ frame number ‖ the blobs' ids and kinds and lengths ‖ encoding.
Bytes frame_identity(KeyClass key_class, std::uint64_t frame_number, const Frame& frame);

} // namespace backstay::core
