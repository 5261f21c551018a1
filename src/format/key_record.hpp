#pragma once

#include "base/bytes.hpp"

#include <array>
#include <cstdint>

namespace backstay::core {

/// What a sealed thing belongs to, and so which key opens it. The numbers are the format's.
enum class KeyClass : std::uint8_t {
    open = 0,  ///< not sealed: config, keyring, slots, gc, sessions, tombstones
    index = 1, ///< pack directories, index segments
    meta = 2,  ///< trees, content lists, notes, snapshots
    data = 3,  ///< contents
};
const char* key_class_name(KeyClass key_class);

/// How the session key of a sealed thing is found from the class key of an epoch. Stands in the clear beside what it sealed.
struct KeyRecord {
    enum class Kind : std::uint8_t {
        none = 0,    ///< KeyClass::open
        salt = 1,    ///< HKDF of the class secret and this salt
        wrapped = 2, ///< a random key wrapped to the class's public half, by a writer who has no more
    };
    Kind kind = Kind::none;
    std::uint32_t epoch = 0;
    Bytes value; ///< 32 bytes of salt; 32 + 32 + 16 bytes of a wrapped key
    auto operator<=>(const KeyRecord&) const = default;
};

class Encoder;
class Decoder;
void encode_key_record(Encoder& to, const KeyRecord& record);
KeyRecord decode_key_record(Decoder& from);

} // namespace backstay::core
