#pragma once

#include "codec/cipher.hpp"
#include "codec/key_pair.hpp"
#include "format/key_record.hpp"

#include <string>
#include <vector>

namespace backstay::core {

/// What an envelope holds; part of what is signed, so that one kind never passes for another. The numbers are the format's.
enum class ObjectType : std::uint8_t {
    config = 1,
    keyring = 2,
    slot = 3,
    segment = 4,
    session = 5,
    snapshot = 6,
    tombstone = 7,
    note = 8,
    condemnation = 9, ///< gc/<n>
};

/// Every object but a pack is one (a segment ends in one). A body of class `open` stands as it is; others are sealed. docs/format.md, "Envelopes".
struct Envelope {
    std::vector<std::string> features; ///< needed to read it: who does not know one refuses by its name
    ObjectType type{};
    KeyClass key_class = KeyClass::open;
    KeyRecord key_record;
    Nonce nonce{};
    Bytes body;
    SlotId signer{};       ///< all zero: not signed
    Signature signature{}; ///< Ed25519 over signed_part()

    /// Everything before the signature.
    Bytes signed_part() const;
};

inline constexpr std::size_t max_envelope_size = 64 * MiB;

Bytes encode_envelope(const Envelope& envelope);
/// Throws Error{damaged}; Error{unsupported} naming a feature this program does not know.
Envelope decode_envelope(ByteSpan bytes);

/// What is authenticated beside a sealed body: format, repository, type, class, key record, nonce.
Bytes envelope_associated_data(const RepositoryId& repository, const Envelope& envelope);

/// Features this program knows.
bool feature_is_known(std::string_view feature);

} // namespace backstay::core
