#include "format/key_record.hpp"

#include "format/encoding.hpp"

namespace backstay::core
{

namespace
{

constexpr std::size_t salt_size = 32;
constexpr std::size_t wrapped_size = 32 + 32 + 16; ///< ephemeral public key, key, tag

std::size_t value_size(KeyRecord::Kind kind)
{
    switch (kind) {
    case KeyRecord::Kind::none:
        return 0;
    case KeyRecord::Kind::salt:
        return salt_size;
    case KeyRecord::Kind::wrapped:
        return wrapped_size;
    }
    return 0;
}

} // namespace

const char* key_class_name(KeyClass key_class)
{
    switch (key_class) {
    case KeyClass::open:
        return "open";
    case KeyClass::index:
        return "index";
    case KeyClass::meta:
        return "meta";
    case KeyClass::data:
        return "data";
    }
    return "unknown";
}

void encode_key_record(Encoder& to, const KeyRecord& record)
{
    to.u8(static_cast<std::uint8_t>(record.kind));
    if (record.kind != KeyRecord::Kind::none) {
        to.varint(record.epoch);
        to.raw(record.value);
    }
}

KeyRecord decode_key_record(Decoder& from)
{
    KeyRecord record;
    const std::uint8_t kind = from.u8();
    if (kind > static_cast<std::uint8_t>(KeyRecord::Kind::wrapped)) {
        from.fail("its key record is of an unknown kind");
    }
    record.kind = static_cast<KeyRecord::Kind>(kind);
    if (record.kind != KeyRecord::Kind::none) {
        record.epoch = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
        const ByteSpan value = from.raw(value_size(record.kind));
        record.value.assign(value.begin(), value.end());
    }
    return record;
}

} // namespace backstay::core
